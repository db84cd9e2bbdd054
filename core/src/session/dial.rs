//! Opening TCP connections: all addresses, happy eyeballs (RFC 8305).
