//! Moments as people read them: UTC to the minute, and how long ago.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The moment `seconds` after (or before) the Unix epoch. Dates that the
/// platform cannot hold become the epoch itself.
pub(crate) fn from_unix(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let moment = if seconds >= 0 {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    };
    moment.unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(crate) fn to_unix(moment: SystemTime) -> i64 {
    let signed = |distance: Duration| i64::try_from(distance.as_secs()).unwrap_or(i64::MAX);
    match moment.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => signed(after),
        Err(before) => -signed(before.duration()),
    }
}

/// `2026-11-20 09:12 UTC`.
pub(crate) fn utc(moment: SystemTime) -> String {
    match OffsetDateTime::from_unix_timestamp(to_unix(moment)) {
        Ok(at) => format!(
            "{:04}-{:02}-{:02} {:02}:{:02} UTC",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute()
        ),
        Err(_) => "a date out of range".to_owned(),
    }
}

/// `2026-11-20T09:12:00Z`, for programs; `None` for a date out of its range.
pub(crate) fn rfc3339(moment: SystemTime) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(to_unix(moment)).ok()?.format(&Rfc3339).ok()
}

/// The same as evidence.
pub(super) fn stamp(moment: SystemTime) -> String {
    rfc3339(moment).unwrap_or_else(|| "out of range".to_owned())
}

/// `21 hours ago`, `in 3 days`.
pub(crate) fn relative(moment: SystemTime, now: SystemTime) -> String {
    match now.duration_since(moment) {
        Ok(past) => format!("{} ago", span(past)),
        Err(future) => format!("in {}", span(future.duration())),
    }
}

/// `3 days`.
pub(crate) fn span(distance: Duration) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let seconds = distance.as_secs();
    // Two of a unit at least, so that "1 day" never stands for 47 hours.
    let (count, unit) = UNITS
        .iter()
        .find(|(size, _)| seconds >= 2 * size)
        .map_or((seconds, "second"), |(size, unit)| (seconds / size, *unit));
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
