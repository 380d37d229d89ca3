//! All figures of a moment, side by side, as plain numbers.

use super::Distribution;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How many of each kind.
pub type Counts = Vec<(&'static str, u64)>;

/// A report that is being made.
pub type Reporting<'a> = Pin<Box<dyn Future<Output = Report> + Send + 'a>>;

/// Who can say how things are at any moment: it reaches into all rooms.
pub trait Reporter: Send + Sync {
    /// How things are now.
    fn report(&self) -> Reporting<'_>;
}

impl<T: Reporter + ?Sized> Reporter for Arc<T> {
    fn report(&self) -> Reporting<'_> {
        (**self).report()
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The daemon itself.
    pub daemon: Daemon,
    /// Its process; `None` where /proc can't be read.
    pub process: Option<Process>,
    /// Connections, of each protocol.
    pub connections: Vec<Connections>,
    /// Who is online.
    pub sessions: Sessions,
    /// Passwords and throttling.
    pub accounts: Accounts,
    /// The database.
    pub store: Store,
    /// What waits in mailboxes; `None` where it could not be read.
    pub backlog: Option<Backlog>,
}

/// The daemon itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Daemon {
    /// Its version.
    pub version: &'static str,
    /// When it began, in milliseconds since 1970.
    pub started_at: i64,
    /// For how long it has been serving.
    pub uptime: Duration,
}

/// The process, as the kernel sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Process {
    /// CPU time that it has used, its own and the kernel's for it.
    pub cpu: Duration,
    /// Memory that it has, in bytes.
    pub resident_bytes: u64,
    /// Addresses that it has, in bytes.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub open_descriptors: u64,
    /// As many may be open.
    pub max_descriptors: u64,
}

/// A queue: how many wait, and how many may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queue {
    /// How many wait.
    pub waiting: u64,
    /// How many may.
    pub most: u64,
}

/// The connections of one protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connections {
    /// Which protocol.
    pub protocol: &'static str,
    /// How many there are.
    pub open: u64,
    /// As many there may be.
    pub most: u64,
    /// How many were accepted.
    pub accepted: u64,
    /// How many were taken up from the process before.
    pub taken_up: u64,
    /// How many were closed at once, by reason.
    pub refused: Counts,
    /// How many came to an end, by reason.
    pub closed: Counts,
    /// How many asked for so much that they were read more slowly.
    pub slowed: u64,
    /// Requests, by kind.
    pub requests: Counts,
    /// Log-ins, by what came of them.
    pub log_ins: Counts,
    /// Sign-ups, by what came of them.
    pub sign_ups: Counts,
    /// Messages that a peer has taken.
    pub delivered: u64,
    /// Bytes that wait for peers, in all outboxes.
    pub outbox_bytes: u64,
}

/// Who is online.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sessions {
    /// Accounts with a session.
    pub accounts: u64,
    /// Sessions.
    pub sessions: u64,
}

/// Passwords and throttling.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Accounts {
    /// How long one hash took, in seconds.
    pub hashing: Distribution,
    /// Hashes that are computed or wait for a thread.
    pub hashing_queue: Queue,
    /// Attempts that were told to try later, by what there was too much of.
    pub throttled: Counts,
}

/// The database.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Store {
    /// Messages that were committed.
    pub messages: u64,
    /// Messages for a login that nobody has.
    pub messages_to_nobody: u64,
    /// How long commits took, in seconds.
    pub commits: Distribution,
    /// How many requests were in a commit.
    pub batches: Distribution,
    /// How long the first request of a commit waited for it to begin, in seconds.
    pub waits: Distribution,
    /// How long a request took from being asked to being committed, in seconds.
    pub writes: Distribution,
    /// Requests that were not written, by reason.
    pub failures: Counts,
    /// Requests that wait for the writer.
    pub writer_queue: Queue,
    /// Committed batches that wait for the notifier.
    pub notifier_queue: Queue,
    /// How long reads waited for a connection and a thread, in seconds.
    pub read_waits: Distribution,
    /// How long reads took then, in seconds.
    pub reads: Distribution,
    /// Entries that are committed and not yet filed into their mailboxes.
    pub unfiled: u64,
    /// Entries that were filed.
    pub filed: u64,
    /// How long each step of filing took, in seconds.
    pub filing: Distribution,
    /// Pages in the log that is put back into the database.
    pub log_pages: u64,
}

/// What waits in the mailboxes of those who are not online.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Mailboxes in which something waits.
    pub mailboxes: u64,
    /// Entries that wait, in all of them.
    pub entries: u64,
    /// Of them, in the one with most.
    pub longest: u64,
}
