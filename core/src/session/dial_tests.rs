//! Dialling over a network that is told how each address behaves.

use std::collections::HashMap;
use std::sync::Mutex;

use super::*;
use crate::network::BoxFuture;

#[derive(Clone, Copy, Debug)]
enum Behaviour {
    Accepts,
    AcceptsAfter(Duration),
    Refuses,
    Swallows,
}
use Behaviour::{Accepts, AcceptsAfter, Refuses, Swallows};

/// Records when each address was tried, in milliseconds from the start.
#[derive(Debug)]
struct Fake {
    addresses: Vec<SocketAddr>,
    behaviours: HashMap<SocketAddr, Behaviour>,
    started: Instant,
    log: Mutex<Vec<(SocketAddr, u128)>>,
    resolver: Behaviour,
}

impl Fake {
    fn new(addresses: &[(&str, Behaviour)]) -> Self {
        let parsed = addresses.iter().map(|(address, behaviour)| {
            let address = address.parse().unwrap();
            (SocketAddr::new(address, 465), *behaviour)
        });
        Fake {
            addresses: parsed.clone().map(|(address, _)| address).collect(),
            behaviours: parsed.collect(),
            started: Instant::now(),
            log: Mutex::default(),
            resolver: Accepts,
        }
    }

    async fn dial(&self, bind: Option<&str>) -> Result<String, Error> {
        let bind = bind.map(|bind| bind.parse().unwrap());
        let dialled = dial(self, "mail.example.org", 465, bind, Duration::from_secs(30)).await;
        dialled.map(|(_, address)| address.ip().to_string())
    }

    fn log(&self) -> Vec<(String, u128)> {
        self.log.lock().unwrap().iter().map(|(ip, at)| (ip.ip().to_string(), *at)).collect()
    }
}

impl Network for Fake {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            match self.resolver {
                Refuses => Err(io::Error::other("no such host")),
                Swallows => std::future::pending().await,
                AcceptsAfter(delay) => {
                    tokio::time::sleep(delay).await;
                    Ok(self.addresses.clone())
                }
                Accepts => Ok(self.addresses.clone()),
            }
        })
    }

    fn connect<'a>(
        &'a self,
        address: SocketAddr,
        _: Option<IpAddr>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        self.log.lock().unwrap().push((address, self.started.elapsed().as_millis()));
        let behaviour = self.behaviours[&address];
        Box::pin(async move {
            match behaviour {
                Refuses => return Err(io::ErrorKind::ConnectionRefused.into()),
                Swallows => std::future::pending().await,
                AcceptsAfter(delay) => tokio::time::sleep(delay).await,
                Accepts => {}
            }
            Ok(Box::new(tokio::io::duplex(1).0) as Box<dyn Stream>)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_address_costs_250_ms_and_not_the_connection() {
    let fake = Fake::new(&[("2001:db8::1", Swallows), ("192.0.2.1", Accepts)]);
    assert_eq!(fake.dial(None).await.unwrap(), "192.0.2.1");
    assert_eq!(fake.log(), [("2001:db8::1".to_owned(), 0), ("192.0.2.1".to_owned(), 250)]);
}

#[tokio::test(start_paused = true)]
async fn a_refusing_address_costs_nothing() {
    let fake = Fake::new(&[("192.0.2.1", Refuses), ("192.0.2.2", Accepts)]);
    assert_eq!(fake.dial(None).await.unwrap(), "192.0.2.2");
    assert_eq!(fake.log()[1].1, 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_address_still_wins_if_the_next_is_slower() {
    let slow = AcceptsAfter(Duration::from_millis(400));
    let slower = AcceptsAfter(Duration::from_millis(200));
    let fake = Fake::new(&[("192.0.2.1", slow), ("192.0.2.2", slower)]);
    assert_eq!(fake.dial(None).await.unwrap(), "192.0.2.1");
}

#[tokio::test(start_paused = true)]
async fn a_quick_answer_leaves_the_other_addresses_alone() {
    let fake = Fake::new(&[("192.0.2.1", Accepts), ("192.0.2.2", Accepts)]);
    fake.dial(None).await.unwrap();
    assert_eq!(fake.log().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_families_take_turns_in_the_resolvers_order() {
    let all =
        ["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "2001:db8::1", "192.0.2.2"];
    let fake = Fake::new(&all.map(|address| (address, Refuses)));
    fake.dial(None).await.unwrap_err();
    let order: Vec<_> = fake.log().into_iter().map(|(address, _)| address).collect();
    let expected = ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"];
    assert_eq!(order, expected);
}

#[tokio::test(start_paused = true)]
async fn when_all_fail_each_address_is_listed_with_its_error() {
    let fake = Fake::new(&[("192.0.2.1", Refuses), ("2001:db8::1", Refuses)]);
    let error = fake.dial(None).await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Connect, Stage::Connect));
    assert!(error.is_retryable());
    for address in ["192.0.2.1: ", "2001:db8::1: "] {
        assert!(error.message_text().contains(address), "{error}");
    }
    assert!(error.hint().unwrap().contains("nothing listens on mail.example.org:465"));
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test(start_paused = true)]
async fn the_list_of_addresses_is_bounded() {
    let all: Vec<_> = (1..=50).map(|last| format!("192.0.2.{last}")).collect();
    let fake =
        Fake::new(&all.iter().map(|address| (address.as_str(), Refuses)).collect::<Vec<_>>());
    let error = fake.dial(None).await.unwrap_err();
    assert!(error.message_text().ends_with("; and 42 more"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn one_deadline_covers_all_addresses() {
    let fake = Fake::new(&[("192.0.2.1", Swallows), ("192.0.2.2", Swallows)]);
    let error = fake.dial(None).await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Timeout, Stage::Connect));
    assert_eq!(fake.started.elapsed().as_secs(), 30);
    assert!(error.message_text().contains("192.0.2.2: no answer"), "{error}");
    assert!(error.hint().unwrap().contains("block outgoing port 465"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_the_resolver_too() {
    let fake = Fake { resolver: Swallows, ..Fake::new(&[]) };
    let error = fake.dial(None).await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Timeout, Stage::Dns));
    assert_eq!(fake.started.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn what_the_resolver_took_is_missing_from_the_time_for_the_addresses() {
    let slow = AcceptsAfter(Duration::from_secs(20));
    let fake = Fake { resolver: slow, ..Fake::new(&[("192.0.2.1", Swallows)]) };
    let error = fake.dial(None).await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Timeout, Stage::Connect));
    assert_eq!(fake.started.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_does_not_resolve_is_a_dns_error() {
    let fake = Fake { resolver: Refuses, ..Fake::new(&[]) };
    let error = fake.dial(None).await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Dns, Stage::Dns));
    assert!(error.message_text().contains("mail.example.org"), "{error}");
    let error = Fake::new(&[]).dial(None).await.unwrap_err();
    assert_eq!((error.kind(), error.stage()), (ErrorKind::Dns, Stage::Dns));
}

#[tokio::test(start_paused = true)]
async fn only_addresses_of_the_bound_family_are_tried() {
    let fake = Fake::new(&[("2001:db8::1", Accepts), ("192.0.2.1", Accepts)]);
    assert_eq!(fake.dial(Some("192.0.2.9")).await.unwrap(), "192.0.2.1");
    let fake = Fake::new(&[("2001:db8::1", Accepts)]);
    let error = fake.dial(Some("192.0.2.9")).await.unwrap_err();
    assert!(error.message_text().contains("no IPv4 address"), "{error}");
    assert!(!error.is_retryable());
}
