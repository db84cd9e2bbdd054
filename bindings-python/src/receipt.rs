//! Receipts.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::OnceLock;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use serde_json::Value;

use crate::operation::Answer;

/// Proof that the server took responsibility for a message. Immutable.
///
/// Its fields are read out of the core's receipt when they are looked at:
/// most receipts are never looked at closely.
#[pyclass(frozen, eq, module = "everpost", name = "Receipt")]
pub(crate) struct Receipt {
    receipt: Option<everpost::Receipt>,
    json: OnceLock<Value>,
}

impl PartialEq for Receipt {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl From<everpost::Receipt> for Receipt {
    fn from(receipt: everpost::Receipt) -> Self {
        Receipt { receipt: Some(receipt), json: OnceLock::new() }
    }
}

impl Answer for everpost::Receipt {
    fn answer(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(Py::new(py, Receipt::from(self))?.into_any())
    }
}

impl Receipt {
    fn value(&self) -> &Value {
        // One of the two is there from the beginning.
        let read = || self.receipt.as_ref().map_or(Value::Null, everpost::Receipt::to_json);
        self.json.get_or_init(read)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.value()[key].as_str()
    }

    /// A field as `everpost.results` makes it of its JSON.
    fn made(&self, py: Python<'_>, maker: &'static Maker, key: &str) -> PyResult<Py<PyAny>> {
        let make = maker.once.import(py, "everpost.results", maker.name)?;
        Ok(make.call1((self.value()[key].to_string(),))?.unbind())
    }
}

struct Maker {
    once: PyOnceLock<Py<PyAny>>,
    name: &'static str,
}

static REPLY: Maker = Maker { once: PyOnceLock::new(), name: "_reply" };
static REJECTIONS: Maker = Maker { once: PyOnceLock::new(), name: "_rejections" };
static FIELDS: Maker = Maker { once: PyOnceLock::new(), name: "_fields" };

#[pymethods]
impl Receipt {
    /// The Message-ID, in angle brackets.
    #[getter]
    fn message_id(&self) -> &str {
        match &self.receipt {
            Some(receipt) => receipt.message_id(),
            None => self.text("message_id").unwrap_or_default(),
        }
    }

    /// The server's reply to the message; its text often holds the queue id.
    #[getter]
    fn reply(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.made(py, &REPLY, "reply")
    }

    /// The recipients that the server accepted: at least one.
    #[getter]
    fn accepted<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let accepted = self.value()["accepted"].as_array();
        let addresses = accepted.into_iter().flatten().filter_map(Value::as_str);
        PyTuple::new(py, addresses.collect::<Vec<_>>())
    }

    /// The recipients that the server refused one by one. They get nothing.
    #[getter]
    fn rejected(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.made(py, &REJECTIONS, "rejected")
    }

    /// How many connections it took: 1 unless there was a retry.
    #[getter]
    fn attempts(&self) -> u64 {
        self.value()["attempts"].as_u64().unwrap_or_default()
    }

    /// The address of the server that took it, as "ip:port".
    #[getter]
    fn server(&self) -> &str {
        self.text("server").unwrap_or_default()
    }

    /// The SHA-256 of the certificate that the server had shown, in
    /// hexadecimal; None in plain text.
    #[getter]
    fn leaf(&self) -> Option<&str> {
        self.text("leaf")
    }

    /// All of it as JSON: schema "everpost.receipt/1".
    #[getter]
    fn json(&self) -> String {
        self.value().to_string()
    }

    /// All of it as a dictionary.
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let make = FIELDS.once.import(py, "everpost.results", FIELDS.name)?;
        Ok(make.call1((self.json(),))?.unbind())
    }

    fn __repr__(&self) -> String {
        let reply = &self.value()["reply"];
        format!(
            "<Receipt {} accepted by {}: {} {}>",
            self.message_id(),
            self.server(),
            reply["code"],
            reply["lines"][0].as_str().unwrap_or_default(),
        )
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.message_id(), self.server()).hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((py.get_type::<Receipt>().getattr("from_json")?, (self.json(),)))
    }

    /// Makes a receipt of what `json` gave.
    #[staticmethod]
    fn from_json(text: &str) -> PyResult<Self> {
        let invalid = || PyValueError::new_err("not a receipt in JSON");
        let value: Value = serde_json::from_str(text).map_err(|_| invalid())?;
        if value["schema"] != "everpost.receipt/1" {
            return Err(invalid());
        }
        Ok(Receipt { receipt: None, json: OnceLock::from(value) })
    }
}
