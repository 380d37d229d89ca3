//! Puts connections into the store, and takes them out: one thread, so that all comes to systemd in its order.
//!
//! A connection is stored when its session begins, or else a moment after it was accepted: who connects and leaves at
//! once costs systemd nothing. systemd compares each new descriptor with all that it has, so with thousands of
//! connections a datagram is not free, and nobody waits for it.
//!
//! The queue holds three tasks for each connection at the most, and there are no more connections than lines.

use super::roll::{self, Roll};
use crate::domain::{AccountId, Seq, SessionKey};
use crate::host::descriptor_store::DescriptorStore;
use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between the accepting of a connection and its storing, if it gets no session before.
const SOON: Duration = Duration::from_millis(200);

/// Whatever has a descriptor to be kept.
pub trait Descriptor: Send + Sync {
    /// It.
    fn descriptor(&self) -> BorrowedFd<'_>;
}

pub(super) enum Task {
    Soon(usize, Weak<dyn Descriptor>),
    Now(usize, Weak<dyn Descriptor>),
    Gone(usize),
    Finish,
}

/// See the module.
pub(super) struct Keeper {
    tasks: Sender<Task>,
    thread: Mutex<Option<JoinHandle<DescriptorStore>>>,
}

impl Keeper {
    /// Of the connections with these lines, the store has the descriptors already.
    pub(super) fn start(store: DescriptorStore, roll: Arc<Roll>, stored: &[usize]) -> io::Result<Self> {
        let (tasks, received) = channel();
        let mut is_stored = vec![false; roll::LINES + 1];
        for index in stored {
            is_stored[*index] = true;
        }
        let keeping = Keeping { store, roll, stored: is_stored, soon: VecDeque::new() };
        let thread = std::thread::Builder::new().name("descriptors".into()).spawn(move || keeping.run(&received))?;
        Ok(Self { tasks, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn tasks(&self) -> Sender<Task> {
        self.tasks.clone()
    }

    /// Stores what was to be stored soon, and ends.
    pub(super) fn finish(&self) -> io::Result<DescriptorStore> {
        let _ = self.tasks.send(Task::Finish);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let finished = thread.and_then(|thread| thread.join().ok());
        finished.ok_or_else(|| io::Error::other("the keeper of descriptors has ended before"))
    }
}

struct Keeping {
    store: DescriptorStore,
    roll: Arc<Roll>,
    stored: Vec<bool>,
    soon: VecDeque<(Instant, usize, Weak<dyn Descriptor>)>,
}

impl Keeping {
    fn run(mut self, tasks: &Receiver<Task>) -> DescriptorStore {
        loop {
            let task = match self.soon.front() {
                None => tasks.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some((due, ..)) => tasks.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match task {
                Ok(Task::Soon(index, connection)) => self.soon.push_back((Instant::now() + SOON, index, connection)),
                Ok(Task::Now(index, connection)) => self.put(index, &connection),
                Ok(Task::Gone(index)) => self.remove(index),
                Err(RecvTimeoutError::Timeout) => {
                    if let Some((_, index, connection)) = self.soon.pop_front() {
                        self.put(index, &connection);
                    }
                }
                Ok(Task::Finish) | Err(RecvTimeoutError::Disconnected) => {
                    for (_, index, connection) in std::mem::take(&mut self.soon) {
                        self.put(index, &connection);
                    }
                    return self.store;
                }
            }
        }
    }

    fn put(&mut self, index: usize, connection: &Weak<dyn Descriptor>) {
        // What is gone has left no descriptor, and its line may be another's by now.
        let Some(connection) = connection.upgrade() else { return };
        if !self.stored[index] {
            // What was lost is logged. That connection ends with the process; others do not.
            self.stored[index] = self.store.put(&roll::name(index), connection.descriptor()).is_ok();
        }
    }

    fn remove(&mut self, index: usize) {
        if self.stored[index] {
            // Lost again: it stays, with a line that is free or has another cookie, and the next process closes it.
            let _ = self.store.remove(&roll::name(index));
            self.stored[index] = false;
        }
        self.roll.give_back(index);
    }
}

/// A connection's line of the roll. When it is dropped the connection has ended, and is taken out of the store.
pub struct Line {
    roll: Arc<Roll>,
    tasks: Sender<Task>,
    index: usize,
    left_to_the_next: AtomicBool,
}

impl Line {
    pub(super) fn new(roll: Arc<Roll>, tasks: Sender<Task>, index: usize) -> Self {
        Self { roll, tasks, index, left_to_the_next: AtomicBool::new(false) }
    }

    /// Its number.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The connection is to be stored, a little later.
    pub fn keep_soon(&self, connection: Weak<dyn Descriptor>) {
        let _ = self.tasks.send(Task::Soon(self.index, connection));
    }

    /// The connection is to be stored as soon as may be, if it is not yet.
    pub fn keep_now(&self, connection: Weak<dyn Descriptor>) {
        let _ = self.tasks.send(Task::Now(self.index, connection));
    }

    /// Something changes. To be said before it does, and so before anything is read or written.
    pub fn unsettle(&self) {
        self.roll.unsettle(self.index);
    }

    /// The connection stands between two packets, mail having been written up to here.
    pub fn settle(&self, written: Seq) {
        self.roll.settle(self.index, written);
    }

    /// It carries this session, or none. While it is unsettled.
    pub fn set_session(&self, session: Option<(AccountId, SessionKey)>, written: Seq) {
        self.roll.set_session(self.index, session, written);
    }

    /// The next process goes on with the connection: it stays in the store, and on the roll.
    pub fn leave_to_the_next(&self) {
        self.left_to_the_next.store(true, Ordering::Relaxed);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.left_to_the_next.load(Ordering::Relaxed) {
            self.roll.leave(self.index);
            let _ = self.tasks.send(Task::Gone(self.index));
        }
    }
}
