//! The words that protocol and store share, valid by construction: a [`Login`] that exists has passed its
//! rules, so nobody below asks again.
//!
//! Errors: each constructor returns its own small enum, without I/O behind it.
//!
//! Must not be here: bytes of a protocol, SQL, clocks, tokio, anything that can block.

mod email;
pub mod event;
pub mod exit;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod invite;
mod login;
mod mailbox;
mod password;
mod peer;
pub mod reply;
pub mod request;
mod session_key;
mod source;

pub use email::{Email, EmailError};
pub use event::Event;
pub use invite::{InviteCode, NoInviteCode};
pub use login::{Login, LoginError};
pub use mailbox::{AccountId, AccountMap, Entry, History, Message, Seq, UnixMillis};
pub use password::{Password, PasswordError, Secret};
pub use peer::Peer;
pub use reply::Reply;
pub use request::Request;
pub use session_key::SessionKey;
pub use source::Source;

/// Whether a login has at least one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// No session.
    Offline,
    /// One session or more.
    Online,
}
