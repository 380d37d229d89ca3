//! Connections without a session: for how long there may be one, and which goes first when there is no room.
//!
//! Two queues, by how long each has waited: who has not asked for anything yet, and who has no session for all that.
//! One task sees to both; a connection with a session stands in neither, and costs nothing here.

use super::{Connection, End, Shared};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How often is looked whether settings have changed.
const LOOK: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Default)]
pub(super) struct Strangers {
    queues: Mutex<Queues>,
    /// Somebody has come to an empty queue.
    first: Notify,
}

#[derive(Default)]
struct Queues {
    /// The last that was given out; none is zero.
    ticket: u64,
    silent: Queue,
    sessionless: Queue,
}

/// By ticket, and so by time.
type Queue = BTreeMap<u64, Waiting>;

struct Waiting {
    since: Instant,
    connection: Weak<Connection>,
}

impl Strangers {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody has connected, and said nothing yet.
    pub(super) fn came(&self, connection: &Connection) {
        self.enter(connection, |queues| &mut queues.silent);
    }

    /// Somebody is here, and has no session any more.
    pub(super) fn lost_session(&self, connection: &Connection) {
        self.enter(connection, |queues| &mut queues.sessionless);
    }

    fn enter(&self, connection: &Connection, choose: impl FnOnce(&mut Queues) -> &mut Queue) {
        self.left(connection);
        let mut queues = self.lock();
        queues.ticket += 1;
        let ticket = queues.ticket;
        connection.ticket.store(ticket, Relaxed);
        let queue = choose(&mut queues);
        let first = queue.is_empty();
        queue.insert(ticket, Waiting { since: Instant::now(), connection: connection.me.clone() });
        drop(queues);
        if first {
            self.first.notify_one();
        }
    }

    /// Somebody asks for something. They have no longer for a session because of that.
    pub(super) fn asked(&self, connection: &Connection) {
        let ticket = connection.ticket.load(Relaxed);
        if ticket == 0 {
            return;
        }
        let mut queues = self.lock();
        let Some(waiting) = queues.silent.remove(&ticket) else { return };
        let first = queues.sessionless.is_empty();
        queues.sessionless.insert(ticket, waiting);
        drop(queues);
        if first {
            self.first.notify_one();
        }
    }

    /// Somebody has a session now, or is gone.
    pub(super) fn left(&self, connection: &Connection) {
        let ticket = connection.ticket.swap(0, Relaxed);
        if ticket != 0 {
            let mut queues = self.lock();
            let _ = queues.silent.remove(&ticket).or_else(|| queues.sessionless.remove(&ticket));
        }
    }

    /// Who has to go so that somebody else finds room: who has said nothing for longest, or else has been without a session.
    pub(super) fn oldest(&self) -> Option<Arc<Connection>> {
        let mut queues = self.lock();
        loop {
            let (_, waiting) = queues.silent.pop_first().or_else(|| queues.sessionless.pop_first())?;
            if let Some(connection) = waiting.connection.upgrade() {
                return Some(connection);
            }
        }
    }

    /// Ends the connections of those who have waited for too long. Runs until dropped.
    pub(super) async fn run(&self, shared: &Shared) {
        loop {
            let connections = &shared.settings.get().connections;
            let (first_request, log_in) = (connections.first_request, connections.log_in);
            let over = |end: fn(Duration) -> End, time| move |waiting: &Waiting| (waiting.since + time, end(time));
            let next = [
                self.end_those_over(|queues| &mut queues.silent, over(End::Silent, first_request)),
                self.end_those_over(|queues| &mut queues.sessionless, over(End::NoSession, log_in)),
            ];
            match next.into_iter().flatten().min() {
                None => self.first.notified().await,
                Some(at) => {
                    // A reload may have shortened the times.
                    let at = at.min(Instant::now() + LOOK);
                    tokio::select! {
                        () = self.first.notified() => {}
                        () = tokio::time::sleep_until(at.into()) => {}
                    }
                }
            }
        }
    }

    /// When the next one is over, if there is a next.
    fn end_those_over(
        &self,
        choose: impl Fn(&mut Queues) -> &mut Queue,
        over: impl Fn(&Waiting) -> (Instant, End),
    ) -> Option<Instant> {
        loop {
            let mut queues = self.lock();
            let first = choose(&mut queues).first_entry()?;
            let (at, end) = over(first.get());
            if at > Instant::now() {
                return Some(at);
            }
            let connection = first.remove().connection.upgrade();
            // It takes the lock that whoever comes here may hold.
            drop(queues);
            if let Some(connection) = connection {
                end_stranger(&connection, end);
            }
        }
    }
}

/// False: a session has begun meanwhile, and whoever has one stays.
pub(super) fn end_stranger(connection: &Connection, end: End) -> bool {
    let mut state = connection.lock();
    let is_stranger = state.session.is_none();
    if is_stranger {
        connection.end(&mut state, end);
    }
    is_stranger
}
