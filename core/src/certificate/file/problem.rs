//! Why a file cannot be used, and what to do about it: [`Problem`].

use crate::Error;

/// Why a file cannot be used. Its text never holds a password or a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("the file is larger than {} MiB", super::MAX_FILE >> 20)]
    TooLarge,
    #[error("more than {} certificates and keys in it", super::MAX_PARTS)]
    TooMany,
    #[error("the file is empty")]
    Empty,
    #[error("neither PEM nor DER nor PFX")]
    Unknown,
    #[error("no certificate in it, but {0}")]
    NoCertificate(Instead),
    #[error("no private key in it")]
    NoKey,
    #[error("{what} is damaged: {reason}")]
    Damaged { what: String, reason: String },
    #[error("its lengths are indefinite (BER), which is not supported")]
    Indefinite,
    #[error("{0} is encrypted, and no password was given")]
    PasswordMissing(&'static str),
    #[error("wrong password for {0}")]
    WrongPassword(&'static str),
    #[error("{0} is encrypted in a way that is not supported")]
    Cipher(&'static str),
    #[error("{0} asks for so many rounds of its password that opening it would take too long")]
    TooCostly(&'static str),
    #[error("a PFX password cannot have characters beyond U+FFFF, such as emoji")]
    PasswordCharacters,
    #[error("the private key is of a kind that is not supported")]
    KeyKind,
    #[error("the PFX cannot be written: {0}")]
    Unwritable(String),
}

/// What is there in place of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    Nothing,
    Key,
    Request,
    Crl,
    PublicKey,
    Pkcs7,
    Keystore,
}

impl std::fmt::Display for Instead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Instead::Nothing => "nothing else that is known either",
            Instead::Key => "a private key",
            Instead::Request => "a certificate request (CSR)",
            Instead::Crl => "a revocation list (CRL)",
            Instead::PublicKey => "a public key",
            Instead::Pkcs7 => "PKCS#7 (.p7b)",
            Instead::Keystore => "a Java keystore (JKS)",
        })
    }
}

impl Problem {
    pub(super) fn damaged(what: impl Into<String>, reason: impl ToString) -> Self {
        let reason = reason.to_string().chars().filter(|char| !char.is_control()).collect();
        Problem::Damaged { what: what.into(), reason }
    }

    /// What to do about it.
    fn hint(&self) -> &'static str {
        match self {
            Problem::TooLarge | Problem::TooMany => {
                "give the certificate's own file, not a bundle of everything"
            }
            Problem::Empty | Problem::Unknown | Problem::NoCertificate(Instead::Nothing) => {
                "give certificates as PEM (-----BEGIN CERTIFICATE-----), one as DER, or a PFX \
                 (PKCS#12)"
            }
            Problem::NoCertificate(Instead::Key | Instead::PublicKey) => {
                "give the file of the certificate that belongs to the key, such as fullchain.pem"
            }
            Problem::NoCertificate(Instead::Request) => {
                "give the certificate that the authority issued for this request"
            }
            Problem::NoCertificate(Instead::Crl) => "give the certificate itself",
            Problem::NoCertificate(Instead::Pkcs7) => {
                "convert it first: openssl pkcs7 -print_certs -in FILE -out chain.pem (for DER add \
                 -inform der)"
            }
            Problem::NoCertificate(Instead::Keystore) => {
                "convert it first: keytool -importkeystore -srckeystore FILE -destkeystore \
                 server.pfx -deststoretype pkcs12"
            }
            Problem::NoKey => {
                "give the file with the private key (-----BEGIN PRIVATE KEY-----), such as \
                 privkey.pem, or the PFX that holds it"
            }
            Problem::Damaged { .. } => {
                "copy or export it again, in binary mode; compare its size with the original's"
            }
            Problem::PasswordMissing(_) => {
                "give the password that the file was exported or encrypted with"
            }
            Problem::WrongPassword(_) => {
                "check the password that the file was exported or encrypted with; a blank at its end \
                 counts, and a damaged file looks the same"
            }
            Problem::Cipher(_) | Problem::TooCostly(_) | Problem::Indefinite => {
                "write it anew with openssl: a key by openssl pkey -in FILE -aes256 -out key.pem, \
                 a PFX by openssl pkcs12 -in FILE -out all.pem"
            }
            Problem::PasswordCharacters => "choose another password for the PFX",
            Problem::KeyKind => {
                "use an RSA, ECDSA (P-256, P-384 or P-521) or Ed25519 key; openssl pkcs8 -topk8 \
                 -nocrypt writes it in the usual form"
            }
            Problem::Unwritable(_) => "write PEM instead",
        }
    }

    /// As the error of the API; `place` says of which file.
    pub(super) fn error(self, place: Option<&str>) -> Error {
        let hint = self.hint();
        let message = match place {
            Some(place) => format!("{place}: {self}"),
            None => self.to_string(),
        };
        Error::config(message).with_hint(hint)
    }
}
