//! All connections: who is here, and whose turn it is.
//!
//! One task waits for all of them, and begins a turn (`serve.rs`) for each of which something was heard. So a connection
//! that says nothing has no task, no buffer, no timer and no waker: it is a place in this table, and what it knows.
//!
//! There are so many places for all, and so many for each source. When all are taken, whoever has no session makes room
//! (`strangers.rs`).

use super::strangers::{Strangers, end_stranger};
use super::{Connection, End, Shared, of_a_source};
use crate::domain::Source;
use crate::host::readiness::{EVENTS, Readiness};
use crate::limits::{Seat, Sources};
use slab::Slab;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// See the module. One for the whole daemon.
pub struct Connections {
    max: usize,
    /// Those that have entered, and those that are about to.
    count: AtomicUsize,
    places: Mutex<Slab<Arc<Connection>>>,
    readiness: Readiness,
    changed: Notify,
    pub(super) sources: Sources,
    pub(super) strangers: Strangers,
}

/// Why a connection is not taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There are as many as there may be, and all have sessions.
    #[error("there are as many connections as connections.max allows, and all have sessions")]
    Full,
    /// There are as many from there as there may be.
    #[error("there are as many connections from there as connections.source_max allows")]
    FullOfThese,
    /// Too much was asked for from there lately.
    #[error("there are more requests and connections from there than connections.source_requests allows")]
    TooFast,
}

/// A connection's place in the table, once it has one.
#[derive(Debug)]
pub(super) struct Place(AtomicU32);

impl Place {
    /// Not yet.
    const NONE: u32 = u32::MAX;
    /// Not any more, and never again.
    const LEFT: u32 = u32::MAX - 1;

    /// False: the connection has left already.
    fn set(&self, place: usize) -> bool {
        let place = u32::try_from(place).unwrap_or(Self::LEFT);
        self.0.compare_exchange(Self::NONE, place, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn take(&self) -> Option<usize> {
        let place = self.0.swap(Self::LEFT, Ordering::Relaxed);
        (place < Self::LEFT).then_some(place as usize)
    }

    #[cfg(test)]
    pub(super) fn has_left(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::LEFT
    }
}

impl Default for Place {
    fn default() -> Self {
        Self(AtomicU32::new(Self::NONE))
    }
}

impl Connections {
    /// None yet, and never more than `max` that were admitted.
    ///
    /// # Errors
    /// When the kernel has no more descriptors.
    pub fn new(max: usize) -> io::Result<Self> {
        Ok(Self {
            max,
            count: AtomicUsize::new(0),
            places: Mutex::default(),
            readiness: Readiness::new()?,
            changed: Notify::new(),
            sources: Sources::default(),
            strangers: Strangers::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Arc<Connection>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As many as there may be.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A new connection, made only if there is room for it, or if somebody who has no session can make room.
    ///
    /// # Errors
    /// [`Refused`]: it is not made.
    pub fn admit(
        &self,
        source: Source,
        shared: &Shared,
        make: impl FnOnce(Seat) -> Arc<Connection>,
    ) -> Result<(), Refused> {
        let settings = Arc::clone(&shared.settings.get());
        let limits = &settings.connections;
        let seat = self.sources.admit(source, limits.source_max).ok_or(Refused::FullOfThese)?;
        let (budget, now) = (of_a_source(limits), Instant::now());
        if seat.meter().wait(budget, now).is_some() {
            return Err(Refused::TooFast);
        }
        seat.meter().spend(budget, now);
        if self.count.fetch_add(1, Ordering::Relaxed) >= self.max && !self.make_room() {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Full);
        }
        self.enter(&make(seat), |connection| self.strangers.came(connection));
        Ok(())
    }

    /// Takes the place of somebody who has no session, if there is one.
    fn make_room(&self) -> bool {
        while let Some(connection) = self.strangers.oldest() {
            if end_stranger(&connection, End::MadeRoom) {
                // Its turn comes to its end a little later; its place is free at once.
                self.leave(&connection);
                return true;
            }
        }
        false
    }

    /// Whether a refusal is worth a record: the first since somebody from there was admitted.
    pub fn is_news(&self, source: Source) -> bool {
        self.sources.is_news(source)
    }

    /// Ends connections that have been without a session for too long. Runs until dropped.
    pub async fn end_strangers(&self, shared: &Shared) {
        self.strangers.run(shared).await;
    }

    /// One that a process before this has admitted. It counts as one, even where there are more by now than there may be.
    pub fn take_up(&self, connection: &Arc<Connection>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        connection.shared.counts.took_up();
        self.enter(connection, |connection| {
            if connection.session_key().is_none() {
                self.strangers.lost_session(connection);
            }
        });
        connection.rouse(false);
    }

    /// `greet`: when it has its place, and nothing was heard of it yet.
    fn enter(&self, connection: &Arc<Connection>, greet: impl FnOnce(&Connection)) {
        let place = self.lock().insert(Arc::clone(connection));
        if !connection.place.set(place) {
            // Its peer was gone before it came here, and its last turn is over.
            let left = self.lock().try_remove(place);
            self.count.fetch_sub(1, Ordering::Relaxed);
            drop(left);
            self.changed.notify_waiters();
            return;
        }
        greet(connection);
        if let Err(error) = self.readiness.add(connection.stream.as_fd(), place as u64) {
            connection.fail(error);
        }
        // Those that are here are roused when the daemon stops; this one may have come too late for that.
        if connection.shared.stop.is_cancelled() {
            connection.rouse(false);
        }
        connection.shared.population_changed.notify_one();
    }

    /// The connection is over, or the next process goes on with it. Saying so again does nothing.
    pub(super) fn leave(&self, connection: &Connection) {
        let Some(place) = connection.place.take() else { return };
        self.readiness.remove(connection.stream.as_fd());
        let left = self.lock().try_remove(place);
        self.count.fetch_sub(1, Ordering::Relaxed);
        // Not under the lock: it may be the last that holds it.
        drop(left);
        self.changed.notify_waiters();
        connection.shared.population_changed.notify_one();
    }

    /// Begins turns as peers are heard of. Runs until dropped.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub async fn run(&self) -> io::Result<()> {
        let ready = self.readiness.watch()?;
        let mut roused = Vec::with_capacity(EVENTS);
        loop {
            let mut events = ready.readable().await?;
            let count = {
                let places = self.lock();
                self.readiness.take(|event| {
                    let place = usize::try_from(event.number).ok();
                    // It may have left meanwhile; if another has its place, that one finds nothing to read.
                    if let Some(connection) = place.and_then(|place| places.get(place)) {
                        roused.push((Arc::clone(connection), event.hung_up));
                    }
                })?
            };
            if count < EVENTS {
                events.clear_ready();
            }
            for (connection, hung_up) in roused.drain(..) {
                connection.rouse(hung_up);
            }
        }
    }

    /// Gives each a turn: the daemon stops.
    pub fn rouse_all(&self) {
        let all: Vec<_> = self.lock().iter().map(|(_, connection)| Arc::clone(connection)).collect();
        for connection in all {
            connection.rouse(false);
        }
    }

    /// Returns when there are none.
    pub async fn wait_until_empty(&self) {
        loop {
            let changed = self.changed.notified();
            if self.is_empty() {
                return;
            }
            changed.await;
        }
    }
}
