//! Puts connections into the store, and takes them out: one thread, so that all comes to systemd in its order.
//!
//! A connection is stored when its session begins, or else a moment after it was accepted: who connects and leaves at
//! once costs systemd nothing. systemd compares each new descriptor with all that it has, so with thousands of
//! connections a datagram is not free, and nobody waits for it.
//!
//! Nothing is lost while systemd's queue is full: what it did not take is tried again, and a line is given to nobody until
//! it has heard that the connection before is gone. So no name in the store stands for two.
//!
//! A line has three tasks at the most until it is given back (soon, now, gone), and there are as many as
//! [`roll::LINES`]: that bounds the queue, and what waits to be tried again.

use super::roll::{self, Roll};
use crate::domain::{AccountId, Seq, SessionKey};
use crate::host::descriptor_store::DescriptorStore;
use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between the accepting of a connection and its storing, if it gets no session before.
const SOON: Duration = Duration::from_millis(200);

/// How long nothing is tried after systemd has taken nothing for a while.
const AGAIN: Duration = Duration::from_millis(200);
/// The same when all waits for the end.
const AGAIN_AT_THE_END: Duration = Duration::from_millis(20);
/// So long after the end was asked for nothing more is tried. With the last that was, this makes three seconds.
const PATIENCE: Duration = Duration::from_secs(2);

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

/// What systemd is to be told.
enum Work {
    Put(usize, Weak<dyn Descriptor>),
    Remove(usize),
}

/// See the module.
pub(super) struct Keeper {
    tasks: Sender<Task>,
    /// When nothing more is tried.
    end: Arc<OnceLock<Instant>>,
    thread: Mutex<Option<JoinHandle<DescriptorStore>>>,
}

impl Keeper {
    /// Of these lines, the store has descriptors already; of those that are free it must not.
    pub(super) fn start(store: DescriptorStore, roll: Arc<Roll>, stored: &[usize]) -> io::Result<Self> {
        let (tasks, received) = channel();
        let mut is_stored = vec![false; roll::LINES + 1];
        for index in stored {
            is_stored[*index] = true;
        }
        let again = stored.iter().filter(|index| roll.is_free(**index)).map(|index| Work::Remove(*index)).collect();
        let end = Arc::new(OnceLock::new());
        let keeping = Keeping {
            store,
            roll,
            stored: is_stored,
            soon: VecDeque::new(),
            again,
            again_at: Instant::now(),
            end: Arc::clone(&end),
        };
        let thread = std::thread::Builder::new().name("descriptors".into()).spawn(move || keeping.run(&received))?;
        Ok(Self { tasks, end, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn tasks(&self) -> Sender<Task> {
        self.tasks.clone()
    }

    /// Stores what was to be stored soon, and ends: three seconds later, whatever systemd does.
    pub(super) fn finish(&self) -> io::Result<DescriptorStore> {
        let _ = self.end.set(Instant::now() + PATIENCE);
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
    /// What is to be done, the next first.
    soon: VecDeque<(Instant, Work)>,
    /// What systemd did not take, the next first, and when it is tried.
    again: VecDeque<Work>,
    again_at: Instant,
    end: Arc<OnceLock<Instant>>,
}

impl Keeping {
    fn run(mut self, tasks: &Receiver<Task>) -> DescriptorStore {
        loop {
            let again = (!self.again.is_empty()).then_some(self.again_at);
            let next = self.soon.front().map(|(due, _)| *due).into_iter().chain(again).min();
            let task = match next {
                None => tasks.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => tasks.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match task {
                Ok(Task::Soon(index, connection)) => {
                    self.soon.push_back((Instant::now() + SOON, Work::Put(index, connection)));
                }
                Ok(Task::Now(index, connection)) => self.carry_out(Work::Put(index, connection)),
                Ok(Task::Gone(index)) => self.carry_out(Work::Remove(index)),
                Ok(Task::Finish) => {
                    self.finish();
                    return self.store;
                }
                Err(RecvTimeoutError::Timeout) => {}
                // Nobody has a line any more.
                Err(RecvTimeoutError::Disconnected) => return self.store,
            }
            self.carry_out_what_is_due();
        }
    }

    /// One thing of each kind, so that neither tasks nor that wait for ever for the other.
    fn carry_out_what_is_due(&mut self) {
        let now = Instant::now();
        if let Some((_, work)) = self.soon.pop_front_if(|(due, _)| *due <= now) {
            self.carry_out(work);
        }
        if self.again_at <= now
            && let Some(work) = self.again.pop_front()
        {
            self.carry_out(work);
        }
    }

    fn finish(&mut self) {
        let soon = std::mem::take(&mut self.soon).into_iter().map(|(_, work)| work);
        self.again.extend(soon);
        while !self.is_over()
            && let Some(work) = self.again.pop_front()
        {
            std::thread::sleep(self.again_at.saturating_duration_since(Instant::now()).min(AGAIN_AT_THE_END));
            self.again_at = Instant::now();
            self.carry_out(work);
        }
        let is_lost = |work: &&Work| matches!(work, Work::Put(_, connection) if connection.strong_count() > 0);
        let lost = self.again.iter().filter(is_lost).count();
        if lost > 0 {
            tracing::error!(lost, "systemd takes no descriptors: so many connections end with this process");
        }
    }

    /// Or notes it, if systemd doesn't take it.
    fn carry_out(&mut self, work: Work) {
        let done = match &work {
            Work::Put(index, connection) => {
                // What is gone has left no descriptor, and its line may be another's by now.
                let Some(connection) = connection.upgrade().filter(|_| !self.stored[*index]) else { return };
                self.tell(|store| store.put(&roll::name(*index), connection.descriptor()))
            }
            Work::Remove(index) => !self.stored[*index] || self.tell(|store| store.remove(&roll::name(*index))),
        };
        match work {
            _ if !done => self.again.push_back(work),
            Work::Put(index, _) => self.stored[index] = true,
            Work::Remove(index) => {
                self.stored[index] = false;
                self.roll.give_back(index);
            }
        }
    }

    /// Whether systemd has taken it. Each time that it has not took up to a second, so then it is not asked for a while.
    fn tell(&mut self, what: impl FnOnce(&DescriptorStore) -> io::Result<()>) -> bool {
        if self.is_over() || Instant::now() < self.again_at {
            return false;
        }
        let told = what(&self.store).is_ok();
        if !told {
            self.again_at = Instant::now() + AGAIN;
        }
        told
    }

    fn is_over(&self) -> bool {
        self.end.get().is_some_and(|end| *end <= Instant::now())
    }
}

/// A connection's line of the roll, which the connection itself must own. When it is dropped the connection has ended, and is taken out of the store.
pub struct Line {
    roll: Arc<Roll>,
    tasks: Sender<Task>,
    index: usize,
    /// That was said; saying it again would only fill the queue.
    keep_soon: AtomicBool,
    keep_now: AtomicBool,
    left_to_the_next: AtomicBool,
}

impl Line {
    pub(super) fn new(roll: Arc<Roll>, tasks: Sender<Task>, index: usize) -> Self {
        let [keep_soon, keep_now, left_to_the_next] = [const { AtomicBool::new(false) }; 3];
        Self { roll, tasks, index, keep_soon, keep_now, left_to_the_next }
    }

    /// Its number.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The connection is to be stored, a little later.
    pub fn keep_soon(&self, connection: Weak<dyn Descriptor>) {
        if !self.keep_soon.swap(true, Ordering::Relaxed) {
            let _ = self.tasks.send(Task::Soon(self.index, connection));
        }
    }

    /// The connection is to be stored as soon as may be, if it is not yet.
    pub fn keep_now(&self, connection: Weak<dyn Descriptor>) {
        if !self.keep_now.swap(true, Ordering::Relaxed) {
            let _ = self.tasks.send(Task::Now(self.index, connection));
        }
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

    /// A session of this account is about to begin on it, and contacts about to be told. While it is unsettled.
    pub fn expect_session(&self, account: AccountId) {
        self.roll.expect_session(self.index, account);
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

#[cfg(test)]
mod tests;
