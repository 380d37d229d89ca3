//! The protocol of the 2019 MessengerServer and its .NET client, byte for byte (`docs/protocol-classic.md`).
//!
//! A packet is a type byte and fields separated by CR; text is UTF-8. There is no framing: one packet is one write
//! and one read, which [`connection`](crate::connection) sees to. What can be known from bytes alone about where a
//! request ends is in [`split`].
//!
//! [`request`] is how the server reads (and our client writes), [`packet`] how the server writes (and our client
//! reads).

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod packet;
pub mod request;
pub mod split;

pub use packet::{encode_ahead, encode_event, encode_reply};
pub use request::{Fault, decode};
pub use split::{first_request, may_be_cut};

/// Separates fields.
pub(crate) const SEPARATOR: u8 = b'\r';

/// Type bytes of requests.
pub(crate) mod kind {
    pub(crate) const SIGN_UP: u8 = 0x00;
    pub(crate) const LOG_IN: u8 = 0x01;
    pub(crate) const LOG_OUT: u8 = 0x02;
    pub(crate) const GET_CONTACTS: u8 = 0x03;
    pub(crate) const ADD_CONTACT: u8 = 0x04;
    pub(crate) const MESSAGE: u8 = 0x06;
    /// This and those behind it are ours: the original has none of them, and its clients never send them.
    pub(crate) const REMOVE_CONTACT: u8 = 0x07;
    pub(crate) const BLOCK: u8 = 0x08;
    pub(crate) const UNBLOCK: u8 = 0x09;
    pub(crate) const CHANGE_PASSWORD: u8 = 0x0a;
    pub(crate) const DELETE_ACCOUNT: u8 = 0x0b;
    pub(crate) const HISTORY: u8 = 0x0c;

    /// Type bytes of what the server sends unasked.
    pub(crate) const PUSHED_MESSAGE: u8 = 0x02;
    pub(crate) const PUSHED_STATUS: u8 = 0x05;
}
