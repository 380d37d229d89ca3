//! What a session is told without having asked.

use super::{Entry, Login, Status};

/// Something that happened, for one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The session's mailbox has a new entry.
    Mail(Entry),
    /// A contact came or went. A newer one about the same contact makes an older one worthless.
    ContactStatus(Login, Status),
}
