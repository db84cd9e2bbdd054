//! Probes: what a server shows, judged.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use everpost_core::TrustRoots;
use everpost_core::probe::{Probe, ProbeBuilder, Target};
use everpost_runtime::PerProcess;
use tokio::sync::OnceCell;

use crate::certificate_file::everpost_certificate_file;
use crate::error::{Failure, everpost_error};
use crate::guard::{self, Handle, UserData, borrow, borrow_mut, call, free, make};
use crate::operation::{self, About};
use crate::report::{call_report, everpost_report, everpost_report_fn};
use crate::status::everpost_status;
use crate::string::{bytes, text};

/// Probes servers; made once, used for many. Setting its options is for one
/// thread; running it is for many at the same time, once they are set.
pub struct everpost_probe {
    recipe: Arc<Recipe>,
}

impl Handle for everpost_probe {
    const NAME: &'static str = "probe";
}

/// Options, and the probe that the first run of a process makes of them: what
/// looks DNS records up lives in the threads of one process.
#[derive(Default)]
struct Recipe {
    builder: ProbeBuilder,
    probe: PerProcess<OnceCell<Probe>>,
}

impl everpost_probe {
    /// Changes the options; runs under way keep those that they began with.
    fn change(
        &mut self,
        change: impl FnOnce(ProbeBuilder) -> Result<ProbeBuilder, Failure>,
    ) -> Result<(), Failure> {
        let builder = change(self.recipe.builder.clone())?;
        self.recipe = Arc::new(Recipe { builder, probe: PerProcess::new() });
        Ok(())
    }

    /// One run, as a future that owns all it needs.
    fn run(
        &self,
        target: Target,
    ) -> impl Future<Output = Result<everpost_report, Failure>> + Send + 'static {
        let recipe = Arc::clone(&self.recipe);
        async move {
            let probe = recipe.probe.get_or_init(OnceCell::new);
            let probe = probe.get_or_try_init(|| build(recipe.builder.clone())).await?;
            Ok(probe.run(&target).await.into())
        }
    }
}

/// Roots and files are read where that holds nobody up.
async fn build(builder: ProbeBuilder) -> Result<Probe, Failure> {
    let built = tokio::task::spawn_blocking(|| builder.build()).await;
    Ok(built.map_err(|_| Failure::panicked("to make a probe", false))??)
}

/// # Safety
/// As [`text`].
unsafe fn target(data: *const c_char, len: usize) -> Result<Target, Failure> {
    // SAFETY: the caller's promise is the same.
    let text = unsafe { text(data, len, "target") }?;
    text.parse().map_err(|error| Failure::argument(format!("target is {error}")))
}

/// Makes a probe with every default.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `out` and `error` are each NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_probe_new(
    out: *mut *mut everpost_probe,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || Ok(everpost_probe { recipe: Arc::default() });
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// Sets one option:
///
/// - "trust": "system", "mozilla" or the path of a PEM file; several add up.
///   The system's roots unless set, with what Mozilla's say beside them.
/// - "pin": SHA-256 of a public key, as "sha256/BASE64" or in hexadecimal;
///   several are alternatives.
/// - "fingerprint": SHA-256 of a certificate, in hexadecimal; likewise.
/// - "compare": path of a certificate file, read by the first run;
///   "compare_password": what opens it.
/// - "judge_after": how much later to judge for, such as "14d".
/// - "warn", "crit": when an approaching end is a warning, or critical: a
///   time, a share of the lifetime or both, as "30d,25%" and "7d,10%".
/// - "sni", "verify_name", "ehlo": names other than the host's.
/// - "connect_to": an IP address in place of the host's own.
/// - "all_addresses", "dane", "mta_sts": "true" or "false".
/// - "deadline": how long an address may take in all, such as "30s".
///
/// Errors: `EVERPOST_INVALID_ARGUMENT` if the key is not known,
/// `EVERPOST_INVALID_CONFIG` if the value is not what it takes,
/// `EVERPOST_NULL_ARGUMENT`. The options stay as they were.
///
/// # Safety
/// `probe` is NULL or a handle that was not freed and that no other thread
/// uses; `key` and `value` are NULL or point at as many bytes as their lengths
/// say; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_probe_set(
    probe: *mut everpost_probe,
    key: *const c_char,
    key_len: usize,
    value: *const c_char,
    value_len: usize,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let probe = unsafe { borrow_mut(probe) }?;
        // SAFETY: as above.
        let key = unsafe { text(key, key_len, "key") }?;
        // SAFETY: as above.
        let value = unsafe { text(value, value_len, "value") }?;
        if !ProbeBuilder::KEYS.contains(&key) {
            return Err(Failure::unknown("key", ProbeBuilder::KEYS));
        }
        probe.change(|builder| Ok(builder.set(key, value)?))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Trusts the certificates in this PEM too; it is copied.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`. PEM that holds none fails the first run.
///
/// # Safety
/// `probe` is NULL or a handle that was not freed and that no other thread
/// uses; `pem` is NULL or points at `pem_len` bytes; `error` is NULL or may be
/// written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_probe_trust_pem(
    probe: *mut everpost_probe,
    pem: *const u8,
    pem_len: usize,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let probe = unsafe { borrow_mut(probe) }?;
        // SAFETY: as above.
        let pem = unsafe { bytes(pem, pem_len, "pem") }?;
        probe.change(|builder| Ok(builder.trust(TrustRoots::Pem(pem.to_vec()))))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Holds what is served against this file, which may be freed afterwards.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`.
///
/// # Safety
/// `probe` is NULL or a handle that was not freed and that no other thread
/// uses; `file` is NULL or a handle that was not freed; `error` is NULL or may
/// be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_probe_compare(
    probe: *mut everpost_probe,
    file: *const everpost_certificate_file,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let probe = unsafe { borrow_mut(probe) }?;
        // SAFETY: as above.
        let file = unsafe { borrow(file) }?.file().clone();
        probe.change(|builder| Ok(builder.compare(file)))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { call(error, body) }
}

/// Probes one target and waits for the report. A target is "host" (port 465),
/// "host:port", "[v6]:port", "smtps://host", "smtp://host" (STARTTLS),
/// "lmtp://host", or "mx://domain" for every mail exchanger of a domain.
///
/// Errors: `EVERPOST_INVALID_CONFIG` if the options cannot work, such as roots
/// that cannot be loaded; `EVERPOST_NULL_ARGUMENT`,
/// `EVERPOST_INVALID_ARGUMENT`, `EVERPOST_WRONG_THREAD`. What is wrong with
/// the server is in the report.
///
/// # Safety
/// `probe` is NULL or a handle that was not freed; `target` is NULL or points
/// at as many bytes as its length says; `out` and `error` are each NULL or may
/// be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_probe_run(
    probe: *const everpost_probe,
    target: *const c_char,
    target_len: usize,
    out: *mut *mut everpost_report,
    error: *mut *mut everpost_error,
) -> everpost_status {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let probe = unsafe { borrow(probe) }?;
        // SAFETY: as above.
        let target = unsafe { self::target(target, target_len) }?;
        operation::wait(About::Other, probe.run(target))
    };
    // SAFETY: the caller's promise is the same.
    unsafe { make(out, error, body) }
}

/// As `everpost_probe_run`, without waiting: `done` is called once. Returns
/// the operation, for `everpost_cancel`, or 0 if it was not started, which
/// `error` explains. The probe may be freed meanwhile.
///
/// Errors: `EVERPOST_NULL_ARGUMENT`, `EVERPOST_INVALID_ARGUMENT`; those of the
/// run go to `done`.
///
/// # Safety
/// As `everpost_probe_run`; `done` may be called from another thread, with
/// `user_data`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_probe_run_start(
    probe: *const everpost_probe,
    target: *const c_char,
    target_len: usize,
    done: everpost_report_fn,
    user_data: *mut c_void,
    error: *mut *mut everpost_error,
) -> u64 {
    let body = || {
        // SAFETY: the caller's promise is the same.
        let probe = unsafe { borrow(probe) }?;
        // SAFETY: as above.
        let target = unsafe { self::target(target, target_len) }?;
        operation::start(probe.run(target), call_report(done, UserData::new(user_data))?)
    };
    // SAFETY: the caller's promise is the same.
    unsafe { guard::start(error, body) }
}

/// Frees it. Runs under way come to their end. NULL is allowed.
///
/// # Safety
/// `probe` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_probe_free(probe: *mut everpost_probe) {
    // SAFETY: the caller's promise is the same.
    unsafe { free(probe) }
}
