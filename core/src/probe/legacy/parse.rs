//! The server's side of a handshake up to its chain: bytes in, facts out
//! (RFC 5246 §6.2 and §7.4, RFC 6066 §8).
//!
//! Records and messages may be cut and joined anywhere. Once the chain is
//! read, nothing that follows can take it back. Nothing is kept beyond
//! [`MAX_TOTAL`] bytes.

use rustls::{AlertDescription, CipherSuite, ProtocolVersion};

use super::{LegacyError, LegacyFacts, cipher_name};

/// How much of records is read at most.
const MAX_TOTAL: usize = 256 * 1024;
/// How many certificates are taken at most.
pub(crate) const MAX_CERTIFICATES: usize = 100;
/// A record's plain text at most, with what encryption might add
/// (RFC 5246 §6.2.3).
const MAX_RECORD: usize = (1 << 14) + 2048;
/// How much of a plain text answer is waited for, and shown.
const MAX_TEXT: usize = 128;

/// What has been read so far.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// What is no whole record yet.
    input: Vec<u8>,
    /// What is no whole handshake message yet.
    messages: Vec<u8>,
    /// The level of an alert that is cut after it.
    level: Option<u8>,
    /// The size of all records taken.
    taken: usize,
    hello: Option<ServerHello>,
    chain: Option<Vec<Vec<u8>>>,
    staple: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug)]
struct ServerHello {
    version: ProtocolVersion,
    protocol: &'static str,
    cipher: CipherSuite,
    /// Whether a staple may follow the chain.
    staples: bool,
}

type Result<T> = std::result::Result<T, LegacyError>;

impl Reader {
    /// Takes what came. Returns the facts as soon as they are complete; nothing
    /// more is to be fed then, nor after an error.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Option<LegacyFacts>> {
        self.input.extend_from_slice(bytes);
        match self.read() {
            Ok(true) => self.settle(LegacyError::Broken("no chain")).map(Some),
            Ok(false) => Ok(None),
            Err(error) => self.settle(error).map(Some),
        }
    }

    /// The other side closed the connection.
    pub(crate) fn end(&mut self) -> Result<LegacyFacts> {
        let error = match self.begins(true) {
            Err(error) => error,
            Ok(_) if self.taken + self.input.len() == 0 => LegacyError::Closed,
            Ok(_) => LegacyError::ClosedAmid,
        };
        self.settle(error)
    }

    /// The facts if the chain has been read, and else why not.
    pub(crate) fn settle(&mut self, error: LegacyError) -> Result<LegacyFacts> {
        match (&self.hello, self.chain.take()) {
            (Some(hello), Some(chain)) => Ok(LegacyFacts {
                protocol: hello.protocol,
                cipher: cipher_name(hello.cipher),
                chain,
                staple: self.staple.take(),
            }),
            _ => Err(error),
        }
    }

    /// The version to write records in.
    pub(crate) fn version(&self) -> ProtocolVersion {
        self.hello.map_or(ProtocolVersion::TLSv1_0, |hello| hello.version)
    }

    /// Reads all records that are whole; whether that is enough.
    fn read(&mut self) -> Result<bool> {
        loop {
            if !self.begins(false)? {
                return Ok(false);
            }
            let Some(header) = self.input.first_chunk::<5>() else { return Ok(false) };
            let kind = header[0];
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            if length > MAX_RECORD {
                return Err(LegacyError::Broken("a record is too long"));
            }
            if self.input.len() < 5 + length {
                return Ok(false);
            }
            self.taken += 5 + length;
            if self.taken > MAX_TOTAL {
                return Err(LegacyError::TooLarge);
            }
            let record: Vec<u8> = self.input.drain(..5 + length).skip(5).collect();
            let done = match kind {
                21 => self.alerts(&record)?,
                22 => self.handshake(&record)?,
                _ => return Err(LegacyError::Broken("a record of a type that has no place here")),
            };
            if done {
                return Ok(true);
            }
        }
    }

    /// Whether a record begins at the front, as far as can be seen already. At
    /// the `end`, no more is waited for.
    fn begins(&self, end: bool) -> Result<bool> {
        let input = &self.input;
        let text = |byte: &u8| byte.is_ascii_graphic() || b" \t\r\n".contains(byte);
        if self.taken == 0 && input.first().is_some_and(text) {
            let line = input.iter().take(MAX_TEXT).position(|byte| *byte == b'\n');
            if line.is_none() && input.len() < MAX_TEXT && !end {
                return Ok(false);
            }
            let line = &input[..line.unwrap_or(input.len().min(MAX_TEXT))];
            return Err(LegacyError::PlainText(shown(line)));
        }
        match input.first_chunk::<3>() {
            None => Ok(false),
            Some([20..=23, 3, _]) => Ok(true),
            Some(_) if self.taken > 0 => {
                Err(LegacyError::Broken("a record does not begin like one"))
            }
            // Two bytes of length, then SERVER-HELLO or ERROR.
            Some([length, _, 0 | 4]) if length & 0x80 != 0 => Err(LegacyError::Ssl2),
            Some(head) => Err(LegacyError::NotTls(*head)),
        }
    }

    /// Whether the other side is done. Warnings are passed over: a name that
    /// the server does not know is one (RFC 6066 §3).
    fn alerts(&mut self, record: &[u8]) -> Result<bool> {
        for byte in record {
            let Some(level) = self.level.take() else {
                self.level = Some(*byte);
                continue;
            };
            let alert = AlertDescription::from(*byte);
            if level != 1 || alert == AlertDescription::CloseNotify {
                return Err(LegacyError::Alert(alert));
            }
        }
        Ok(false)
    }

    fn handshake(&mut self, record: &[u8]) -> Result<bool> {
        self.messages.extend_from_slice(record);
        while let Some([kind, length @ ..]) = self.messages.first_chunk::<4>().copied() {
            let length = u24(length);
            if length > MAX_TOTAL {
                return Err(LegacyError::TooLarge);
            }
            if self.messages.len() < 4 + length {
                break;
            }
            let message: Vec<u8> = self.messages.drain(..4 + length).skip(4).collect();
            if self.message(kind, &message)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether this message is the last of interest.
    fn message(&mut self, kind: u8, body: &[u8]) -> Result<bool> {
        match (kind, self.hello, &self.chain) {
            (0, ..) => Ok(false), // hello_request
            (2, None, _) => {
                self.hello = Some(server_hello(body)?);
                Ok(false)
            }
            (11, Some(hello), None) => {
                self.chain = Some(certificates(body)?);
                Ok(!hello.staples)
            }
            (22, Some(_), Some(_)) => {
                self.staple = staple(body);
                Ok(true)
            }
            // Key exchange, certificate request or the end of the flight,
            // without a certificate: an anonymous suite, or a broken server.
            (12..=14, Some(_), None) => {
                self.chain = Some(Vec::new());
                Ok(true)
            }
            (12..=14, Some(_), Some(_)) => Ok(true),
            _ => Err(LegacyError::Broken("a message is out of order")),
        }
    }
}

/// RFC 5246 §7.4.1.3.
fn server_hello(body: &[u8]) -> Result<ServerHello> {
    const CUT: LegacyError = LegacyError::Broken("its hello is cut short");
    let mut rest = body;
    let version = take(&mut rest, 2).map(|it| u16::from_be_bytes([it[0], it[1]])).ok_or(CUT)?;
    let version = ProtocolVersion::from(version);
    let protocol = match version {
        ProtocolVersion::SSLv3 => "SSLv3",
        ProtocolVersion::TLSv1_0 => "TLSv1.0",
        ProtocolVersion::TLSv1_1 => "TLSv1.1",
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        other => return Err(LegacyError::Version(other)),
    };
    take(&mut rest, 32).ok_or(CUT)?; // random
    let session = take(&mut rest, 1).ok_or(CUT)?[0];
    take(&mut rest, session.into()).ok_or(CUT)?;
    let cipher = take(&mut rest, 2).map(|it| u16::from_be_bytes([it[0], it[1]])).ok_or(CUT)?;
    take(&mut rest, 1).ok_or(CUT)?; // compression
    let staples = promises_staple(rest);
    Ok(ServerHello { version, protocol, cipher: CipherSuite::from(cipher), staples })
}

/// Whether the extensions of a hello include status_request (RFC 6066 §8). One
/// that is broken promises nothing.
fn promises_staple(extensions: &[u8]) -> bool {
    let mut rest = extensions.get(2..).unwrap_or_default();
    while let Some(&[high, low, long, short]) = take(&mut rest, 4) {
        if [high, low] == [0, 5] {
            return true;
        }
        if take(&mut rest, u16::from_be_bytes([long, short]).into()).is_none() {
            return false;
        }
    }
    false
}

/// RFC 5246 §7.4.2.
fn certificates(body: &[u8]) -> Result<Vec<Vec<u8>>> {
    const BROKEN: LegacyError = LegacyError::Broken("its list of certificates has wrong lengths");
    let mut rest = prefixed_u24(&mut { body }).ok_or(BROKEN)?;
    if body.len() != 3 + rest.len() {
        return Err(BROKEN);
    }
    let mut chain = Vec::new();
    while !rest.is_empty() {
        if chain.len() == MAX_CERTIFICATES {
            return Err(LegacyError::TooLarge);
        }
        chain.push(prefixed_u24(&mut rest).ok_or(BROKEN)?.to_vec());
    }
    Ok(chain)
}

/// RFC 6066 §8; of a type other than OCSP, or broken: none.
fn staple(body: &[u8]) -> Option<Vec<u8>> {
    let mut rest = body.strip_prefix(&[1])?;
    let response = prefixed_u24(&mut rest)?;
    (!response.is_empty()).then(|| response.to_vec())
}

/// A line of the other side, safe for a message.
fn shown(line: &[u8]) -> String {
    let clean = |char: char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char };
    String::from_utf8_lossy(line).trim_end().chars().map(clean).collect()
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}

fn prefixed_u24<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<3>()?;
    let (taken, after) = after.split_at_checked(u24(*length))?;
    *rest = after;
    Some(taken)
}

fn u24([high, middle, low]: [u8; 3]) -> usize {
    u32::from_be_bytes([0, high, middle, low]) as usize
}
