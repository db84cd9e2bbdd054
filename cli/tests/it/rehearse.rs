//! `everpost rehearse`.

use crate::support::run;

#[tokio::test]
async fn a_rehearsal_loses_nothing_and_ends_with_json() {
    let run = run(&["rehearse", "--messages", "200", "--rotations", "5", "--json"]).await;
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
    let json = run.json();
    let count = |key: &str| json[key].as_u64().unwrap_or_else(|| panic!("{key}: {json}"));
    assert_eq!(count("messages"), 200);
    assert_eq!(count("delivered") + count("unknown"), 200);
    assert_eq!((count("lost"), count("doubled"), count("failed")), (0, 0, 0));
    assert_eq!((count("rotations"), count("rotations_noticed")), (5, 5));
    assert_eq!(count("unknown"), count("unknown_delivered") + count("unknown_not_delivered"));
    assert!(count("handshakes") >= 6 && count("connections") >= 6);
    assert!(json["p50_ms"].as_f64() <= json["p99_ms"].as_f64());
    assert!(json["p99_ms"].as_f64() <= json["max_ms"].as_f64());
    let rows = run.stderr.lines().filter(|line| line.contains(" → ") && line.contains(" ms"));
    assert_eq!(rows.count(), 5, "{}", run.stderr);
    assert!(!run.stderr.contains('\x1b'), "{}", run.stderr);
}

#[tokio::test]
async fn chosen_faults_take_turns_even_in_a_run_of_a_message_each() {
    let args =
        ["rehearse", "--messages", "4", "--rotations", "4", "--concurrency", "2", "--faults"];
    let run = run(&[&args[..], &["fresh-tickets,kept-tickets"]].concat()).await;
    assert_eq!(run.code, 0, "{}", run.stdout);
    let kinds: Vec<_> = run
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.ends_with("-tickets")))
        .collect();
    assert_eq!(kinds, ["fresh-tickets", "kept-tickets", "fresh-tickets", "kept-tickets"]);
    let verdict = run.stdout.lines().last().unwrap();
    assert!(verdict.starts_with("Each of 4 messages arrived exactly once"), "{verdict}");
}

#[tokio::test]
async fn an_unknown_fault_is_a_usage_error_that_names_the_known_ones() {
    let run = run(&["rehearse", "--faults", "earthquake"]).await;
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("kept-tickets"), "{}", run.stderr);
    assert_eq!(
        crate::support::run(&["rehearse", "--messages", "3", "--rotations", "4"]).await.code,
        2
    );
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_rehearsal_shows_what_was_counted() {
    use std::process::Stdio;
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

    let args = ["rehearse", "--messages", "10000000", "--rotations", "10000", "--json"];
    let mut command = crate::support::everpost(&args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // It is under way, and listens for signals, once a rotation is over.
    while !lines.next_line().await.unwrap().unwrap().contains(" ms") {}
    let drain = tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let id = child.id().unwrap().to_string();
    let kill = std::process::Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(kill.success());
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&json["interrupted"], &json["lost"]), (&true.into(), &0.into()));
    drain.await.unwrap();
}
