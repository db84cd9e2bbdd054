//! Many messages at once, over one mailer.

use std::sync::Arc;

use everpost::Receipt;
use everpost_runtime::{PerProcess, handle};
use pyo3::IntoPyObjectExt as _;
use pyo3::prelude::*;
use pyo3::types::PyList;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::content::{Addresses, Content, message};
use crate::failure::{Failure, OrRaise as _, Outcome};
use crate::operation::{Answer, Way, run_plain};

/// What became of one message, by its position.
type Told = (usize, Outcome<Receipt>);

/// How many results are taken at once.
const AT_ONCE: usize = 256;

/// Messages under way together. How many that are is up to the caller. When it
/// is dropped, those that have not been sent are cancelled.
#[pyclass(frozen, module = "everpost._native")]
pub(crate) struct Batch {
    /// A forked child leaves it alone: its locks may be held for ever.
    under_way: PerProcess<UnderWay>,
}

struct UnderWay {
    mailer: everpost::Mailer,
    tell: UnboundedSender<Told>,
    told: Arc<Mutex<UnboundedReceiver<Told>>>,
    left: CancellationToken,
    _leave: DropGuard,
}

impl Batch {
    pub(crate) fn new(mailer: everpost::Mailer) -> Self {
        let (tell, told) = unbounded_channel();
        let left = CancellationToken::new();
        let _leave = left.clone().drop_guard();
        let under_way = PerProcess::new();
        under_way.get_or_init(|| {
            let told = Arc::new(Mutex::new(told));
            UnderWay { mailer, tell, told, left, _leave }
        });
        Batch { under_way }
    }

    fn under_way(&self) -> Outcome<&UnderWay> {
        self.under_way.get().ok_or_else(|| {
            let hint = "begin one in the child";
            Failure::config("the batch is that of the parent process", hint)
        })
    }
}

#[pymethods]
impl Batch {
    /// Starts to send a message. That it cannot be sent is told like any
    /// other result.
    fn submit(
        &self,
        py: Python<'_>,
        index: usize,
        content: Content,
        envelope: Option<Addresses>,
    ) -> PyResult<()> {
        let runtime = handle().or_raise(py)?;
        let batch = self.under_way().or_raise(py)?;
        let tell = Telling { index, tell: Some(batch.tell.clone()) };
        let (mailer, left) = (batch.mailer.clone(), batch.left.clone());
        let message = message(content, envelope);
        runtime.spawn(async move {
            let result = match message {
                Ok(message) => mailer.send_until(message, left.cancelled()).await,
                Err(failure) => return tell.tell(Err(failure)),
            };
            tell.tell(result.map_err(Failure::from));
        });
        Ok(())
    }

    /// Waits for results and returns those that are there: a list of position,
    /// receipt and error, of which one is None.
    #[pyo3(signature = (way=None))]
    fn next(&self, py: Python<'_>, way: Way<'_>) -> PyResult<Py<PyAny>> {
        let told = Arc::clone(&self.under_way().or_raise(py)?.told);
        run_plain(py, way, async move {
            let mut results = Vec::new();
            told.lock().await.recv_many(&mut results, AT_ONCE).await;
            Ok(results)
        })
    }

    /// Cancels what has not been sent.
    fn cancel(&self) {
        if let Some(batch) = self.under_way.get() {
            batch.left.cancel();
        }
    }
}

/// The obligation to tell of a message; kept when dropped without.
struct Telling {
    index: usize,
    tell: Option<UnboundedSender<Told>>,
}

impl Telling {
    fn tell(mut self, result: Outcome<Receipt>) {
        self.bring(result);
    }

    fn bring(&mut self, result: Outcome<Receipt>) {
        if let Some(tell) = self.tell.take() {
            // Nobody may be listening any more.
            let _ = tell.send((self.index, result));
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.bring(Err(Failure::panicked(true)));
    }
}

impl Answer for Vec<Told> {
    fn answer(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let list = PyList::empty(py);
        for (index, result) in self {
            let none = || py.None();
            list.append(match result {
                Ok(receipt) => (index, receipt.answer(py)?, none()),
                Err(failure) => (index, none(), failure.exception(py).into_py_any(py)?),
            })?;
        }
        Ok(list.into_any().unbind())
    }
}
