//! One database in the place of another, so that at each moment there is the one or the other.
//!
//! The restored one is written to the disk under a name that is nothing's ([`Incoming`]). Then it gets a name which says
//! that it is the database from now on: that is the moment. All that is left ([`finish`]) can be done by anybody who
//! finds that name, again and again until it is done: the old one is moved aside, its log first, and the restored one takes
//! its name. Whoever opens a database does so before.

use super::BackupError;
use crate::store::open::FILE;
use crate::store::{OpenError, files};
use nix::sys::statvfs::statvfs;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What is being written.
const UNFINISHED: &str = "messengerd.restoring";
/// With a moment behind it: the database from now on.
const RESTORED: &str = "messengerd.restored-";
/// With the same moment behind it: the one of before.
const REPLACED: &str = "messengerd.replaced-";

const MIB: u64 = 1024 * 1024;

/// A database that is being written. Dropped before it is settled, it is gone.
pub(super) struct Incoming {
    directory: PathBuf,
    path: PathBuf,
    file: File,
}

impl Incoming {
    /// Begins one in a state directory, if there is room.
    pub(super) fn begin(directory: &Path, bytes: u64) -> Result<Self, BackupError> {
        let disk = statvfs(directory)
            .map_err(|errno| BackupError::io(directory, "can't say how much room there is")(errno.into()))?;
        let free = disk.blocks_available().saturating_mul(disk.fragment_size());
        let needed = bytes.saturating_add(MIB);
        if free < needed {
            return Err(BackupError::NoRoom {
                path: directory.to_owned(),
                needed: needed.div_ceil(MIB),
                free: free / MIB,
            });
        }
        let path = directory.join(UNFINISHED);
        // One that was killed here has left it.
        remove(&path).map_err(BackupError::io(&path, "can't remove it"))?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(BackupError::io(&path, "can't make it"))?;
        Ok(Self { directory: directory.to_owned(), path, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// From now on it is the database, though not yet under its name.
    pub(super) fn settle(self, stamp: &str) -> Result<(), BackupError> {
        let settled = self.directory.join(format!("{RESTORED}{stamp}"));
        self.file.sync_all().map_err(BackupError::io(&self.path, "can't put it on the disk"))?;
        fs::rename(&self.path, &settled).map_err(BackupError::io(&settled, "can't give it its name"))?;
        Ok(files::sync_directory(&settled)?)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Settled, it has another name.
        let _ = remove(&self.path);
    }
}

/// The moment of a restored database that has not got its name yet.
pub(in crate::store) fn pending(directory: &Path) -> io::Result<Option<String>> {
    let mut stamps = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        stamps.extend(name.to_str().and_then(|name| name.strip_prefix(RESTORED)).map(ToOwned::to_owned));
    }
    Ok(stamps.into_iter().max())
}

/// Goes on with a restoration that was begun, to its end. Returns where the database of before is, if there was one. The
/// directory has to be locked.
pub(in crate::store) fn finish(directory: &Path) -> Result<Option<PathBuf>, OpenError> {
    let found = pending(directory).map_err(|source| OpenError::io(directory, "can't list the directory", source))?;
    let Some(stamp) = found else { return Ok(None) };
    let (restored, database) = (directory.join(format!("{RESTORED}{stamp}")), directory.join(FILE));
    let replaced = directory.join(format!("{REPLACED}{stamp}.sqlite"));
    // The logs first: one that is left behind would be taken for that of the restored one.
    for log in ["-wal", "-journal"] {
        move_aside(&beside(&database, log), &beside(&replaced, log))?;
    }
    move_aside(&database, &replaced)?;
    let index = beside(&database, "-shm");
    remove(&index).map_err(|source| OpenError::io(&index, "can't remove it", source))?;
    files::sync_directory(&database)?;
    fs::rename(&restored, &database)
        .map_err(|source| OpenError::io(&database, "can't put the restored database there", source))?;
    files::sync_directory(&database)?;
    tracing::info!(database = %database.display(), "a restored database is in its place");
    Ok(replaced.exists().then_some(replaced))
}

/// If it is there. Nothing is overwritten.
fn move_aside(from: &Path, to: &Path) -> Result<(), OpenError> {
    let doing = "can't move it aside";
    match fs::symlink_metadata(from) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|source| OpenError::io(from, doing, source))?,
    };
    if to.exists() {
        let source = io::Error::new(ErrorKind::AlreadyExists, format!("{} is there", to.display()));
        return Err(OpenError::io(from, doing, source));
    }
    fs::rename(from, to).map_err(|source| OpenError::io(from, doing, source))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
