//! One packet that waits, and what it counts for. When it may go is the outbox's business.

use crate::domain::{AccountId, Login, Seq};
use bytes::Bytes;
use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Reply,
    Status(Login),
    Mail(AccountId, Seq),
}

/// One packet: one write, one read.
#[derive(Clone)]
pub(in crate::connection) struct Packet {
    pub(super) bytes: Bytes,
    pub(super) kind: Kind,
}

/// What a packet takes beside its bytes, in round numbers: itself, and what its parts have on the heap.
const OVERHEAD: usize = 128;

impl Packet {
    /// What it counts for. A status counts its bytes only: of those there is one for each contact at the most, and
    /// many come at once when a server has been restarted.
    pub(super) fn cost(&self) -> usize {
        self.bytes.len() + if matches!(self.kind, Kind::Status(_)) { 0 } else { OVERHEAD }
    }

    pub(in crate::connection) fn reply(bytes: Bytes) -> Self {
        Self { bytes, kind: Kind::Reply }
    }

    /// Worthless once there is a newer one about the same contact.
    pub(in crate::connection) fn status(bytes: Bytes, contact: Login) -> Self {
        Self { bytes, kind: Kind::Status(contact) }
    }

    /// When it is taken, the mailbox has been delivered up to `seq`.
    pub(in crate::connection) fn mail(bytes: Bytes, account: AccountId, seq: Seq) -> Self {
        Self { bytes, kind: Kind::Mail(account, seq) }
    }
}

impl fmt::Debug for Packet {
    /// What people say, and keys, are in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packet({} bytes, {:?})", self.bytes.len(), self.kind)
    }
}

impl Kind {
    pub(super) fn mail(&self) -> Option<(AccountId, Seq)> {
        match self {
            Self::Mail(account, seq) => Some((*account, *seq)),
            _ => None,
        }
    }
}
