//! Connections for reading. Each read has one for itself, on a thread where it may block.

use super::figures::Figures;
use super::reading::Threads;
use super::{OpenError, Options, StoreError, open};
use rusqlite::Connection;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Semaphore, oneshot};

/// Of the database's pages, each connection holds as many as fit into this. A log-in reads pages that nobody asks for again
/// soon, and the kernel has them too: in its memory, not in ours.
const CACHE_KIB: i64 = 512;

/// A pool. When all connections are in use, a read waits for its turn; a peer has one request under way at a time, so
/// there are never more waiting than peers.
#[derive(Clone)]
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
    threads: Arc<Threads>,
    figures: Arc<Figures>,
    size: u32,
}

impl Readers {
    pub(super) fn open(path: &Path, options: &Options, figures: Arc<Figures>) -> Result<Self, OpenError> {
        let size = u32::try_from(options.readers.max(1)).unwrap_or(u32::MAX);
        let idle = (0..size).map(|_| open::connect(path, options)).collect::<Result<Vec<_>, _>>()?;
        for db in &idle {
            let fault = |source| OpenError::sqlite(path, "can't open the database for reading", source);
            db.pragma_update(None, "query_only", true).map_err(fault)?;
            db.pragma_update(None, "cache_size", -CACHE_KIB).map_err(fault)?;
        }
        let turns = Arc::new(Semaphore::new(idle.len()));
        let threads = Threads::start(idle.len())
            .map_err(|source| OpenError::io(path, "can't start a thread that reads", source))?;
        Ok(Self { idle: Arc::new(Mutex::new(idle)), turns, threads: Arc::new(threads), figures, size })
    }

    pub(super) async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let asked = Instant::now();
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let (idle, figures) = (Arc::clone(&self.idle), Arc::clone(&self.figures));
        let (caller, answer) = oneshot::channel();
        self.threads.run(Box::new(move || {
            let began = Instant::now();
            // A turn is a connection, so there is one.
            let db = lock(&idle).pop();
            // A read that panics must not take its connection with it.
            let result = db.as_ref().map(|db| panic::catch_unwind(AssertUnwindSafe(|| query(db))));
            lock(&idle).extend(db);
            drop(turn);
            figures.reading.waits.record(began - asked);
            figures.reading.reads.record(began.elapsed());
            let result = match result {
                Some(Ok(read)) => read.map_err(StoreError::from),
                Some(Err(_)) => Err(StoreError::Panicked),
                None => Err(StoreError::Stopped),
            };
            // A caller that has gone away wants no answer.
            let _ = caller.send(result);
        }));
        answer.await.map_err(|_| StoreError::Stopped)?
    }

    /// Waits for the reads under way, and closes the connections. Later reads get [`StoreError::Stopped`].
    pub(super) async fn close(&self) {
        let Ok(_all) = self.turns.acquire_many(self.size).await else { return };
        self.turns.close();
        // Quick: the writer's connection is still there, so that none of these is the last, which tidies up.
        lock(&self.idle).clear();
    }
}

fn lock(idle: &Mutex<Vec<Connection>>) -> MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
