//! Files that are one person's business: mode 0600, replaced as a whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", .path.display(), super::plain(.source))]
pub(crate) struct FileError {
    /// Which.
    pub(crate) path: PathBuf,
    /// Why.
    pub(crate) source: io::Error,
}

/// The folder for this program in one of the XDG base directories: `$variable/messenger`, else
/// `$HOME/fallback/messenger`. Relative paths do not count, as the XDG specification has it.
pub(crate) fn folder(variable: &str, fallback: &str) -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(fallback)))?;
    Some(base.join("messenger"))
}

/// Reads a file; `None` when there is none.
///
/// # Errors
/// When it is there and cannot be read.
pub(crate) fn read(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError { path: path.to_owned(), source }),
    }
}

/// Puts a new file in the place of the old one, and makes the folders above it (mode 0700) that are missing.
///
/// # Errors
/// When that fails; the old file is still there then.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), FileError> {
    let error = |source| FileError { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(error)?;
    }
    let new = path.with_extension(format!("{}.new", std::process::id()));
    // Left behind by a process of the same number that was killed.
    let _ = fs::remove_file(&new);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&new, path));
    written.map_err(|source| {
        let _ = fs::remove_file(&new);
        error(source)
    })
}

/// A file that was not there before, and is gone again, or empty, unless it is [finished](NewFile::finish).
///
/// For what is written by a process that may leave its rights behind meanwhile: the place is taken at once.
pub(crate) struct NewFile {
    path: PathBuf,
    file: File,
    finished: bool,
}

impl NewFile {
    /// Makes it. Nobody else may read it.
    ///
    /// # Errors
    /// Also when there is something of that name.
    pub(crate) fn create(path: &Path) -> Result<Self, FileError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|source| FileError { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file, finished: false })
    }

    /// All is written, and on the disk.
    ///
    /// # Errors
    /// When it is not; then the file goes.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        self.finished = true;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            // Where it can't be removed any more, it has nothing in it.
            let _ = self.file.set_len(0);
            let _ = fs::remove_file(&self.path);
        }
    }
}
