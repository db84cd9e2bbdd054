//! What the library logs, for a callback of the program.
//!
//! Nothing global is installed: the threads of the runtime, and those that
//! wait in [`block_on`](crate::block_on), have a subscriber of their own. It
//! passes on events of this project's crates only, which never hold secrets.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

use crate::PerProcess;

/// Takes each event: level, target and text.
pub type Sink = Arc<dyn Fn(Level, &str, &str) + Send + Sync>;

/// A child of a fork begins without: another thread may have been setting it.
static SINK: PerProcess<RwLock<Option<Sink>>> = PerProcess::new();
/// The most that the sink wants, from 0 for nothing to 5 for traces.
static LEVEL: AtomicU8 = AtomicU8::new(0);

/// Sends what is logged up to `level` to `sink`, in place of the one before.
pub fn forward(level: Level, sink: Sink) {
    replace(Some(sink), number(level));
}

/// Sends it nowhere again.
pub fn stop() {
    replace(None, 0);
}

/// A level from 1 for errors to 5 for traces.
pub fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

fn replace(sink: Option<Sink>, level: u8) {
    let slot = SINK.get_or_init(RwLock::default);
    let before =
        std::mem::replace(&mut *slot.write().unwrap_or_else(PoisonError::into_inner), sink);
    LEVEL.store(level, Ordering::Release);
    // With a single subscriber around, only that of the calling thread is
    // asked what it wants.
    tracing::dispatcher::with_default(dispatch(), tracing::callsite::rebuild_interest_cache);
    // Outside the lock: its end may call back in.
    drop(before);
}

fn wanted() -> LevelFilter {
    match LEVEL.load(Ordering::Acquire) {
        0 => LevelFilter::OFF,
        1 => LevelFilter::ERROR,
        2 => LevelFilter::WARN,
        3 => LevelFilter::INFO,
        4 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

/// The subscriber of our threads.
pub(crate) fn dispatch() -> &'static Dispatch {
    static DISPATCH: OnceLock<Dispatch> = OnceLock::new();
    DISPATCH.get_or_init(|| Dispatch::new(Forward))
}

/// Makes it this thread's, for as long as the thread lives.
pub(crate) fn adopt_thread() {
    std::mem::forget(tracing::dispatcher::set_default(dispatch()));
}

struct Forward;

impl Subscriber for Forward {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target().starts_with("everpost") && !metadata.is_span() {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.is_span()
            && metadata.target().starts_with("everpost")
            && *metadata.level() <= wanted()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(wanted())
    }

    fn event(&self, event: &Event<'_>) {
        let Some(slot) = SINK.get() else { return };
        let sink = slot.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sink) = sink {
            let mut line = Line(String::new());
            event.record(&mut line);
            sink(*event.metadata().level(), event.metadata().target(), &line.0);
        }
    }

    // Spans are not told of: there is nothing to follow.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The message, and after it the fields as `name=value`.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        if field.name() == "message" {
            let fields = std::mem::take(&mut self.0);
            let _ = write!(self.0, "{value:?}{fields}");
        } else {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
}
