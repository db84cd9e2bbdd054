//! Probes and diagnoses.

use std::sync::Arc;

use everpost::TrustRoots;
use everpost::diagnose::Diagnosis;
use everpost::probe::{Probe, Target};
use napi::Env;
use napi_derive::napi;

use crate::certificate::CertificateFile;
use crate::config::Settings;
use crate::outcome::{Failure, diagnosed, guarded, probed};
use crate::port::Port;

/// Probes a server. `pairs` are options: key, value, key, value, …
#[napi]
pub fn probe(
    env: &Env,
    port: &Port,
    id: i64,
    target: String,
    pairs: Vec<String>,
    roots: Vec<String>,
    compare: Option<&CertificateFile>,
) -> napi::Result<()> {
    let (builder, target) = guarded(|| {
        let target: Target = target.parse().map_err(|error| {
            Failure::config(format!("the target is {error}"), "give a host, or an address as a URL")
        })?;
        let mut builder = Probe::builder();
        for pair in pairs.chunks_exact(2) {
            builder = builder.set(&pair[0], &pair[1])?;
        }
        for pem in roots {
            builder = builder.trust(TrustRoots::Pem(pem.into_bytes()));
        }
        if let Some(file) = compare {
            builder = builder.compare(file.file()?);
        }
        Ok((builder, target))
    })?;
    port.shared.start(env, id, true, false, |_| async move {
        // Roots and files are read where that holds nobody up.
        let probe = tokio::task::spawn_blocking(|| builder.build()).await;
        let probe = probe.map_err(|_| Failure::lost(false))??;
        Ok(probed(&probe.run(&target).await))
    })
}

/// Climbs from DNS to the recipient with the settings of a mailer. `id` is also
/// what tokens are asked for with.
#[napi]
pub fn diagnose(
    env: &Env,
    port: &Port,
    id: i64,
    settings: Settings,
    pairs: Vec<String>,
) -> napi::Result<()> {
    let shared = Arc::clone(&port.shared);
    let diagnosis = guarded(|| {
        let mut diagnosis = Diagnosis::of(settings.builder(&shared)?);
        for pair in pairs.chunks_exact(2) {
            diagnosis = diagnosis.set(&pair[0], &pair[1])?;
        }
        Ok(diagnosis)
    })?;
    port.shared.start(
        env,
        id,
        true,
        false,
        |_| async move { Ok(diagnosed(&diagnosis.run().await?)) },
    )
}
