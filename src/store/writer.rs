//! The one thread that writes.

use super::accounts::Recipients;
use super::figures::Figures;
use super::open::{Lock, Opened};
use super::unfiled::{Pending, Unfiled};
use super::upkeep::Upkeep;
use super::{Committed, OpenError, StoreError};
use crate::figures::Queue;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use tokio::sync::mpsc::error::{TryRecvError, TrySendError};
use tokio::sync::{mpsc, oneshot};

/// Requests that wait for the writer. When it is full, a caller waits for a place, and its peer is not read meanwhile.
const QUEUE: usize = 1024;
/// Committed batches that wait for the notifier. When it is full, the writer waits.
pub(super) const COMMITTED_QUEUE: usize = 256;

/// What a request writes with.
pub(super) struct Batch<'a> {
    /// The connection, within a transaction.
    pub(super) db: &'a Connection,
    /// What the notifier is to hear of when the transaction has been committed.
    pub(super) committed: &'a mut Vec<Committed>,
    /// What was committed before and is not filed.
    pub(super) unfiled: &'a Unfiled,
    /// What the transaction adds to that.
    pub(super) pending: &'a mut Pending,
    /// Whose logins were looked up lately.
    pub(super) recipients: &'a mut Recipients,
}

/// A request and the way back to its caller. It can be run again when the transaction around it was rolled back.
trait Work: Send {
    fn run(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
    /// When it was asked for.
    fn asked(&self) -> Instant;
}

struct Job<T, F> {
    run: F,
    asked: Instant,
    result: Option<T>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Work for Job<T, F>
where
    T: Send,
    F: FnMut(&mut Batch<'_>) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()> {
        self.result = Some((self.run)(batch)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { result, caller, .. } = *self;
        let result = outcome.and_then(|()| result.ok_or(StoreError::Stopped));
        // A caller that has gone away does not undo what it asked for.
        let _ = caller.send(result);
    }

    fn asked(&self) -> Instant {
        self.asked
    }
}

enum Command {
    Work(Box<dyn Work>),
    /// There is time to file what was committed.
    File(oneshot::Sender<()>),
    /// Nothing that was overwritten is to be left in the log. Whether that could be done.
    EmptyLog(oneshot::Sender<bool>),
    Stop(oneshot::Sender<()>),
}

/// The way to the writer.
#[derive(Clone)]
pub(super) struct Writer {
    commands: mpsc::Sender<Command>,
    /// Of no weight: when the thread has ended, the notifier's queue is over.
    notifier: mpsc::WeakSender<Vec<Committed>>,
    log_pages: Arc<AtomicI32>,
}

impl Writer {
    /// Starts the thread. It keeps the lock on the directory until it has closed the database.
    pub(super) fn start(
        Opened { mut db, path, lock }: Opened,
        unfiled: Arc<Unfiled>,
        figures: Arc<Figures>,
        batch_max: usize,
    ) -> Result<(Self, mpsc::Receiver<Vec<Committed>>), OpenError> {
        let (commands, queue) = mpsc::channel(QUEUE);
        let (notifier, committed) = mpsc::channel(COMMITTED_QUEUE);
        let upkeep = Upkeep::of(&mut db).map_err(|source| OpenError::sqlite(&path, "can't watch the log", source))?;
        let pending = Pending::default();
        let recipients =
            Recipients::of(&db).map_err(|source| OpenError::sqlite(&path, "can't read who blocks whom", source))?;
        let writer = Self { commands, notifier: notifier.downgrade(), log_pages: upkeep.log_pages() };
        let desk = Desk { db, lock, upkeep, unfiled, pending, recipients, notifier, figures };
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || desk.write_all(queue, batch_max.max(1)))
            .map_err(|source| OpenError::io(&path, "can't start the thread that writes", source))?;
        Ok((writer, committed))
    }

    /// Runs `work` in a transaction with others, and returns what it returned once that is committed. `work` is run
    /// again if the transaction fails for another's sake. It is asked for at once, and the future only waits: that is all
    /// that each request has to remember.
    pub(super) fn write<T, F>(&self, work: F) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnMut(&mut Batch<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Job { run: work, asked: Instant::now(), result: None, caller });
        let place = match self.commands.try_send(Command::Work(job)) {
            Err(TrySendError::Full(command)) => {
                let commands = self.commands.clone();
                Some(Box::pin(async move { commands.send(command).await }))
            }
            // Whether it is closed, the missing answer tells.
            Ok(()) | Err(TrySendError::Closed(_)) => None,
        };
        async move {
            if let Some(place) = place {
                let _ = place.await;
            }
            answer.await.map_err(|_| StoreError::Stopped)?
        }
    }

    /// Requests that wait for the writer, and committed batches that wait for the notifier.
    pub(super) fn queues(&self) -> [Queue; 2] {
        let queue = |most: usize, free: usize| Queue {
            waiting: u64::try_from(most.saturating_sub(free)).unwrap_or(u64::MAX),
            most: u64::try_from(most).unwrap_or(u64::MAX),
        };
        let requests = queue(QUEUE, self.commands.capacity());
        let free = self.notifier.upgrade().map_or(COMMITTED_QUEUE, |notifier| notifier.capacity());
        [requests, queue(COMMITTED_QUEUE, free)]
    }

    /// How long the log was after the last commit.
    pub(super) fn log_pages(&self) -> u64 {
        u64::try_from(self.log_pages.load(Relaxed)).unwrap_or_default()
    }

    /// Returns when all that was committed before has been filed, if that can be done.
    pub(super) async fn file(&self) {
        self.command(Command::File).await;
    }

    /// Puts all of the log back into the database and cuts it off, unless somebody reads in it just now: whether it was done.
    pub(super) async fn empty_log(&self) -> bool {
        let (caller, done) = oneshot::channel();
        self.commands.send(Command::EmptyLog(caller)).await.is_ok() && done.await.unwrap_or_default()
    }

    /// Returns when all that was asked before is done and the database is closed.
    pub(super) async fn stop(&self) {
        self.command(Command::Stop).await;
    }

    async fn command(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
        let (caller, done) = oneshot::channel();
        if self.commands.send(command(caller)).await.is_ok() {
            let _ = done.await;
        }
    }
}

/// The thread, and what it has in its hands.
struct Desk {
    db: Connection,
    lock: Lock,
    upkeep: Upkeep,
    unfiled: Arc<Unfiled>,
    pending: Pending,
    recipients: Recipients,
    notifier: mpsc::Sender<Vec<Committed>>,
    figures: Arc<Figures>,
}

impl Desk {
    fn write_all(mut self, mut queue: mpsc::Receiver<Command>, batch_max: usize) {
        let mut commands = Vec::with_capacity(batch_max);
        let (mut filing, mut emptying, mut stopping) = (Vec::new(), Vec::new(), Vec::new());
        while stopping.is_empty() && self.next(&mut queue, &mut commands, batch_max) {
            let mut works = Vec::with_capacity(commands.len());
            for command in commands.drain(..) {
                match command {
                    Command::Work(work) => works.push(work),
                    Command::File(caller) => filing.push(caller),
                    Command::EmptyLog(caller) => emptying.push(caller),
                    Command::Stop(caller) => stopping.push(caller),
                }
            }
            self.commit(works);
            for caller in emptying.drain(..) {
                let _ = caller.send(Upkeep::empty_log(&self.db));
            }
            // Behind the answers: nobody waits for it, but for what comes meanwhile.
            if !filing.is_empty() && !self.upkeep.is_under_way() {
                self.upkeep.begin_filing(&self.unfiled);
            }
            self.upkeep.go_on(&mut self.db, &self.unfiled, &self.figures.writing);
            if !self.upkeep.is_under_way() {
                answer(filing.drain(..));
            }
        }
        if !stopping.is_empty() {
            self.upkeep.finish(&mut self.db, &self.unfiled, &self.figures.writing);
        }
        if let Err((_, error)) = self.db.close() {
            tracing::warn!(error = %error, "the database could not be closed; nothing is lost");
        }
        drop(self.lock);
        answer(filing.into_iter().chain(stopping));
    }

    /// Takes what has come; waits for it, unless there is something else to be done. False: nothing will come any more.
    fn next(&self, queue: &mut mpsc::Receiver<Command>, commands: &mut Vec<Command>, batch_max: usize) -> bool {
        // Whoever is about to ask for something, on this CPU, gets along with this commit; if nobody is, it is nothing.
        std::thread::yield_now();
        if !self.upkeep.is_under_way() {
            return queue.blocking_recv_many(commands, batch_max) > 0;
        }
        while commands.len() < batch_max {
            match queue.try_recv() {
                Ok(command) => commands.push(command),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return !commands.is_empty(),
            }
        }
        true
    }

    /// Commits all in one transaction. If that fails, each is tried in one of its own, so that one request that can't be
    /// written does not take others with it.
    fn commit(&mut self, mut works: Vec<Box<dyn Work>>) {
        if works.is_empty() {
            return;
        }
        match self.transact(&mut works) {
            Ok(committed) => self.finish(works, committed),
            Err(error) if works.len() == 1 => self.fail(works, &error),
            // A lock is in everybody's way, and waiting for it once more for each would keep the last for minutes.
            Err(StoreError::Busy) => self.fail(works, &StoreError::Busy),
            Err(_) => self.commit_each(works),
        }
    }

    fn commit_each(&mut self, works: Vec<Box<dyn Work>>) {
        let mut works = works.into_iter();
        while let Some(work) = works.next() {
            let mut one = vec![work];
            match self.transact(&mut one) {
                Ok(committed) => self.finish(one, committed),
                Err(StoreError::Busy) => return self.fail(one.into_iter().chain(works), &StoreError::Busy),
                Err(error) => self.fail(one, &error),
            }
        }
    }

    fn transact(&mut self, works: &mut [Box<dyn Work>]) -> Result<Vec<Committed>, StoreError> {
        let Self { db, unfiled, pending, recipients, figures, .. } = self;
        let began = Instant::now();
        let mut committed = Vec::with_capacity(works.len() * 2);
        let outcome =
            Transaction::new(db, TransactionBehavior::Immediate).map_err(StoreError::from).and_then(|transaction| {
                for work in &mut *works {
                    let mut batch = Batch { db: &transaction, committed: &mut committed, unfiled, pending, recipients };
                    // One request that hits a fault of ours fails alone. Without a writer nobody would be served any more;
                    // and nothing is left half-done, because the transaction and what it has added are given up.
                    panic::catch_unwind(AssertUnwindSafe(|| work.run(&mut batch)))
                        .map_err(|_| StoreError::Panicked)??;
                }
                // Dropped without a commit, it rolls back.
                Ok(transaction.commit()?)
            });
        match outcome {
            Ok(()) => {
                unfiled.add(pending);
                recipients.keep();
                figures.writing.committed(works.iter().map(|work| work.asked()), began);
                figures.writing.messages.add(messages(&committed));
                Ok(committed)
            }
            Err(error) => {
                pending.forget();
                recipients.forget();
                Err(error)
            }
        }
    }

    fn finish(&self, works: Vec<Box<dyn Work>>, committed: Vec<Committed>) {
        // First the notifier, then the callers: whoever hears "done" finds the others told, or about to be. Without a
        // notifier (it stops before the store) the entries wait in their mailboxes.
        if !committed.is_empty() {
            let _ = self.notifier.blocking_send(committed);
        }
        for work in works {
            work.answer(Ok(()));
        }
    }

    fn fail(&self, works: impl IntoIterator<Item = Box<dyn Work>>, error: &StoreError) {
        let mut requests = 0;
        for work in works {
            self.figures.writing.failed(error);
            work.answer(Err(error.clone()));
            requests += 1;
        }
        // Whoever asked is told, and tells the administrator what it was.
        tracing::debug!(error = %error.chain(), requests, "could not be written");
    }
}

/// How many messages these are. Each stands in its sender's mailbox once: as a copy, unless it was written to themselves.
fn messages(committed: &[Committed]) -> u64 {
    let own = |one: &&Committed| !one.entry.incoming || one.entry.message.sender == one.entry.message.recipient;
    u64::try_from(committed.iter().filter(own).count()).unwrap_or(u64::MAX)
}

fn answer(callers: impl IntoIterator<Item = oneshot::Sender<()>>) {
    for caller in callers {
        let _ = caller.send(());
    }
}
