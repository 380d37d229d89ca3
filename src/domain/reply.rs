//! What a peer gets for a request, in no protocol's bytes: a code and no more. Causes go to the journal.

use super::{Login, SessionKey, Status};

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The account was made.
    SignedUp,
    /// No account was made.
    SignUpRefused(SignUpRefusal),
    /// A session began.
    LoggedIn(SessionKey),
    /// No session began.
    LogInRefused(LogInRefusal),
    /// The session ended. Classic has no packet for it.
    LoggedOut,
    /// The contact list, by login; empty when there are no contacts.
    Contacts(Vec<(Login, Status)>),
    /// On the list now, or before; with the contact's status.
    ContactAdded(Status),
    /// Nobody has that login.
    UnknownContact,
    /// Off the list now.
    ContactRemoved,
    /// They were not on the list.
    NoSuchContact,
    /// Blocked now, or before.
    Blocked,
    /// Nobody was blocked.
    BlockRefused(BlockRefusal),
    /// Not blocked any more.
    Unblocked,
    /// They were not blocked.
    WasNotBlocked,
    /// The message is committed, or there was nobody to commit it for. Classic has no packet for it.
    MessageTaken,
}

/// Why a sign-up made no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUpRefusal {
    /// Not a plausible e-mail address.
    BadEmail,
    /// Not a login by our rules.
    BadLogin,
    /// Too short a password, or none by our rules.
    BadPassword,
    /// Somebody has that login.
    LoginTaken,
    /// The server takes no sign-ups: by its configuration, or for the moment because it is too busy.
    Closed,
}

/// Why a log-in began no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogInRefusal {
    /// Nobody has that login.
    UnknownLogin,
    /// It is not that login's password.
    WrongPassword,
    /// Too many failed attempts, or too many at once.
    TryLater,
    /// The administrator disabled the account.
    Disabled,
}

/// Why nobody was blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockRefusal {
    /// Nobody else has that login.
    UnknownLogin,
    /// The account blocks as many as it may.
    TooMany,
}
