use super::*;
use crate::certificate::Certificate;
use crate::certificate::testing::Authority;
use crate::watch::config::Config;
use crate::watch::state::State;
use crate::watch::testing::{day, large_leaf, leaf, names, report, with};

/// One endpoint; every look passes through the state file's format, as if the
/// watch had been started anew.
struct Desk {
    entry: Entry,
    state: EndpointState,
    day: i64,
}

impl Desk {
    fn new() -> Self {
        let mut config = Config::from_list("mail.example.org").unwrap();
        let entry = config.entries.remove(0);
        Desk { state: EndpointState::new(&entry), entry, day: 0 }
    }

    fn take(&mut self, report: &ProbeReport) -> Vec<Event> {
        let events = observe(&mut self.state, &self.entry, report);
        let json = serde_json::to_string(&self.state).unwrap();
        let read: EndpointState = serde_json::from_str(&json).unwrap();
        assert_eq!(read, self.state);
        self.state = read;
        events
    }

    /// The next day's look at these leaves.
    fn sees(&mut self, leaves: &[&Certificate]) -> Vec<Event> {
        self.day += 1;
        let leaves: Vec<_> = leaves.iter().copied().map(Some).collect();
        self.take(&report(day(self.day), &leaves))
    }

    fn finds(&mut self, leaf: &Certificate, id: FindingId, severity: Severity) -> Vec<Event> {
        self.day += 1;
        self.take(&with(report(day(self.day), &[Some(leaf)]), id, severity))
    }
}

#[test]
fn what_has_been_told_is_not_told_again() {
    let authority = Authority::root("R1");
    let (old, new) = (leaf(&authority, -60, 30), leaf(&authority, 0, 90));
    let mut desk = Desk::new();
    // What is only worth knowing does not stand before the certificate.
    let events = desk.finds(&old, FindingId::RootSent, Severity::Info);
    assert_eq!(names(&events), ["first_seen"]);
    let message = "healthy at first sight: certificate by R1, valid until 2030-01-31 00:00 UTC";
    assert_eq!(events[0].message, message);
    assert!(desk.sees(&[&old]).is_empty());
    assert_eq!(names(&desk.sees(&[&new])), ["rotated"]);
    assert!(desk.sees(&[&new]).is_empty());
    let servers = &desk.state.servers;
    assert_eq!((servers.len(), servers[0].leaves.len()), (1, 2));
    assert_eq!((desk.state.probes, desk.state.rotations), (4, 1));
    assert_eq!(servers[0].leaves[0].last_seen, day(2));
    assert_eq!(servers[0].leaves[1].first_seen, day(3));
}

#[test]
fn a_rotation_tells_of_both_certificates_of_another_issuer_and_of_another_key() {
    let (r1, r2) = (Authority::root("R1"), Authority::root("R2"));
    let (old, new) = (leaf(&r1, -60, 30), large_leaf(&r2, 0, 90));
    let mut desk = Desk::new();
    desk.sees(&[&old]);
    let events = desk.sees(&[&new]);
    assert_eq!(names(&events), ["rotated", "issuer_changed", "key_type_changed"]);
    let rotated = &events[0];
    assert_eq!(rotated.old.as_ref().unwrap().fingerprint, old.fingerprint().to_string());
    assert_eq!(rotated.new.as_ref().unwrap().fingerprint, new.fingerprint().to_string());
    assert_eq!(
        rotated.message,
        "new certificate by R2, valid until 2030-04-01 00:00 UTC (in 88 days); \
         the one before had 28 days left"
    );
    assert_eq!(events[1].message, "the issuer is now R2; it was R1");
    assert_eq!(events[2].message, "the key is now ECDSA P-384; it was ECDSA P-256");
    assert!(events.iter().all(|event| event.severity == Severity::Info));
}

#[test]
fn a_server_that_goes_back_is_told_once_and_again_only_after_the_next_rotation() {
    let authority = Authority::root("R1");
    let (old, new) = (leaf(&authority, -60, 30), leaf(&authority, 0, 90));
    let mut desk = Desk::new();
    desk.sees(&[&old]);
    desk.sees(&[&new]);
    // A name that leads to two nodes in turn.
    assert_eq!(names(&desk.sees(&[&old])), ["rolled_back"]);
    assert_eq!(desk.state.servers[0].current_leaf().unwrap().not_after, old.not_after());
    assert!(desk.sees(&[&new]).is_empty());
    assert!(desk.sees(&[&old]).is_empty());
    let newer = leaf(&authority, 3, 93);
    assert_eq!(names(&desk.sees(&[&newer])), ["rotated"]);
    assert_eq!(names(&desk.sees(&[&old])), ["rolled_back"]);
    // One that was never seen here, and is older all the same.
    let unseen = leaf(&authority, -2, 80);
    assert_eq!(names(&desk.sees(&[&unseen])), ["rolled_back"]);
}

#[test]
fn a_renewal_within_the_same_second_is_a_rotation_and_the_way_back_is_none() {
    let authority = Authority::root("R1");
    let (old, new) = (leaf(&authority, 0, 90), leaf(&authority, 0, 90));
    let mut desk = Desk::new();
    desk.sees(&[&old]);
    assert_eq!(names(&desk.sees(&[&old, &new])), ["rotated", "addresses_differ"]);
    assert_eq!(names(&desk.sees(&[&old])), ["rolled_back"]);
}

#[test]
fn an_approaching_end_is_told_once_and_once_more_when_it_is_critical() {
    let authority = Authority::root("R1");
    let (old, new) = (leaf(&authority, -60, 30), leaf(&authority, 0, 90));
    let mut desk = Desk::new();
    desk.sees(&[&old]);
    use FindingId::Expiring;
    assert_eq!(names(&desk.finds(&old, Expiring, Severity::Warning)), ["expiring"]);
    assert!(desk.finds(&old, Expiring, Severity::Warning).is_empty());
    let events = desk.finds(&old, Expiring, Severity::Critical);
    assert_eq!(names(&events), ["expiring", "unhealthy"]);
    assert!(events[0].remedy.is_some());
    assert!(desk.finds(&old, Expiring, Severity::Critical).is_empty());
    assert_eq!(names(&desk.sees(&[&new])), ["rotated", "recovered"]);
    assert_eq!(names(&desk.finds(&new, Expiring, Severity::Warning)), ["expiring"]);
}

#[test]
fn addresses_that_differ_are_told_once_until_they_agree() {
    let authority = Authority::root("R1");
    let (old, new) = (leaf(&authority, -60, 30), leaf(&authority, 0, 90));
    let mut desk = Desk::new();
    desk.sees(&[&old, &old]);
    let events = desk.sees(&[&new, &old]);
    assert_eq!(names(&events), ["rotated", "addresses_differ"]);
    assert_eq!(
        events[1].message,
        "1 of 2 addresses serve an older certificate, valid until 2030-01-31 00:00 UTC: \
         192.0.2.2:465"
    );
    assert!(desk.sees(&[&old, &new]).is_empty());
    assert!(desk.sees(&[&new, &new]).is_empty());
    assert_eq!(names(&desk.sees(&[&old, &new])), ["addresses_differ"]);
}

#[test]
fn each_turn_of_the_status_is_told_once_with_how_long_it_lasted() {
    let authority = Authority::root("R1");
    let leaf = leaf(&authority, 0, 90);
    let mut desk = Desk::new();
    let events = desk.finds(&leaf, FindingId::Refused, Severity::Critical);
    assert_eq!(names(&events), ["unhealthy"]);
    assert_eq!(events[0].remedy.as_deref(), Some(FindingId::Refused.remedy()));
    assert!(desk.finds(&leaf, FindingId::Silent, Severity::Critical).is_empty());
    let events = desk.finds(&leaf, FindingId::AuthBeforeTls, Severity::Warning);
    assert_eq!(names(&events), ["recovered"]);
    assert!(events[0].message.starts_with("degraded after 2 days unhealthy: "), "{events:?}");
    let events = desk.sees(&[&leaf]);
    assert_eq!(names(&events), ["recovered"]);
    assert_eq!(events[0].message, "healthy again after 24 hours degraded");
    let events = desk.finds(&leaf, FindingId::AuthBeforeTls, Severity::Warning);
    assert_eq!(names(&events), ["degraded"]);
}

#[test]
fn facts_outlive_a_server_that_cannot_be_reached() {
    let authority = Authority::root("R1");
    let leaf = leaf(&authority, 0, 90);
    let mut desk = Desk::new();
    desk.sees(&[&leaf]);
    let mut unresolved = report(day(2), &[]);
    unresolved.servers.clear();
    unresolved.findings.push(crate::Finding::new(FindingId::DnsFailed, "no such name"));
    assert_eq!(names(&desk.take(&unresolved)), ["unhealthy"]);
    desk.take(&report(day(3), &[None]));
    let server = &desk.state.servers[0];
    assert_eq!(server.current_leaf().unwrap().not_after, leaf.not_after());
    assert_eq!(server.addresses[0].fingerprint, None);
}

#[test]
fn the_history_of_a_server_is_bounded_and_keeps_what_is_served() {
    let authority = Authority::root("R1");
    let mut desk = Desk::new();
    let leaves: Vec<_> = (0..45).map(|from| leaf(&authority, from, from + 90)).collect();
    leaves.iter().for_each(|leaf| drop(desk.sees(&[leaf])));
    let server = &desk.state.servers[0];
    assert_eq!(server.leaves.len(), 40);
    assert_eq!(server.current_leaf().unwrap().not_before, day(44));
}

#[test]
fn a_state_follows_the_configuration_and_forgets_another_target_of_the_same_name() {
    let authority = Authority::root("R1");
    let mut desk = Desk::new();
    desk.sees(&[&leaf(&authority, 0, 90)]);
    let state = State { endpoints: vec![desk.state.clone()], ..State::default() };
    let config = Config::from_list("new.example.org\nmail.example.org").unwrap();
    let followed = state.clone().for_config(&config);
    assert_eq!(followed.endpoints[0].probes, 0);
    assert_eq!(followed.endpoints[1], desk.state);
    let mut config = Config::from_list("mail.example.org:587").unwrap();
    config.entries[0].name = desk.state.name.clone();
    assert_eq!(state.for_config(&config).endpoints[0].probes, 0);
}
