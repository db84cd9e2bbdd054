//! Durations as people write them: `100ms`, `30s`, `15m`, `1h`, `7d`.

use std::time::Duration;

/// Text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a duration: expected a number and a unit, such as 100ms, 30s, 15m, 1h or 7d")]
pub struct ParseDurationError(());

/// Reads `100ms`, `30s`, `15m`, `1h` or `7d`.
///
/// # Errors
/// When it is anything else, or longer than ten years.
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(ParseDurationError(())),
    };
    let number: u64 = number.parse().map_err(|_| ParseDurationError(()))?;
    let millis = number.checked_mul(millis).ok_or(ParseDurationError(()))?;
    Some(Duration::from_millis(millis)).filter(|it| *it <= LONGEST).ok_or(ParseDurationError(()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        let millis = |text| parse_duration(text).map(|it| it.as_millis()).ok();
        assert_eq!(millis("100ms"), Some(100));
        assert_eq!(millis("30s"), Some(30_000));
        assert_eq!(millis(" 15m "), Some(900_000));
        assert_eq!(millis("1h"), Some(3_600_000));
        assert_eq!(millis("7d"), Some(604_800_000));
        for text in ["", "h", "1", "-1s", "1.5h", "1 h", "1w", "99999999999999999999s", "5000d"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String, number: u64) {
            let _ = parse_duration(&text);
            let _ = parse_duration(&format!("{number}d"));
        }
    }
}
