//! The server of a scenario, and the client made for it.

use std::sync::Mutex;

use everpost::tls::ClientIdentity;
use everpost::{Credentials, Error, Mailer, MailerBuilder, TokenError, TrustRoots};
use everpost_rehearsal::{Builder, Options, control};
use serde_json::{Map, Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};

use crate::{Client, Result};

/// The server at the other end of lines of JSON.
pub(crate) struct Server {
    out: WriteHalf<DuplexStream>,
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    /// All that it has said: the fields of its first line and of its answers,
    /// newer over older. `${leaf.sha256}` is read here.
    pub(crate) known: Value,
}

impl Server {
    pub(crate) async fn start(options: Value) -> Result<Self> {
        let options: Options = serde_json::from_value(options)?;
        let server = Builder::from(options).start().await?;
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (reader, writer) = tokio::io::split(far);
        tokio::spawn(control::serve(server, BufReader::new(reader), writer));
        let (reader, out) = tokio::io::split(near);
        let mut server = Server { out, lines: BufReader::new(reader).lines(), known: json!({}) };
        server.hear().await?;
        Ok(server)
    }

    async fn hear(&mut self) -> Result<Value> {
        let line = self.lines.next_line().await?.ok_or("the server is gone")?;
        let answer: Map<String, Value> = serde_json::from_str(&line)?;
        for (name, value) in &answer {
            self.known[name] = value.clone();
        }
        Ok(Value::Object(answer))
    }

    pub(crate) async fn ask(&mut self, request: Value) -> Result<Value> {
        let line = format!("{}\n", filled(request, &self.known)?);
        self.out.write_all(line.as_bytes()).await?;
        self.hear().await
    }

    /// As [`ask`](Self::ask), of what must work.
    pub(crate) async fn must(&mut self, request: Value) -> Result<Value> {
        let answer = self.ask(request.clone()).await?;
        if answer["ok"] == true { Ok(answer) } else { Err(format!("{request}: {answer}").into()) }
    }

    pub(crate) fn fill(&self, text: Value) -> Result<String> {
        Ok(filled(text, &self.known)?.as_str().ok_or("no text")?.to_owned())
    }

    /// A client as the scenario wants it, and whom it trusts; or why there is
    /// none, which a scenario may be about.
    pub(crate) fn client(
        &self,
        client: Client,
    ) -> Result<Result<(MailerBuilder, Option<TrustRoots>), Error>> {
        let text = |text: &str| self.fill(text.into());
        let mut builder = match Mailer::builder_from_url(&text(&client.url)?) {
            Ok(builder) => builder,
            Err(error) => return Ok(Err(error)),
        };
        let roots =
            if client.trust { Some(TrustRoots::Pem(text("${ca_pem}")?.into())) } else { None };
        if let Some(roots) = &roots {
            builder = builder.trust(roots.clone());
        }
        if client.identity {
            let identity = ClientIdentity::from_pem(text("${chain_pem}")?, text("${key_pem}")?)?;
            builder = builder.client_identity(identity);
        }
        if let Some(tokens) = client.tokens {
            let answers = Mutex::new(tokens.answers);
            let provider = move || {
                let mut answers = answers.lock().expect("nothing panics while it is held");
                let answer = match answers.len() {
                    0 | 1 => answers.front().cloned(),
                    _ => answers.pop_front(),
                };
                async move { answer.ok_or_else(|| TokenError::from("there is no token")) }
            };
            builder = builder.credentials(Credentials::token_provider(tokens.user, provider));
        }
        Ok(Ok((builder, roots)))
    }
}

/// `value` with every `${path}` in its texts replaced by what is known; a text
/// that is nothing else becomes the value itself, whatever its kind.
fn filled(value: Value, known: &Value) -> Result<Value> {
    Ok(match value {
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| filled(item, known)).collect::<Result<_>>()?)
        }
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| Ok((name, filled(value, known)?)));
            Value::Object(fields.collect::<Result<_>>()?)
        }
        Value::String(text) => {
            let mut done = String::new();
            let mut rest = text.as_str();
            while let Some((before, after)) = rest.split_once("${") {
                let (path, after) = after.split_once('}').ok_or("${ without }")?;
                let value = path.split('.').fold(known, |value, name| &value[name]);
                if value.is_null() {
                    return Err(format!("the server has not said {path}").into());
                }
                if path.len() + "${}".len() == text.len() {
                    return Ok(value.clone());
                }
                done += before;
                done += &value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                rest = after;
            }
            Value::String(done + rest)
        }
        other => other,
    })
}
