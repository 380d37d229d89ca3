//! One request, one file. A handler checks what was asked, asks the accounts or the store, and returns the reply and
//! what becomes of the session.
//!
//! [`needs`] is the one table of what each request requires; [`handle`] is the one gate that checks it.
//!
//! Errors: a refusal is a [`Reply`]. A [`HandlerError`] means that nothing was done and that the connection closes:
//! the peer did what nobody may ([`HandlerError::is_peers_fault`]), or we failed.
//!
//! Must not be here: sockets, bytes of a protocol, SQL. Whom a committed message is told is the notifier's business:
//! only the store knows in which order messages were committed.

mod add_contact;
mod block;
mod change_password;
mod delete_account;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod get_contacts;
mod get_history;
mod lists;
mod log_in;
mod log_out;
mod remove_contact;
mod send_message;
mod sign_up;
mod unblock;

pub use lists::Owner;

use crate::accounts::{AccountError, Accounts, HashingError};
use crate::domain::{Peer, Reply, Request, Seq, SessionKey};
use crate::sessions::{Session, Sessions, Subscriber};
use crate::store::{Store, StoreError};
use std::sync::Arc;

/// What handlers work with.
pub struct Core {
    /// Passwords and policy.
    pub accounts: Accounts,
    /// Who is online.
    pub sessions: Arc<Sessions>,
    /// What is kept.
    pub store: Store,
}

/// Who asks.
pub struct Caller<'a> {
    /// The session of the connection, if it has one.
    pub session: Option<&'a Session>,
    /// Whence, for throttling and the log.
    pub peer: Peer,
    /// In which protocol, for the log.
    pub protocol: &'static str,
    /// The connection, for a session that begins.
    pub subscriber: Arc<dyn Subscriber>,
}

/// What came of a request.
#[derive(Debug)]
pub struct Outcome {
    /// For the peer.
    pub reply: Reply,
    /// For the connection.
    pub session: SessionChange,
}

/// What a request makes of the connection's session. The sessions know already; the connection has yet to.
#[derive(Debug)]
pub enum SessionChange {
    /// Nothing.
    Keep,
    /// It begins, in the place of the one before. Its mailbox has been delivered up to here: of what other sessions
    /// of the account take from now on, it gets its own.
    Begin(Session, Seq),
    /// It ends.
    End,
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self { reply, session: SessionChange::Keep }
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The request needs a session, and the connection has none.
    #[error("the request needs a session")]
    NoSession,
    /// The key is not that of the connection's session.
    #[error("the session key is not this connection's")]
    ForeignKey,
    /// The store failed.
    #[error("{}", .0.chain())]
    Store(#[from] StoreError),
    /// A hash could not be computed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The operating system gives no random bytes.
    #[error("no random bytes for a session key: {0}")]
    Random(getrandom::Error),
}

impl HandlerError {
    /// Whether the peer did what nobody may, rather than we failed.
    #[must_use]
    pub fn is_peers_fault(&self) -> bool {
        matches!(self, Self::NoSession | Self::ForeignKey)
    }

    /// Sorts out what is the peer's to know.
    fn split<Refusal: std::fmt::Debug>(error: AccountError<Refusal>) -> Result<Refusal, Self> {
        match error {
            AccountError::Refused(refusal) => Ok(refusal),
            AccountError::Store(error) => Err(error.into()),
            AccountError::Hashing(error) => Err(error.into()),
        }
    }
}

/// What a request requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anybody may ask.
    Nothing,
    /// A session on this connection, and its key.
    Session,
}

/// The table: each request's name, for the journal, and what it requires.
#[must_use]
pub fn needs(request: &Request) -> (&'static str, Needs) {
    match request {
        Request::SignUp { .. } => ("sign-up", Needs::Nothing),
        Request::LogIn { .. } => ("log-in", Needs::Nothing),
        Request::LogOut => ("log-out", Needs::Session),
        Request::GetContacts => ("get-contacts", Needs::Session),
        Request::AddContact { .. } => ("add-contact", Needs::Session),
        Request::RemoveContact { .. } => ("remove-contact", Needs::Session),
        Request::Block { .. } => ("block", Needs::Session),
        Request::Unblock { .. } => ("unblock", Needs::Session),
        Request::ChangePassword { .. } => ("change-password", Needs::Session),
        Request::DeleteAccount { .. } => ("delete-account", Needs::Session),
        Request::GetHistory { .. } => ("get-history", Needs::Session),
        Request::SendMessage { .. } => ("message", Needs::Session),
    }
}

/// Lets a request through the gate, and does it. `key` is what the packet carried.
///
/// # Errors
/// [`HandlerError`]: nothing was done, and the connection is to close.
pub async fn handle(
    core: &Core,
    caller: &Caller<'_>,
    key: Option<SessionKey>,
    request: Request,
) -> Result<Outcome, HandlerError> {
    let session = match needs(&request).1 {
        Needs::Nothing => None,
        Needs::Session => match caller.session.ok_or(HandlerError::NoSession)? {
            session if key == Some(session.key) => Some(session),
            _ => return Err(HandlerError::ForeignKey),
        },
    };
    match (request, session) {
        // All but messages on the heap: they are seldom, and have so much to remember that each message would carry the
        // room for it.
        (Request::SignUp { email, login, password }, _) => {
            Box::pin(sign_up::handle(core, caller, &email, &login, &password)).await
        }
        (Request::LogIn { login, password }, _) => Box::pin(log_in::handle(core, caller, &login, &password)).await,
        (Request::LogOut, Some(session)) => Ok(Box::pin(log_out::handle(core, caller, session)).await),
        (Request::GetContacts, Some(session)) => Box::pin(get_contacts::handle(core, session)).await,
        (Request::AddContact { login }, Some(session)) => {
            Box::pin(add_contact::handle(core, caller, session, &login)).await
        }
        (Request::RemoveContact { login }, Some(session)) => {
            Box::pin(remove_contact::handle(core, session, &login)).await
        }
        (Request::Block { login }, Some(session)) => Box::pin(block::handle(core, caller, session, &login)).await,
        (Request::Unblock { login }, Some(session)) => Box::pin(unblock::handle(core, session, &login)).await,
        (Request::ChangePassword { old, new }, Some(session)) => {
            Box::pin(change_password::handle(core, caller, session, &old, &new)).await
        }
        (Request::DeleteAccount { password }, Some(session)) => {
            Box::pin(delete_account::handle(core, caller, session, &password)).await
        }
        (Request::GetHistory { login, before, count }, Some(session)) => {
            Box::pin(get_history::handle(core, session, &login, before, count)).await
        }
        (Request::SendMessage { recipient, text }, Some(session)) => {
            send_message::handle(core, caller, session, &recipient, text).await
        }
        (_, None) => Err(HandlerError::NoSession),
    }
}
