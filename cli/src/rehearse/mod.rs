//! `everpost rehearse`: a stream of mail through rotation after rotation, and
//! the reckoning.
//!
//! ```text
//! senders ──▶ Mailer ──▶ server ◀── strike (one per mark of the plan)
//!    │          └─ events ─▶ witness     │
//!    └──▶ ledger ◀───── reckon ──────────┘ copies by Message-ID
//! ```
//!
//! The mailer is used as an application would use it, with its defaults, but
//! for what squeezes months into seconds: the sentinel looks every few
//! milliseconds, and connections are replaced after so many messages, with TLS
//! sessions resumed, which is where a rotation hides.

mod outcome;
pub(crate) mod plan;
mod serve;
mod strike;
mod tally;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use everpost::certificate::Fingerprint;
use everpost::mailer::{Events, Retirement, Stats};
use everpost::{Credentials, Event, Mailer, PoolPolicy, TlsMode, TrustRoots};
use everpost_rehearsal::Rehearsal;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use self::outcome::Outcome;
use self::plan::Plan;
use self::strike::{Struck, strike};
use self::tally::Ledger;
use self::view::{Rotated, View};
use crate::args::RehearseArgs;
use crate::failure::Failure;
use crate::send::report::say;

/// How often the sentinel looks.
const LOOK: Duration = Duration::from_millis(20);
/// How long to wait for the mailer to notice a rotation before going on.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the line of status is redrawn.
const FRAME: Duration = Duration::from_millis(80);

/// Exit code after an interruption, as shells have it.
const INTERRUPTED: u8 = 130;

/// Rehearses, reports, and says how to exit.
pub(crate) async fn run(args: RehearseArgs) -> u8 {
    let result =
        if args.serve { serve::run(&args.server).await.map(|()| 0) } else { rehearse(&args).await };
    result.unwrap_or_else(|failure| failure.report(args.json))
}

async fn rehearse(args: &RehearseArgs) -> Result<u8, Failure> {
    if args.rotations > args.messages {
        let text = "every rotation needs a message: --rotations is larger than --messages";
        return Err(Failure::Usage(text.to_owned()));
    }
    let view = Arc::new(View::new(args.json));
    let stage = Arc::new(Stage::set(args).await?);
    let connections = args.connections.unwrap_or(args.concurrency);
    view.opening(&stage.plan, args.concurrency, connections, &stage.mailer.endpoint().to_string());

    let started = Instant::now();
    let mut tasks = JoinSet::new();
    if view.animates() {
        tasks.spawn(show_status(Arc::clone(&stage), Arc::clone(&view), started));
    }
    let mut senders = JoinSet::new();
    for _ in 0..args.concurrency {
        senders.spawn(send(Arc::clone(&stage)));
    }
    let mut interrupted = false;
    let mut progress = Progress::default();
    tokio::select! {
        driven = drive(&stage, &view, &mut progress, args.size) => driven?,
        () = ctrl_c() => interrupted = true,
    }
    let took = started.elapsed();
    senders.shutdown().await;
    tasks.shutdown().await;
    let outcome = stage.close(progress, took, interrupted).await;
    view.closing(&outcome);
    if args.json {
        say(&mut std::io::stdout(), &outcome.json().to_string());
    }
    Ok(match (interrupted, outcome.sum.is_good()) {
        (true, _) => INTERRUPTED,
        (false, true) => 0,
        (false, false) => 1,
    })
}

/// Never ends where the signal cannot be listened for.
async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What all tasks of a run share.
struct Stage {
    server: Rehearsal,
    mailer: Mailer,
    plan: Plan,
    ledger: Ledger,
    witness: Witness,
    /// The number of the next message.
    next: AtomicU64,
    /// The last step of the plan that was made.
    steps: watch::Sender<u64>,
    /// Message-IDs of this run end with it.
    run: u32,
    body: String,
}

impl Stage {
    async fn set(args: &RehearseArgs) -> Result<Self, Failure> {
        let password = format!("{:032x}", fastrand::u128(..));
        let server = Rehearsal::builder().credentials("rehearsal", &password).start().await?;
        server.update(|settings| {
            settings.forget_bodies = true;
            settings.limits.message_size = u64::from(args.size) + 65_536;
        });
        let plan = Plan::new(args.messages, args.rotations, &args.faults);
        let connections = args.connections.unwrap_or(args.concurrency);
        let mut pool = PoolPolicy::default();
        pool.max_connections = usize::try_from(connections).unwrap_or(usize::MAX);
        let turnover = (plan.segment() / u64::from(connections)).max(20);
        pool.max_messages = Some(u32::try_from(turnover).unwrap_or(u32::MAX));
        let mailer = Mailer::builder("localhost")
            .tls(TlsMode::Implicit)
            .port(server.implicit_addr().port())
            .trust(TrustRoots::Pem(server.ca_pem().into_bytes()))
            .credentials(Credentials::password("rehearsal", password))
            .max_message_size(u64::from(args.size) + 65_536)
            .pool(pool)
            .resumption(true)
            .probe_interval(LOOK)
            .build()?;
        // The first leaf is seen before it is replaced.
        mailer.explain().await;
        Ok(Stage {
            witness: Witness::new(mailer.events()),
            ledger: Ledger::new(plan.messages()),
            server,
            mailer,
            plan,
            next: AtomicU64::new(0),
            steps: watch::Sender::new(0),
            run: fastrand::u32(..),
            body: body(args.size),
        })
    }

    /// The Message-ID of a message, without brackets.
    fn message_id(&self, index: u64) -> String {
        format!("{index}.{:08x}@rehearsal.invalid", self.run)
    }

    fn message(&self, index: u64) -> String {
        format!(
            "From: Rehearsal <sender@rehearsal.invalid>\r\n\
             To: recipient@rehearsal.invalid\r\n\
             Subject: Message {index}\r\n\
             Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n\
             Message-ID: <{}>\r\n\r\n{}",
            self.message_id(index),
            self.body
        )
    }

    /// Closes everything and compares what was told with what the server has.
    async fn close(&self, progress: Progress, took: Duration, interrupted: bool) -> Outcome {
        self.mailer.close().await;
        // What is still on its way to the server arrives before it is counted.
        let _ = timeout(PATIENCE, self.server.wait_closed()).await;
        let held = self.server.counts();
        let outcome = Outcome {
            sum: self.ledger.reckon(&held, |index| self.message_id(index)),
            stats: self.mailer.stats(),
            rotations: progress.rotations,
            noticed: progress.noticed,
            took,
            errors: self.ledger.errors(),
            interrupted,
        };
        self.server.stop().await;
        outcome
    }
}

/// Lines of text, about `size` bytes of them.
fn body(size: u32) -> String {
    const LINE: &str =
        "The quick brown fox jumps over the lazy dog while a certificate rotates.\r\n";
    let lines = usize::try_from(size).unwrap_or(usize::MAX).div_ceil(LINE.len());
    LINE.repeat(lines)
}

/// One sender: one message after the other, as the plan lets them leave.
async fn send(stage: Arc<Stage>) {
    let mut steps = stage.steps.subscribe();
    loop {
        let index = stage.next.fetch_add(1, Ordering::Relaxed);
        if index >= stage.plan.messages() {
            return;
        }
        let due = stage.plan.step_before(index);
        if steps.wait_for(|step| *step >= due).await.is_err() {
            return;
        }
        let message = stage.message(index);
        let flight = stage.ledger.take_off();
        let started = Instant::now();
        let result = stage.mailer.send(message).await;
        drop(flight);
        stage.ledger.land(index, started.elapsed(), &result);
    }
}

/// How far the rotations are.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    rotations: u64,
    noticed: u64,
}

/// Rotates when the plan says so, to the end of the stream.
async fn drive(
    stage: &Stage,
    view: &View,
    progress: &mut Progress,
    size: u32,
) -> Result<(), everpost_rehearsal::Error> {
    let Stage { plan, ledger, server, mailer, .. } = stage;
    for number in 1..=plan.rotations() {
        ledger.wait_ended(plan.due(number)).await;
        let (kind, turn) = plan.kind(number);
        let old = short(&server.leaf().fingerprint());
        let in_flight = ledger.in_flight();
        let before = mailer.stats();
        ledger.take_slowest();
        let began = Instant::now();
        let Struck { leaf, note, faults } = strike(server, kind, turn, size).await?;
        progress.rotations += 1;
        let noticed = timeout(PATIENCE, stage.witness.saw(leaf.sha256)).await;
        let noticed = noticed.ok().map(|()| began.elapsed());
        progress.noticed += u64::from(noticed.is_some());
        stage.steps.send_replace(Plan::noticed(number));
        ledger.wait_ended(plan.mark(number + 1)).await;
        for fault in faults {
            // One that found nothing to strike must not strike the next segment.
            fault.remove();
        }
        let after = mailer.stats();
        view.rotation(&Rotated {
            number,
            kind,
            old,
            new: short(&leaf.fingerprint()),
            noticed,
            retired: ended_by_rotation(&after) - ended_by_rotation(&before),
            full: after.full_handshakes - before.full_handshakes,
            resumed: after.resumed_handshakes - before.resumed_handshakes,
            in_flight,
            slowest: ledger.take_slowest(),
            note,
        });
        stage.steps.send_replace(Plan::over(number));
    }
    ledger.wait_ended(plan.messages()).await;
    Ok(())
}

/// Connections that ended by a rotation or its violence, not by their age.
fn ended_by_rotation(stats: &Stats) -> u64 {
    let counts = |reason: &Retirement| {
        matches!(reason, Retirement::Rotated | Retirement::Server | Retirement::Failed)
    };
    stats.retired.iter().filter(|(reason, _)| counts(reason)).map(|(_, count)| count).sum()
}

fn short(fingerprint: &str) -> String {
    fingerprint.chars().take(8).collect()
}

/// Sees which leaf the mailer has come to know.
struct Witness {
    leaf: watch::Receiver<Option<Fingerprint>>,
}

impl Witness {
    fn new(mut events: Events) -> Self {
        let (sender, leaf) = watch::channel(None);
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Event::Rotated { new, .. } = event {
                    sender.send_replace(Some(new.fingerprint));
                }
            }
        });
        Witness { leaf }
    }

    /// Waits until the mailer has seen this leaf.
    async fn saw(&self, sha256: [u8; 32]) {
        let mut leaf = self.leaf.clone();
        let is_it = |seen: &Option<Fingerprint>| seen.is_some_and(|it| *it.as_bytes() == sha256);
        // It fails when the mailer is closed; then nothing is seen any more.
        if leaf.wait_for(is_it).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Redraws the status until the task is ended.
async fn show_status(stage: Arc<Stage>, view: Arc<View>, started: Instant) {
    const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
    let mut ticks = interval(FRAME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for spoke in SPINNER.iter().cycle() {
        ticks.tick().await;
        let (ended, all) = (stage.ledger.ended(), stage.plan.messages());
        let rate = ended as f64 / started.elapsed().as_secs_f64().max(1e-3);
        view.status(&format!(
            "{spoke} {ended}/{all} messages   {rate:.0} a second   {} in flight   {} connections   \
             rotation {}/{}",
            stage.ledger.in_flight(),
            stage.mailer.stats().connections,
            stage.steps.borrow().div_ceil(2),
            stage.plan.rotations(),
        ));
    }
}
