//! What is done to the server at each rotation.

use everpost_rehearsal::{
    Action, At, Cut, Error, Fault, FaultHandle, Goodbye, LeafInfo, Rehearsal, Restart, Rotate,
};

use super::plan::Kind;

const FAREWELL: &[u8] = b"421 4.3.2 Restarting with a new certificate\r\n";

/// Busy connections that a wave of 421s reaches. Which ones is chance: had it
/// three, all might refuse one message, which would rightly be given up.
const WAVE: u64 = 2;

/// A rotation that has been made.
#[derive(Debug)]
pub(super) struct Struck {
    /// The leaf that is served now.
    pub(super) leaf: LeafInfo,
    /// What was done besides, in a few words.
    pub(super) note: String,
    /// What is still to strike.
    pub(super) faults: Vec<FaultHandle>,
}

/// Rotates; `turn` counts how often this kind was used before.
pub(super) async fn strike(
    server: &Rehearsal,
    kind: Kind,
    turn: u64,
    size: u32,
) -> Result<Struck, Error> {
    let in_place = Rotate::default();
    let fresh = Rotate { fresh_tickets: true, ..Rotate::default() };
    let mut struck = Struck { leaf: server.leaf(), note: String::new(), faults: Vec::new() };
    match kind {
        Kind::KeptTickets => struck.leaf = server.rotate(in_place).await?,
        Kind::FreshTickets => struck.leaf = server.rotate(fresh).await?,
        Kind::Restart => {
            let (goodbye, name) = goodbye(turn);
            let restart = Some(Restart { goodbye, ..Restart::default() });
            struck.leaf = server.rotate(Rotate { restart, ..fresh }).await?;
            struck.note = format!("connections ended by {name}");
        }
        Kind::Wave421 => {
            struck.leaf = server.rotate(in_place).await?;
            let open = server.stats().open;
            let idle = server.wave_of_421().await as u64;
            let busy = open.saturating_sub(idle).min(WAVE);
            for _ in 0..busy {
                let reply = Action::ReplyThenCut(FAREWELL.into(), Cut::CloseNotify);
                struck.faults.push(server.inject(Fault::new(At::Mail, reply))?);
            }
            struck.note = format!("421 to {idle} idle, {busy} busy");
        }
        Kind::Cut => {
            struck.leaf = server.rotate(in_place).await?;
            let (at, cut, note) = random_cut(size);
            struck.faults.push(server.inject(Fault::cut(at, cut))?);
            struck.note = note;
        }
    }
    Ok(struck)
}

fn goodbye(turn: u64) -> (Goodbye, &'static str) {
    match turn % 4 {
        0 => (Goodbye::Rst, "RST"),
        1 => (Goodbye::Farewell, "421"),
        2 => (Goodbye::Fin, "FIN"),
        _ => (Goodbye::CloseNotify, "close_notify"),
    }
}

/// Somewhere in the first message of a connection or before: every connection
/// is young after a rotation, so the cut soon finds one.
fn random_cut(size: u32) -> (At, Cut, String) {
    // Past what the mailer's own look at the server says, which sends no mail.
    const LOOK: u64 = 60;
    let (at, byte, side) = if fastrand::bool() {
        let byte = fastrand::u64(LOOK..600 + u64::from(size));
        (At::Received(byte), byte, "sent by the client")
    } else {
        let byte = fastrand::u64(500..900);
        (At::Sent(byte), byte, "sent by the server")
    };
    let (cut, name) = match fastrand::u8(..3) {
        0 => (Cut::Rst, "RST"),
        1 => (Cut::Fin, "FIN"),
        _ => (Cut::CloseNotify, "close_notify"),
    };
    (at, cut, format!("{name} after byte {byte} {side}"))
}
