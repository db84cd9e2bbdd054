//! The rehearsal server, for users' own tests.

use std::sync::{Arc, OnceLock};

use everpost_rehearsal::Builder;
use everpost_rehearsal::control::Control;
use napi::Env;
use napi_derive::napi;

use crate::outcome::Failure;
use crate::port::{Port, Shared};

/// A mail server on loopback. It listens until it is stopped or collected.
#[napi]
pub struct Rehearsal {
    shared: Arc<Shared>,
    control: Arc<OnceLock<Control>>,
}

fn failed(error: &everpost_rehearsal::Error) -> Failure {
    Failure::config(error.to_string(), "docs/rehearsal.md lists the options")
}

#[napi]
impl Rehearsal {
    /// Whose operations report to this port.
    #[napi(constructor)]
    pub fn new(port: &Port) -> Self {
        Rehearsal { shared: Arc::clone(&port.shared), control: Arc::default() }
    }

    /// Starts it with options, an object of JSON; tells where it listens.
    #[napi]
    pub fn start(&self, env: &Env, id: i64, options: String) -> napi::Result<()> {
        let slot = Arc::clone(&self.control);
        self.shared.start(env, id, false, false, |_| async move {
            let builder = Builder::from_json(&options).map_err(|error| failed(&error))?;
            let server = builder.start().await.map_err(|error| failed(&error))?;
            let control = Control::new(server);
            let told = control.listening();
            // JavaScript starts each server once.
            let _ = slot.set(control);
            Ok(told)
        })
    }

    /// Answers one request, an object of JSON.
    #[napi]
    pub fn request(&self, env: &Env, id: i64, request: String) -> napi::Result<()> {
        let slot = Arc::clone(&self.control);
        self.shared.start(env, id, false, false, |_| async move {
            let control = slot.get().ok_or_else(|| {
                Failure::config("the server has not been started", "wait for it to start")
            })?;
            Ok(control.request(&request).await)
        })
    }
}
