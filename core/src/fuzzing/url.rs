//! URLs as configuration.

use std::time::Duration;

use crate::config::Config;
use crate::url::parse;

/// What must never be shown.
const CANARY: &str = "cAnArYcAnArY";

/// The first byte is a place, the rest a URL. Holds:
///
/// - whatever is taken gives settings within their limits;
/// - no error repeats what stands in the URL, wherever the secret is;
/// - what is taken does not show its password.
pub fn url(mut data: &[u8]) {
    let place = super::choice(&mut data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(config) = parse(text) {
        within_limits(&config);
    }

    // The same with something secret in it, somewhere.
    let at = text.char_indices().map(|(at, _)| at).nth(place).unwrap_or(text.len());
    let (before, after) = text.split_at(at);
    if let Err(error) = parse(&format!("{before}{CANARY}{after}")) {
        let shown = format!("{error} {error:?} {:?}", error.hint()).to_lowercase();
        assert!(!shown.contains(&CANARY.to_lowercase()), "{shown}");
    }
    if let Ok(config) = parse(&format!("smtps://user:{CANARY}@host?{text}")) {
        assert!(config.credentials.is_some());
        assert!(!format!("{config:?}").contains(CANARY), "{config:?}");
        within_limits(&config);
    }
}

fn within_limits(config: &Config) {
    let year = Duration::from_secs(366 * 24 * 3600);
    let Config { deadlines, pool, .. } = config;
    let times = [
        deadlines.connect,
        deadlines.handshake,
        deadlines.greeting,
        deadlines.command,
        deadlines.data_block,
        deadlines.end_of_data,
        deadlines.checkout,
        pool.max_idle,
        pool.max_age,
    ];
    assert!(times.iter().all(|time| !time.is_zero() && *time <= year), "{config:?}");
    assert!(deadlines.send.is_none_or(|time| !time.is_zero() && time <= year));
    assert!(pool.max_connections > 0 && config.retry.max_attempts > 0);
    assert!(config.max_message_size > 0 && config.max_attachment_size > 0);
    assert!(config.endpoint.port > 0 && !config.endpoint.host.is_empty());
    assert!(!config.endpoint.host.chars().any(|c| c.is_control() || c == ' '));
    let ehlo = config.ehlo_name.as_deref().unwrap_or("name");
    assert!(ehlo.bytes().all(|byte| byte.is_ascii_graphic()) && ehlo.len() <= 255);
}
