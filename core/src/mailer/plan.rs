//! From a message and a server's capabilities to the commands of a
//! transaction; what the server cannot do is found out here, before a byte.

use crate::config::Config;
use crate::error::{Error, ErrorKind, Stage};
use crate::message::{EightBit, Envelope, Prepared, xtext};
use crate::smtp::Capabilities;
use crate::smtp::command::{Mail, Rcpt};
use crate::smtp::conversation::{Content, Plan};

/// The largest message that leaves together with its envelope: one that fits
/// into a single write. A larger one would be sent in vain if it is refused.
const EAGER_LIMIT: u64 = 64 * 1024;

/// What has been learned about how the server really behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// It offers CHUNKING and fails at it.
    pub(crate) no_chunking: bool,
}

/// # Errors
/// `unsupported` for an extension that the message needs and the server lacks,
/// `invalid_message` for a message that is larger than the server takes.
pub(crate) fn plan(
    message: &Prepared,
    capabilities: &Capabilities,
    encrypted: bool,
    config: &Config,
    manners: Manners,
) -> Result<Plan, Error> {
    let envelope = message.envelope();
    let eight_bit = eight_bit(message, capabilities)?;
    check(message, envelope, capabilities, encrypted)?;

    let chunking = config.chunking && capabilities.chunking() && !manners.no_chunking;
    let content = match message.size() {
        Some(size) if chunking => Content::Chunk { size, eager: size <= EAGER_LIMIT },
        // Without a size there is no last chunk to declare.
        _ => Content::Data,
    };
    let mut plan = Plan::new(content, config.require_all_recipients);
    let envid = envelope.envid().map(xtext);
    let ret = envelope.dsn_return().map(|ret| ret.to_string());
    Mail {
        reverse_path: envelope.reverse_path().map_or("", |address| address.as_str()),
        size: message.size().filter(|_| capabilities.size()),
        eight_bit,
        smtputf8: message.smtputf8(),
        require_tls: envelope.requires_tls(),
        ret: ret.as_deref(),
        envid: envid.as_deref(),
    }
    .write(plan.buffer())?;
    plan.end_command();
    for recipient in envelope.recipients() {
        let notify = recipient.notify().map(|notify| notify.to_string());
        let orcpt = recipient.orcpt();
        Rcpt {
            forward_path: recipient.address().as_str(),
            notify: notify.as_deref(),
            orcpt: orcpt.as_deref(),
        }
        .write(plan.buffer())?;
        plan.end_command();
    }
    Ok(plan)
}

fn eight_bit(message: &Prepared, capabilities: &Capabilities) -> Result<bool, Error> {
    let offered = capabilities.eight_bit_mime();
    match message.eight_bit() {
        EightBit::Yes if !offered => Err(unsupported(
            "the message has 8-bit content and the server does not offer 8BITMIME",
            "encode its parts as quoted-printable or base64",
        )),
        EightBit::Yes | EightBit::Unknown => Ok(offered),
        EightBit::No => Ok(false),
    }
}

fn check(
    message: &Prepared,
    envelope: &Envelope,
    capabilities: &Capabilities,
    encrypted: bool,
) -> Result<(), Error> {
    if message.smtputf8() && !capabilities.smtputf8() {
        return Err(unsupported(
            "an address or a header field has UTF-8 and the server does not offer SMTPUTF8",
            "use the ASCII form of the address and encoded words in the header",
        ));
    }
    if envelope.needs_dsn() && !capabilities.dsn() {
        return Err(unsupported(
            "delivery status notifications are asked for and the server does not offer DSN",
            "leave out notify, return, envid and original recipient for this server",
        ));
    }
    if envelope.requires_tls() && !(encrypted && capabilities.require_tls()) {
        return Err(unsupported(
            "REQUIRETLS is asked for and the server does not offer it over TLS",
            "send without require_tls, or through a server that supports RFC 8689",
        ));
    }
    if let (Some(size), Some(limit)) = (message.size(), capabilities.max_size())
        && size > limit
    {
        let text = format!("the message has {size} bytes and the server takes at most {limit}");
        return Err(Error::new(ErrorKind::InvalidMessage, Stage::Mail, text)
            .with_hint("send a link instead of the attachment, or ask for a higher limit"));
    }
    Ok(())
}

fn unsupported(message: &str, hint: &str) -> Error {
    Error::new(ErrorKind::Unsupported, Stage::Mail, message).with_hint(hint)
}
