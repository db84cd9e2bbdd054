//! Moments and lengths of time, as people write and read them.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

/// A length of time such as `30s`, `500ms`, `2m`, `36h`, `14d` or `2w`;
/// seconds without a unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    everpost::probe::parse_duration(text).map_err(|error| error.to_string())
}

/// How much later, with or without a plus.
pub(crate) fn later(text: &str) -> Result<Duration, String> {
    duration(text.strip_prefix('+').unwrap_or(text))
}

/// `2026-11-20 09:12 UTC`.
pub(crate) fn utc(moment: SystemTime) -> String {
    let seconds = match moment.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    };
    match OffsetDateTime::from_unix_timestamp(seconds) {
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

/// `21 hours`, `3 days`: two of a unit at least, so that "1 day" never stands
/// for 47 hours.
pub(crate) fn span(length: Duration) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let seconds = length.as_secs();
    let (count, unit) = UNITS
        .iter()
        .find(|(size, _)| seconds >= 2 * size)
        .map_or((seconds, "second"), |(size, unit)| (seconds / size, *unit));
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// `1.9 ms`, `230 ms`, `12.3 s`.
pub(crate) fn short(length: Duration) -> String {
    match length.as_secs_f64() * 1e3 {
        ms if ms < 9.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_unit_and_nothing_else_is() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("2m"), duration("120s"));
        assert_eq!(later("+14d"), Ok(Duration::from_secs(14 * 86_400)));
        assert_eq!(later("2w"), later("+14d"));
        for text in ["", "d", "-1d", "+30s", "1.5h", "30 s", "99999999999s", "5y"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_of_time_are_short() {
        let shown = [1, 1_940, 42_000, 999_600, 12_345_678].map(Duration::from_micros).map(short);
        assert_eq!(shown, ["0.0 ms", "1.9 ms", "42 ms", "1.0 s", "12.3 s"]);
        assert_eq!(span(Duration::from_secs(47 * 3600)), "47 hours");
        assert_eq!(span(Duration::from_secs(48 * 3600)), "2 days");
        assert_eq!(span(Duration::from_secs(1)), "1 second");
        assert_eq!(utc(SystemTime::UNIX_EPOCH + duration("1w").unwrap()), "1970-01-08 00:00 UTC");
    }
}
