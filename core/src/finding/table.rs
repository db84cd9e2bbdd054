//! The table of findings: name, axis, usual severity and remedy of each.

use super::{Axis, Severity};

macro_rules! findings {
    ($($id:ident $name:literal $axis:ident $severity:ident $doc:literal $remedy:literal)*) => {
        /// What a finding is about. The order is that of a report: what
        /// explains most comes first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum FindingId {
            $(#[doc = $doc] $id,)*
        }

        impl FindingId {
            /// Every one, in the order of a report.
            pub const ALL: &'static [FindingId] = &[$(FindingId::$id,)*];

            /// The stable name, in kebab case.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(FindingId::$id => $name,)*
                }
            }

            /// What it speaks about.
            pub fn axis(self) -> Axis {
                match self {
                    $(FindingId::$id => Axis::$axis,)*
                }
            }

            /// How bad it usually is.
            pub fn severity(self) -> Severity {
                match self {
                    $(FindingId::$id => Severity::$severity,)*
                }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(FindingId::$id => $doc,)*
                }
            }

            /// What to do about it, in one sentence.
            pub fn remedy(self) -> &'static str {
                match self {
                    $(FindingId::$id => $remedy,)*
                }
            }
        }
    };
}

findings! {
    ClockSkew "clock-skew" Time Critical
        "The local clock is the likelier fault."
        "set this machine's clock (is a time service such as chrony or w32time running?), then try again"
    DnsFailed "dns-failed" Network Critical
        "The name does not resolve."
        "check the spelling of the host name and its A and AAAA records, and that this machine's resolver works"
    NoMx "no-mx" Network Critical
        "The domain takes no mail: it has a null MX, or neither MX nor address."
        "check the domain's spelling and its MX records"
    Refused "refused" Network Critical
        "The address answers, and nothing listens on the port."
        "start the service or use the port that it listens on: 465 implicit TLS, 587 STARTTLS for submission, 25 between servers"
    Silent "silent" Network Critical
        "Nothing answers at all: what a firewall looks like."
        "let a firewall on the way pass this port; many providers block 25 outright, so use 465 or 587 for submission"
    Unreachable "unreachable" Network Critical
        "The network has no way to the address."
        "check this machine's network, its routes, and whether the address family (IPv6) works here"
    ConnectionLost "connection-lost" Network Critical
        "The connection broke before the probe was done."
        "look into the server's log at this moment; a proxy, firewall or full process table ends connections like this"
    Stalled "stalled" Network Critical
        "The server stopped answering in the middle."
        "look at the server's load and log; a deadline that is too short for a tarpit looks the same"
    ProxyFailed "proxy-failed" Network Critical
        "The proxy makes no connection to the server."
        "check the proxy's address and login, and that it lets this host and port through"
    NotSmtp "not-smtp" Session Critical
        "Something other than an SMTP server answers."
        "use the port of the mail server: 465 implicit TLS, 587 STARTTLS, 25 between servers"
    PlaintextOnImplicit "plaintext-on-implicit" Session Critical
        "A port for implicit TLS on which the server begins in plain text."
        "use STARTTLS on this port (usually 587 or 25), or implicit TLS on 465"
    TlsOnPlaintext "tls-on-plaintext" Session Critical
        "A port for STARTTLS on which the server waits for TLS from the first byte."
        "use implicit TLS on this port (usually 465), or STARTTLS on 587"
    MalformedReply "malformed-reply" Session Critical
        "Replies that break the rules of SMTP."
        "look for a firewall, proxy or antivirus that rewrites SMTP on the way; if there is none, update the mail server"
    RateLimited "rate-limited" Session Critical
        "The server turns connections away for now: 421 or another 4yz greeting."
        "wait and connect less often; if it lasts, ask the server's administrator about limits per address"
    GreetingRefused "greeting-refused" Session Critical
        "The server refuses to talk to this address: a 5yz greeting."
        "have this address allowed by the server, or taken off the block list that its reply names"
    EhloRefused "ehlo-refused" Session Critical
        "The server refuses EHLO."
        "give a fully qualified name to introduce yourself with"
    StarttlsMissing "starttls-missing" Session Critical
        "The server does not offer STARTTLS."
        "switch STARTTLS on in the server (it needs a certificate and key), or use implicit TLS on 465"
    StarttlsStripped "starttls-stripped" Session Critical
        "Something between here and the server removes STARTTLS."
        "switch SMTP inspection off in the firewall or antivirus on the way, or use implicit TLS on 465"
    StarttlsRefused "starttls-refused" Session Critical
        "The server offers STARTTLS and refuses it."
        "look into the server's log: its certificate or key cannot be loaded, more often than not"
    StarttlsInjection "starttls-injection" Session Critical
        "Plain text followed the go-ahead for STARTTLS: an attack, or a server that lets one through."
        "update the mail server: text injected before TLS must not survive it (CVE-2011-0411 and its kin)"
    StarttlsInsideTls "starttls-inside-tls" Session Warning
        "STARTTLS is still offered inside TLS."
        "update the mail server: RFC 3207 section 4.2 forbids offering STARTTLS inside TLS"
    AuthBeforeTls "auth-before-tls" Session Warning
        "AUTH is offered before TLS, so that clients may send passwords in the clear."
        "offer AUTH only inside TLS (Postfix: smtpd_tls_auth_only=yes)"
    HandshakeFailed "handshake-failed" Session Critical
        "TLS could not be agreed on."
        "look into the server's log for the TLS error; protocol versions, ciphers and the key are the usual causes"
    LegacyTls "legacy-tls" Strength Critical
        "Only TLS that modern clients refuse: older than 1.2, or CBC or RSA key exchange only."
        "enable TLS 1.2 and 1.3 with ECDHE and AES-GCM on the server"
    ClientCertificateWanted "client-certificate-wanted" Session Critical
        "The server wants a client certificate that it knows."
        "give a client certificate of the authority that the server trusts, still valid, with its chain"
    NoCertificate "no-certificate" Chain Critical
        "The server sent no certificate."
        "give the mail server a certificate and key in its TLS settings"
    Unreadable "unreadable" Chain Critical
        "A certificate that cannot be read."
        "install the certificate file again on the server: what it sends is damaged"
    WrongOrder "wrong-order" Chain Critical
        "The server's own certificate is not the first one sent, or those above it are out of order."
        "put the server's own certificate first in the file that the server loads, the intermediates after it (certbot's fullchain.pem is in that order)"
    Expired "expired" Time Critical
        "Past its notAfter."
        "renew the certificate (certbot renew), then reload the mail server: one that was renewed on disk is not served before that"
    NotYetValid "not-yet-valid" Time Critical
        "Before its notBefore."
        "check this machine's clock; if it is right, put the previous certificate back or have a new one issued that is valid now"
    NameMismatch "name-mismatch" Name Critical
        "For other names."
        "connect by one of the names the certificate carries, or have it issued again with the name that clients use"
    NoSan "no-san" Name Critical
        "Without any name that TLS looks at."
        "have the certificate issued again with the host name as a subject alternative name"
    SelfSigned "self-signed" Trust Critical
        "Its own issuer, and not trusted."
        "install a certificate of a public authority on the server, or name this certificate as trusted (trust=FILE) if the server is yours"
    PrivateRoot "private-root" Trust Critical
        "Below a root that is sent and not trusted."
        "add the authority's root certificate to the trusted ones (trust=FILE or the system's store) if you trust it"
    MissingIntermediate "missing-intermediate" Trust Critical
        "The certificate between leaf and root was not sent."
        "let the server send its whole chain: install fullchain.pem in place of cert.pem and reload it; for a private authority, trust its root"
    UnknownIssuer "unknown-issuer" Trust Critical
        "No path to a trusted root."
        "trust the issuer's root (trust=FILE, or update the system's store), or install a certificate of a public authority on the server"
    TrustStoreDiffers "trust-store-differs" Trust Warning
        "Trusted by one set of roots and not by another."
        "update the older store (on Linux the package ca-certificates)"
    ConstraintViolated "constraint-violated" Trust Critical
        "Issued against the rules that an authority above it is bound to."
        "have the certificate issued by an authority that may issue for this name at this depth (name constraints, path length)"
    UnknownExtension "unknown-extension" Trust Critical
        "A critical extension that TLS clients do not know."
        "have the certificate issued again without that extension, or with it not marked as critical"
    BadSignature "bad-signature" Strength Critical
        "A signature that its issuer's key did not make."
        "install the chain that belongs to this certificate and key; if they do belong together, something between here and the server replaces certificates"
    WeakKey "weak-key" Strength Critical
        "A key too short to be trusted, or of a kind that TLS clients do not take."
        "have the certificate issued again for an RSA key of at least 2048 bits or an ECDSA key"
    WeakSignature "weak-signature" Strength Critical
        "A signature by a broken or unaccepted algorithm."
        "have the certificate issued again with SHA-256 or better"
    WrongPurpose "wrong-purpose" Purpose Critical
        "Not for servers."
        "have the certificate issued again as a server's: CA:FALSE, and serverAuth if it lists extended key usages"
    Revoked "revoked" Revocation Critical
        "Revoked by its issuer."
        "have a new certificate issued for a new key, install it and reload the mail server"
    StapleMissing "staple-missing" Revocation Critical
        "The certificate demands a stapled OCSP response (must-staple), and none was sent."
        "switch OCSP stapling on in the mail server, or have the certificate issued again without must-staple"
    StapleInvalid "staple-invalid" Revocation Warning
        "A stapled OCSP response that is stale, for another certificate, or unreadable."
        "let the server fetch a fresh OCSP response, or switch stapling off"
    CrlUnusable "crl-unusable" Revocation Warning
        "A revocation list that was given and cannot be used."
        "fetch the issuer's current list: this one is stale, unreadable or of another issuer"
    PinMismatch "pin-mismatch" Pin Critical
        "None of the pinned keys."
        "if the server's key was changed on purpose, pin the new key; keep a backup pin for next time"
    FingerprintMismatch "fingerprint-mismatch" Pin Critical
        "Another certificate than the one expected by fingerprint."
        "if the certificate was renewed on purpose, expect the new fingerprint; a pin of the key survives renewals that keep it"
    NotLoaded "not-loaded" Comparison Critical
        "Renewed on disk, and the server still serves another certificate."
        "reload or restart the mail server so that it loads the file (and have the renewal hook do so next time)"
    OtherCertificate "other-certificate" Comparison Critical
        "The server serves another certificate than the file, and the file is not the newer one."
        "install the file that belongs to this server, or compare with the one that its settings name"
    KeyMismatch "key-mismatch" Comparison Critical
        "Private key and certificate do not belong together."
        "put the key beside the certificate that was issued for it"
    PoolStale "pool-stale" Comparison Warning
        "Connections of the pool were made with an earlier certificate than is served now."
        "nothing to do in Everpost's pool, which retires them before their next use; other pools need a restart"
    AddressesDiffer "addresses-differ" Addresses Warning
        "The addresses of one name serve different certificates."
        "install the new certificate on every address, and reload each"
    SomeUnreachable "some-unreachable" Addresses Warning
        "Some addresses of the name work and some do not."
        "repair the addresses that fail, or take them out of the DNS"
    InvalidPath "invalid-path" Trust Critical
        "Refused for a reason that has no name of its own here."
        "have the chain checked by the authority that issued it, or install a new one"
    Expiring "expiring" Time Warning
        "Near its notAfter."
        "renew the certificate and reload the mail server; if renewal is automatic, find out why it has not run"
    LongLifetime "long-lifetime" Time Warning
        "Valid for longer than public authorities may issue, by its date."
        "have the certificate issued again within the limit (200 days since 2026-03-15, 100 since 2027-03-15, 47 since 2029-03-15)"
    DuplicateCertificate "duplicate-certificate" Chain Info
        "The same certificate was sent twice."
        "remove the doubled certificate from the file that the server loads"
    UnrelatedCertificate "unrelated-certificate" Chain Info
        "A certificate was sent that no path needs."
        "remove the certificate that does not belong to the chain"
    RootSent "root-sent" Chain Info
        "The root was sent along, which no client needs."
        "remove the root from the file that the server loads; it only makes handshakes larger"
    LargeChain "large-chain" Chain Warning
        "So many or so large certificates that some clients give up."
        "send only leaf and intermediates; clients limit the size of the chain"
    DaneMismatch "dane-mismatch" Dane Critical
        "No TLSA record fits what the server serves."
        "publish a TLSA record for the new key before the server serves it, and keep the old one until it is gone"
    DaneUnusable "dane-unusable" Dane Warning
        "TLSA records that no mail client can use."
        "publish TLSA records as 3 1 1 (key of the server) or 2 1 1 (key of its authority)"
    DaneInsecure "dane-insecure" Dane Warning
        "TLSA records in a zone that DNSSEC does not protect, so that they are ignored."
        "sign the zone with DNSSEC, or remove the records"
    DaneBogus "dane-bogus" Dane Critical
        "DNSSEC says that the answer was forged or is broken."
        "repair the zone's signatures and DS records: mail to this host is deferred by servers that validate"
    DaneLookupFailed "dane-lookup-failed" Dane Warning
        "TLSA records could not be looked up."
        "ask a resolver that answers and passes DNSSEC records on; if every one fails, repair the zone: mail to this host is deferred by servers that use DANE"
    DaneRollover "dane-rollover" Dane Info
        "Some TLSA records fit what the server serves and others do not."
        "nothing to do while a key is being replaced; afterwards remove the records of keys that are gone"
    MtaStsMismatch "mta-sts-mismatch" MtaSts Critical
        "The MTA-STS policy does not name this server, or the server does not satisfy it."
        "name the server in the policy's mx lines, and give it a certificate for that name"
    MtaStsInvalid "mta-sts-invalid" MtaSts Warning
        "The MTA-STS record or policy cannot be used."
        "repair the record (_mta-sts TXT, v=STSv1; id=…) and the policy file (version, mode, mx, max_age)"
    MtaStsUnreachable "mta-sts-unreachable" MtaSts Warning
        "The MTA-STS policy is announced and cannot be fetched."
        "serve https://mta-sts.DOMAIN/.well-known/mta-sts.txt with a valid certificate for that name"
    AuthNotOffered "auth-not-offered" Account Critical
        "The server offers no AUTH."
        "use the submission port (465 or 587): servers offer no AUTH on 25, and many only inside TLS"
    MechanismNotOffered "mechanism-not-offered" Account Critical
        "The server offers no mechanism that the client may use."
        "allow one of the mechanisms that the server offers, or switch one on there"
    CredentialsRefused "credentials-refused" Account Critical
        "User name or password are wrong."
        "check user name (the full address, with most servers) and password; webmail's is often not the mailbox's"
    AuthTransient "auth-transient" Account Critical
        "The login could not be checked just now."
        "try again later: the server cannot check logins just now"
    AuthPolicy "auth-policy" Account Critical
        "The server refuses the login for a reason of policy and not for the password."
        "read the server's reply: an application password, stronger TLS, another mechanism or an unlocked account is wanted"
    AuthRequired "auth-required" Account Critical
        "The server wants a login first."
        "give user name and password, or have this address allowed to relay"
    SenderRefused "sender-refused" Account Critical
        "The sender address is refused."
        "send from an address that this login owns, of a domain that exists"
    RecipientRefused "recipient-refused" Account Critical
        "The recipient address is refused."
        "check the recipient's address, and that this server takes mail for it from this login"
    SizeLimit "size-limit" Account Critical
        "The message is larger than the server takes."
        "send a smaller message (base64 adds a third to attachments), or have the limit raised"
    AuthNeedsTls "auth-needs-tls" Account Critical
        "A login is wanted on a connection without TLS."
        "use implicit TLS (465) or STARTTLS (587): credentials are not sent in the clear"
    ServerUnproven "server-unproven" Account Critical
        "The server did not prove that it knows the password."
        "be careful: someone may be posing as the server, or its password store is damaged"
}
