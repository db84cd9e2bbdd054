//! One connection, from address to QUIT: joins [`smtp`](crate::smtp) and
//! [`tls`](crate::tls) over a stream, with a deadline for every wait.

pub(crate) mod dial;
pub(crate) mod proxy;
