//! The one thread that writes.

use super::open::Opened;
use super::{Committed, OpenError, StoreError};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::panic::{self, AssertUnwindSafe};
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
}

/// A request and the way back to its caller. It can be run again when the transaction around it was rolled back.
trait Work: Send {
    fn run(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Job<T, F> {
    run: F,
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
}

enum Command {
    Work(Box<dyn Work>),
    Stop(oneshot::Sender<()>),
}

/// The way to the writer.
#[derive(Clone)]
pub(super) struct Writer {
    commands: mpsc::Sender<Command>,
}

impl Writer {
    /// Starts the thread. It keeps the lock on the directory until it has closed the database.
    pub(super) fn start(opened: Opened, batch_max: usize) -> Result<(Self, mpsc::Receiver<Vec<Committed>>), OpenError> {
        let (commands, queue) = mpsc::channel(QUEUE);
        let (notifier, committed) = mpsc::channel(COMMITTED_QUEUE);
        let path = opened.path.clone();
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_all(opened, queue, &notifier, batch_max.max(1)))
            .map_err(|source| OpenError::io(&path, "can't start the thread that writes", source))?;
        Ok((Self { commands }, committed))
    }

    /// Runs `work` in a transaction with others, and returns what it returned once that is committed. `work` is run
    /// again if the transaction fails for another's sake.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Batch<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Job { run: work, result: None, caller });
        self.commands.send(Command::Work(job)).await.map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }

    /// Returns when all that was asked before is done and the database is closed.
    pub(super) async fn stop(&self) {
        let (caller, done) = oneshot::channel();
        if self.commands.send(Command::Stop(caller)).await.is_ok() {
            let _ = done.await;
        }
    }
}

fn write_all(
    Opened { mut db, lock, .. }: Opened,
    mut queue: mpsc::Receiver<Command>,
    notifier: &mpsc::Sender<Vec<Committed>>,
    batch_max: usize,
) {
    let mut commands = Vec::with_capacity(batch_max);
    let mut stopping = Vec::new();
    while stopping.is_empty() && queue.blocking_recv_many(&mut commands, batch_max) > 0 {
        let mut works = Vec::with_capacity(commands.len());
        for command in commands.drain(..) {
            match command {
                Command::Work(work) => works.push(work),
                Command::Stop(caller) => stopping.push(caller),
            }
        }
        commit(&mut db, works, notifier);
    }
    if let Err((_, error)) = db.close() {
        tracing::warn!(error = %error, "the database could not be closed; nothing is lost");
    }
    drop(lock);
    for caller in stopping {
        let _ = caller.send(());
    }
}

/// Commits all in one transaction. If that fails, each is tried in one of its own, so that one request that can't be
/// written does not take others with it.
fn commit(db: &mut Connection, mut works: Vec<Box<dyn Work>>, notifier: &mpsc::Sender<Vec<Committed>>) {
    match transact(db, &mut works) {
        Ok(committed) => finish(works, committed, notifier),
        Err(error) if works.len() == 1 => fail(works, &error),
        // A lock is in everybody's way, and waiting for it once more for each would keep the last for minutes.
        Err(StoreError::Busy) => fail(works, &StoreError::Busy),
        Err(_) => commit_each(db, works, notifier),
    }
}

fn commit_each(db: &mut Connection, works: Vec<Box<dyn Work>>, notifier: &mpsc::Sender<Vec<Committed>>) {
    let mut works = works.into_iter();
    while let Some(work) = works.next() {
        let mut one = vec![work];
        match transact(db, &mut one) {
            Ok(committed) => finish(one, committed, notifier),
            Err(StoreError::Busy) => return fail(one.into_iter().chain(works), &StoreError::Busy),
            Err(error) => fail(one, &error),
        }
    }
}

fn transact(db: &mut Connection, works: &mut [Box<dyn Work>]) -> Result<Vec<Committed>, StoreError> {
    let mut committed = Vec::new();
    // Dropped without a commit, it rolls back.
    let transaction = Transaction::new(db, TransactionBehavior::Immediate)?;
    for work in works {
        let mut batch = Batch { db: &transaction, committed: &mut committed };
        // One request that hits a fault of ours fails alone. Without a writer nobody would be served any more; and
        // nothing is left half-done, because the transaction and `committed` are given up.
        panic::catch_unwind(AssertUnwindSafe(|| work.run(&mut batch))).map_err(|_| StoreError::Panicked)??;
    }
    transaction.commit()?;
    Ok(committed)
}

fn finish(works: Vec<Box<dyn Work>>, committed: Vec<Committed>, notifier: &mpsc::Sender<Vec<Committed>>) {
    // First the notifier, then the callers: whoever hears "done" finds the others told, or about to be. Without a
    // notifier (it stops before the store) the entries wait in their mailboxes.
    if !committed.is_empty() {
        let _ = notifier.blocking_send(committed);
    }
    for work in works {
        work.answer(Ok(()));
    }
}

fn fail(works: impl IntoIterator<Item = Box<dyn Work>>, error: &StoreError) {
    let mut requests = 0;
    for work in works {
        work.answer(Err(error.clone()));
        requests += 1;
    }
    // Whoever asked is told, and tells the administrator what it was.
    tracing::debug!(error = %error.chain(), requests, "could not be written");
}
