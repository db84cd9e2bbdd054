//! What happens in an hour: drawn from the seed before it begins, so that a
//! failure can show it.

use std::time::Duration;

use everpost_rehearsal::{At, Chain, Cut, Fault, Signer};
use fastrand::Rng;

/// Faults happen within this time; after it everything is whole again.
pub const HOUR: Duration = Duration::from_secs(3600);
/// How long after a trouble its traces are forgiven: connections on which a
/// segment was lost must first run into their deadlines.
pub const GRACE: Duration = Duration::from_secs(240);

pub const CLIENTS: usize = 3;
pub const NODES: usize = 2;

/// What is done to the world at a moment.
#[derive(Clone, Debug)]
pub enum Change {
    /// A renewal in place.
    Renew { node: usize, signer: Signer, same_key: bool, fresh_tickets: bool },
    /// A renewal whose leaf ends so soon after.
    RenewFor { node: usize, lifetime: Duration },
    /// A renewal that went wrong.
    Present { node: usize, chain: Chain },
    /// The leaf before the current one again.
    RollBack { node: usize },
    /// Certificates under the new root, or under the old one again.
    Root { node: usize, new: bool },
    /// Nothing passes between a client and a node.
    Partition { client: usize, node: usize },
    /// Nothing passes from a node to a client; what the client says arrives.
    Mute { client: usize, node: usize },
    /// Everything between them waits.
    Hold { client: usize, node: usize },
    /// Ends any of these; what waited arrives.
    Heal { client: usize, node: usize },
    /// A node's process ends.
    Crash { node: usize },
    /// It is started again.
    Bounce { node: usize },
    /// Every idle connection of a node is told 421.
    Wave { node: usize },
    /// The next session to get there meets a fault.
    Arm { node: usize, fault: Fault },
}

/// A time in which sends may fail, and whose: everybody's unless said.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    pub from: Duration,
    pub to: Duration,
    pub client: Option<usize>,
    /// It is trouble only for those that do not know the new root.
    pub new_root: bool,
}

/// The hour of a seed, in order of time.
#[derive(Debug, Default)]
pub struct Plan {
    pub changes: Vec<(Duration, Change)>,
    pub troubles: Vec<Trouble>,
}

impl Plan {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut plan = Plan::default();
        plan.certificates(&mut rng);
        for client in 0..CLIENTS {
            for node in 0..NODES {
                plan.network(&mut rng, client, node);
            }
        }
        plan.processes(&mut rng);
        plan.faults(&mut rng);
        plan.changes.sort_by_key(|(at, _)| *at);
        plan
    }

    fn at(&mut self, at: Duration, change: Change) {
        self.changes.push((at.min(HOUR), change));
    }

    fn trouble(&mut self, from: Duration, to: Duration, client: Option<usize>) {
        self.troubles.push(Trouble { from, to, client, new_root: false });
    }

    fn renew(&mut self, rng: &mut Rng, at: Duration, node: usize) {
        let signer = if rng.u8(..4) == 0 { Signer::NewIntermediate } else { Signer::Same };
        let (same_key, fresh_tickets) = (rng.bool(), rng.bool());
        self.at(at, Change::Renew { node, signer, same_key, fresh_tickets });
    }

    /// One story after another: each begins and ends with good certificates
    /// under the old root.
    fn certificates(&mut self, rng: &mut Rng) {
        let mut at = seconds(rng, 60, 400);
        while at < HOUR {
            // The whole fleet, or one node of it.
            let first = rng.usize(..NODES);
            let nodes = if rng.bool() { vec![0, 1] } else { vec![first] };
            let gap = seconds(rng, 20, 300);
            let then = at + gap;
            match rng.u8(..6) {
                // In time.
                0 => nodes.iter().for_each(|&node| self.renew(rng, at, node)),
                // Node by node.
                1 => {
                    self.renew(rng, at, first);
                    self.renew(rng, then, 1 - first);
                }
                // Taken back.
                2 => {
                    for node in nodes {
                        self.renew(rng, at, node);
                        self.at(then, Change::RollBack { node });
                    }
                }
                // Too late.
                3 => {
                    let lifetime = seconds(rng, 30, 150);
                    for node in nodes {
                        self.at(at, Change::RenewFor { node, lifetime });
                        self.renew(rng, then + lifetime, node);
                    }
                    self.trouble(at + lifetime, then + lifetime, None);
                }
                // Wrong, and set right by another renewal or by going back.
                4 => {
                    let chains = [
                        Chain::WrongName,
                        Chain::SelfSigned,
                        Chain::MissingIntermediate,
                        Chain::Expired,
                        Chain::UntrustedCa,
                    ];
                    let chain = chains[rng.usize(..chains.len())];
                    for node in nodes {
                        self.at(at, Change::Present { node, chain });
                        if rng.bool() {
                            self.renew(rng, then, node);
                        } else {
                            self.at(then, Change::RollBack { node });
                        }
                    }
                    self.trouble(at, then, None);
                }
                // A new root, which not every client knows.
                _ => {
                    for node in nodes {
                        self.at(at, Change::Root { node, new: true });
                        self.at(then, Change::Root { node, new: false });
                    }
                    self.troubles.push(Trouble {
                        from: at,
                        to: then,
                        client: None,
                        new_root: true,
                    });
                }
            }
            at = then + seconds(rng, 200, 700);
        }
    }

    /// At most one thing at a time on each link.
    fn network(&mut self, rng: &mut Rng, client: usize, node: usize) {
        let mut at = seconds(rng, 100, 2500);
        while at < HOUR {
            let to = (at + seconds(rng, 3, 180)).min(HOUR);
            let change = match rng.u8(..3) {
                0 => Change::Partition { client, node },
                1 => Change::Mute { client, node },
                _ => Change::Hold { client, node },
            };
            self.at(at, change);
            self.at(to, Change::Heal { client, node });
            self.trouble(at, to, Some(client));
            at = to + seconds(rng, 500, 3000);
        }
    }

    fn processes(&mut self, rng: &mut Rng) {
        for node in 0..NODES {
            let mut at = seconds(rng, 200, 2000);
            while at < HOUR {
                let to = (at + seconds(rng, 1, 120)).min(HOUR);
                self.at(at, Change::Crash { node });
                self.at(to, Change::Bounce { node });
                self.trouble(at, to, None);
                at = to + seconds(rng, 900, 3000);
            }
        }
    }

    /// What a client must bear without an error, but for the verdict itself.
    fn faults(&mut self, rng: &mut Rng) {
        for _ in 0..rng.usize(3..8) {
            let (at, node) = (seconds(rng, 30, 3500), rng.usize(..NODES));
            self.at(at, Change::Wave { node });
        }
        let cuts = [Cut::Rst, Cut::Fin, Cut::CloseNotify];
        for _ in 0..rng.usize(6..16) {
            let (at, node) = (seconds(rng, 30, 3500), rng.usize(..NODES));
            let cut = cuts[rng.usize(..cuts.len())];
            let fault = match rng.u8(..8) {
                0 => Fault::cut(At::EndOfData, cut).keep(true),
                1 => Fault::cut(At::EndOfData, cut).keep(false),
                2 => Fault::reply(At::EndOfData, "451 4.3.0 not now"),
                3 => Fault::cut(At::Mail, cut),
                4 => Fault::cut(At::Rcpt(1), cut),
                5 => Fault::cut(At::Body(40), cut),
                6 => Fault::reply(At::Mail, "421 4.3.2 going down"),
                _ => Fault::cut(At::Data, cut),
            };
            self.at(at, Change::Arm { node, fault });
        }
        // A verdict that does not come: the connection is taken until the
        // client gives up, and a client with one connection has no other.
        if rng.bool() {
            let (at, node) = (seconds(rng, 300, 3000), rng.usize(..NODES));
            self.at(at, Change::Arm { node, fault: Fault::stall(At::EndOfData) });
            self.trouble(at, at + GRACE, None);
        }
    }
}

fn seconds(rng: &mut Rng, least: u64, most: u64) -> Duration {
    Duration::from_millis(rng.u64(least * 1000..=most * 1000))
}
