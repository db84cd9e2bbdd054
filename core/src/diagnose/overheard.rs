//! The first bytes that a server says, whatever they were taken for.
//!
//! TLS tells of plain text only that it is none; what it was is the better
//! half of the answer. [`Overheard`] is a stream that keeps them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::network::Stream;

/// How much is kept.
const KEPT: usize = 512;

/// What was kept. Clones are handles to the same bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstBytes(Arc<Mutex<Vec<u8>>>);

impl FirstBytes {
    pub(super) fn to_vec(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// A stream that keeps what comes in first.
#[derive(Debug)]
pub(super) struct Overheard {
    stream: Box<dyn Stream>,
    first: FirstBytes,
}

impl Overheard {
    pub(super) fn new(stream: Box<dyn Stream>, first: FirstBytes) -> Self {
        Overheard { stream, first }
    }
}

impl Stream for Overheard {
    fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream.peer_addr()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.stream.local_addr()
    }
}

impl AsyncRead for Overheard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.first.keep(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Overheard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What a server seems to be, by its first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// Nothing was said.
    None,
    /// A record of TLS.
    Tls,
    /// An SMTP reply with this code; the line, made printable.
    Smtp(u16, String),
    /// Another protocol, by name where it is known; the line, made printable.
    Other(&'static str, String),
}

impl Speech {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let printable: String =
            String::from_utf8_lossy(line).chars().take(120).flat_map(char::escape_debug).collect();
        let code = line.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| digits.parse().ok()).filter(|code| *code >= 200);
        match (bytes, code) {
            ([], _) => Speech::None,
            // Alert or handshake, version 3.x.
            ([0x15 | 0x16, 0x03, ..], _) => Speech::Tls,
            (_, Some(code)) if matches!(line.get(3), None | Some(b' ' | b'-')) => {
                Speech::Smtp(code, printable)
            }
            _ if line.starts_with(b"* ") => Speech::Other("IMAP", printable),
            _ if line.starts_with(b"+OK") => Speech::Other("POP3", printable),
            _ if line.starts_with(b"SSH-") => Speech::Other("SSH", printable),
            _ if line.starts_with(b"HTTP/") => Speech::Other("HTTP", printable),
            _ => Speech::Other("", printable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_first_bytes() {
        let smtp = |code, text: &str| Speech::Smtp(code, text.to_owned());
        assert_eq!(Speech::of(b""), Speech::None);
        assert_eq!(Speech::of(b"\x15\x03\x01\x00\x02\x02\x0a"), Speech::Tls);
        assert_eq!(Speech::of(b"220 mx ESMTP\r\nmore"), smtp(220, "220 mx ESMTP"));
        assert_eq!(Speech::of(b"421-busy"), smtp(421, "421-busy"));
        assert_eq!(Speech::of(b"* OK IMAP4"), Speech::Other("IMAP", "* OK IMAP4".into()));
        assert_eq!(Speech::of(b"SSH-2.0-x\n"), Speech::Other("SSH", "SSH-2.0-x".into()));
        assert_eq!(Speech::of(b"2200 no"), Speech::Other("", "2200 no".into()));
    }

    #[test]
    fn what_a_server_says_is_made_printable_and_cut() {
        let Speech::Other("", line) = Speech::of(&[0x1b; 500]) else { panic!() };
        assert!(!line.contains('\u{1b}') && line.len() < 1000, "{line}");
    }

    #[tokio::test]
    async fn only_the_first_bytes_are_kept() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (near, mut far) = tokio::io::duplex(4096);
        let first = FirstBytes::default();
        let mut stream = Overheard::new(Box::new(near), first.clone());
        far.write_all(&[b'x'; 3000]).await.unwrap();
        stream.read_exact(&mut [0; 3000]).await.unwrap();
        assert_eq!(first.to_vec(), [b'x'; KEPT]);
    }
}
