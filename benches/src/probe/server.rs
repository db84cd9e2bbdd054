//! The server that is looked at, in a process of its own.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::net::{IpAddr, Ipv4Addr};

use everpost_rehearsal::Rehearsal;

/// Serves until its input ends. Says its port and its root certificate first;
/// answers every line with the number of connections since the last.
pub(crate) fn serve() -> Result<(), Box<dyn Error>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // Every loopback address, where there is more than one.
    let address = match cfg!(target_os = "linux") {
        true => Ipv4Addr::UNSPECIFIED,
        false => Ipv4Addr::LOCALHOST,
    };
    let server = runtime.block_on(Rehearsal::builder().address(IpAddr::V4(address)).start())?;
    let listening = serde_json::json!({
        "port": server.starttls_addr().port(),
        "ca": server.ca_pem(),
    });
    writeln!(stdout(), "{listening}")?;
    let mut before = 0;
    for line in stdin().lock().lines() {
        line?;
        let now = server.stats().connections;
        writeln!(stdout(), "{}", now - before)?;
        before = now;
    }
    Ok(())
}
