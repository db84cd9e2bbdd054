//! The clients: each with habits of its own, all drawn from the seed.

use std::sync::Arc;
use std::time::Duration;

use everpost::{
    Credentials, Deadlines, Mailer, Mechanism, Message, OnUnknown, PoolPolicy, TlsMode, TrustRoots,
};
use fastrand::Rng;
use futures_util::StreamExt;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::check::Client;
use crate::history::History;
use crate::net::{Ledger, SimClock, SimNetwork};
use crate::plan::{GRACE, HOUR};
use crate::world::HOST;

/// How long a send may take once everything is whole again, and a close.
const PROMPT: Duration = Duration::from_secs(30);

/// How a client sends.
#[derive(Debug)]
pub struct Habits {
    number: usize,
    rng: Rng,
    tls: TlsMode,
    pub knows_new_root: bool,
    resends: bool,
    hurries: bool,
    resumes: bool,
    chunks: bool,
    pipelines: bool,
    probes: bool,
    fresh: bool,
    connections: usize,
}

impl Habits {
    /// One of the clients of a seed. The first knows only the old root, and
    /// the last one may resend.
    pub fn draw(number: usize, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ (number as u64 + 1).rotate_right(8));
        // One connection per message takes seconds for each.
        let fresh = rng.u8(..6) == 0;
        Habits {
            number,
            tls: if rng.bool() { TlsMode::Implicit } else { TlsMode::StartTls },
            knows_new_root: number > 0,
            resends: number == 2 && rng.bool(),
            hurries: rng.bool(),
            resumes: rng.bool(),
            chunks: rng.u8(..3) == 0,
            pipelines: rng.u8(..4) > 0,
            probes: rng.u8(..3) == 0,
            fresh,
            connections: if fresh { 3 } else { rng.usize(1..=3) },
            rng,
        }
    }

    pub fn checked(&self, ledger: Arc<Ledger>) -> Client {
        Client {
            knows_new_root: self.knows_new_root,
            resends: self.resends,
            hurries: self.hurries,
            chunks: self.chunks,
            ledger,
        }
    }

    pub fn mailer(&self, network: Arc<SimNetwork>, clock: SimClock, trust: TrustRoots) -> Mailer {
        // A lost segment is lost for good here, so a connection that missed
        // one is dead until its deadline; with the ten minutes for a verdict
        // that real networks deserve, little else would happen in an hour.
        let mut deadlines = Deadlines::default();
        // Batches wait for each other, and round trips are long.
        deadlines.checkout = Duration::from_secs(180);
        deadlines.command = Duration::from_secs(30);
        deadlines.end_of_data = Duration::from_secs(120);
        deadlines.send = self.hurries.then_some(Duration::from_secs(20));
        let mut pool = if self.fresh { PoolPolicy::fresh() } else { PoolPolicy::default() };
        pool.max_connections = self.connections;
        let mut builder = Mailer::builder(HOST)
            .tls(self.tls)
            .credentials(Credentials::password("user", "secret"))
            .auth_mechanisms([Mechanism::Plain])
            .trust(trust)
            .network(network)
            .clock(Arc::new(clock))
            .ehlo_name("client.example.org")
            .deadlines(deadlines)
            .pool(pool)
            .resumption(self.resumes)
            .chunking(self.chunks)
            .pipelining(self.pipelines);
        if self.resends {
            builder = builder.on_unknown(OnUnknown::Resend);
        }
        if self.probes {
            builder = builder.probe_interval(Duration::from_secs(300));
        }
        builder.build().expect("these options go together")
    }
}

/// One client's hour, and its end.
pub async fn run(
    mut habits: Habits,
    mailer: Mailer,
    clock: SimClock,
    history: History,
) -> turmoil::Result {
    let mut events = mailer.events();
    let told = history.clone();
    let listening = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            told.event(&event);
        }
        events.missed()
    });

    let mut desk = Desk { number: habits.number, next: 0, mailer, clock, history };
    let mut tasks = JoinSet::new();
    let rng = &mut habits.rng;
    while desk.clock.elapsed() < HOUR {
        match rng.u8(..10) {
            0 => desk.send_all(&mut tasks, rng),
            1 | 2 => desk.send_and_leave(&mut tasks, rng),
            _ => desk.send(&mut tasks, rng),
        }
        let pause = -(1.0 - rng.f64()).ln() * 10.0;
        sleep(Duration::from_secs_f64(pause.min(120.0))).await;
        while let Some(ended) = tasks.try_join_next() {
            ended?;
        }
    }

    // Connections that died unnoticed run into their deadlines.
    sleep(GRACE).await;
    for _ in 0..3 {
        desk.send(&mut tasks, rng);
    }
    let number = desk.number;
    let prompt = timeout(PROMPT, async { while tasks.join_next().await.is_some() {} }).await;
    prompt.map_err(|_| format!("client {number}: sends do not end, with nothing wrong"))?;
    let stats = desk.mailer.stats();
    if stats.queued > 0 {
        return Err(format!("client {number}: {} messages stay queued", stats.queued).into());
    }
    let closed = timeout(PROMPT, desk.mailer.close()).await;
    closed.map_err(|_| format!("client {number}: close() does not return"))?;
    let stats = desk.mailer.stats();
    if stats.connections > 0 {
        return Err(format!("client {number}: {} connections stay", stats.connections).into());
    }
    drop(desk);
    let missed = timeout(PROMPT, listening).await??;
    if missed > 0 { Err(format!("{missed} events were missed").into()) } else { Ok(()) }
}

/// Where a client's messages come from and are entered.
#[derive(Clone)]
struct Desk {
    number: usize,
    next: u32,
    mailer: Mailer,
    clock: SimClock,
    history: History,
}

impl Desk {
    /// A new message, entered as begun.
    fn message(&mut self, rng: &mut Rng) -> (String, Message) {
        self.next += 1;
        let id = format!("c{}-{:05}@example.org", self.number, self.next);
        let recipient = format!("ann{}-{}@example.com", self.number, self.next);
        let lines = if rng.u8(..50) == 0 { 1500 } else { rng.usize(1..30) };
        let text = format!(
            "From: app@example.org\r\nTo: {recipient}\r\nMessage-ID: <{id}>\r\n\
             Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nSubject: simulated\r\n\r\n{}",
            ".A line that begins with a dot, and is long enough to count.\r\n".repeat(lines)
        );
        let began = self.clock.elapsed();
        self.history.begin(&id, self.number, began, recipient, text.clone());
        (id, Message::from(text))
    }

    fn send(&mut self, tasks: &mut JoinSet<()>, rng: &mut Rng) {
        let (id, message) = self.message(rng);
        let desk = self.clone();
        tasks.spawn(async move {
            let result = desk.mailer.send(message).await;
            desk.history.end(&id, desk.clock.elapsed(), Some(result));
        });
    }

    /// Sends, and leaves after a while.
    fn send_and_leave(&mut self, tasks: &mut JoinSet<()>, rng: &mut Rng) {
        let (id, message) = self.message(rng);
        let patience = Duration::from_millis(rng.u64(..3000));
        let desk = self.clone();
        tasks.spawn(async move {
            let result = timeout(patience, desk.mailer.send(message)).await;
            desk.history.end(&id, desk.clock.elapsed(), result.ok());
        });
    }

    fn send_all(&mut self, tasks: &mut JoinSet<()>, rng: &mut Rng) {
        let batch = (0..rng.usize(2..20)).map(|_| self.message(rng));
        let (ids, messages): (Vec<_>, Vec<_>) = batch.unzip();
        let desk = self.clone();
        tasks.spawn(async move {
            let mut results = desk.mailer.send_all(messages);
            while let Some((index, result)) = results.next().await {
                desk.history.end(&ids[index], desk.clock.elapsed(), Some(result));
            }
        });
    }
}
