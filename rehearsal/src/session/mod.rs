//! One connection, from accept to close, over any stream.
//!
//! ```text
//!           ┌────────────────────────────┐
//! accept ─▶ [TLS] ─▶ greeting ─▶ process ─▶ fill ─┐   process: all that has been read
//!                                  ▲              │   fill:    read what is there; when
//!                                  └──────────────┘            nothing is, write, then wait
//! ```
//!
//! Replies gather while there is input and leave in one write, so a pipelined
//! group is answered as good servers answer it. Whatever ends the session
//! travels as the error of a [`Flow`], and [`Session::finish`] does the ending.

mod commands;
mod data;
mod io;
mod login;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::HandshakeKind;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::auth::{Channel, Exchange};
use crate::fault::{Action, At, Cut};
use crate::lock;
use crate::record::{Closed, Connection, Handshake, Order};
use crate::settings::{Capabilities, Settings};
use crate::shared::{Listener, Shared};
use crate::tls::Identity;
use crate::wire::{Link, Transport, Wire, struck};

/// The longest that an orderly close may take.
const CLOSING: Duration = Duration::from_secs(5);

/// Why a session ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// The client went, in order or not.
    Client(Closed),
    /// The last word has been written: close in order.
    Bye(Closed),
    /// Cut as told.
    Cut(Cut),
    /// The handshake failed.
    Handshake,
    /// Say 421 first.
    Farewell,
    /// The server stops.
    Stopped,
}

type Flow<T = ()> = Result<T, Ending>;

/// What the next byte of the client belongs to.
enum Mode {
    Command,
    /// The rest of a line that is too long.
    Overlong,
    Auth(Exchange),
    Data(crate::decode::Decoder),
    Chunk {
        left: u64,
        last: bool,
        wanted: bool,
    },
}

/// The transaction in progress.
#[derive(Default)]
struct Transaction {
    from: Option<String>,
    recipients: Vec<String>,
    asked: u32,
    body: Vec<u8>,
    /// Bytes of the message, decoded, also those that were not kept.
    size: u64,
    /// Bytes of the message as they came.
    raw: u64,
    chunked: bool,
    /// A BDAT failed: the rest is read and refused.
    failed: bool,
}

/// One connection.
pub(crate) struct Session {
    shared: Arc<Shared>,
    conn: Arc<Connection>,
    listener: Listener,
    settings: Arc<Settings>,
    link: Link,
    input: BytesMut,
    line: Vec<u8>,
    out: Vec<u8>,
    /// Where each reply in `out` ends.
    marks: Vec<usize>,
    mode: Mode,
    transaction: Transaction,
    channel: Channel,
    user: Option<String>,
    greeted: bool,
    tls: bool,
    /// The input may be read ahead: false while a handshake is to come.
    may_read: bool,
    crowded: bool,
    received: u64,
    sent: u64,
    /// Something was written since the last read: the next read is a flight.
    wrote: bool,
    /// The path's latency has been waited for.
    waited: bool,
    /// Replies are leaving.
    replying: bool,
    slow: Option<(usize, Duration)>,
    transactions: u64,
    unanswered: u64,
    swallow_lf: bool,
}

impl Session {
    /// Runs a connection to its end.
    pub(crate) async fn serve(
        books: Books,
        listener: Listener,
        transport: Box<dyn Transport>,
        crowded: bool,
    ) {
        let Books { shared, conn } = &books;
        let (shared, conn) = (shared.clone(), conn.clone());
        let wire = Wire::new(transport, conn.raw.clone(), shared.faults.clone(), conn.id);
        let settings = shared.settings();
        let mut session = Session {
            shared,
            conn,
            listener,
            settings,
            link: Link::Plain(wire),
            input: BytesMut::new(),
            line: Vec::new(),
            out: Vec::new(),
            marks: Vec::new(),
            mode: Mode::Command,
            transaction: Transaction::default(),
            channel: Channel::default(),
            user: None,
            greeted: false,
            tls: false,
            may_read: false,
            crowded,
            received: 0,
            sent: 0,
            wrote: true,
            waited: false,
            replying: false,
            slow: None,
            transactions: 0,
            unanswered: 0,
            swallow_lf: false,
        };
        let mut orders = session.conn.order.subscribe();
        let stop = session.shared.stop.clone();
        let ending = tokio::select! {
            biased;
            () = stop.cancelled() => Ending::Stopped,
            order = orders.wait_for(Option::is_some) => match order.ok().and_then(|order| *order) {
                Some(Order::Cut(cut)) => Ending::Cut(cut),
                Some(Order::Farewell) | None => Ending::Farewell,
            },
            result = session.run() => match result {
                Ok(never) => match never {},
                Err(ending) => ending,
            },
        };
        session.finish(ending).await;
        drop(books);
    }

    async fn run(&mut self) -> Flow<Infallible> {
        let mut tls_first = self.listener == Listener::Implicit;
        self.may_read = !tls_first;
        if let Some(armed) = self.shared.faults.take(self.conn.id, |at| at == At::Accept) {
            if armed.fault.action == Action::WrongMode {
                tls_first = !tls_first;
            } else {
                self.perform(&armed, b"").await?;
            }
        }
        if tls_first {
            self.handshake().await?;
        }
        self.may_read = true;
        if self.crowded {
            self.shared.record.count(|stats| stats.refused_connections += 1);
            return self.leave(421, "4.7.0", "Too many connections", Closed::Farewell).await;
        }
        let greeting = format!("{} ESMTP rehearsal", self.shared.host);
        self.answer(At::Greeting, 220, "", &greeting).await?;
        loop {
            self.process().await?;
            self.fill().await?;
        }
    }

    /// Works off everything that has been read.
    async fn process(&mut self) -> Flow {
        while !self.input.is_empty() {
            let progressed = match self.mode {
                Mode::Command | Mode::Overlong | Mode::Auth(_) => self.next_line().await?,
                Mode::Data(_) => self.data().await?,
                Mode::Chunk { .. } => self.chunk().await?,
            };
            if !progressed {
                break;
            }
        }
        Ok(())
    }

    /// What EHLO offers at this moment.
    fn capabilities(&self) -> Capabilities {
        let settings = &self.settings;
        if self.tls || self.listener == Listener::Plain {
            return settings.capabilities.clone();
        }
        settings
            .capabilities_before_tls
            .clone()
            .unwrap_or_else(|| Capabilities { auth: Vec::new(), ..settings.capabilities.clone() })
    }

    /// The TLS handshake as a server, with whatever is served at the moment.
    async fn handshake(&mut self) -> Flow {
        self.may_read = false;
        if let Some(armed) = self.shared.faults.take(self.conn.id, |at| at == At::Handshake) {
            self.perform(&armed, b"").await?;
            self.flush().await?;
        }
        let identity = self.shared.identity();
        let Link::Plain(wire) = std::mem::replace(&mut self.link, Link::Gone) else {
            return Err(Ending::Client(Closed::Broken));
        };
        lock(&self.conn.log).leaf = Some(identity.leaf.fingerprint());
        match TlsAcceptor::from(identity.config.clone()).accept(wire).into_fallible().await {
            Ok(tls) => {
                self.note_handshake(&tls, &identity);
                self.link = Link::Tls(Box::new(tls));
                self.tls = true;
                self.wrote = true;
                self.may_read = true;
                Ok(())
            }
            Err((error, wire)) => {
                self.link = Link::Plain(wire);
                {
                    let mut log = lock(&self.conn.log);
                    log.handshake = Some(Handshake::Failed);
                    log.handshake_error = Some(error.to_string());
                }
                self.shared.record.count(|stats| stats.handshakes_failed += 1);
                match struck(&error) {
                    Some(strike) => Err(self.raw_strike(strike).await),
                    None => Err(Ending::Handshake),
                }
            }
        }
    }

    fn note_handshake(&mut self, tls: &TlsStream<Wire>, identity: &Identity) {
        let (_, connection) = tls.get_ref();
        let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        self.channel.exporter = connection
            .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""))
            .ok()
            .map(|key| key.to_vec());
        // Our certificates are signed with SHA-256, which RFC 5929 then uses.
        self.channel.end_point = Some(identity.leaf.sha256.to_vec());
        self.channel.client_name = connection
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|leaf| self.shared.client_name(leaf));
        let mut log = lock(&self.conn.log);
        log.handshake = Some(if resumed { Handshake::Resumed } else { Handshake::Full });
        log.tls_version = connection.protocol_version().map(|version| format!("{version:?}"));
        log.server_name = connection.server_name().map(str::to_owned);
        drop(log);
        self.shared.record.count(|stats| match resumed {
            true => stats.handshakes_resumed += 1,
            false => stats.handshakes_full += 1,
        });
    }

    /// Ends the connection in the way that `ending` asks for.
    async fn finish(mut self, ending: Ending) {
        if let Some(wire) = self.link.wire() {
            wire.set_ending();
        }
        let how = match ending {
            Ending::Client(how) | Ending::Bye(how) => how,
            Ending::Cut(_) => Closed::Cut,
            Ending::Handshake => Closed::Handshake,
            Ending::Farewell => Closed::Farewell,
            Ending::Stopped => Closed::Stopped,
        };
        // The client may have gone already: an error here changes nothing.
        let closing = async {
            match ending {
                Ending::Cut(Cut::Rst) | Ending::Stopped => return false,
                Ending::Cut(Cut::Fin) | Ending::Handshake => {
                    if let Some(wire) = self.link.wire() {
                        let _ = wire.shutdown().await;
                    }
                }
                Ending::Farewell if !self.may_read => {}
                // A 421 would be taken for one of the replies that are owed,
                // and refuse a message that has been kept.
                Ending::Farewell if self.replying || !self.out.is_empty() => {
                    let _ = self.link.shutdown().await;
                }
                Ending::Farewell => {
                    let _ = self.link.write_all(b"421 4.3.2 Service shutting down\r\n").await;
                    let _ = self.link.shutdown().await;
                }
                Ending::Cut(Cut::CloseNotify) | Ending::Bye(_) | Ending::Client(_) => {
                    let _ = self.link.shutdown().await;
                }
            }
            true
        };
        let drain = tokio::time::timeout(CLOSING, closing).await.unwrap_or(false);
        if !drain {
            if matches!(ending, Ending::Cut(Cut::Rst)) {
                self.conn.raw.abort.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            self.link = Link::Gone;
        }
        self.shared.record.close(&self.conn, how);
        if drain {
            // A close with unread input would be a reset, and would take the
            // last reply with it.
            self.drain().await;
        }
    }

    async fn drain(&mut self) {
        use tokio::io::AsyncReadExt;
        let stop = self.shared.stop.clone();
        let Some(wire) = self.link.wire() else { return };
        let reading = async {
            let mut sink = [0; 4096];
            while matches!(wire.read(&mut sink).await, Ok(read) if read > 0) {}
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            _ = tokio::time::timeout(CLOSING, reading) => {}
        }
    }
}

/// What a connection is entered in. One that is dropped in flight, or never
/// run, is closed there too.
pub(crate) struct Books {
    pub(crate) shared: Arc<Shared>,
    pub(crate) conn: Arc<Connection>,
}

impl Drop for Books {
    fn drop(&mut self) {
        self.shared.record.close(&self.conn, Closed::Stopped);
    }
}
