//! Reports: what explaining, probing, diagnosing and judging found, by one
//! type.

use std::cmp::Reverse;
use std::ffi::c_void;
use std::ptr;
use std::sync::OnceLock;

use everpost_core::certificate::{Certificate, CertificateReport};
use everpost_core::diagnose::{DiagnosisReport, Rung};
use everpost_core::mailer::Explanation;
use everpost_core::probe::ProbeReport;
use everpost_core::{Finding, Severity, Status};
use serde_json::Value;

use crate::certificate::everpost_certificate;
use crate::error::{Failure, everpost_error};
use crate::guard::{Handle, UserData, free, value_of};
use crate::mailer::{EVERPOST_UNKNOWN, health_number};
use crate::string::everpost_str;

/// Called once with what was found: exactly one of `report` and `error` is
/// not NULL, and belongs to the callee.
pub type everpost_report_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        report: *mut everpost_report,
        error: *mut everpost_error,
    ),
>;

/// What was found. It never changes, and may be used from many threads; what
/// its accessors return lives as long as it does.
pub struct everpost_report {
    status: Status,
    summary: String,
    cause: Option<String>,
    remedy: Option<String>,
    fault: Option<&'static str>,
    findings: Vec<Finding>,
    certificates: Vec<everpost_certificate>,
    pub(crate) rungs: Vec<Rung>,
    render: Box<dyn Fn() -> Value + Send + Sync>,
    json: OnceLock<String>,
}

impl Handle for everpost_report {
    const NAME: &'static str = "report";
}

impl everpost_report {
    fn json(&self) -> &str {
        self.json.get_or_init(|| (self.render)().to_string())
    }
}

impl From<ProbeReport> for everpost_report {
    fn from(report: ProbeReport) -> Self {
        let mut findings: Vec<_> = report.all_findings().cloned().collect();
        findings.sort_by_key(|finding| (Reverse(finding.severity), finding.id));
        let first = report.addresses().find_map(|(_, address)| address.certificate.as_ref());
        everpost_report {
            status: report.status(),
            summary: report.summary(),
            certificates: chain(first),
            ..of_findings(findings, move || report.to_json())
        }
    }
}

impl From<CertificateReport> for everpost_report {
    fn from(report: CertificateReport) -> Self {
        everpost_report {
            status: report.status(),
            summary: report.summary(),
            certificates: chain(Some(&report)),
            ..of_findings(report.findings.clone(), move || report.to_json())
        }
    }
}

impl From<DiagnosisReport> for everpost_report {
    fn from(report: DiagnosisReport) -> Self {
        let findings = report.cause.iter().chain(&report.notes).cloned().collect();
        everpost_report {
            status: report.status(),
            summary: report.summary(),
            cause: report.cause.as_ref().map(|cause| cause.message.clone()),
            remedy: report.remedy.clone(),
            fault: report.failed().map(|rung| rung.step.as_str()),
            certificates: chain(report.certificate.as_deref()),
            rungs: report.rungs.clone(),
            ..of_findings(findings, move || report.to_json())
        }
    }
}

impl From<Explanation> for everpost_report {
    fn from(explanation: Explanation) -> Self {
        let error = explanation.error.as_ref().or(explanation.last_error.as_ref());
        let report = error.and_then(|error| error.certificate());
        let findings = report.map_or_else(Vec::new, |report| report.findings.clone());
        everpost_report {
            status: explanation.status(),
            summary: explanation.summary.clone(),
            cause: error.map(|error| error.message_text().to_owned()),
            remedy: explanation.remedy.clone(),
            fault: Some(explanation.fault.as_str()),
            certificates: chain(report),
            ..of_findings(findings, move || explanation.to_json())
        }
    }
}

/// A report whose first finding says most.
fn of_findings(
    findings: Vec<Finding>,
    render: impl Fn() -> Value + Send + Sync + 'static,
) -> everpost_report {
    let first = findings.first().filter(|finding| finding.severity > Severity::Info);
    everpost_report {
        status: Status::of(&findings),
        summary: String::new(),
        cause: first.map(|finding| finding.message.clone()),
        remedy: first.map(|finding| finding.remedy().to_owned()),
        fault: None,
        certificates: Vec::new(),
        rungs: Vec::new(),
        render: Box::new(render),
        json: OnceLock::new(),
        findings,
    }
}

fn chain(report: Option<&CertificateReport>) -> Vec<everpost_certificate> {
    let chain: &[Certificate] = report.map_or(&[], |report| &report.chain);
    chain.iter().cloned().map(everpost_certificate::new).collect()
}

/// As the callback of an operation whose result is a report.
pub(crate) fn call_report(
    done: everpost_report_fn,
    user_data: UserData,
) -> Result<impl FnOnce(Result<everpost_report, Failure>) + Send + 'static, Failure> {
    let done = done.ok_or_else(|| Failure::null("done"))?;
    Ok(move |result: Result<everpost_report, Failure>| {
        let (report, error) = match result {
            Ok(report) => (Box::into_raw(Box::new(report)), ptr::null_mut()),
            Err(failure) => (ptr::null_mut(), everpost_error::owned(failure)),
        };
        // SAFETY: the caller gave the two together, for this one call.
        unsafe { done(user_data.get(), report, error) }
    })
}

/// How it is doing: `EVERPOST_HEALTHY`, `EVERPOST_DEGRADED` or
/// `EVERPOST_UNHEALTHY`; `EVERPOST_UNKNOWN` of NULL.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_status(report: *const everpost_report) -> i32 {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(report, EVERPOST_UNKNOWN, |report| health_number(report.status)) }
}

/// One line: what is wrong before all, or that all is well. Absent of NULL.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_summary(report: *const everpost_report) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(report, everpost_str::ABSENT, |report| (&report.summary).into()) }
}

/// What is behind the status, in one line: of a diagnosis the cause of the
/// step that failed, of an explanation the error that a fresh look met, else
/// the worst finding. Absent if there is nothing.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_cause(report: *const everpost_report) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(report, everpost_str::ABSENT, |report| report.cause.as_ref().into()) }
}

/// What to do about it, in one sentence. Absent if nothing is to be done.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_remedy(report: *const everpost_report) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(report, everpost_str::ABSENT, |report| report.remedy.as_ref().into()) }
}

/// Of an explanation, who is at fault: "none", "pool_stale", "certificate",
/// "not_loaded", "some_addresses", "clock", "network", "server" or
/// "credentials". Of a diagnosis, the step that failed, such as "auth"; absent
/// if none did. Of other reports absent.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_fault(report: *const everpost_report) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(report, everpost_str::ABSENT, |report| report.fault.into()) }
}

/// The number of findings; the one that says most comes first. 0 of NULL.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_finding_count(report: *const everpost_report) -> usize {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(report, 0, |report| report.findings.len()) }
}

/// What a finding is about, by its stable name in kebab case, such as
/// "expired". Absent beyond the last.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_finding_id(
    report: *const everpost_report,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(report, everpost_str::ABSENT, |report| {
            report.findings.get(index).map(|it| it.id.as_str()).into()
        })
    }
}

/// What it speaks about, such as "time" or "name". Absent beyond the last.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_finding_axis(
    report: *const everpost_report,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(report, everpost_str::ABSENT, |report| {
            report.findings.get(index).map(|it| it.axis().as_str()).into()
        })
    }
}

/// How bad it is: "info", "warning" or "critical". Absent beyond the last.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_finding_severity(
    report: *const everpost_report,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(report, everpost_str::ABSENT, |report| {
            report.findings.get(index).map(|it| it.severity.as_str()).into()
        })
    }
}

/// What was seen, with dates and names, in one line. Absent beyond the last.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_finding_message(
    report: *const everpost_report,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(report, everpost_str::ABSENT, |report| {
            report.findings.get(index).map(|it| &it.message).into()
        })
    }
}

/// What to do about it, in one sentence. Absent beyond the last.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_finding_remedy(
    report: *const everpost_report,
    index: usize,
) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(report, everpost_str::ABSENT, |report| {
            report.findings.get(index).map(|it| it.remedy()).into()
        })
    }
}

/// The number of certificates that came from the first address that showed
/// any, or that are in the file; of a mailer's explanation those of a chain
/// that was refused. 0 of NULL.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_certificate_count(
    report: *const everpost_report,
) -> usize {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(report, 0, |report| report.certificates.len()) }
}

/// One of them, the server's own first; it belongs to the report and must not
/// be freed. NULL beyond the last.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_certificate(
    report: *const everpost_report,
    index: usize,
) -> *const everpost_certificate {
    // SAFETY: the caller's promise is the same.
    unsafe {
        value_of(report, ptr::null(), |report| {
            report.certificates.get(index).map_or(ptr::null(), ptr::from_ref)
        })
    }
}

/// All of it as JSON: schema "everpost.probe/1", "everpost.diagnosis/1" or
/// "everpost.explanation/1"; the verdict on a file is `certificate_report` of
/// the first. Absent of NULL.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_json(report: *const everpost_report) -> everpost_str {
    // SAFETY: the caller's promise is the same.
    unsafe { value_of(report, everpost_str::ABSENT, |report| report.json().into()) }
}

/// Frees it, with its certificates. NULL is allowed.
///
/// # Safety
/// `report` is NULL or a handle that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn everpost_report_free(report: *mut everpost_report) {
    // SAFETY: the caller's promise is the same.
    unsafe { free(report) }
}
