//! A folder of backups: what gets a name in it, and what has to go.
//!
//! It is held locked while something is done in it, and all is done by its descriptor: no name in it is followed
//! elsewhere. A backup is two files, `messengerd-TIME.sqlite` and its manifest `messengerd-TIME.json`. The manifest comes
//! first and goes last, so that there never is a copy without one.

use super::BackupError;
use super::manifest::{self, Manifest};
use crate::domain::UnixMillis;
use crate::host::journal::Chain;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const PREFIX: &str = "messengerd-";
const COPY: &str = ".sqlite";
const MANIFEST: &str = ".json";
/// What is being made, and what SQLite may make beside it.
const UNFINISHED: &str = ".unfinished";
/// What is to stay free: a part of what is written.
const RESERVE: u64 = 10;

const MIB: u64 = 1024 * 1024;

/// A folder in our hands.
pub(super) struct Folder {
    path: PathBuf,
    directory: Directory,
}

/// Locked, where the file system can.
enum Directory {
    Locked(Flock<File>),
    Open(File),
}

impl Folder {
    /// Opens and locks it.
    ///
    /// # Errors
    /// When it is none, or somebody else works in it.
    pub(super) fn open(path: &Path) -> Result<Self, BackupError> {
        let flags = (OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits();
        // A slash at its end would follow a symbolic link.
        let path: PathBuf = path.components().collect();
        let directory = OpenOptions::new().read(true).custom_flags(flags).open(&path).map_err(|source| match source
            .raw_os_error()
            .map(Errno::from_raw)
        {
            Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => BackupError::NoFolder { path: path.clone() },
            _ => BackupError::io(&path, "can't open the folder")(source),
        })?;
        let directory = match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => Directory::Locked(locked),
            Err((_, Errno::EWOULDBLOCK)) => return Err(BackupError::Busy),
            // Network file systems: nobody else is kept out then, and their names differ from ours.
            Err((open, Errno::ENOLCK | Errno::ENOTSUP | Errno::ENOSYS | Errno::EINVAL | Errno::EBADF)) => {
                Directory::Open(open)
            }
            Err((_, errno)) => return Err(BackupError::io(&path, "can't lock the folder")(errno.into())),
        };
        Ok(Self { path, directory })
    }

    fn directory(&self) -> &File {
        match &self.directory {
            Directory::Locked(locked) => locked,
            Directory::Open(open) => open,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn fault(&self, name: &str, doing: &'static str) -> impl FnOnce(Errno) -> BackupError + use<> {
        let path = self.path.join(name);
        move |errno| BackupError::io(&path, doing)(errno.into())
    }

    /// Whether so many bytes fit in, and some more: a full disk is in the way of others.
    pub(super) fn expect_room(&self, bytes: u64) -> Result<(), BackupError> {
        let disk = fstatvfs(self.directory()).map_err(self.fault("", "can't say how much room there is"))?;
        let free = disk.blocks_available().saturating_mul(disk.fragment_size());
        let needed = bytes.saturating_add(bytes / RESERVE).saturating_add(MIB);
        if free < needed {
            let path = self.path.clone();
            return Err(BackupError::NoRoom { path, needed: needed.div_ceil(MIB), free: free / MIB });
        }
        Ok(())
    }

    /// Begins a backup, under a name with the time in it. What one before has left unfinished is removed.
    pub(super) fn begin(&self, now: UnixMillis) -> Result<Unfinished<'_>, BackupError> {
        let names = self.names()?;
        // Two within a second, or a clock that was set back: the next second that is free.
        let later = (0..).map(|seconds: i64| UnixMillis(now.0.saturating_add(seconds.saturating_mul(1000))));
        let stem = later.map(stem).find(|stem| !is_taken(&names, stem)).unwrap_or_default();
        for name in names.iter().filter(|name| name.starts_with(PREFIX) && name.contains(UNFINISHED)) {
            self.remove(name)?;
        }
        let name = format!("{stem}{COPY}");
        let unfinished = format!("{name}{UNFINISHED}");
        let file = self.create(&unfinished)?;
        let path = self.path.join(&unfinished);
        Ok(Unfinished { folder: self, stem, name, path, file })
    }

    /// Opens a file in it for reading; not a symbolic link, nor a device.
    pub(super) fn open_file(&self, name: &str) -> Result<File, BackupError> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = openat(self.directory(), name, flags, Mode::empty()).map_err(self.fault(name, "can't open it"))?;
        let file = File::from(file);
        let path = self.path.join(name);
        if !file.metadata().map_err(BackupError::io(&path, "can't look at it"))?.is_file() {
            return Err(BackupError::NotWhole { path, detail: "it is not a regular file".to_owned() });
        }
        Ok(file)
    }

    /// Whether this is the folder of that path.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let there = std::fs::metadata(path).map(|found| (found.dev(), found.ino()));
        let here = self.directory().metadata().map(|found| (found.dev(), found.ino()));
        there.ok() == here.ok()
    }

    /// Removes the oldest backups until `keep` are left, and what is left of removed ones. The new one stays. What can't
    /// be removed stays, and the journal says why. Returns the names of those that went.
    pub(super) fn keep(&self, keep: Option<NonZero<u32>>, new: &str) -> Vec<String> {
        let Some(keep) = keep else { return Vec::new() };
        let outcome = self.names().and_then(|names| {
            let is_ours = |name: &&String| is_backup(name, COPY) && names.contains(&manifest_of(name));
            let others: Vec<_> = names.iter().filter(is_ours).filter(|name| *name != new).collect();
            let most = usize::try_from(keep.get() - 1).unwrap_or(usize::MAX);
            let mut removed = Vec::new();
            // By name, which is by age.
            for name in &others[..others.len().saturating_sub(most)] {
                self.discard(name)?;
                removed.push((*name).clone());
            }
            // Of one whose removal was cut short.
            let is_left = |name: &&String| is_backup(name, MANIFEST) && !names.contains(&copy_of(name));
            for name in names.iter().filter(is_left) {
                self.remove(name)?;
            }
            Ok(removed)
        });
        outcome.unwrap_or_else(|error| {
            tracing::warn!(error = %Chain(&error), "older backups could not be removed");
            Vec::new()
        })
    }

    /// Removes a backup.
    pub(super) fn discard(&self, name: &str) -> Result<(), BackupError> {
        self.remove(name)?;
        self.remove(&manifest_of(name))
    }

    fn remove(&self, name: &str) -> Result<(), BackupError> {
        match unlinkat(self.directory(), name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(self.fault(name, "can't remove it")(errno)),
        }
    }

    /// An empty file that nobody else may read, whatever the umask says.
    fn create(&self, name: &str) -> Result<File, BackupError> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        openat(self.directory(), name, flags, mode).map(File::from).map_err(self.fault(name, "can't make it"))
    }

    /// Gives a file its name, for good.
    fn rename(&self, from: &str, to: &str) -> Result<(), BackupError> {
        renameat(self.directory(), from, self.directory(), to).map_err(self.fault(to, "can't give it its name"))?;
        self.sync()
    }

    /// Makes sure that names are what they are after a power cut.
    fn sync(&self) -> Result<(), BackupError> {
        match self.directory().sync_all() {
            // Some network file systems have nothing to do there.
            Err(error) if error.raw_os_error() != Some(Errno::EINVAL as i32) => {
                Err(BackupError::io(&self.path, "can't sync the folder")(error))
            }
            _ => Ok(()),
        }
    }

    fn names(&self) -> Result<BTreeSet<String>, BackupError> {
        let list = || -> Result<BTreeSet<String>, Errno> {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            // Another description of it: this one's place in the list is its own.
            let mut directory = Dir::openat(self.directory(), ".", flags, Mode::empty())?;
            directory.iter().map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
        };
        list().map_err(self.fault("", "can't list the folder"))
    }
}

/// A backup that has no name yet. Dropped, it is gone.
pub(super) struct Unfinished<'a> {
    folder: &'a Folder,
    stem: String,
    name: String,
    path: PathBuf,
    file: File,
}

impl Unfinished<'_> {
    pub(super) fn folder(&self) -> &Folder {
        self.folder
    }

    /// The name that it will have.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Puts on the disk what was written so far.
    pub(super) fn sync(&self) -> Result<(), BackupError> {
        self.file.sync_all().map_err(BackupError::io(&self.path, "can't put it on the disk"))
    }

    /// Gives it its name, and a manifest. It has to be on the disk. Returns where it is from now on.
    pub(super) fn publish(self, manifest: &Manifest) -> Result<PathBuf, BackupError> {
        let name = format!("{}{MANIFEST}", self.stem);
        let unfinished = format!("{name}{UNFINISHED}");
        let path = self.folder.path.join(&unfinished);
        let mut file = self.folder.create(&unfinished)?;
        let written = file.write_all(manifest.text().as_bytes()).and_then(|()| file.sync_all());
        let published = written
            .map_err(BackupError::io(&path, "can't write it"))
            .and_then(|()| self.folder.rename(&unfinished, &name))
            .and_then(|()| self.folder.rename(&format!("{}{UNFINISHED}", self.name), &self.name));
        if published.is_err() {
            // The copy before its manifest: it may have its name, where only that could not be put on the disk.
            for name in [&unfinished, &self.name, &name] {
                let _ = self.folder.remove(name);
            }
        }
        published.map(|()| self.folder.path.join(&self.name))
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // On a full disk it would be in everybody's way. If it can't be removed, the next one will try.
        for beside in ["", "-journal", "-wal"] {
            let _ = self.folder.remove(&format!("{}{UNFINISHED}{beside}", self.name));
        }
    }
}

/// `messengerd-20261127T132005Z`.
fn stem(at: UnixMillis) -> String {
    format!("{PREFIX}{}", manifest::stamp(at))
}

fn is_taken(names: &BTreeSet<String>, stem: &str) -> bool {
    [COPY, MANIFEST].iter().any(|kind| names.contains(&format!("{stem}{kind}")))
}

/// Whether a name is one that we give; administrators may have other files there.
fn is_backup(name: &str, kind: &str) -> bool {
    let time = name.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(kind)).unwrap_or_default();
    let is_it = |(place, byte): (usize, u8)| match place {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    time.len() == 16 && time.bytes().enumerate().all(is_it)
}

/// Whether a name is one that we give to a copy.
pub(super) fn is_copy(name: &str) -> bool {
    is_backup(name, COPY)
}

/// The name of the manifest of a copy.
pub(super) fn manifest_of(copy: &str) -> String {
    format!("{}{MANIFEST}", copy.strip_suffix(COPY).unwrap_or(copy))
}

fn copy_of(manifest: &str) -> String {
    format!("{}{COPY}", manifest.strip_suffix(MANIFEST).unwrap_or(manifest))
}

/// Reads a manifest.
pub(super) fn read_manifest(file: File, path: &Path) -> Result<Manifest, String> {
    let mut text = Vec::new();
    file.take(manifest::BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(|error| format!("can't read {}: {error}", path.display()))?;
    Manifest::parse(&text)
}
