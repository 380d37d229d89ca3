//! The administrators' door: what a running daemon is told, and what it answers.
//!
//! It speaks Varlink (<https://varlink.org>: JSON objects, each ended by NUL, over a UNIX stream socket), so that
//! `varlinkctl` of systemd can talk to it as well as `messengerctl`, and the interface describes itself. The server half
//! ([`serve()`]) takes connections and answers them, each method in a file of its own (`methods/`), with what lies on its
//! [`Desk`]; what only the daemon can do is an [`Order`] to it. The client half is what `messengerctl` does
//! ([`commands`]). What is said between the two is in `interface.rs` and with each method.
//!
//! Who may give orders is said by the socket's mode and group; whoever gives one is in the journal ([`Caller`]).
//!
//! Errors: what a caller sends never ends the daemon. A message that is too long or too slow, or is none, ends its
//! connection; an order that is refused is answered with an error of the interface. The client half has a
//! [`ClientError`], with its exit code.
//!
//! Must not be here: clients' connections and protocols, SQL, the configuration's files.

mod audit;
mod caller;
mod client;
pub mod commands;
mod desk;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod interface;
mod local;
mod methods;
mod serve;
mod service;
mod status;
mod stream;

pub use caller::Caller;
pub use client::ClientError;
pub use desk::Desk;
pub use interface::Refused;
pub use local::LocalError;
pub use serve::{CONNECTIONS, serve};

use crate::config::LogLevel;
use tokio::sync::oneshot;

/// Where `messengerd-control.socket` listens.
pub const SOCKET: &str = "/run/messengerd/control";

/// What the daemon is to do, and who says so.
#[derive(Debug)]
pub struct Order {
    /// Who says so.
    pub caller: Caller,
    /// What is to be done.
    pub task: Task,
}

/// What there is to be done.
#[derive(Debug)]
pub enum Task {
    /// Read the configuration anew. The answer comes when the new settings are in force, or says in one line each why
    /// they are not.
    Reload(oneshot::Sender<Result<(), Vec<String>>>),
    /// Log from this level on, until the next reload. The answer comes when it is so.
    SetLogLevel(LogLevel, oneshot::Sender<()>),
}
