//! lettre's asynchronous transport, with its pool or without.

use std::error::Error;
use std::fs;

use bytes::Bytes;
use lettre::address::Envelope;
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::in_parallel;
use crate::job::{Answer, Job, Stretch};

pub(super) async fn run(job: &Job, content: Bytes) -> Result<Answer, Box<dyn Error>> {
    let root = Certificate::from_pem(&fs::read(&job.ca)?)?;
    let tls = TlsParameters::builder(job.host.clone()).add_root_certificate(root).build()?;
    let kept = if job.is_fresh() { 0 } else { job.connections.try_into()? };
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&*job.host)
        .port(job.port)
        .tls(Tls::Wrapper(tls))
        .credentials(Credentials::new(job.user.clone(), job.password.clone()))
        .authentication(vec![Mechanism::Plain])
        .pool_config(PoolConfig::new().max_size(kept))
        .build();
    let envelope = Envelope::new(Some(job.sender.parse()?), vec![job.recipient.parse()?])?;
    let work = async |_, stretch: Stretch| {
        let mut messages = 0;
        while stretch.goes_on() {
            transport.send_raw(&envelope, &content).await?;
            messages += 1;
        }
        Ok(messages)
    };
    in_parallel(job, work).await
}
