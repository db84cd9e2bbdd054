//! The server that all peers send to, in a process of its own.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};

use everpost_rehearsal::{Capabilities, Rehearsal};

use crate::job::{PASSWORD, USER};

/// Serves until its input ends. Says its port and its root certificate first;
/// answers every line with the number of messages received since the last.
pub(crate) fn serve() -> Result<(), Box<dyn Error>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // One mechanism, so that all log in alike.
    let capabilities = Capabilities { auth: vec!["PLAIN".to_owned()], ..Capabilities::default() };
    let builder = Rehearsal::builder().credentials(USER, PASSWORD).capabilities(capabilities);
    let server = runtime.block_on(builder.start())?;
    server.update(|settings| settings.forget_bodies = true);
    let listening = serde_json::json!({
        "port": server.implicit_addr().port(),
        "ca": server.ca_pem(),
    });
    writeln!(stdout(), "{listening}")?;
    for line in stdin().lock().lines() {
        line?;
        writeln!(stdout(), "{}", server.received_count())?;
        server.clear_received();
    }
    Ok(())
}
