//! Looking at servers: probes, diagnoses, explanations.

use everpost::TrustRoots;
use everpost::diagnose::Diagnosis;
use everpost::mailer::ExplainOptions;
use everpost::probe::{Probe, Target};
use pyo3::prelude::*;

use crate::certificate::NativeFile;
use crate::failure::{Failure, OrRaise as _};
use crate::mailer::NativeMailer;
use crate::operation::{Way, run_plain};
use crate::settings::Settings;

/// Options by their keys.
pub(crate) type Options = Vec<(String, String)>;

/// What a text names as a target.
pub(crate) fn parse_target(text: &str) -> Result<Target, Failure> {
    text.parse().map_err(|error: everpost::probe::ParseTargetError| {
        let hint = "give host, host:465, smtp://host or smtps://host";
        Failure::config(error.to_string(), hint)
    })
}

/// Looks at a server, trusting nothing; the report in JSON.
#[pyfunction]
#[pyo3(signature = (target, options, trust_pem, compare, way=None))]
pub(crate) fn probe(
    py: Python<'_>,
    target: &str,
    options: Options,
    trust_pem: Vec<Vec<u8>>,
    compare: Option<PyRef<'_, NativeFile>>,
    way: Way<'_>,
) -> PyResult<Py<PyAny>> {
    let target = parse_target(target).or_raise(py)?;
    let mut builder = Probe::builder();
    for (key, value) in &options {
        builder = builder.set(key, value).or_raise(py)?;
    }
    for pem in trust_pem {
        builder = builder.trust(TrustRoots::Pem(pem));
    }
    if let Some(file) = compare {
        builder = builder.compare(file.file.clone());
    }
    // Roots may have to be read from a disk.
    let probe = py.detach(|| builder.build()).or_raise(py)?;
    run_plain(py, way, async move { Ok(probe.run(&target).await.to_json().to_string()) })
}

/// Climbs from DNS to the login and beyond; the report in JSON.
#[pyfunction]
#[pyo3(signature = (settings, options, way=None))]
pub(crate) fn diagnose(
    py: Python<'_>,
    settings: Settings,
    options: Options,
    way: Way<'_>,
) -> PyResult<Py<PyAny>> {
    let mut diagnosis = Diagnosis::of(settings.builder().or_raise(py)?);
    for (key, value) in &options {
        diagnosis = diagnosis.set(key, value).or_raise(py)?;
    }
    run_plain(py, way, async move { Ok(diagnosis.run().await?.to_json().to_string()) })
}

/// Compares what a mailer holds with what its server shows; in JSON.
#[pyfunction]
#[pyo3(signature = (mailer, file, way=None))]
pub(crate) fn explain(
    py: Python<'_>,
    mailer: PyRef<'_, NativeMailer>,
    file: Option<PyRef<'_, NativeFile>>,
    way: Way<'_>,
) -> PyResult<Py<PyAny>> {
    let mailer = mailer.current().or_raise(py)?.clone();
    let options = match file {
        Some(file) => ExplainOptions::default().certificate_file(file.file.clone()),
        None => ExplainOptions::default(),
    };
    run_plain(py, way, async move { Ok(mailer.explain_with(options).await.to_json().to_string()) })
}
