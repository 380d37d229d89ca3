//! What can go wrong with a database, told apart by what to do about it.

use super::files;
use crate::domain::exit::Exit;
use rusqlite::{ErrorCode, ffi};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a store could not be opened. Each names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process of ours has the folder.
    #[error("{path}: another messengerd is running on this state directory; stop it first, or give this one its own")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// A foreign program holds the database locked.
    #[error("{path}: the database is locked by another program; end it (fuser {path} shows which) and start again")]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// The database, or its folder, can't be written.
    #[error(
        "{path}: the database is read-only; make it, the files beside it and their directory writable for the user \
         that messengerd runs as"
    )]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// The schema is of a later release.
    #[error(
        "{path}: the database has schema {found}, and this release knows schemas up to {known}; \
         install the newer release again, or restore a backup that this one made"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its `user_version`.
        found: i64,
        /// The newest that we know.
        known: i64,
    },
    /// It is a database, but not of messengerd.
    #[error("{path}: this is a database of another program; move it away, or set state.directory")]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// The file is no database any more, or damaged inside.
    #[error(
        "{path}: the database is damaged ({detail}); restore a backup, or save what is left with \
         `sqlite3 {path} .recover`"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// There is no room to open or migrate it.
    #[error("{path}: the disk is full; make room and start again")]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// A file could not be used.
    #[error("{path}: {doing}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Anything else that SQLite says.
    #[error("{path}: {doing}")]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// Sorts what the operating system says about a file.
    pub(super) fn io(path: &Path, doing: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, doing, source },
        }
    }

    /// Sorts what SQLite says while a database is opened.
    pub(super) fn sqlite(path: &Path, doing: &'static str, source: rusqlite::Error) -> Self {
        let code = source.sqlite_error_code();
        // SQLite does not say why a file can't be opened or made: it may be a right, a place on the disk, a descriptor.
        if matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
            && let Err(why) = files::try_beside(path)
        {
            return Self::io(path, doing, why);
        }
        let path = path.to_owned();
        match code {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Self::ReadOnly { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, detail: source.to_string() }
            }
            _ if is_full(&source) => Self::Full { path },
            _ => Self::Sqlite { path, doing, source },
        }
    }

    /// What the shell is told.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::InUse { .. } | Self::Locked { .. } => Exit::TryLater,
            Self::ReadOnly { .. } => Exit::NoPermission,
            Self::Newer { .. } | Self::Foreign { .. } | Self::Damaged { .. } => Exit::Data,
            Self::Full { .. } | Self::Io { .. } | Self::Sqlite { .. } => Exit::Io,
        }
    }
}

/// Why a request to the running store failed. Nothing of the request was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk. The next request may go well.
    #[error("the disk is full")]
    Full,
    /// A foreign program held the database locked for longer than we wait.
    #[error("the database is locked by another program")]
    Busy,
    /// The store has been stopped.
    #[error("the store is stopped")]
    Stopped,
    /// A fault of ours: the request's code panicked. The panic's own message is on the standard error stream.
    #[error("a fault in the store's own code")]
    Panicked,
    /// Anything else that SQLite says.
    #[error("the database failed")]
    Sqlite(#[source] std::sync::Arc<rusqlite::Error>),
}

impl StoreError {
    /// The error with its causes in one line, for the journal.
    #[must_use]
    pub fn chain(&self) -> String {
        match self {
            Self::Sqlite(cause) => format!("{self}: {cause}"),
            _ => self.to_string(),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            _ if is_full(&error) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Sqlite(std::sync::Arc::new(error)),
        }
    }
}

/// A full disk. Where it shows while the index of the log is made or grows, SQLite calls it an I/O error.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}
