use std::sync::Mutex as StdMutex;

use super::*;
use crate::certificate::testing::Authority;
use crate::watch::Watch;
use crate::watch::config::Config;
use crate::watch::testing::{Played, Script, leaf, names, report, with};

fn config(list: &str, interval: Duration) -> Config {
    let mut config = Config::from_list(list).unwrap();
    config.entries.iter_mut().for_each(|entry| entry.interval = interval);
    config
}

fn healthy() -> Script {
    let authority = Authority::root("R1");
    let leaf = leaf(&authority, 0, 90);
    Script::new(move |_, _| report(leaf.not_before(), &[Some(&leaf)]))
}

async fn watch_for(watch: &Watch, time: Duration) {
    watch.run(sleep(time)).await;
}

#[tokio::test(start_paused = true)]
async fn each_endpoint_is_looked_at_once_an_interval_give_or_take_a_tenth() {
    let script = healthy();
    let hour = Duration::from_secs(3600);
    let watch = script.watch(config("a\nb\nc", hour));
    watch_for(&watch, hour * 100).await;
    let log = script.log();
    let mut pauses = Vec::new();
    for index in 0..3 {
        let starts: Vec<_> = log.iter().filter(|it| it.index == index).map(|it| it.from).collect();
        assert!((90..=112).contains(&starts.len()), "{}", starts.len());
        pauses.extend(starts.windows(2).map(|pair| pair[1] - pair[0]));
    }
    let least = hour.mul_f64(0.9);
    let most = hour.mul_f64(1.1) + Duration::from_millis(1);
    assert!(pauses.iter().all(|pause| (least..=most).contains(pause)), "{pauses:?}");
    pauses.sort_unstable();
    pauses.dedup();
    assert!(pauses.len() > 200, "no jitter");
}

#[tokio::test(start_paused = true)]
async fn no_host_is_probed_twice_at_once_or_without_a_gap() {
    let script = healthy().taking(Duration::from_millis(700));
    let mut config = config("a:25\na:465\nA:587\nb:25", Duration::from_secs(2));
    config.min_gap = Duration::from_millis(300);
    let watch = script.watch(config);
    watch_for(&watch, Duration::from_secs(600)).await;
    let log: Vec<_> = script.log().into_iter().filter(|it| it.host == "a").collect();
    assert!(log.len() > 500, "{}", log.len());
    for pair in log.windows(2) {
        assert!(pair[1].from >= pair[0].to.unwrap() + Duration::from_millis(300), "{pair:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_probes_run_than_may_and_a_busy_host_keeps_no_place_from_others() {
    let list: String =
        (0..20).map(|n| format!("same:{}\nhost{n}\n", 1000 + n)).collect::<Vec<_>>().concat();
    let script = healthy().taking(Duration::from_secs(1));
    let mut config = config(&list, Duration::from_secs(3600));
    config.parallel = 4;
    config.min_gap = Duration::ZERO;
    let watch = script.watch(config);
    assert_eq!(watch.round().await, Status::Healthy);
    let log = script.log();
    assert_eq!(log.len(), 40);
    let start = log[0].from;
    for instant in 0..20 {
        let moment = start + Duration::from_millis(500 + 1000 * instant);
        let running = |it: &&Played| it.from <= moment && it.to.is_some_and(|to| moment < to);
        assert!(log.iter().filter(running).count() <= 4);
    }
    let others = log.iter().filter(|it| it.host != "same").filter_map(|it| it.to).max().unwrap();
    assert!(others - start <= Duration::from_secs(8), "{:?}", others - start);
}

#[tokio::test(start_paused = true)]
async fn events_reach_every_reader_and_a_new_start_tells_none_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watch.json");
    let authority = Authority::root("R1");
    let (old, new) = (leaf(&authority, -60, 30), leaf(&authority, 0, 90));
    let last = new.clone();
    let script = Script::new(move |_, nth| {
        report(new.not_before(), &[Some(if nth < 3 { &old } else { &new })])
    });
    let mut config = config("mail.example.org", Duration::from_secs(60));
    config.state = Some(path.clone());
    let watch = script.watch(config.clone());
    let (mut one, mut other) = (watch.events(), watch.events());
    watch_for(&watch, Duration::from_secs(600)).await;
    drop(watch);
    for events in [&mut one, &mut other] {
        let mut seen = Vec::new();
        while let Some(event) = events.next().await {
            seen.push(event);
        }
        assert_eq!(names(&seen), ["first_seen", "rotated"]);
    }
    // As after a restart: the same certificate is nothing new.
    let again = Script::new(move |_, _| report(last.not_before(), &[Some(&last)]));
    let watch = again.watch(config);
    assert_eq!(names(watch.state().events.make_contiguous()), ["first_seen", "rotated"]);
    let mut events = watch.events();
    watch_for(&watch, Duration::from_secs(600)).await;
    drop(watch);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_damaged_state_is_told_and_does_not_stop_the_watch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watch.json");
    std::fs::write(&path, "{\"schema\":").unwrap();
    let mut config = config("mail.example.org", Duration::from_secs(60));
    config.state = Some(path.clone());
    let told = Arc::new(StdMutex::new(Vec::new()));
    let to = Arc::clone(&told);
    let builder = Watch::builder(config);
    let builder = builder.on_trouble(move |text| to.lock().unwrap().push(text.to_owned()));
    let watch = healthy().build(builder);
    assert_eq!(watch.round().await, Status::Healthy);
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("set aside") && told[0].contains("watch.json.damaged"), "{told:?}");
    assert!(std::fs::read_to_string(&path).unwrap().contains("everpost.watch/1"));
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_saved_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config("mail.example.org", Duration::from_secs(60));
    config.state = Some(folder.path().join("gone").join("watch.json"));
    let told = Arc::new(StdMutex::new(Vec::new()));
    let to = Arc::clone(&told);
    let builder = Watch::builder(config);
    let builder = builder.on_trouble(move |text| to.lock().unwrap().push(text.to_owned()));
    let watch = healthy().build(builder);
    watch_for(&watch, Duration::from_secs(600)).await;
    let told = told.lock().unwrap();
    // While it runs, and at its end.
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("cannot be saved"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_round_ends_with_the_worst_status() {
    let authority = Authority::root("R1");
    let leaf = leaf(&authority, 0, 90);
    let script = Script::new(move |index, _| {
        let report = report(leaf.not_before(), &[Some(&leaf)]);
        match index {
            1 => with(report, FindingId::Expired, Severity::Critical),
            _ => report,
        }
    });
    let watch = script.watch(config("a\nb\nc", Duration::from_secs(60)));
    assert_eq!(watch.round().await, Status::Unhealthy);
    let state = watch.state();
    assert_eq!((state.count(Status::Healthy), state.count(Status::Unhealthy)), (2, 1));
}

/// The events of an hour in which the third look finds this, and the fourth
/// too if it lasts; and how long after the third the fourth was.
async fn hour_with(id: FindingId, lasts: bool, recheck: Duration) -> (Vec<String>, Duration) {
    let authority = Authority::root("R1");
    let leaf = leaf(&authority, 0, 90);
    let script = Script::new(move |_, nth| {
        let report = report(leaf.not_before(), &[Some(&leaf)]);
        match nth {
            2 => with(report, id, Severity::Critical),
            3 if lasts => with(report, id, Severity::Critical),
            _ => report,
        }
    });
    let mut config = config("mail.example.org", Duration::from_secs(600));
    config.recheck = recheck;
    let watch = script.watch(config);
    let mut events = watch.events();
    watch_for(&watch, Duration::from_secs(3600)).await;
    drop(watch);
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(event.kind.as_str().to_owned());
    }
    let log = script.log();
    (seen, log[3].from - log[2].to.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_new_outage_is_looked_at_once_more_before_it_is_told() {
    let half = Duration::from_secs(30);
    let (hiccup, pause) = hour_with(FindingId::Silent, false, half).await;
    assert_eq!(hiccup, ["first_seen"]);
    assert!((half..half + Duration::from_secs(1)).contains(&pause), "{pause:?}");
    let (lasting, _) = hour_with(FindingId::Silent, true, half).await;
    assert_eq!(lasting, ["first_seen", "unhealthy", "recovered"]);
    let (at_once, _) = hour_with(FindingId::Silent, false, Duration::ZERO).await;
    assert_eq!(at_once, ["first_seen", "unhealthy", "recovered"]);
    // What a certificate says is no hiccup.
    let (expired, _) = hour_with(FindingId::Expired, false, half).await;
    assert_eq!(expired, ["first_seen", "unhealthy", "recovered"]);
}
