use proptest::prelude::*;

use super::*;
use crate::probe::ProbeMode;

const EXAMPLE: &str = r#"
listen = "127.0.0.1:9118"
state = "watch.json"
parallel = 8
min_gap = "2s"
deadline = "10s"
recheck = "0s"

[defaults]
interval = "15m"
warn = "20d,25%"
trust = ["system", "ca.pem"]
tags = ["mail"]

[hook]
command = ["/usr/local/bin/alert", "--page"]
timeout = "5s"

[webhook]
url = "https://hooks.example.org/T0/secret"
retries = 1

[[endpoint]]
target = "mail.example.org:465"
name = "Submission"
tags = ["prod"]
interval = "5m"

[[endpoint]]
target = "example.org"
mx = true
crit = "2d"
trust = "mozilla"
all_addresses = false
"#;

fn message(text: &str) -> String {
    Config::from_toml(text).unwrap_err().to_string()
}

#[test]
fn a_toml_file_sets_everything_and_its_defaults_hold_where_an_endpoint_is_silent() {
    let config = Config::from_toml(EXAMPLE).unwrap();
    assert_eq!(config.listen, Some("127.0.0.1:9118".parse().unwrap()));
    assert_eq!(config.state, Some("watch.json".into()));
    assert_eq!(config.parallel, 8);
    assert_eq!(config.min_gap, Duration::from_secs(2));
    assert_eq!(config.deadline, Duration::from_secs(10));
    assert_eq!(config.recheck, Duration::ZERO);
    let hook = config.hook.unwrap();
    assert_eq!(hook.command, ["/usr/local/bin/alert", "--page"]);
    assert_eq!(hook.timeout, Duration::from_secs(5));
    let webhook = config.webhook.unwrap();
    assert_eq!((webhook.retries, webhook.timeout), (1, Duration::from_secs(10)));
    let [first, second] = &config.entries[..] else { panic!("two endpoints") };
    assert_eq!((&*first.name, first.target.port), ("Submission", 465));
    assert_eq!(first.tags, ["mail", "prod"]);
    assert_eq!(first.interval, Duration::from_secs(300));
    assert_eq!(first.thresholds.warning.to_string(), "20d,25%");
    assert_eq!(first.trust, [TrustRoots::System, TrustRoots::File("ca.pem".into())]);
    assert!(first.all_addresses);
    assert_eq!((&*second.name, second.target.mx), ("MX of example.org", true));
    assert_eq!((second.target.port, second.target.mode), (25, ProbeMode::StartTls));
    assert_eq!(second.interval, Duration::from_secs(900));
    assert_eq!(second.thresholds.critical.to_string(), "2d");
    assert_eq!(second.trust, [TrustRoots::Mozilla]);
    assert!(!second.all_addresses);
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_line() {
    let cases = [
        ("\n[[endpoint]]\ntarget = \"mail:0\"\n", "line 3: not a target"),
        ("[[endpoint]]\ntarget = \"mail\"\ninterval = \"soon\"\n", "line 3: not a duration"),
        ("[[endpoint]]\ntarget = \"mail\"\nwarn = \"30x\"\n", "line 3: not a threshold"),
        ("[[endpoint]]\ntarget = \"mail\"\ncolour = \"red\"\n", "line 3: unknown field `colour`"),
        ("[[endpoint]]\ntarget = \"a\"\n[[endpoint]]\ntarget = \"a\"\n", "line 3: a:465 is there"),
        ("listen = \"here\"\n[[endpoint]]\ntarget = \"a\"\n", "line 1: not an address"),
        ("[[endpoint]]\ntarget = \"a:25\"\nmx = true\n", "line 2: with mx = true"),
        ("[webhook]\nurl = \"ftp://x/s3cret\"\n", "line 2: the webhook: expected an https"),
        ("[[endpoint]\n", "line 1: "),
        ("[defaults]\ninterval = \"1h\"\n", "there is nothing to watch"),
        ("parallel = 0\n[[endpoint]]\ntarget = \"a\"\n", "parallel is at least 1"),
        ("[hook]\ncommand = []\n[[endpoint]]\ntarget = \"a\"\n", "the hook names no program"),
        ("[[endpoint]]\ntarget = \"a\"\ninterval = \"99ms\"\n", "shorter than 100ms"),
    ];
    for (text, expected) in cases {
        let message = message(text);
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("s3cret") && !message.contains('\n'), "{message}");
    }
}

#[test]
fn a_list_is_one_target_a_line_with_comments() {
    let text = "\u{feff}# ours\nmail.example.org # main\r\n\n smtp://mx.example.org:25 \n";
    let config = Config::from_list(text).unwrap();
    let names: Vec<_> = config.entries.iter().map(|entry| &*entry.name).collect();
    assert_eq!(names, ["mail.example.org:465", "mx.example.org:25"]);
    let error = Config::from_list("# a\nb c\n").unwrap_err();
    assert_eq!(error.line(), Some(2));
    assert_eq!(Config::from_list("a\na:465").unwrap_err().line(), Some(2));
    assert!(Config::from_list("# nothing").is_err());
}

#[test]
fn paths_in_a_file_start_from_its_folder_and_errors_name_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watch.toml");
    std::fs::write(&path, EXAMPLE).unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.state, Some(folder.path().join("watch.json")));
    assert_eq!(config.entries[0].trust[1], TrustRoots::File(folder.path().join("ca.pem")));
    let list = folder.path().join("hosts");
    std::fs::write(&list, "a\n:::\n").unwrap();
    let message = Config::load(&list).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}:2: not a target", list.display())), "{message}");
    let message = Config::load(&folder.path().join("none")).unwrap_err().to_string();
    assert!(message.contains("none: cannot be read"), "{message}");
}

#[test]
fn the_secret_of_a_webhook_is_not_shown() {
    let webhook = Webhook::new("https://u:hunter2@hooks.example.org/T0/hunter2?t=hunter2").unwrap();
    let shown = format!("{webhook:?}");
    assert!(shown.contains("hooks.example.org") && !shown.contains("hunter2"), "{shown}");
}

proptest! {
    #[test]
    fn any_text_is_a_configuration_or_refused_without_a_panic(text: String) {
        let _ = Config::from_toml(&text);
        let _ = Config::from_list(&text);
    }
}

#[test]
fn the_configuration_of_the_guide_is_read_and_shows_the_defaults() {
    let guide = include_str!("../../../../docs/watch.md");
    let (_, rest) = guide.split_once("```toml\n").unwrap();
    let config = Config::from_toml(rest.split_once("```").unwrap().0).unwrap();
    let default = Config::default();
    assert_eq!(config.parallel, default.parallel);
    assert_eq!(config.min_gap, default.min_gap);
    assert_eq!(config.deadline, default.deadline);
    assert_eq!(config.recheck, default.recheck);
    assert_eq!(config.hook.unwrap().timeout, Hook::new(["x"]).timeout);
    let webhook = config.webhook.unwrap();
    let other = Webhook::new("https://h/").unwrap();
    assert_eq!((webhook.timeout, webhook.retries), (other.timeout, other.retries));
    let (shown, entry) = (&config.entries[1], Entry::new(config.entries[1].target.clone()));
    assert_eq!(shown.interval, entry.interval);
    assert_eq!(shown.thresholds, entry.thresholds);
    assert_eq!(shown.all_addresses, entry.all_addresses);
    assert!(shown.target.mx);
}
