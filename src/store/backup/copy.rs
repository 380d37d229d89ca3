//! The copy of one moment, page by page.

use super::folder::Unfinished;
use super::{BackupError, Progress, Watched};
use crate::store::{OpenError, Options, open};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Pages in one step, 256 KiB. After it, it rests as long as it has worked, so that half of the disk's time is others'.
const STEP: i32 = 64;
const REST_MAX: Duration = Duration::from_millis(50);
/// What is written goes to the disk after so many steps: were it all at once at the end, commits would wait behind it.
const SYNC_STEPS: u32 = 16;

/// Copies the database that is being served from into an empty file, and puts it on the disk.
pub(super) fn copy(options: &Options, unfinished: &Unfinished<'_>, watched: &Watched) -> Result<(), BackupError> {
    let database = options.directory.join(open::FILE);
    let source = open::connect(&database, options)?;
    begin(&source, &database)?;
    unfinished.folder().expect_room(size(&source, &database)?)?;
    let mut copy = open_empty(unfinished.path())?;
    transfer(&source, &mut copy, unfinished, watched)?;
    be_one_file(copy, unfinished)?;
    unfinished.sync()
}

/// From here on it sees what is committed by now, and nothing that comes later.
fn begin(source: &Connection, path: &Path) -> Result<(), BackupError> {
    // The index of the log may have to be made, and SQLite does not say why that can't be done.
    let fault = |source| OpenError::sqlite(path, "can't read it", source);
    source.pragma_update(None, "query_only", true).map_err(fault)?;
    source.execute_batch("BEGIN").map_err(fault)?;
    // The moment is that of the first read.
    Ok(source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(fault)?)
}

fn size(source: &Connection, path: &Path) -> Result<u64, BackupError> {
    let number = |name| {
        let found = source.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        found.map(i64::unsigned_abs).map_err(BackupError::sqlite(path, "can't read it"))
    };
    Ok(number("page_count")?.saturating_mul(number("page_size")?))
}

/// Without a journal, and without being put on the disk by SQLite: until it has its name, half of it is nothing.
fn open_empty(path: &Path) -> Result<Connection, BackupError> {
    let fault = |source| BackupError::sqlite(path, "can't open it")(source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(path, flags).map_err(fault)?;
    copy.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        .map_err(fault)?;
    Ok(copy)
}

fn transfer(
    source: &Connection,
    copy: &mut Connection,
    unfinished: &Unfinished<'_>,
    watched: &Watched,
) -> Result<(), BackupError> {
    let fault = |source| BackupError::sqlite(unfinished.path(), "can't write it")(source);
    let backup = Backup::new(source, copy).map_err(fault)?;
    let mut steps = 0_u32;
    loop {
        let begun = Instant::now();
        match backup.step(STEP).map_err(fault)? {
            StepResult::More => {}
            StepResult::Done => return Ok(()),
            // Neither can be: it reads one moment, and nobody else knows of the copy.
            _ => return Err(BackupError::Busy),
        }
        steps += 1;
        if steps.is_multiple_of(SYNC_STEPS) {
            unfinished.sync()?;
        }
        let pages = |pages: i32| u64::try_from(pages).unwrap_or_default();
        let (left, of) = (pages(backup.progress().remaining), pages(backup.progress().pagecount));
        watched.at(Progress { checking: false, pages: of - left, of })?;
        std::thread::sleep(begun.elapsed().min(REST_MAX));
    }
}

/// The database's header says that it has a log beside it. The copy has none, and needs none to be opened: bytes 18 and 19
/// (<https://sqlite.org/fileformat.html#file_format_version_numbers>) are all the difference. SQLite would make a log to
/// say so.
fn be_one_file(copy: Connection, unfinished: &Unfinished<'_>) -> Result<(), BackupError> {
    copy.close().map_err(|(_, source)| BackupError::sqlite(unfinished.path(), "can't close it")(source))?;
    unfinished.file().write_all_at(&[1, 1], 18).map_err(BackupError::io(unfinished.path(), "can't write its header"))
}
