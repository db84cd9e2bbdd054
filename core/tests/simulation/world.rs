//! One seed: a fleet, its clients, and what happens to them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use everpost::TrustRoots;
use everpost_rehearsal::{FaultHandle, Listener, Received, Rehearsal, Rotate};
use futures_util::FutureExt;
use turmoil::net::TcpListener;
use turmoil::{Builder, Sim};

use crate::check::{Findings, check, time};
use crate::client::{self, Habits};
use crate::history::History;
use crate::net::{Ledger, SimClock, SimNetwork};
use crate::plan::{CLIENTS, Change, HOUR, NODES, Plan};

/// The name of the fleet.
pub const HOST: &str = "mail.example.org";
/// How much time passes at once; messages on the network arrive with it.
const TICK: Duration = Duration::from_millis(100);
/// After the hour, everything must have come to its end within this.
const DRAINED: Duration = Duration::from_secs(600);

/// One machine of the fleet. What it holds outlives its process.
#[derive(Clone)]
struct Node {
    /// The same machine under the old root and under the new one.
    roots: [Arc<Rehearsal>; 2],
    current: Arc<AtomicUsize>,
}

impl Node {
    fn new(clock: &SimClock) -> Self {
        let server = || {
            let clock = clock.clone();
            let server = Rehearsal::builder().host(HOST).credentials("user", "secret");
            let server = server.clock(move || everpost::Clock::now(&clock));
            Arc::new(server.build().expect("a server without sockets can be made"))
        };
        Node { roots: [server(), server()], current: Arc::default() }
    }

    fn current(&self) -> &Rehearsal {
        &self.roots[self.current.load(Ordering::Relaxed)]
    }

    fn rotate(&self, rotate: Rotate) {
        // Without a restart there is nothing to wait for.
        let rotated = self.current().rotate(rotate).now_or_never();
        rotated.expect("a rotation in place takes no time").expect("it can be made");
    }

    /// The process of this machine.
    async fn run(self) -> turmoil::Result {
        let implicit = TcpListener::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 465)).await?;
        let starttls = TcpListener::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 587)).await?;
        loop {
            let (accepted, listener) = tokio::select! {
                biased;
                accepted = implicit.accept() => (accepted, Listener::Implicit),
                accepted = starttls.accept() => (accepted, Listener::StartTls),
            };
            // A client that went at once.
            let Ok((stream, _)) = accepted else { continue };
            tokio::spawn(self.current().serve_stream(stream, listener));
        }
    }
}

fn node_name(node: usize) -> String {
    format!("node{node}")
}

fn client_name(client: usize) -> String {
    format!("client{client}")
}

/// Runs the hour of a seed and what comes after it.
pub fn run(seed: u64) -> Findings {
    // The mailer and the servers draw from this thread's generator.
    fastrand::seed(seed);
    let plan = Plan::new(seed);
    let clock = SimClock::default();
    let history = History::default();
    let mut sim = Builder::new()
        .epoch(SimClock::epoch())
        .simulation_duration(HOUR + DRAINED + DRAINED)
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(5))
        .max_message_latency(Duration::from_millis(300))
        .tcp_capacity(4096)
        .rng_seed(seed)
        .build();

    let nodes: Vec<Node> = (0..NODES).map(|_| Node::new(&clock)).collect();
    for (number, node) in nodes.iter().enumerate() {
        let node = node.clone();
        sim.host(node_name(number), move || node.clone().run());
    }
    let addresses: Vec<IpAddr> = (0..NODES).map(|node| sim.lookup(node_name(node))).collect();
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let habits = Habits::draw(number, seed);
        let ledger = Arc::new(Ledger::default());
        let network = SimNetwork::new(addresses.clone(), Arc::clone(&ledger));
        let trusted = nodes.iter().flat_map(|node| {
            let known = if habits.knows_new_root { 2 } else { 1 };
            node.roots[..known].iter().map(|server| server.ca_pem())
        });
        let trust = TrustRoots::Pem(trusted.collect::<String>().into_bytes());
        clients.push(habits.checked(ledger));
        let mailer = habits.mailer(network, clock.clone(), trust);
        sim.client(
            client_name(number),
            client::run(habits, mailer, clock.clone(), history.clone()),
        );
    }

    let mut stuck = drive(&mut sim, &plan, &nodes, &clock, &history);
    let mut copies: HashMap<String, Vec<Received>> = HashMap::new();
    for server in nodes.iter().flat_map(|node| &node.roots) {
        for copy in server.received() {
            let id = copy.message_id.clone().unwrap_or_default();
            copies.entry(id).or_default().push(copy);
        }
    }
    // Whatever still runs ends with the simulation, not in a verdict.
    let mut findings = check(&plan, &clients, &history, &copies);
    findings.violations.append(&mut stuck);
    drop(sim);
    findings
}

/// Applies the plan until all clients have ended; returns what kept them.
fn drive(
    sim: &mut Sim<'_>,
    plan: &Plan,
    nodes: &[Node],
    clock: &SimClock,
    history: &History,
) -> Vec<String> {
    let mut changes = plan.changes.iter().peekable();
    let mut armed = Vec::new();
    let mut whole = false;
    loop {
        clock.set(sim.elapsed());
        while let Some((_, change)) = changes.next_if(|(at, _)| *at <= sim.elapsed()) {
            apply(sim, change, nodes, &mut armed);
        }
        if sim.elapsed() >= HOUR && !whole {
            whole = true;
            nodes.iter().flat_map(|node| &node.roots).for_each(|server| server.clear_faults());
        }
        match sim.step() {
            Ok(true) => return Vec::new(),
            Ok(false) => {}
            Err(error) => return vec![format!("a host failed: {error}")],
        }
        if sim.elapsed() > HOUR + DRAINED {
            return vec![format!(
                "at {} the clients have not come to their end; {} sends are pending",
                time(sim.elapsed()),
                history.pending()
            )];
        }
    }
}

fn apply(sim: &mut Sim<'_>, change: &Change, nodes: &[Node], armed: &mut Vec<FaultHandle>) {
    match change.clone() {
        Change::Renew { node, signer, same_key, fresh_tickets } => {
            nodes[node].rotate(Rotate { signer, same_key, fresh_tickets, ..Rotate::default() });
        }
        Change::RenewFor { node, lifetime } => {
            let not_after = Some(SimClock::epoch() + sim.elapsed() + lifetime);
            nodes[node].rotate(Rotate { not_after, ..Rotate::default() });
        }
        Change::Present { node, chain } => {
            nodes[node].rotate(Rotate { chain, ..Rotate::default() });
        }
        Change::RollBack { node } => {
            nodes[node].current().rollback().expect("it follows a rotation");
        }
        Change::Root { node, new } => {
            nodes[node].current.store(usize::from(new), Ordering::Relaxed);
        }
        Change::Partition { client, node } => {
            sim.partition(client_name(client), node_name(node));
        }
        Change::Mute { client, node } => {
            sim.partition_oneway(node_name(node), client_name(client));
        }
        Change::Hold { client, node } => sim.hold(client_name(client), node_name(node)),
        Change::Heal { client, node } => {
            sim.repair(client_name(client), node_name(node));
            sim.release(client_name(client), node_name(node));
        }
        Change::Crash { node } => sim.crash(node_name(node)),
        Change::Bounce { node } => sim.bounce(node_name(node)),
        Change::Wave { node } => {
            // The connections are told at once, and end in their own time.
            let _ = nodes[node].current().wave_of_421().now_or_never();
        }
        Change::Arm { node, fault } => {
            let handle = nodes[node].current().inject(fault);
            armed.push(handle.expect("each of these has a meaning"));
        }
    }
}
