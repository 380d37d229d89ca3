//! Backups: a whole copy of the database in one file, made while it is served from, and put back when it is needed.
//!
//! A copy (`copy`) is of one moment: it has all that was committed before it began, and nothing else. Nobody waits for
//! it: it reads as any reader does, in steps, and rests as long as it has worked. It comes to stand in its folder
//! (`folder`) under a name that is not a backup's, is put on the disk, and is checked (`check`); only then it gets its
//! name, and beside it a manifest (`manifest`) that says what it is. So whatever happens at whatever moment, the backups
//! that were there before are there and whole, and what is called a backup is one.
//!
//! `carry` takes one to another folder, by the same rules. A [`Candidate`] is one that may be restored: it is looked at first, and
//! then takes the place of the database (`swap`) so that at each moment there is the one or the other.
//!
//! Errors: a [`BackupError`], with the path and what to do. Then there is no new backup, and the others are as they were;
//! or a [`RestoreError`]: then the database is as it was.
//!
//! Must not be here: who may ask for one, and when it is made.

mod carry;
mod check;
mod copy;
mod error;
mod folder;
mod manifest;
mod restore;
mod swap;

pub use carry::{Carried, carry, expect_folder};
pub use error::BackupError;
pub use manifest::Manifest;
pub use restore::{Candidate, RestoreError};
pub(super) use swap::{finish, pending};

use super::{Options, Store};
use crate::domain::UnixMillis;
use check::Sum;
use folder::Folder;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::num::NonZero;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::{Semaphore, oneshot, watch};

/// Where they are, below the state directory.
const FOLDER: &str = "backups";
/// What progress is counted in: the size of our databases' pages.
const PAGE: u64 = 4096;

/// How far a backup is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// All pages are copied, and what has been copied is looked at.
    pub checking: bool,
    /// So many pages are done.
    pub pages: u64,
    /// Of so many.
    pub of: u64,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The copy. Its manifest is beside it.
    pub file: PathBuf,
    /// What the manifest says.
    pub manifest: Manifest,
    /// The names of older ones that had to go.
    pub removed: Vec<String>,
}

/// Makes the folder of backups, if it is not there. A daemon that is confined can't.
///
/// # Errors
/// As mkdir(2) says.
pub fn prepare(state: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(state.join(FOLDER)) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Makes them, one at a time.
#[derive(Clone)]
pub(super) struct Backups {
    options: Arc<Options>,
    turn: Arc<Semaphore>,
    stopping: Arc<AtomicBool>,
}

impl Backups {
    pub(super) fn of(options: &Options) -> Self {
        Self { options: Arc::new(options.clone()), turn: Arc::new(Semaphore::new(1)), stopping: Arc::default() }
    }

    /// Waits for the one that is being made, and lets none be made meanwhile.
    #[cfg(test)]
    pub(super) async fn hold(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.turn.acquire().await.expect("the store was not stopped")
    }

    /// Has the one that is being made given up, and returns when it has. No other is begun.
    pub(super) async fn close(&self) {
        self.stopping.store(true, Relaxed);
        // It is closed by nobody else.
        let _turn = self.turn.acquire().await;
        self.turn.close();
    }
}

impl Store {
    /// Makes a backup of what is committed by now, in the folder `backups` of the state directory, and then removes the
    /// oldest ones until `keep` are left. `now` is in its name. How far it is is seen in `progress`.
    ///
    /// Dropped before it is done, it gives up, and leaves nothing.
    ///
    /// # Errors
    /// [`BackupError`]; there is no new one then.
    pub async fn back_up(
        &self,
        now: UnixMillis,
        keep: Option<NonZero<u32>>,
        progress: watch::Sender<Progress>,
    ) -> Result<Made, BackupError> {
        let turn = Arc::clone(&self.backups.turn).try_acquire_owned().map_err(|_| BackupError::Busy)?;
        // Messages that were delivered are not to be delivered once more by who restores it. If that fails, they are.
        let _ = self.write_cursors().await;
        let given_up = Arc::new(AtomicBool::new(false));
        let _give_up = GiveUp(Arc::clone(&given_up));
        let stopping = Arc::clone(&self.backups.stopping);
        let watched = Watched { progress, over: Arc::new(move || given_up.load(Relaxed) || stopping.load(Relaxed)) };
        let options = Arc::clone(&self.backups.options);
        let (tell, told) = oneshot::channel();
        let work = move || {
            let made = make(&options, now, keep, &watched);
            drop(turn);
            // Whoever asked may have gone.
            let _ = tell.send(made);
        };
        std::thread::Builder::new().name("backup".to_owned()).spawn(work).map_err(BackupError::Thread)?;
        // A thread that says nothing has met a fault of ours; what it said is on standard error.
        told.await.unwrap_or(Err(BackupError::Fault))
    }
}

/// Whoever wanted it has gone.
struct GiveUp(Arc<AtomicBool>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Who looks on, and whether it is still wanted.
pub(super) struct Watched {
    pub(super) progress: watch::Sender<Progress>,
    pub(super) over: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Watched {
    fn at(&self, progress: Progress) -> Result<(), BackupError> {
        self.progress.send_replace(progress);
        if (self.over)() { Err(BackupError::GivenUp) } else { Ok(()) }
    }
}

pub(super) fn make(
    options: &Options,
    now: UnixMillis,
    keep: Option<NonZero<u32>>,
    watched: &Watched,
) -> Result<Made, BackupError> {
    let folder = Folder::open(&options.directory.join(FOLDER))?;
    let unfinished = folder.begin(now)?;
    copy::copy(options, &unfinished, watched)?;
    let path = unfinished.path();
    let mut db = check::open(path)?;
    let over = Arc::clone(&watched.over);
    let schema = check::inspect(&mut db, path, move || over())?;
    let counted = check::count(&db, path)?;
    drop(db);
    let mut sum = Sum::default();
    check::read(unfinished.file(), path, |part, bytes| {
        sum.add(part);
        watched.at(Progress { checking: true, pages: bytes.done / PAGE, of: bytes.of / PAGE })
    })?;
    let manifest = Manifest::of(unfinished.name(), now, sum.end(), schema, counted);
    let file = unfinished.publish(&manifest)?;
    let removed = folder.keep(keep, &manifest.file);
    Ok(Made { file, manifest, removed })
}
