//! Numbers that nobody else has.

use std::time::{SystemTime, UNIX_EPOCH};

/// A number for a Message-ID. A forked child goes on with its parent's state
/// of the generator, so process and time are mixed in.
pub(crate) fn unique() -> u128 {
    let process = u128::from(std::process::id()) << 64;
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    fastrand::u128(..) ^ process ^ time
}

#[cfg(test)]
mod tests {
    use super::unique;

    #[test]
    fn the_same_state_of_the_generator_gives_another_number() {
        let one = || {
            fastrand::seed(7);
            unique()
        };
        assert_ne!(one(), one());
    }
}
