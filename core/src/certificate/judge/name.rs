//! Name: whether the leaf is for the host, by the path library's own rules.

use std::fmt;

use rustls_pki_types::ServerName;

use super::Wanted;
use super::case::{Case, Findings};
use crate::certificate::facts::Certificate;
use crate::finding::{Finding, FindingId};

/// How many names of a certificate a message lists.
const NAMES_LISTED: usize = 8;

pub(super) fn judge(case: &Case<'_>, findings: &mut Findings) {
    let (leaf, host) = (case.leaf, case.host);
    let wanted = match case.wanted {
        Wanted::Any => return,
        Wanted::Name(name) if leaf.is_for(name) => return,
        Wanted::Name(name) => Some(name),
        Wanted::Impossible => None,
    };
    let list = Listed::of(leaf);
    let finding = if list.names.is_empty() {
        let named = leaf.common_name().map_or(String::new(), |name| {
            let some = match name.eq_ignore_ascii_case(host) {
                true => ", though clients that still use it (as OpenSSL does) will connect",
                false => "",
            };
            format!("; its common name {name} is not looked at by TLS{some}")
        });
        let message = format!("certificate of {host} carries no host name{named}");
        Finding::new(FindingId::NoSan, message)
    } else {
        let message = match wanted {
            None => format!(
                "{host} is neither a host name nor an IP address, so no certificate can be for \
                 it; this one is for {list}"
            ),
            Some(wanted) => {
                format!("certificate is for {list}, not for {host}{}", hint(wanted, &list.names))
            }
        };
        Finding::new(FindingId::NameMismatch, message)
    };
    let finding = finding.with("expected", host).with("names", list);
    findings.push(finding.with("name_count", leaf.name_count()));
}

/// What often lies behind a name that does not fit.
fn hint(wanted: &ServerName<'_>, names: &[String]) -> &'static str {
    let host = match wanted {
        ServerName::DnsName(host) => host.as_ref().trim_end_matches('.').to_ascii_lowercase(),
        _ if names.iter().all(|name| name.parse::<std::net::IpAddr>().is_err()) => {
            return "; connect by a name and not by the address";
        }
        _ => return "",
    };
    let under = |base: &str| {
        host == base || host.strip_suffix(base).is_some_and(|labels| labels.ends_with('.'))
    };
    let nearly = |name: &String| {
        name.strip_prefix("*.").is_some_and(|base| under(&base.to_ascii_lowercase()))
    };
    if names.iter().any(nearly) { "; a wildcard stands for exactly one label" } else { "" }
}

/// The first names of a certificate, and how many more there are.
pub(super) struct Listed {
    names: Vec<String>,
    count: usize,
}

impl Listed {
    pub(super) fn of(certificate: &Certificate) -> Self {
        let addresses = certificate.ip_addresses().iter().map(ToString::to_string);
        let names = certificate.dns_names().iter().cloned().chain(addresses).collect();
        Listed { names, count: certificate.name_count() }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.names.len().min(NAMES_LISTED);
        f.write_str(&self.names[..shown].join(", "))?;
        match self.count.saturating_sub(shown) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
