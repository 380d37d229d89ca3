//! The schema, as an append-only list of steps; `user_version` counts those that were taken.
//!
//! A step that has been released is never changed. An older database is first copied beside itself, then migrated in
//! one transaction, so that a migration that fails or is killed leaves the old schema.

use super::{OpenError, files};
use rusqlite::{Connection, MAIN_DB, OptionalExtension, Row, TransactionBehavior, ffi};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One step, as SQL.
pub(super) type Migration = &'static str;

/// Called now and then while a migration works.
pub type Progress = Arc<dyn Fn() + Send + Sync>;

/// All steps so far.
pub(super) const MIGRATIONS: &[Migration] = &[
    include_str!("migrations/0001_accounts_contacts_mailboxes.sql"),
    include_str!("migrations/0002_filing.sql"),
    include_str!("migrations/0003_living_together.sql"),
];

/// Says in the file's header whose it is: "msgd".
pub(super) const APPLICATION_ID: i64 = 0x6d73_6764;

/// SQLite instructions between two calls of `progress`.
const PROGRESS_STEPS: i32 = 1_000_000;

/// The schema's number, at most that of the newest that is known; 0 for an empty database. Only reads.
pub(super) fn version(db: &Connection, path: &Path, migrations: &[Migration]) -> Result<i64, OpenError> {
    let known = newest(migrations);
    let (id, found, tables) =
        header(db).map_err(|source| OpenError::sqlite(path, "can't read the database", source))?;
    let path = path.to_owned();
    match (id, found, tables) {
        (APPLICATION_ID | 0, 0, 0) => Ok(0),
        (APPLICATION_ID, found, _) if found > known => Err(OpenError::Newer { path, found, known }),
        (APPLICATION_ID, 1.., 1..) => Ok(found),
        (APPLICATION_ID, ..) => {
            let detail = format!("schema {found} with {tables} tables and indexes");
            Err(OpenError::Damaged { path, detail })
        }
        _ => Err(OpenError::Foreign { path }),
    }
}

/// The application's number, the schema's, and how many tables and indexes there are.
pub(super) fn header(db: &Connection) -> rusqlite::Result<(i64, i64, i64)> {
    let number = |pragma| db.pragma_query_value(None, pragma, |row| row.get(0));
    let tables = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok((number("application_id")?, number("user_version")?, tables))
}

pub(super) fn newest(migrations: &[Migration]) -> i64 {
    i64::try_from(migrations.len()).unwrap_or(i64::MAX)
}

/// Takes the steps from schema `found` to the newest.
pub(super) fn migrate(
    db: &mut Connection,
    path: &Path,
    found: i64,
    migrations: &[Migration],
    progress: &Progress,
) -> Result<(), OpenError> {
    let fault = |source| OpenError::sqlite(path, "can't migrate the database", source);
    let known = newest(migrations);
    if found == known {
        return Ok(());
    }
    if found > 0 {
        let copy = back_up(db, path, found, progress)?;
        tracing::info!(database = %path.display(), from = found, to = known, backup = %copy.display(), "migrating");
    }
    let step = Arc::clone(progress);
    db.progress_handler(
        PROGRESS_STEPS,
        Some(move || {
            step();
            false
        }),
    )
    .map_err(fault)?;
    let done = run(db, migrations, found, known).map_err(fault);
    db.progress_handler(0, None::<fn() -> bool>).map_err(fault)?;
    done
}

fn run(db: &mut Connection, migrations: &[Migration], found: i64, known: i64) -> rusqlite::Result<()> {
    // A step that builds a table anew drops the old one, and that would delete what refers to it
    // (https://sqlite.org/lang_altertable.html#otheralter). It can't be switched within the transaction.
    db.pragma_update(None, "foreign_keys", false)?;
    let done = run_steps(db, migrations, found, known);
    db.pragma_update(None, "foreign_keys", true)?;
    done
}

fn run_steps(db: &mut Connection, migrations: &[Migration], found: i64, known: i64) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    for migration in migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    let orphans = |row: &Row<'_>| row.get::<_, String>(0);
    if let Some(table) = transaction.query_row("PRAGMA foreign_key_check", [], orphans).optional()? {
        let error = ffi::Error::new(ffi::SQLITE_CONSTRAINT_FOREIGNKEY);
        let detail = format!("a row of {table} would refer to one that is not there");
        return Err(rusqlite::Error::SqliteFailure(error, Some(detail)));
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()
}

/// Copies the database to `messengerd.before-schema-N` beside it. A copy is under that name only when it is whole.
fn back_up(db: &Connection, path: &Path, found: i64, progress: &Progress) -> Result<PathBuf, OpenError> {
    let copy = path.with_extension(format!("before-schema-{}", found + 1));
    let unfinished = path.with_extension("unfinished");
    remove(&unfinished)?;
    if let Err(error) = copy_to(db, &unfinished, progress) {
        // On a full disk it would be in the way of what the administrator does next.
        let _ = remove(&unfinished);
        return Err(error);
    }
    std::fs::rename(&unfinished, &copy).map_err(|source| OpenError::io(&copy, "can't name the backup", source))?;
    files::sync_directory(&copy)?;
    Ok(copy)
}

fn copy_to(db: &Connection, copy: &Path, progress: &Progress) -> Result<(), OpenError> {
    let io = |source| OpenError::io(copy, "can't write the backup", source);
    // Made here, so that it is as closed to others as the database.
    files::create_private(copy).map_err(io)?;
    db.backup(MAIN_DB, copy, Some(|_| progress()))
        .map_err(|source| OpenError::sqlite(copy, "can't back up before migrating", source))?;
    File::open(copy).and_then(|file| file.sync_all()).map_err(io)
}

fn remove(unfinished: &Path) -> Result<(), OpenError> {
    match std::fs::remove_file(unfinished) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(OpenError::io(unfinished, "can't remove an unfinished backup", source))
        }
        _ => Ok(()),
    }
}
