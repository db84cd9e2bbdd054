//! When an approaching end is worth a word: [`Threshold`].
//!
//! By days alone a 47-day certificate alarms for most of its life, and a
//! six-day one always; so a threshold is a time, a share of the lifetime, or
//! the earlier alarm of the two.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::facts::Certificate;

const DAY: Duration = Duration::from_secs(86_400);

/// How long before its end a certificate is *near* it.
///
/// Written as `30d`, `36h`, `25%`, or both with a comma (`30d,25%`), which
/// means the shorter of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    time: Option<Duration>,
    percent: Option<u8>,
}

impl Threshold {
    /// The earliest alarm of the two, as the default has it.
    pub const fn new(time: Duration, percent: u8) -> Self {
        Threshold { time: Some(time), percent: Some(percent) }
    }

    /// How long before the end of a certificate of this lifetime it begins.
    pub fn of(&self, lifetime: Duration) -> Duration {
        let share = self.percent.map(|percent| lifetime / 100 * u32::from(percent));
        match (self.time, share) {
            (Some(time), Some(share)) => time.min(share),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => Duration::ZERO,
        }
    }
}

impl Certificate {
    /// The share of its lifetime that is left at this moment: 1 when it
    /// begins, 0 from its end on.
    pub fn lifetime_left(&self, at: SystemTime) -> f64 {
        let lifetime = self.not_after().duration_since(self.not_before()).unwrap_or_default();
        let left = self.not_after().duration_since(at).unwrap_or_default();
        if lifetime.is_zero() { 0.0 } else { left.div_duration_f64(lifetime).min(1.0) }
    }
}

/// Text that is no threshold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a threshold: expected a time (30d, 36h), a share of the lifetime (25%), or both (30d,25%)"
)]
pub struct ParseThresholdError(());

impl FromStr for Threshold {
    type Err = ParseThresholdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut threshold = Threshold { time: None, percent: None };
        for part in text.split(',') {
            let part = part.trim();
            let known = match part.strip_suffix('%') {
                Some(percent) if threshold.percent.is_none() => {
                    threshold.percent = percent.parse().ok().filter(|percent| *percent <= 100);
                    threshold.percent.is_some()
                }
                None if threshold.time.is_none() => {
                    threshold.time = time(part);
                    threshold.time.is_some()
                }
                _ => false,
            };
            if !known {
                return Err(ParseThresholdError(()));
            }
        }
        Ok(threshold)
    }
}

fn time(text: &str) -> Option<Duration> {
    let (number, unit) = match (text.strip_suffix('d'), text.strip_suffix('h')) {
        (Some(days), _) => (days, 86_400),
        (None, Some(hours)) => (hours, 3_600),
        (None, None) => (text, 86_400),
    };
    // A sign would parse, and means nothing here.
    let number: u64 = number.parse::<u32>().ok().filter(|_| !number.starts_with('+'))?.into();
    Some(Duration::from_secs(number * unit))
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(time) = self.time {
            match time.as_secs() {
                seconds if seconds.is_multiple_of(86_400) => write!(f, "{}d", seconds / 86_400)?,
                seconds => write!(f, "{}h", seconds / 3_600)?,
            }
        }
        match self.percent {
            Some(percent) if self.time.is_some() => write!(f, ",{percent}%"),
            Some(percent) => write!(f, "{percent}%"),
            None => Ok(()),
        }
    }
}

/// How near a certificate is to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Nearness {
    Far,
    Near,
    Critical,
}

/// When a certificate is degraded, and when that becomes critical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Thresholds {
    /// Degraded from here on: `30d,25%`.
    pub warning: Threshold,
    /// As bad as expired from here on: `7d,10%`.
    pub critical: Threshold,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            warning: Threshold::new(DAY.saturating_mul(30), 25),
            critical: Threshold::new(DAY.saturating_mul(7), 10),
        }
    }
}

impl Thresholds {
    /// How near a certificate with these dates is to its end.
    pub(crate) fn nearness(
        &self,
        not_before: SystemTime,
        not_after: SystemTime,
        now: SystemTime,
    ) -> Nearness {
        let lifetime = not_after.duration_since(not_before).unwrap_or_default();
        let left = not_after.duration_since(now).unwrap_or_default();
        if left <= self.critical.of(lifetime) {
            Nearness::Critical
        } else if left <= self.warning.of(lifetime) {
            Nearness::Near
        } else {
            Nearness::Far
        }
    }

    /// How near `certificate` is to its end.
    pub(crate) fn judge(&self, certificate: &Certificate, now: SystemTime) -> Nearness {
        self.nearness(certificate.not_before(), certificate.not_after(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lifetime: u32, left: u32) -> Nearness {
        let not_before = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let not_after = not_before + lifetime * DAY;
        Thresholds::default().nearness(not_before, not_after, not_after - left * DAY)
    }

    #[test]
    fn nearness_is_relative_to_the_lifetime() {
        assert_eq!(at(398, 31), Nearness::Far);
        assert_eq!(at(398, 30), Nearness::Near);
        assert_eq!(at(398, 7), Nearness::Critical);
        assert_eq!(at(47, 12), Nearness::Far);
        assert_eq!(at(47, 11), Nearness::Near);
        assert_eq!(at(47, 4), Nearness::Critical);
        assert_eq!(at(6, 2), Nearness::Far);
        assert_eq!(at(6, 1), Nearness::Near);
    }

    #[test]
    fn a_threshold_is_written_as_it_is_read() {
        for text in ["30d", "36h", "25%", "30d,25%", "0d", "0%"] {
            assert_eq!(text.parse::<Threshold>().map(|it| it.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("30".parse::<Threshold>(), "30d".parse());
        for text in ["", "d", "-1d", "+1d", "101%", "30d,30d", "25%,10%", "30x", "30d,", "1.5d"] {
            assert!(text.parse::<Threshold>().is_err(), "{text}");
        }
    }
}
