//! Why a connection is over, and the one record of it.

use crate::domain::Peer;
use crate::handlers::HandlerError;
use crate::protocol::classic;
use crate::sessions::Dismissal;
use crate::store::StoreError;
use std::io;
use std::time::Duration;

/// For the log.
pub(super) const PROTOCOL: &str = "classic";

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// The peer closed.
    #[error("closed by the peer")]
    ByPeer,
    /// The daemon stops.
    #[error("the daemon stops")]
    Stopped,
    /// The network or the peer's machine failed.
    #[error("the connection failed: {0}")]
    Broken(io::Error),
    /// The peer has not asked for anything.
    #[error("the peer said nothing for {} (connections.first_request)", humantime::format_duration(*.0))]
    Silent(Duration),
    /// No session began.
    #[error("the peer had no session for {} (connections.log_in)", humantime::format_duration(*.0))]
    NoSession(Duration),
    /// There are as many connections as there may be, and this one had no session for longest.
    #[error("it made room for another: it had no session (connections.max)")]
    MadeRoom,
    /// Its session was ended from outside.
    #[error("{0}")]
    Dismissed(Dismissal),
    /// A request is longer than `classic.request_max`.
    #[error("a request of more than {0} bytes (classic.request_max)")]
    TooLong(usize),
    /// The bytes are no request.
    #[error("{0}")]
    NoRequest(classic::Fault),
    /// A request (its name) that nobody may make here, or that we failed to do.
    #[error("{1}")]
    Refused(&'static str, HandlerError),
    /// The mailbox can't be read.
    #[error("the mailbox can't be read: {}", .0.chain())]
    Mailbox(StoreError),
    /// More waits for the peer than `connections.outbox_max`.
    #[error("the peer does not read: more than half of {0} bytes of answers wait for it (connections.outbox_max)")]
    Overflow(usize),
    /// The peer's kernel has taken nothing for `connections.user_timeout`.
    #[error("the peer does not read: nothing was taken for {} (connections.user_timeout)", humantime::format_duration(*.0))]
    Stalled(Duration),
}

/// The one record of a connection's end: a warning when the peer or we did wrong.
pub(super) fn log(peer: Peer, login: Option<&str>, end: Option<&End>) {
    let protocol = PROTOCOL;
    match end {
        None | Some(End::ByPeer | End::Stopped) => {
            tracing::debug!(%peer, protocol, login, "connection closed");
        }
        Some(End::Refused(request, error)) if error.is_peers_fault() => {
            tracing::warn!(%peer, protocol, login, request, %error, "connection closed");
        }
        Some(End::Refused(request, error)) => {
            tracing::error!(%peer, protocol, login, request, %error, "connection closed");
        }
        Some(error @ End::Mailbox(_)) => tracing::error!(%peer, protocol, login, %error, "connection closed"),
        Some(error @ (End::Broken(_) | End::Silent(_) | End::NoSession(_) | End::MadeRoom | End::Dismissed(_))) => {
            tracing::info!(%peer, protocol, login, %error, "connection closed");
        }
        Some(error) => tracing::warn!(%peer, protocol, login, %error, "connection closed"),
    }
}
