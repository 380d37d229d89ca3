//! Whether a file is a whole database of ours, and which.

use super::BackupError;
use crate::store::migrations;
use blake2::{Blake2b512, Digest};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// SQLite instructions between two questions whether it is still wanted.
const ASK_STEPS: i32 = 10_000;

/// Read at once, to be summed up.
const CHUNK: usize = 256 * 1024;

/// What a database has in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) accounts: u64,
    pub(super) messages: u64,
}

/// How many bytes are done, of how many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes {
    pub(super) done: u64,
    pub(super) of: u64,
}

/// Opens a file that nobody writes to, for reading only: nothing beside it is looked at or made.
pub(super) fn open(path: &Path) -> Result<Connection, BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let fault = |source| BackupError::sqlite(path, "can't open it as a database")(source);
    let db = Connection::open_with_flags(immutable(path), flags).map_err(fault)?;
    // Whoever wrote it can't run code of their own in us.
    db.pragma_update(None, "trusted_schema", false).map_err(fault)?;
    db.pragma_update(None, "temp_store", "MEMORY").map_err(fault)?;
    Ok(db)
}

/// The path as an address (<https://sqlite.org/uri.html>). Two slashes at its beginning would be followed by a host.
fn immutable(path: &Path) -> PathBuf {
    let mut address = b"file:".to_vec();
    let path: PathBuf = path.components().collect();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => address.extend(format!("%{byte:02x}").bytes()),
            byte => address.push(*byte),
        }
    }
    address.extend(b"?immutable=1");
    OsString::from_vec(address).into()
}

/// The schema, if it is ours and all of it is whole: pages, indexes, and what refers to what.
pub(super) fn inspect(
    db: &mut Connection,
    path: &Path,
    over: impl Fn() -> bool + Send + 'static,
) -> Result<i64, BackupError> {
    let damaged = |detail: String| BackupError::Damaged { path: path.to_owned(), detail };
    let fault = |source| BackupError::sqlite(path, "can't check it")(source);
    let schema = match migrations::header(db).map_err(fault)? {
        (migrations::APPLICATION_ID, schema @ 1.., 1..) => schema,
        (id, schema, tables) => {
            return Err(damaged(format!("it is of program {id:#x}, schema {schema}, and has {tables} tables")));
        }
    };
    db.progress_handler(ASK_STEPS, Some(over)).map_err(fault)?;
    let found: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(fault)?;
    if found != "ok" {
        // It has a headline of its own.
        return Err(damaged(found.replace('\n', " ")));
    }
    let table = |row: &Row<'_>| row.get::<_, String>(0);
    if let Some(table) = db.query_row("PRAGMA foreign_key_check", [], table).optional().map_err(fault)? {
        return Err(damaged(format!("a row of {table} refers to one that is not there")));
    }
    Ok(schema)
}

/// Counts what people will look for. Of the newest schema.
pub(super) fn count(db: &Connection, path: &Path) -> Result<Counted, BackupError> {
    let number = |query| {
        let counted = db.query_row(query, [], |row| row.get::<_, i64>(0));
        counted.map(i64::unsigned_abs).map_err(BackupError::sqlite(path, "can't count what is in it"))
    };
    Ok(Counted {
        accounts: number("SELECT count(*) FROM accounts WHERE erased_at IS NULL")?,
        messages: number("SELECT count(*) FROM messages")?,
    })
}

/// What a file is summed up in, while it is read or written.
#[derive(Default)]
pub(super) struct Sum {
    digest: Blake2b512,
    bytes: u64,
}

impl Sum {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// How many bytes there were, and their BLAKE2 as `b2sum` shows it.
    pub(super) fn end(self) -> (u64, String) {
        let mut hex = String::with_capacity(128);
        for byte in self.digest.finalize() {
            let _ = write!(hex, "{byte:02x}");
        }
        (self.bytes, hex)
    }
}

/// Reads a file from its beginning to its end; `part` sees each part of it.
pub(super) fn read<E: From<BackupError>>(
    file: &File,
    path: &Path,
    mut part: impl FnMut(&[u8], Bytes) -> Result<(), E>,
) -> Result<(), E> {
    let fault = |source| BackupError::io(path, "can't read it")(source);
    let of = file.metadata().map_err(fault)?.len();
    let (mut buffer, mut done) = (vec![0; CHUNK], 0);
    loop {
        let read = match file.read_at(&mut buffer, done) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(fault(error).into()),
        };
        done += read as u64;
        part(&buffer[..read], Bytes { done, of })?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_path_has_in_it_is_opened_and_nothing_is_made_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b%20c?d#e\u{17c}.sqlite");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a TEXT) STRICT").unwrap();
        let twice = PathBuf::from(format!("/{}", path.display()));
        for path in [path, twice] {
            let db = open(&path).unwrap();
            let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
            assert_eq!(tables, 1, "{}", path.display());
            assert!(db.execute("DELETE FROM t", []).is_err(), "it is read only");
            drop(db);
            assert_eq!(folder.path().read_dir().unwrap().count(), 1);
        }
    }
}
