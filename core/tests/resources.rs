//! What a mailer holds on to: nothing after its messages, little for a parked
//! connection, no task after `close()`.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use everpost::{Credentials, Mailer, MailerBuilder, Message, PoolPolicy, TrustRoots};
use everpost_rehearsal::{At, Cut, Fault, Rehearsal};
use futures_util::StreamExt;

/// Counts what each thread holds: the client has a thread of its own.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// A thread that is ending has no counter any more, and needs none.
fn count(bytes: isize) {
    let _ = HELD.try_with(|held| held.set(held.get() + bytes));
}

fn held() -> isize {
    HELD.with(Cell::get)
}

// SAFETY: both calls are handed on to the system's allocator as they come; the
// counter beside them allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above; `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Open file descriptors of this process, where the system tells.
fn descriptors() -> Option<usize> {
    std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count)
}

fn message(n: usize) -> Message {
    let body = "A line of text as it stands in mail, and some more of it.\r\n".repeat(20);
    Message::from(format!(
        "From: app@example.org\r\nTo: ann@example.com\r\nMessage-ID: <{n}@example.org>\r\n\r\n{body}"
    ))
}

fn builder(host: &str, port: u16, trust: &str) -> MailerBuilder {
    Mailer::builder(host)
        .port(port)
        .trust(TrustRoots::Pem(trust.into()))
        .credentials(Credentials::password("app", "secret"))
}

/// Sends so many messages through one mailer; returns how many failed.
async fn send(builder: MailerBuilder, messages: usize) -> usize {
    let mailer = builder.build().unwrap();
    let mut failed = 0;
    let mut sending = mailer.send_all((0..messages).map(message));
    while let Some((_, result)) = sending.next().await {
        failed += usize::from(result.is_err());
    }
    mailer.close().await;
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks, 0, "no task outlives close()");
    failed
}

#[test]
fn ten_thousand_sends_with_faults_leave_nothing_behind_and_a_parked_connection_is_small() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = Rehearsal::builder().credentials("app", "secret");
    let server = Arc::new(runtime.block_on(server.start()).unwrap());
    server.update(|settings| settings.forget_bodies = true);
    let (host, port) = (server.host().to_owned(), server.implicit_addr().port());
    let trust = server.ca_pem();

    let faults = runtime.spawn({
        let server = Arc::clone(&server);
        async move {
            // Places that every connection comes to again and again.
            let places = [At::Mail, At::Data, At::Body(100), At::EndOfData];
            let cuts = [Cut::Rst, Cut::Fin, Cut::CloseNotify];
            for turn in 0.. {
                // Let some messages through between two of them.
                let fault = Fault::cut(places[turn % places.len()], cuts[turn % cuts.len()]);
                server.wait_received(server.received_count() + 25).await;
                server.inject(fault).unwrap().fired().await;
            }
        }
    });

    let client = std::thread::spawn({
        let (host, trust) = (host.clone(), trust.clone());
        move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                // What is set up once and kept.
                send(builder(&host, port, &trust), 500).await;
                let before = held();
                let failed = send(builder(&host, port, &trust), 10_000).await;
                let grown = held() - before;
                assert!(failed > 0, "faults do strike");
                assert!(failed < 1_000, "{failed} of 10,000 failed");
                assert!(grown.abs() < 64 * 1024, "{grown} bytes more are held than before");
            });
        }
    });
    client.join().unwrap();
    faults.abort();
    server.clear_faults();
    runtime.block_on(server.wait_closed());

    let before = descriptors();
    let client = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            const CONNECTIONS: usize = 40;
            let mut pool = PoolPolicy::default();
            pool.max_connections = CONNECTIONS;
            pool.max_idle = Duration::from_secs(300);
            // Without pipelining nothing is chained: each message asks for a
            // connection of its own.
            let mailer = builder(&host, port, &trust).pool(pool).pipelining(false).build().unwrap();
            mailer.send(message(0)).await.unwrap();
            let before = held();
            let sends = (1..=2 * CONNECTIONS).map(|n| {
                let mailer = mailer.clone();
                tokio::spawn(async move { mailer.send(message(n)).await.unwrap() })
            });
            for send in sends.collect::<Vec<_>>() {
                send.await.unwrap();
            }
            while mailer.stats().idle < CONNECTIONS as u64 {
                tokio::task::yield_now().await;
            }
            let each = (held() - before) / (CONNECTIONS as isize - 1);
            assert!(each < 100 * 1024, "a parked connection holds {each} bytes");
            mailer.close().await;
        });
    });
    client.join().unwrap();
    runtime.block_on(server.wait_closed());
    // The runtime closes a socket a moment after its connection has ended.
    let given_back = async {
        while descriptors() > before {
            tokio::task::yield_now().await;
        }
    };
    let given_back =
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), given_back).await });
    assert!(given_back.is_ok(), "{:?} descriptors are open, {before:?} before", descriptors());
}
