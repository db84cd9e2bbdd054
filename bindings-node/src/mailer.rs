//! The mailer.

use std::sync::Arc;

use everpost::mailer::ExplainOptions;
use everpost::{Mailer as Core, Message};
use futures_util::FutureExt as _;
use napi::Env;
use napi_derive::napi;
use serde_json::{Value, json};

use crate::certificate::CertificateFile;
use crate::compose::Composition;
use crate::config::Settings;
use crate::letter::{GivenEnvelope, Letter};
use crate::outcome::{Failure, explained, guarded, receipt};
use crate::port::{Port, Shared};

/// A mailer whose results go to one port.
#[napi]
pub struct Mailer {
    core: Core,
    shared: Arc<Shared>,
    id: i64,
}

#[napi]
impl Mailer {
    /// `id` is what events and requests for tokens are told with.
    #[napi(constructor)]
    pub fn new(port: &Port, id: i64, settings: Settings) -> napi::Result<Self> {
        let shared = Arc::clone(&port.shared);
        let core = guarded(|| Ok(settings.builder(&shared)?.build()?))?;
        Ok(Mailer { core, shared, id })
    }

    /// Sends bytes, which are copied.
    #[napi]
    pub fn send(
        &self,
        env: &Env,
        id: i64,
        bytes: &[u8],
        envelope: Option<GivenEnvelope>,
        cancellable: bool,
    ) -> napi::Result<()> {
        let message = Message::from(bytes);
        self.start(env, id, envelope, cancellable, async { Ok(message) })
    }

    /// Sends what came in pieces, stands in a file or comes by a stream.
    #[napi]
    pub fn send_letter(
        &self,
        env: &Env,
        id: i64,
        letter: &Letter,
        envelope: Option<GivenEnvelope>,
        cancellable: bool,
    ) -> napi::Result<()> {
        let message = letter.message();
        self.start(env, id, envelope, cancellable, async { Ok(message) })
    }

    /// Builds a message and sends it.
    #[napi]
    pub fn send_composed(
        &self,
        env: &Env,
        id: i64,
        composition: &Composition,
        envelope: Option<GivenEnvelope>,
        cancellable: bool,
    ) -> napi::Result<()> {
        self.start(env, id, envelope, cancellable, composition.take().build())
    }

    fn start(
        &self,
        env: &Env,
        id: i64,
        envelope: Option<GivenEnvelope>,
        cancellable: bool,
        message: impl Future<Output = Result<Message, Failure>> + Send + 'static,
    ) -> napi::Result<()> {
        let core = self.core.clone();
        self.shared.start(env, id, cancellable, true, |cancelled| async move {
            let mut message = message.await?;
            if let Some(envelope) = envelope {
                message = message.with_envelope(envelope.read()?);
            }
            let taken = core.send_until(message, cancelled.cancelled()).await?;
            Ok(receipt(&taken))
        })
    }

    /// Waits for what was taken, and closes all connections.
    #[napi]
    pub fn close(&self, env: &Env, id: i64) -> napi::Result<()> {
        let core = self.core.clone();
        self.shared.start(env, id, false, false, |_| async move {
            core.close().await;
            Ok("null".to_owned())
        })
    }

    /// Opens a session as far as the login; tells what the server offers then.
    #[napi]
    pub fn verify(&self, env: &Env, id: i64) -> napi::Result<()> {
        let core = self.core.clone();
        self.shared.start(env, id, true, false, |_| async move {
            let capabilities = core.verify().await?;
            let offered = capabilities.iter().map(|(name, text)| (name.to_owned(), json!(text)));
            Ok(Value::Object(offered.collect()).to_string())
        })
    }

    /// Says who is at fault.
    #[napi]
    pub fn explain(&self, env: &Env, id: i64, file: Option<&CertificateFile>) -> napi::Result<()> {
        let core = self.core.clone();
        let mut options = ExplainOptions::default();
        if let Some(file) = file {
            options = options.certificate_file(guarded(|| file.file())?);
        }
        self.shared.start(env, id, true, false, |_| async move {
            Ok(explained(&core.explain_with(options).await))
        })
    }

    /// Tells of events from now on, as `["event", mailer, event]`.
    #[napi]
    pub fn follow(&self) -> napi::Result<()> {
        let mut events = self.core.events();
        let (shared, id) = (Arc::clone(&self.shared), self.id);
        let follow = async move {
            while let Some(event) = events.next().await {
                shared.tell(&json!([0, "event", id, event.to_json()]));
            }
        };
        guarded(|| {
            let spawned = everpost_runtime::spawn(follow.boxed());
            spawned.map(drop).map_err(|error| Failure::internal(error.to_string()))
        })
    }

    /// The health as JSON.
    #[napi]
    pub fn health(&self) -> napi::Result<String> {
        guarded(|| Ok(self.core.health().to_json().to_string()))
    }

    /// The counters as JSON.
    #[napi]
    pub fn stats(&self) -> napi::Result<String> {
        guarded(|| Ok(self.core.stats().to_json().to_string()))
    }

    /// The counters as Prometheus reads them.
    #[napi]
    pub fn prometheus(&self) -> napi::Result<String> {
        guarded(|| Ok(self.core.stats().to_prometheus(&self.core.endpoint().to_string())))
    }

    /// The server.
    #[napi]
    pub fn endpoint(&self) -> napi::Result<String> {
        guarded(|| Ok(self.core.endpoint().to_string()))
    }

    /// How many messages of a batch are under way at once.
    #[napi]
    pub fn window(&self) -> napi::Result<u32> {
        guarded(|| Ok(u32::try_from(self.core.send_window()).unwrap_or(u32::MAX)))
    }
}
