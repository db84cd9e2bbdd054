use super::*;
use crate::certificate::Certificate;
use crate::certificate::testing::Authority;
use crate::watch::config::Config;
use crate::watch::observe::observe;
use crate::watch::testing::{day, leaf, report, with};
use crate::{FindingId, Severity};

/// A state of these endpoints, each seen with these leaves, a day apart.
fn state(list: &str, looks: &[(&str, &[&Certificate])]) -> State {
    let config = Config::from_list(list).unwrap();
    let mut state = State::default().for_config(&config);
    for (index, entry) in config.entries.iter().enumerate() {
        let looks = looks.iter().filter(|(name, _)| *name == entry.target.host);
        for (days, leaf) in looks.flat_map(|(_, leaves)| leaves.iter()).enumerate() {
            let report = report(day(days as i64), &[Some(leaf)]);
            let events = observe(&mut state.endpoints[index], entry, &report);
            events.iter().for_each(|event| state.remember(event));
        }
    }
    state
}

#[test]
fn the_page_shows_every_endpoint_with_verdict_life_and_history() {
    let authority = Authority::root("R1");
    let (old, new) = (leaf(&authority, -60, 30), leaf(&authority, 0, 90));
    let mut state =
        state("mail.example.org\nnew.example.org", &[("mail.example.org", &[&old, &new])]);
    state.endpoints[0].tags.push("prod".to_owned());
    let html = render(&state, day(45));
    for expected in [
        "<title>1 healthy, 1 waiting · Everpost</title>",
        "<h2>mail.example.org:465</h2>",
        "<span class=\"tag\">prod</span>",
        "<b>45</b> <span>days left</span>",
        "now at 50 percent of its life",
        "<line class=\"now\" x1=\"50.00%\"",
        "<rect class=\"warning\" x=\"75.00%\"",
        "<rect class=\"critical\" x=\"92.22%\"",
        "<h4>1 rotation, the last 44 days ago</h4>",
        "<svg class=\"timeline\"",
        "<dd>R1</dd>",
        "<h2>new.example.org:465</h2>",
        "<span class=\"kind\">rotated</span>",
    ] {
        assert!(html.contains(expected), "{expected} in {html}");
    }
}

#[test]
fn nothing_of_a_certificate_or_a_server_becomes_markup() {
    let evil = "<script>alert(1)</script>\"'&\u{202e}\u{7}";
    let authority = Authority::root(evil);
    let leaf = leaf(&authority, 0, 90);
    let mut state = state("mail.example.org", &[("mail.example.org", &[&leaf, &leaf])]);
    let config = Config::from_list("mail.example.org").unwrap();
    let mut bad = with(report(day(3), &[Some(&leaf)]), FindingId::Refused, Severity::Critical);
    bad.servers[0].findings[0].message = evil.to_owned();
    bad.servers[0].host = evil.to_owned();
    for event in observe(&mut state.endpoints[0], &config.entries[0], &bad) {
        state.remember(&event);
    }
    state.endpoints[0].name = evil.to_owned();
    state.endpoints[0].target = evil.to_owned();
    state.endpoints[0].tags.push(evil.to_owned());
    let html = render(&state, day(3));
    assert!(html.contains("&lt;script&gt;alert(1)"));
    for forbidden in ["<script", "\u{202e}", "\u{7}", "\"'&", "alert(1)</"] {
        assert!(!html.contains(forbidden), "{forbidden:?}");
    }
}

#[test]
fn what_needs_eyes_stands_first_and_says_what_to_do() {
    let authority = Authority::root("R1");
    let leaf = leaf(&authority, 0, 90);
    let mut state = state("a.example.org\nb.example.org", &[("a.example.org", &[&leaf])]);
    let config = Config::from_list("a.example.org\nb.example.org").unwrap();
    let bad = with(report(day(0), &[Some(&leaf)]), FindingId::Expired, Severity::Critical);
    observe(&mut state.endpoints[1], &config.entries[1], &bad);
    let html = render(&state, day(100));
    let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(place("<h2>b.example.org:465</h2>") < place("<h2>a.example.org:465</h2>"));
    assert!(html.contains("1 healthy, 1 unhealthy"));
    assert!(html.contains("renew the certificate (certbot renew)"));
    assert!(html.contains("<b>10</b> <span>days over</span>"));
    assert!(html.contains(">ended</text>"));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let html = render(&state("a.example.org", &[]), day(0));
    for foreign in ["http://", "https://", "src=", "url(", "@import", "<link", "onload", "script"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
}
