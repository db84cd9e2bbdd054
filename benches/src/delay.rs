//! A path of some length: a proxy that hands every byte on at the moment it
//! was read plus the time of one way, so that it adds no stall of its own and
//! has no limit of bandwidth.

use std::error::Error;
use std::io::{ErrorKind, Read, Write, stdin, stdout};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::job::HOST;

/// Bytes, and when they are due; none is the end of the stream.
type Due = (Instant, Vec<u8>);

/// Passes connections on to `port` until its input ends. Says its own port
/// first.
pub(crate) fn pass_on(port: u16, one_way: Duration) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    writeln!(stdout(), "{}", listener.local_addr()?.port())?;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // The kernel has answered the SYN already: what the client says
            // first would have had to wait for the way there and back.
            let open_at = Instant::now() + 2 * one_way;
            thread::spawn(move || connect(client, port, one_way, open_at));
        }
    });
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn connect(
    client: TcpStream,
    port: u16,
    one_way: Duration,
    open_at: Instant,
) -> std::io::Result<()> {
    let server = TcpStream::connect((HOST, port))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    way(client.try_clone()?, server.try_clone()?, one_way, open_at);
    way(server, client, one_way, open_at);
    Ok(())
}

/// One way: a thread that reads and one that writes.
fn way(mut from: TcpStream, mut to: TcpStream, one_way: Duration, open_at: Instant) {
    let (sender, receiver) = mpsc::channel::<Due>();
    thread::spawn(move || {
        let mut block = vec![0; 64 * 1024];
        loop {
            let read = match from.read(&mut block) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => 0,
            };
            let due = Instant::now().max(open_at) + one_way;
            if sender.send((due, block[..read].to_vec())).is_err() || read == 0 {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if bytes.is_empty() || to.write_all(&bytes).is_err() {
                break;
            }
        }
        // The other side may be gone already.
        let _ = to.shutdown(Shutdown::Write);
    });
}
