//! What a peer gets for a request, in no protocol's bytes: a code and no more. Causes go to the journal.

use super::{History, Login, SessionKey, Status};

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
    /// The account has another password.
    PasswordChanged,
    /// It has the one that it had.
    PasswordNotChanged(PasswordRefusal),
    /// The account is no more, and neither is the session.
    AccountDeleted,
    /// It is as it was.
    AccountNotDeleted(PasswordRefusal),
    /// A page of the mailbox.
    History(History),
    /// Nobody has that login.
    UnknownPartner,
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

/// Why somebody with a session did not get what needs their password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordRefusal {
    /// It is not the account's password.
    WrongPassword,
    /// The new one is too short, or none by our rules.
    BadPassword,
    /// Too many failed attempts, or too many at once.
    TryLater,
}
