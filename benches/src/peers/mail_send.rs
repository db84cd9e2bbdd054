//! mail-send, which has no pool: a client is kept for each task, or made anew
//! for each message.

use std::error::Error;
use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use mail_send::smtp::message::{Address, Message};
use mail_send::{SmtpClient, SmtpClientBuilder};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::in_parallel;
use crate::job::{Answer, Job, Stretch};

pub(super) async fn run(job: &Job, content: Bytes) -> Result<Answer, Box<dyn Error>> {
    let tls = TlsConnector::from(Arc::new(tls(job)?));
    let builder = SmtpClientBuilder::new_with_tls_connector(job.host.as_str(), job.port, tls)
        .credentials((job.user.as_str(), job.password.as_str()));
    let message = Message {
        mail_from: Address::from(job.sender.as_str()),
        rcpt_to: vec![Address::from(job.recipient.as_str())],
        body: content.as_ref().into(),
    };
    let mut clients: Vec<Mutex<Option<SmtpClient<TlsStream<TcpStream>>>>> = Vec::new();
    clients.resize_with(job.connections, || Mutex::new(None));
    let fresh = job.is_fresh();
    let (builder, message, clients) = (&builder, &message, &clients);
    let work = async |index: usize, stretch: Stretch| {
        let mut kept = clients[index].lock().await;
        let mut messages = 0;
        while stretch.goes_on() {
            let mut client = match kept.take() {
                Some(client) => client,
                None => builder.connect().await?,
            };
            client.send(message.clone()).await?;
            messages += 1;
            if fresh {
                client.quit().await?;
            } else {
                *kept = Some(client);
            }
        }
        Ok(messages)
    };
    in_parallel(job, work).await
}

/// The configuration of the other rustls clients.
pub(super) fn tls(job: &Job) -> Result<ClientConfig, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&fs::read(&job.ca)?)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
