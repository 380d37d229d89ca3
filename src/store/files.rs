//! Files that are to be ours alone, and there after a power cut.

use super::OpenError;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Makes an empty file that nobody else may read, whatever the umask says. One that is there already is an error.
pub(super) fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
}

/// Opens a file as SQLite does, and makes one beside it for a moment, to hear from the system why that can't be done.
pub(super) fn try_beside(path: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).write(true).open(path)?;
    let beside = path.with_extension("try");
    // A process that was killed here may have left one.
    let _ = std::fs::remove_file(&beside);
    create_private(&beside)?;
    std::fs::remove_file(&beside)
}

/// Makes sure that a file which was made or renamed is still under its name after a power cut.
pub(super) fn sync_directory(path: &Path) -> Result<(), OpenError> {
    let directory = path.parent().unwrap_or(path);
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(|source| OpenError::io(directory, "can't sync the directory", source))
}
