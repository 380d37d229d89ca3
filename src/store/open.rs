//! Opening a database so that whatever is wrong with it is found now, and said.

use super::migrations::{self, Migration, Progress};
use super::{OpenError, Options, backup, files};
use nix::fcntl::{Flock, FlockArg};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The database's name in the state directory.
pub(super) const FILE: &str = "messengerd.sqlite";
const LOCK_FILE: &str = "messengerd.lock";
/// How long start-up may look for damage. A small database is checked whole; of a large one, what fits.
const CHECK_TIME: Duration = Duration::from_millis(100);

/// Held as long as anybody may write; the kernel gives it back when the process ends, however it ends.
pub(super) struct Lock(#[expect(dead_code, reason = "held, not used")] Flock<File>);

pub(super) struct Opened {
    pub(super) db: Connection,
    pub(super) path: PathBuf,
    pub(super) lock: Lock,
}

pub(super) fn open(options: &Options, migrations: &[Migration], progress: &Progress) -> Result<Opened, OpenError> {
    let lock = lock_directory(&options.directory)?;
    // Whoever restored a backup may have been killed before the end.
    backup::finish(&options.directory)?;
    let path = options.directory.join(FILE);
    create(&path)?;
    let mut db = connect(&path, options)?;
    if std::fs::metadata(&path).is_ok_and(|file| file.len() == 0) {
        // What is deleted can be given back to the file system, a little at a time. It has to be said before all else; a
        // database that is there has it or not.
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL")
            .map_err(|source| OpenError::sqlite(&path, "can't make the database", source))?;
    }
    // First whose it is: what is not ours, is too new for us or damaged, is left as it was found, and so is its log.
    leave_log(&db, &path, true)?;
    let found = migrations::version(&db, &path, migrations)?;
    use_log(&db, &path)?;
    check(&mut db, &path)?;
    leave_log(&db, &path, false)?;
    migrations::migrate(&mut db, &path, found, migrations, progress)?;
    // Pages that were looked at once, and are not what is wanted next.
    db.execute_batch("PRAGMA shrink_memory").map_err(|source| OpenError::sqlite(&path, "can't free memory", source))?;
    Ok(Opened { db, path, lock })
}

/// Keeps all others out of a state directory.
pub(super) fn lock_directory(directory: &Path) -> Result<Lock, OpenError> {
    lock(&directory.join(LOCK_FILE))
}

/// Two processes on one database would each keep a mailbox's cursor to itself, so the second is refused. SQLite's own
/// locks don't say that: they allow any number.
fn lock(path: &Path) -> Result<Lock, OpenError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| OpenError::io(path, "can't open the lock file", source))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Lock(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(OpenError::InUse { path: path.to_owned() }),
        Err((_, errno)) => Err(OpenError::io(path, "can't lock the lock file", errno.into())),
    }
}

/// Makes an empty file if there is none, which nobody else may read, whatever the umask and the directory say. SQLite
/// gives the files that it makes beside it the same mode.
fn create(path: &Path) -> Result<(), OpenError> {
    match std::fs::metadata(path) {
        Ok(file) if !file.is_file() => {
            let source = io::Error::new(ErrorKind::Unsupported, "it is not a regular file");
            return Err(OpenError::io(path, "can't open the database", source));
        }
        Ok(file) if file.len() > 0 => return Ok(()),
        _ => {}
    }
    // SQLite throws away a log that has no database beside it, and with it what was committed last.
    let log = path.with_extension("sqlite-wal");
    if std::fs::metadata(&log).is_ok_and(|file| file.len() > 0) {
        let detail = format!("it is missing or empty, but its log {} is not", log.display());
        return Err(OpenError::Damaged { path: path.to_owned(), detail });
    }
    match files::create_private(path) {
        Ok(()) => files::sync_directory(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(OpenError::io(path, "can't make the database", source)),
    }
}

/// A connection with our settings.
pub(super) fn connect(path: &Path, options: &Options) -> Result<Connection, OpenError> {
    let fault = |source| OpenError::sqlite(path, "can't open the database", source);
    // Without SQLITE_OPEN_CREATE: `create` has seen to it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(fault)?;
    // Now, before anything is read: reading would make files beside it that are read-only as well, and these would be
    // in the way when the database is not read-only any more.
    if db.is_readonly(rusqlite::MAIN_DB).map_err(fault)? {
        return Err(OpenError::ReadOnly { path: path.to_owned() });
    }
    db.busy_timeout(options.busy_timeout).map_err(fault)?;
    db.set_prepared_statement_cache_capacity(64);
    let synchronous = if options.sync_every_commit { "FULL" } else { "NORMAL" };
    let set = |db: &Connection| {
        db.pragma_update(None, "synchronous", synchronous)?;
        db.pragma_update(None, "foreign_keys", true)?;
        // What is deleted is overwritten with zeros; SQLite would leave it in the file until the room is needed.
        db.pragma_update(None, "secure_delete", true)?;
        // Large sorts and the like: a confined daemon has no /tmp.
        db.pragma_update(None, "temp_store", "MEMORY")?;
        // A database that somebody else may have written can't run code of its own in us.
        db.pragma_update(None, "trusted_schema", false)
    };
    set(&db).map_err(fault)?;
    Ok(db)
}

/// Whether the log stays as it is when the connection is closed, or is put back into the database.
fn leave_log(db: &Connection, path: &Path, leave: bool) -> Result<(), OpenError> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave)
        .map(drop)
        .map_err(|source| OpenError::sqlite(path, "can't set the connection up", source))
}

/// Switches to write-ahead logging; the file's header keeps it.
fn use_log(db: &Connection, path: &Path) -> Result<(), OpenError> {
    let doing = "can't switch the database to write-ahead logging";
    let fault = |source| OpenError::sqlite(path, doing, source);
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(fault)?;
    if mode == "wal" {
        return Ok(());
    }
    // SQLite goes on in the old mode where the file system can't share memory, without an error.
    let source = io::Error::new(ErrorKind::Unsupported, format!("the file system allows only {mode:?}"));
    Err(OpenError::io(path, doing, source))
}

fn check(db: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let fault = |source| OpenError::sqlite(path, "can't write to the database", source);
    // A database that can be read but not written would else be found out by the first message.
    db.execute_batch("BEGIN IMMEDIATE; ROLLBACK").map_err(fault)?;
    look_for_damage(db, path, CHECK_TIME)
}

/// Fine means: nothing found within `time`.
pub(super) fn look_for_damage(db: &mut Connection, path: &Path, time: Duration) -> Result<(), OpenError> {
    let fault = |source| OpenError::sqlite(path, "can't check the database", source);
    let deadline = Instant::now() + time;
    // SQLite counts pages here, and each may be a seek of the disk.
    db.progress_handler(100, Some(move || Instant::now() >= deadline)).map_err(fault)?;
    let found = db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    db.progress_handler(0, None::<fn() -> bool>).map_err(fault)?;
    match found {
        Ok(fine) if fine == "ok" => Ok(()),
        // What SQLite found has a headline of its own; an error is one line.
        Ok(detail) => Err(OpenError::Damaged { path: path.to_owned(), detail: detail.replace('\n', " ") }),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(()),
        Err(error) => Err(fault(error)),
    }
}
