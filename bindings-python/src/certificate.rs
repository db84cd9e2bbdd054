//! Certificate files.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use everpost::TrustRoots;
use everpost::certificate::{CertificateFile, Inspector, PfxEncryption};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::Value;

use crate::failure::{Failure, OrRaise as _, Outcome};

/// Certificates and perhaps a key.
#[pyclass(frozen, module = "everpost._native", name = "CertificateFile")]
pub(crate) struct NativeFile {
    pub(crate) file: CertificateFile,
}

#[pymethods]
impl NativeFile {
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf, password: Option<&str>) -> PyResult<Self> {
        // Passwords go through many rounds.
        let file = py.detach(|| CertificateFile::load(path, password)).or_raise(py)?;
        Ok(NativeFile { file })
    }

    #[staticmethod]
    fn parse(py: Python<'_>, content: &[u8], password: Option<&str>) -> PyResult<Self> {
        let file = py.detach(|| CertificateFile::parse(content, password)).or_raise(py)?;
        Ok(NativeFile { file })
    }

    /// The certificates in JSON: the server's own first.
    fn chain(&self) -> String {
        Value::from_iter(self.file.chain().iter().map(|one| one.to_json())).to_string()
    }

    #[getter]
    fn format(&self) -> &'static str {
        self.file.format().as_str()
    }

    #[getter]
    fn in_order(&self) -> bool {
        self.file.is_in_order()
    }

    #[getter]
    fn has_key(&self) -> bool {
        self.file.has_key()
    }

    #[getter]
    fn key_matches(&self) -> Option<bool> {
        self.file.key_matches()
    }

    /// The verdict on it at a host, at a moment in seconds from the Unix
    /// epoch; in JSON.
    fn judge(
        &self,
        py: Python<'_>,
        host: &str,
        at: Option<f64>,
        trust: Vec<String>,
        trust_pem: Vec<Vec<u8>>,
    ) -> PyResult<String> {
        let judge = || -> Outcome<String> {
            let at = at.map_or_else(|| Ok(SystemTime::now()), moment)?;
            let mut roots: Vec<TrustRoots> =
                trust.iter().map(|one| one.parse()).collect::<Result<_, _>>()?;
            roots.extend(trust_pem.into_iter().map(TrustRoots::Pem));
            if roots.is_empty() {
                roots.push(TrustRoots::System);
            }
            let inspector = Inspector::new(&TrustRoots::load(&roots)?);
            Ok(self.file.judge(&inspector, host, at).to_json().to_string())
        };
        py.detach(judge).or_raise(py)
    }

    fn to_pem(&self, with_key: bool) -> String {
        if with_key { self.file.to_pem().to_string() } else { self.file.chain_to_pem() }
    }

    fn to_pfx<'py>(
        &self,
        py: Python<'py>,
        password: &str,
        legacy: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let encryption = if legacy { PfxEncryption::Legacy } else { PfxEncryption::Modern };
        let pfx = py.detach(|| self.file.to_pfx(password, encryption)).or_raise(py)?;
        Ok(PyBytes::new(py, &pfx))
    }
}

/// Seconds from the Unix epoch as a moment.
fn moment(seconds: f64) -> Outcome<SystemTime> {
    let distance = Duration::try_from_secs_f64(seconds.abs()).ok();
    let moment = distance.and_then(|distance| match seconds < 0.0 {
        true => UNIX_EPOCH.checked_sub(distance),
        false => UNIX_EPOCH.checked_add(distance),
    });
    moment.ok_or_else(|| Failure::config("the moment is out of range", "give a date of our time"))
}
