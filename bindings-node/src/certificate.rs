//! Certificate files.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use everpost::TrustRoots;
use everpost::certificate::{Certificate, CertificateFile as Core, Inspector, PfxEncryption};
use napi::Env;
use napi_derive::napi;
use serde_json::json;
use zeroize::Zeroizing;

use crate::outcome::{Failure, guarded, judged};
use crate::port::{Outcome, Port, Shared};

/// Certificates and perhaps a key. Empty until it has been read.
#[napi]
pub struct CertificateFile {
    shared: Arc<Shared>,
    file: Arc<OnceLock<Core>>,
}

#[napi]
impl CertificateFile {
    /// Whose operations report to this port.
    #[napi(constructor)]
    pub fn new(port: &Port) -> Self {
        CertificateFile { shared: Arc::clone(&port.shared), file: Arc::default() }
    }

    /// Reads a file.
    #[napi]
    pub fn load(
        &self,
        env: &Env,
        id: i64,
        path: String,
        password: Option<String>,
    ) -> napi::Result<()> {
        self.read(env, id, password, move |password| Core::load(path, password))
    }

    /// Reads the content of a file, which is copied.
    #[napi]
    pub fn parse(
        &self,
        env: &Env,
        id: i64,
        content: &[u8],
        password: Option<String>,
    ) -> napi::Result<()> {
        let content = Zeroizing::new(content.to_vec());
        self.read(env, id, password, move |password| Core::parse(&content, password))
    }

    fn read(
        &self,
        env: &Env,
        id: i64,
        password: Option<String>,
        read: impl FnOnce(Option<&str>) -> Result<Core, everpost::Error> + Send + 'static,
    ) -> napi::Result<()> {
        let slot = Arc::clone(&self.file);
        let password = password.map(Zeroizing::new);
        self.elsewhere(env, id, move || {
            let file = read(password.as_ref().map(|password| password.as_str()))?;
            let told = json!({
                "certificates": file.chain().iter().map(Certificate::to_json).collect::<Vec<_>>(),
                "format": file.format().as_str(),
                "has_key": file.has_key(),
                "key_matches": file.key_matches(),
            });
            // JavaScript reads each file once.
            let _ = slot.set(file);
            Ok(told.to_string())
        })
    }

    /// Judges it for a host at a moment, in milliseconds of Unix time.
    #[napi]
    pub fn judge(
        &self,
        env: &Env,
        id: i64,
        host: String,
        at: Option<i64>,
        trust: Vec<String>,
        roots: Vec<String>,
    ) -> napi::Result<()> {
        let file = guarded(|| self.file())?;
        self.elsewhere(env, id, move || {
            let at = match at {
                None => SystemTime::now(),
                Some(at) => moment(at)?,
            };
            let mut all =
                roots.into_iter().map(|it| TrustRoots::Pem(it.into())).collect::<Vec<_>>();
            for name in trust {
                all.push(name.parse()?);
            }
            if all.is_empty() {
                all.push(TrustRoots::System);
            }
            let inspector = Inspector::new(&TrustRoots::load(&all)?);
            Ok(judged(&file.judge(&inspector, &host, at)))
        })
    }

    /// The certificates as PEM, and the key with them.
    #[napi]
    pub fn to_pem(&self, with_key: bool) -> napi::Result<String> {
        guarded(|| {
            let file = self.file()?;
            match (with_key, file.has_key()) {
                (true, false) => Err(Failure::config("the file holds no private key", NO_KEY)),
                (true, true) => Ok(file.to_pem().to_string()),
                (false, _) => Ok(file.chain_to_pem()),
            }
        })
    }

    /// Certificates and key as PFX, as an array of numbers.
    #[napi]
    pub fn to_pfx(&self, env: &Env, id: i64, password: String, legacy: bool) -> napi::Result<()> {
        let file = guarded(|| self.file())?;
        let password = Zeroizing::new(password);
        self.elsewhere(env, id, move || {
            let encryption = if legacy { PfxEncryption::Legacy } else { PfxEncryption::Modern };
            Ok(json!(file.to_pfx(&password, encryption)?).to_string())
        })
    }

    /// What costs more than a moment: not on the thread of JavaScript.
    fn elsewhere(
        &self,
        env: &Env,
        id: i64,
        work: impl FnOnce() -> Outcome + Send + 'static,
    ) -> napi::Result<()> {
        self.shared.start(env, id, false, false, |_| async move {
            tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Failure::lost(false)))
        })
    }

    pub(crate) fn file(&self) -> Result<Core, Failure> {
        self.file.get().cloned().ok_or_else(|| {
            Failure::config("the certificate file has not been read", "wait for it to be read")
        })
    }
}

const NO_KEY: &str = "read a file that has one, or leave withKey out";

fn moment(at: i64) -> Result<SystemTime, Failure> {
    let distance = Duration::from_millis(at.unsigned_abs());
    let moment =
        if at < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    moment.ok_or_else(|| Failure::config("the moment is out of range", "give a date of our times"))
}
