//! A backup on its way back: looked at, and put in the place of the present database.

use super::check::{self, Sum};
use super::folder::read_manifest;
use super::manifest::stamp;
use super::{BackupError, Manifest, PAGE, Progress, swap};
use crate::domain::UnixMillis;
use crate::domain::exit::Exit;
use crate::store::migrations::{self, MIGRATIONS};
use crate::store::{OpenError, open};
use nix::libc::O_NONBLOCK;
use rusqlite::Connection;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Why a backup is not restored. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Nothing says what it is.
    #[error(
        "{}: there is no manifest {} beside it, so nobody can say whether it is whole",
        .path.display(),
        .manifest.display()
    )]
    NoManifest {
        /// The backup.
        path: PathBuf,
        /// The manifest that it should have.
        manifest: PathBuf,
    },
    /// The manifest can't be understood.
    #[error("{}: {why}", .path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Made by a later release.
    #[error(
        "{}: the backup has schema {found}, and this release knows schemas up to {known}; \
         install the release that made it ({made_by}), or a later one",
        .path.display()
    )]
    Newer {
        /// The backup.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest that we know.
        known: i64,
        /// What made it.
        made_by: String,
    },
    /// It is not what its manifest says, or not whole in itself.
    #[error("{}: the backup is damaged ({detail}); take another one", .path.display())]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Somebody works on the database.
    #[error(
        "messengerd runs, or another messengerctl works, in {}; stop it first: \
         systemctl stop messengerd.service messengerd.socket",
        .directory.display()
    )]
    Running {
        /// The state directory.
        directory: PathBuf,
    },
    /// A file could not be used.
    #[error(transparent)]
    Open(OpenError),
    /// The same, or there is no room.
    #[error(transparent)]
    File(BackupError),
}

impl RestoreError {
    /// What the shell is told.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoManifest { .. } => Exit::NoInput,
            Self::Manifest { .. } | Self::Newer { .. } | Self::Damaged { .. } => Exit::Data,
            Self::Running { .. } => Exit::TryLater,
            Self::Open(error) => error.exit(),
            Self::File(BackupError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Exit::NoInput,
            Self::File(error) => error.exit(),
        }
    }
}

impl From<BackupError> for RestoreError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Damaged { path, detail } | BackupError::NotWhole { path, detail } => {
                Self::Damaged { path, detail }
            }
            error => Self::File(error),
        }
    }
}

/// A backup that may be restored.
#[derive(Debug)]
pub struct Candidate {
    path: PathBuf,
    file: File,
    db: Connection,
    manifest: Manifest,
}

impl Candidate {
    /// Opens a backup, and reads its manifest. Of the backup itself nothing is looked at: who is root may become somebody
    /// else before that.
    ///
    /// # Errors
    /// When it is not there, or has no manifest.
    pub fn open(path: &Path) -> Result<Self, RestoreError> {
        let open = |path: &Path| OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path);
        let file = open(path).map_err(BackupError::io(path, "can't open it"))?;
        let found = file.metadata().map_err(BackupError::io(path, "can't look at it"))?;
        let damaged = |detail| RestoreError::Damaged { path: path.to_owned(), detail };
        if !found.is_file() {
            return Err(damaged("it is not a regular file".to_owned()));
        }
        let beside = path.with_extension("json");
        let manifest = match open(&beside) {
            Ok(file) => read_manifest(file, &beside),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(RestoreError::NoManifest { path: path.to_owned(), manifest: beside });
            }
            Err(error) => return Err(BackupError::io(&beside, "can't open it")(error).into()),
        };
        let manifest = manifest.map_err(|why| RestoreError::Manifest { path: beside, why })?;
        if found.len() != manifest.bytes {
            return Err(damaged(format!("it has {} bytes of {}", found.len(), manifest.bytes)));
        }
        let db = check::open(path)?;
        let candidate = Self { path: path.to_owned(), file, db, manifest };
        candidate.expect_known(candidate.manifest.schema)?;
        Ok(candidate)
    }

    /// What its manifest says.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether it is whole, and of a release that we know. Only reads.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&mut self, mut progress: impl FnMut(Progress)) -> Result<(), RestoreError> {
        self.read(|_, seen| {
            progress(seen);
            Ok(())
        })?;
        let schema = check::inspect(&mut self.db, &self.path, || false)?;
        self.expect_known(schema)?;
        if schema != self.manifest.schema {
            return Err(self.damaged(format!("it has schema {schema}, and not {}", self.manifest.schema)));
        }
        Ok(())
    }

    /// Puts it in the place of the database in a state directory, which has to be ours. What was there before is moved
    /// aside, and its new path returned.
    ///
    /// Whenever it is cut short, there is either the database of before, or the restored one: the next who opens it goes on
    /// with what was begun.
    ///
    /// # Errors
    /// When it is not whole, when somebody works there, when there is no room.
    pub fn restore(
        mut self,
        directory: &Path,
        now: UnixMillis,
        mut progress: impl FnMut(Progress),
    ) -> Result<Option<PathBuf>, RestoreError> {
        let _lock = match open::lock_directory(directory) {
            Err(OpenError::InUse { .. }) => return Err(RestoreError::Running { directory: directory.to_owned() }),
            lock => lock.map_err(RestoreError::Open)?,
        };
        // One that was cut short before, first: what it has left is the present database.
        swap::finish(directory).map_err(RestoreError::Open)?;
        self.verify(&mut progress)?;
        let copy = swap::Incoming::begin(directory, self.manifest.bytes)?;
        self.read(|part, seen| {
            progress(Progress { checking: false, ..seen });
            let mut file = copy.file();
            Ok(file.write_all(part).map_err(BackupError::io(copy.path(), "can't write it"))?)
        })?;
        copy.settle(&stamp(now))?;
        swap::finish(directory).map_err(RestoreError::Open)
    }

    /// Reads all of it, and holds it to the manifest.
    fn read(&self, mut part: impl FnMut(&[u8], Progress) -> Result<(), RestoreError>) -> Result<(), RestoreError> {
        let mut sum = Sum::default();
        check::read(&self.file, &self.path, |bytes, seen| {
            sum.add(bytes);
            part(bytes, Progress { checking: true, pages: seen.done / PAGE, of: seen.of / PAGE })
        })?;
        if sum.end() != (self.manifest.bytes, self.manifest.blake2b.clone()) {
            return Err(self.damaged("its checksum is not that of its manifest".to_owned()));
        }
        Ok(())
    }

    fn expect_known(&self, found: i64) -> Result<(), RestoreError> {
        let known = migrations::newest(MIGRATIONS);
        if found <= known {
            return Ok(());
        }
        let made_by = self.manifest.made_by.clone();
        Err(RestoreError::Newer { path: self.path.clone(), found, known, made_by })
    }

    fn damaged(&self, detail: String) -> RestoreError {
        RestoreError::Damaged { path: self.path.clone(), detail }
    }
}
