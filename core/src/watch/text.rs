//! How the types of this module are written in JSON: words for enums, RFC 3339
//! in UTC for moments.

/// Moments, to the second.
pub(super) mod moment {
    use std::time::SystemTime;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _, ser::Error as _};
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    use crate::certificate::when;

    /// `2026-11-21T09:12:05Z`; `None` for a date that has no such form.
    pub(in crate::watch) fn rfc3339(moment: SystemTime) -> Option<String> {
        let moment = OffsetDateTime::from_unix_timestamp(when::to_unix(moment)).ok()?;
        moment.format(&Rfc3339).ok()
    }

    pub(in crate::watch) fn serialize<S: Serializer>(
        moment: &SystemTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = rfc3339(*moment).ok_or_else(|| S::Error::custom("a date out of range"))?;
        serializer.serialize_str(&text)
    }

    pub(in crate::watch) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment = OffsetDateTime::parse(&text, &Rfc3339).map_err(D::Error::custom)?;
        Ok(when::from_unix(moment.unix_timestamp()))
    }

    /// The same where there may be none.
    pub(in crate::watch) mod option {
        use super::*;

        pub(in crate::watch) fn serialize<S: Serializer>(
            moment: &Option<SystemTime>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match moment {
                Some(moment) => super::serialize(moment, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in crate::watch) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<SystemTime>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| super::deserialize(serde::de::value::StringDeserializer::new(text)))
                .transpose()
        }
    }
}

/// Enums that have a stable name.
macro_rules! words {
    ($module:ident, $type:ty, [$($value:expr),+ $(,)?]) => {
        pub(super) mod $module {
            use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

            pub(in crate::watch) fn serialize<S: Serializer>(
                value: &$type,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(value.as_str())
            }

            pub(in crate::watch) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<$type, D::Error> {
                let text = String::deserialize(deserializer)?;
                let all = [$($value),+];
                all.into_iter()
                    .find(|value| value.as_str() == text)
                    .ok_or_else(|| D::Error::custom("an unknown word"))
            }

        }
    };
}

words!(
    severity,
    crate::Severity,
    [crate::Severity::Info, crate::Severity::Warning, crate::Severity::Critical,]
);

words!(
    status,
    crate::Status,
    [crate::Status::Healthy, crate::Status::Degraded, crate::Status::Unhealthy,]
);
