//! What may keep a backup from being made.

use crate::domain::exit::Exit;
use crate::store::OpenError;
use crate::store::error::is_full;
use rusqlite::ErrorCode;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why there is no new backup. Those that were there before are as they were.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// One at a time.
    #[error("another backup is being made")]
    Busy,
    /// Whoever asked has gone, or the daemon stops.
    #[error("the backup was given up before it was done")]
    GivenUp,
    /// Nothing there, a file or a symbolic link.
    #[error("{}: this is no folder of its own (it is missing, a file, or a symbolic link)", .path.display())]
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// It would take the room that messages need.
    #[error("{}: there is no room: the backup needs {needed} MiB, and {free} MiB are free", .path.display())]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// What it needs, in MiB.
        needed: u64,
        /// What there is, in MiB.
        free: u64,
    },
    /// There was room when it began.
    #[error("{}: the disk is full", .path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// What was copied is not whole. Then, most likely, neither is what it was copied from.
    #[error("{}: the copy is damaged ({detail}); is the database, or the disk?", .path.display())]
    Damaged {
        /// The copy, which was removed.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A backup that is to be carried elsewhere is not what its manifest says.
    #[error("{}: {detail}", .path.display())]
    NotWhole {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// What is to be carried is none of the backups of this state directory.
    #[error("{}: this is no backup in {}; is the daemon another one's?", .path.display(), .folder.display())]
    Elsewhere {
        /// What it was said to be.
        path: PathBuf,
        /// Where backups are.
        folder: PathBuf,
    },
    /// A file could not be used.
    #[error("{}: {doing}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The database can't be opened once more.
    #[error(transparent)]
    Open(OpenError),
    /// Anything else that SQLite says.
    #[error("{}: {doing}", .path.display())]
    Sqlite {
        /// The database or its copy.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// The system allows no further thread.
    #[error("the system allows no thread that makes it")]
    Thread(#[source] io::Error),
    /// A fault of ours. What it was is on standard error.
    #[error("a fault in the store's own code")]
    Fault,
}

impl BackupError {
    /// Sorts what the system says about a file.
    pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            let path = path.to_owned();
            match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
                _ => Self::Io { path, doing, source },
            }
        }
    }

    /// Sorts what SQLite says.
    pub(super) fn sqlite(path: &Path, doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| {
            let path = path.to_owned();
            match source.sqlite_error_code() {
                _ if is_full(&source) => Self::Full { path },
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    Self::Damaged { path, detail: source.to_string() }
                }
                Some(ErrorCode::OperationInterrupted) => Self::GivenUp,
                _ => Self::Sqlite { path, doing, source },
            }
        }
    }

    /// What the shell is told.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Busy | Self::GivenUp => Exit::TryLater,
            Self::NoFolder { .. } => Exit::CantCreate,
            Self::Damaged { .. } | Self::NotWhole { .. } | Self::Elsewhere { .. } => Exit::Data,
            Self::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => Exit::NoPermission,
            Self::NoRoom { .. } | Self::Full { .. } | Self::Io { .. } | Self::Open(_) | Self::Sqlite { .. } => Exit::Io,
            Self::Thread(_) => Exit::Os,
            Self::Fault => Exit::Software,
        }
    }
}

impl From<OpenError> for BackupError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Full { path } => Self::Full { path },
            error => Self::Open(error),
        }
    }
}
