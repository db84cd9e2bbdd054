//! The server steered by lines of JSON, from any language.
//!
//! The first line out says where the server listens. Then one object per line
//! in, with `do` and optionally an `id` of any kind, and one object per line
//! out, with that `id`, `ok`, and the result or `error`. [`serve`] answers them
//! in order; [`Control`] answers one at a time, without streams. The end of
//! the input stops the server. `docs/rehearsal.md` lists the commands.

mod request;

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub(crate) use self::request::ActionText;
use self::request::Request;
use crate::authority::hex;
use crate::{Fault, FaultHandle, LeafInfo, Received, Rehearsal, Restart, Rotate, Settings, lock};

/// The longest line taken, in bytes.
const LINE: u64 = 1024 * 1024;

/// Serves control requests until `stop` or the end of the input, then stops
/// the server.
///
/// # Errors
/// Those of `reader` and `writer`; a request that fails is only answered.
pub async fn serve<R, W>(server: Rehearsal, mut reader: R, mut writer: W) -> io::Result<()>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let control = Control::new(server);
    say(&mut writer, &control.listening()).await?;
    let mut line = Vec::new();
    while !control.is_stopped() {
        line.clear();
        if (&mut reader).take(LINE).read_until(b'\n', &mut line).await? == 0 {
            break;
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == LINE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a control line is longer than 1 MiB",
            ));
        }
        if !line.trim_ascii().is_empty() {
            say(&mut writer, &control.line(&line).await.to_string()).await?;
        }
    }
    control.server.stop().await;
    Ok(())
}

async fn say(writer: &mut (impl AsyncWrite + Unpin), text: &str) -> io::Result<()> {
    let line = format!("{text}\n");
    writer.write_all(line.as_bytes()).await?;
    writer.flush().await
}

/// The server steered by one request at a time: what [`serve`] does with each
/// line. May be shared: requests at the same time wait for nothing but what
/// they ask for.
///
/// ```
/// # async fn example() -> Result<(), everpost_rehearsal::Error> {
/// use everpost_rehearsal::{Rehearsal, control::Control};
///
/// let control = Control::new(Rehearsal::builder().start().await?);
/// let answer = control.request(r#"{"do":"present","chain":"expired"}"#).await;
/// assert!(answer.contains(r#""ok":true"#));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Control {
    server: Rehearsal,
    handles: Mutex<HashMap<u64, FaultHandle>>,
    stopped: AtomicBool,
}

/// `Ok(None)` is the request to stop.
type Answer = Result<Option<Value>, String>;

impl Control {
    /// Steers this server.
    pub fn new(server: Rehearsal) -> Self {
        Control { server, handles: Mutex::default(), stopped: AtomicBool::new(false) }
    }

    /// The server.
    pub fn server(&self) -> &Rehearsal {
        &self.server
    }

    /// Answers one request, an object of JSON, by an object of JSON in one
    /// line. One that fails has `"ok":false` and says why.
    pub async fn request(&self, json: &str) -> String {
        self.line(json.as_bytes()).await.to_string()
    }

    /// Whether a request has stopped the server.
    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The first line that [`serve`] says: where the server listens, its root
    /// and the leaf that it has now, as an object of JSON.
    pub fn listening(&self) -> String {
        let server = &self.server;
        let event = json!({
            "event": "listening",
            "implicit": server.implicit_addr().to_string(),
            "starttls": server.starttls_addr().to_string(),
            "plain": server.plain_addr().to_string(),
            "proxy": server.proxy_addr().map(|address| address.to_string()),
            "host": server.host(),
            "ca_pem": server.ca_pem(),
            "leaf": leaf(&server.leaf()),
        });
        event.to_string()
    }

    async fn line(&self, line: &[u8]) -> Value {
        let mut fields: Map<String, Value> = match serde_json::from_slice(line) {
            Ok(fields) => fields,
            Err(error) => {
                return json!({ "ok": false, "error": format!("not a JSON object: {error}") });
            }
        };
        let id = fields.remove("id");
        let answer = match serde_json::from_value(Value::Object(fields)) {
            Ok(request) => self.answer(request).await,
            Err(error) => Err(error.to_string()),
        };
        let mut answer = match answer {
            Ok(Some(mut fields)) => {
                fields["ok"] = true.into();
                fields
            }
            Ok(None) => {
                self.stopped.store(true, Ordering::Relaxed);
                self.server.stop().await;
                json!({ "ok": true })
            }
            Err(error) => json!({ "ok": false, "error": error }),
        };
        if let Some(id) = id {
            answer["id"] = id;
        }
        answer
    }

    async fn answer(&self, request: Request) -> Answer {
        let server = &self.server;
        let text = |error: crate::Error| error.to_string();
        let value = match request {
            Request::Rotate {
                chain,
                signer,
                same_key,
                fresh_tickets,
                not_before,
                not_after,
                share,
                restart,
                goodbye,
                down,
            } => {
                let rotate = Rotate {
                    chain,
                    signer,
                    same_key,
                    fresh_tickets,
                    not_before: not_before.as_deref().map(moment).transpose()?,
                    not_after: not_after.as_deref().map(moment).transpose()?,
                    share,
                    restart: restart.then_some(Restart { goodbye, down: seconds(down)? }),
                };
                json!({ "leaf": leaf(&server.rotate(rotate).await.map_err(text)?) })
            }
            Request::Present { chain } => {
                json!({ "leaf": leaf(&server.present(chain).await.map_err(text)?) })
            }
            Request::Rollback {} => json!({ "leaf": leaf(&server.rollback().map_err(text)?) }),
            Request::Restart { goodbye, down } => {
                server.restart(Restart { goodbye, down: seconds(down)? }).await.map_err(text)?;
                json!({})
            }
            Request::Wave421 {} => json!({ "connections": server.wave_of_421().await }),
            Request::Drop { how } => json!({ "connections": server.drop_connections(how).await }),
            Request::Inject { at, action, on, keep } => {
                let mut fault = Fault::new(at, action).on(on);
                fault.keep = keep;
                let handle = server.inject(fault).map_err(text)?;
                let id = handle.id();
                lock(&self.handles).insert(id, handle);
                json!({ "fault": id })
            }
            Request::Fault { fault } => json!({ "fired": self.handle(fault)?.count() }),
            Request::Release { fault } => {
                if let Some(fault) = fault {
                    self.handle(fault)?;
                }
                server.release(fault);
                json!({})
            }
            Request::Remove { fault: Some(fault) } => {
                self.handle(fault)?.remove();
                lock(&self.handles).remove(&fault);
                json!({})
            }
            Request::Remove { fault: None } => {
                server.clear_faults();
                lock(&self.handles).clear();
                json!({})
            }
            Request::Wait { messages, fault, closed, seconds: limit } => {
                let handle = fault.map(|fault| self.handle(fault)).transpose()?;
                let waiting = async {
                    if let Some(messages) = messages {
                        server.wait_received(messages).await;
                    }
                    if let Some(handle) = handle {
                        handle.fired().await;
                    }
                    if closed {
                        server.wait_closed().await;
                    }
                };
                tokio::time::timeout(seconds(limit)?, waiting)
                    .await
                    .map_err(|_| format!("it did not happen within {limit} s"))?;
                json!({})
            }
            Request::Received { bodies } => {
                let all: Vec<_> = server.received().iter().map(|it| message(it, bodies)).collect();
                json!({ "received": all })
            }
            Request::Copies { message_id } => json!({ "copies": server.copies(&message_id) }),
            Request::Counts {} => json!({ "counts": server.counts() }),
            Request::Stats {} => json!({ "stats": server.stats() }),
            Request::Connections {} => json!({ "connections": server.connections() }),
            Request::Leaf {} => json!({ "leaf": leaf(&server.leaf()) }),
            Request::ClientCertificate { name } => {
                let made = server.client_certificate(&name).map_err(text)?;
                json!({ "chain_pem": made.chain_pem, "key_pem": made.key_pem })
            }
            Request::Settings { set } => {
                if let Some(set) = set {
                    let mut all = json!(server.settings());
                    merge(&mut all, set);
                    let settings: Settings =
                        serde_json::from_value(all).map_err(|error| error.to_string())?;
                    server.update(|current| *current = settings);
                }
                json!({ "settings": server.settings() })
            }
            Request::Clear {} => {
                server.clear_received();
                json!({})
            }
            Request::Stop {} => return Ok(None),
        };
        Ok(Some(value))
    }

    fn handle(&self, fault: u64) -> Result<FaultHandle, String> {
        let handle = lock(&self.handles).get(&fault).cloned();
        handle.ok_or_else(|| format!("there is no fault {fault}"))
    }
}

/// Puts the fields of `new` into `old`, objects field by field.
fn merge(old: &mut Value, new: Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                merge(old.entry(key).or_insert(Value::Null), value);
            }
        }
        (old, new) => *old = new,
    }
}

fn leaf(leaf: &LeafInfo) -> Value {
    json!({
        "serial": leaf.serial,
        "sha256": leaf.fingerprint(),
        "spki_sha256": hex(&leaf.spki_sha256),
        "not_before": rfc3339(leaf.not_before),
        "not_after": rfc3339(leaf.not_after),
        "der_base64": STANDARD.encode(&leaf.der),
        "pem": pem(&leaf.der),
    })
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem += line;
        pem.push('\n');
        rest = after;
    }
    pem + "-----END CERTIFICATE-----\n"
}

fn message(received: &Received, body: bool) -> Value {
    let mut value = json!({
        "message_id": received.message_id,
        "from": received.envelope_from,
        "recipients": received.recipients,
        "size": received.size,
        "tls": received.tls,
        "auth_user": received.auth_user,
        "connection": received.connection,
        "at": rfc3339(received.at),
    });
    if body {
        value["data_base64"] = STANDARD.encode(&received.data).into();
    }
    value
}

fn rfc3339(time: SystemTime) -> Option<String> {
    OffsetDateTime::from(time).format(&Rfc3339).ok()
}

fn moment(text: &str) -> Result<SystemTime, String> {
    match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(time) => Ok(time.into()),
        Err(error) => Err(format!("{text:?} is not a time of RFC 3339: {error}")),
    }
}

fn seconds(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{seconds} s: {error}"))
}
