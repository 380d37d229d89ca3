//! Bytes to requests, and replies and events to bytes: one folder for each protocol.
//!
//! Errors: decoding gives a typed fault and never panics, whatever the bytes; every length is checked before
//! memory is taken.
//!
//! Must not be here: sockets, clocks, tokio, SQL, sessions. A protocol can be fuzzed as it stands.

pub mod classic;
