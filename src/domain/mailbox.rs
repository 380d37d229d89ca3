//! Messages, and each account's mailbox: a gapless sequence of entries, read from a cursor.

use super::Login;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// An account's number, never used again after the account is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub i64);

/// Something about each of many accounts. Hashed the quick way: nobody can choose the number of an account.
pub type AccountMap<T> = HashMap<AccountId, T, RandomState>;

/// A place in one mailbox. The first entry is 1, each next one is one more; 0 is "before the first".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(pub i64);

/// A committed message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Who wrote it.
    pub sender: Login,
    /// Whom it is for.
    pub recipient: Login,
    /// When the server took it.
    pub sent_at: UnixMillis,
    /// What it says: any text, line ends and NUL included.
    pub text: Box<str>,
}

impl fmt::Debug for Message {
    /// Without the text: what people write to each other is in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({:?} to {:?}, {} bytes)", self.sender, self.recipient, self.text.len())
    }
}

/// A page of a mailbox, read backwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// By their places, the oldest first.
    pub entries: Vec<Entry>,
    /// There may be older ones, before this place.
    pub older: Option<Seq>,
}

/// One place in a mailbox: a message that came in, or a copy of one that went out (for the sender's other devices).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub seq: Seq,
    /// True in the recipient's mailbox, false in the sender's. A message to oneself has one entry, incoming.
    pub incoming: bool,
    /// What stands there.
    pub message: Arc<Message>,
}
