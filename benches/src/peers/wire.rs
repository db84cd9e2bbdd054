//! The wire limit: a client that does nothing but write what was encoded
//! before and count replies. No client of the same shape can be much faster.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use rustls::client::Resumption;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;

use super::mail_send::tls;
use crate::job::{Answer, Job, PASSWORD, Stretch, USER};

type Failure = Box<dyn Error + Send + Sync>;
type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A message, encoded in each of the ways it may leave.
struct Encoded {
    /// MAIL, RCPT and DATA.
    envelope: Vec<u8>,
    /// The content and its dot.
    data: Vec<u8>,
    /// The same and the envelope of the next message.
    chained: Vec<u8>,
    /// MAIL and RCPT.
    commands: Vec<u8>,
    /// The content as the last chunk.
    chunk: Vec<u8>,
    /// Both at once.
    flight: Vec<u8>,
}

impl Encoded {
    fn new(job: &Job, content: &[u8]) -> Self {
        let commands = format!(
            "MAIL FROM:<{}> SIZE={}\r\nRCPT TO:<{}>\r\n",
            job.sender,
            content.len(),
            job.recipient
        );
        let envelope = [commands.as_bytes(), b"DATA\r\n"].concat();
        // The message has no line that begins with a dot.
        let data = [content, b".\r\n"].concat();
        let chained = [&data[..], &envelope].concat();
        let bdat = format!("BDAT {} LAST\r\n", content.len());
        let chunk = [bdat.as_bytes(), content].concat();
        let flight = [commands.as_bytes(), &chunk].concat();
        Encoded { envelope, data, chained, commands: commands.into_bytes(), chunk, flight }
    }
}

pub(super) fn run(job: &Job, content: &[u8]) -> Result<Answer, Box<dyn Error>> {
    let mut config = tls(job)?;
    if job.how == "fresh" {
        config.resumption = Resumption::disabled();
    }
    let config = Arc::new(config);
    let encoded = Encoded::new(job, content);
    let mut clients = Vec::new();
    if !job.is_fresh() {
        for _ in 0..job.connections {
            clients.push(connect(job, &config).map_err(|error| error.to_string())?);
        }
    }
    let mut all = |stretch: Stretch| -> Result<u64, Box<dyn Error>> {
        if job.is_fresh() {
            return Ok(fresh(job, &config, &encoded, stretch).map_err(|error| error.to_string())?);
        }
        thread::scope(|scope| {
            let work = |client| || messages(&job.how, client, &encoded, stretch);
            let threads: Vec<_> =
                clients.iter_mut().map(|client| scope.spawn(work(client))).collect();
            let mut messages = 0;
            for thread in threads {
                let result = thread.join().map_err(|_| "a thread of the wire client panicked")?;
                messages += result.map_err(|error| error.to_string())?;
            }
            Ok(messages)
        })
    };
    let warm = all(Stretch::begin(job.warm))?;
    let stretch = Stretch::begin(job.seconds);
    let messages = all(stretch)?;
    Ok(stretch.answer(messages, warm))
}

fn messages(
    how: &str,
    client: &mut Tls,
    encoded: &Encoded,
    stretch: Stretch,
) -> Result<u64, Failure> {
    let mut messages = 0;
    if how == "chained" {
        ask(client, &encoded.envelope, 3)?;
    }
    while stretch.goes_on() {
        match how {
            "chained" => ask(client, &encoded.chained, 4)?,
            "bdat" => ask(client, &encoded.flight, 3)?,
            "bdat-late" => {
                ask(client, &encoded.commands, 2)?;
                ask(client, &encoded.chunk, 1)?;
            }
            _ => {
                ask(client, &encoded.envelope, 3)?;
                ask(client, &encoded.data, 1)?;
            }
        }
        messages += 1;
    }
    if how == "chained" {
        ask(client, &encoded.data, 1)?;
        messages += 1;
    }
    Ok(messages)
}

fn fresh(
    job: &Job,
    config: &Arc<ClientConfig>,
    encoded: &Encoded,
    stretch: Stretch,
) -> Result<u64, Failure> {
    let mut messages = 0;
    while stretch.goes_on() {
        let mut client = connect(job, config)?;
        ask(&mut client, &encoded.envelope, 3)?;
        ask(&mut client, &encoded.data, 1)?;
        ask(&mut client, b"QUIT\r\n", 0)?;
        messages += 1;
    }
    Ok(messages)
}

fn connect(job: &Job, config: &Arc<ClientConfig>) -> Result<Tls, Failure> {
    let name = ServerName::try_from(job.host.clone())?;
    let tcp = TcpStream::connect((job.host.as_str(), job.port))?;
    tcp.set_nodelay(true)?;
    let mut client = StreamOwned::new(ClientConnection::new(Arc::clone(config), name)?, tcp);
    ask(&mut client, b"", 1)?;
    ask(&mut client, b"EHLO client.test\r\n", 1)?;
    debug_assert_eq!((USER, PASSWORD), ("app", "secret"));
    ask(&mut client, b"AUTH PLAIN AGFwcABzZWNyZXQ=\r\n", 1)?;
    Ok(client)
}

/// Writes, and waits for so many complete replies.
fn ask(client: &mut Tls, bytes: &[u8], replies: usize) -> Result<(), Failure> {
    client.write_all(bytes)?;
    client.flush()?;
    let (mut seen, mut line) = (0, Vec::new());
    let mut block = [0; 4096];
    while seen < replies {
        let read = client.read(&mut block)?;
        if read == 0 {
            return Err("the server closed the connection".into());
        }
        for &byte in &block[..read] {
            line.push(byte);
            if byte == b'\n' {
                if !matches!(line[0], b'2' | b'3') {
                    return Err(String::from_utf8_lossy(&line).into_owned().into());
                }
                seen += usize::from(line.get(3) == Some(&b' '));
                line.clear();
            }
        }
    }
    Ok(())
}
