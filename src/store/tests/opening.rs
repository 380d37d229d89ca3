//! Who may open which database, and what is said when it can't be opened.

use super::*;
use crate::domain::exit::Exit;
use crate::store::StoreError;
use rusqlite::ffi;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

/// A directory with a database that was stopped cleanly.
async fn stopped() -> TempDir {
    let (directory, store, _committed) = open_new();
    ann_and_bob(&store).await;
    store.stop().await.unwrap();
    directory
}

fn refused(directory: &Path) -> OpenError {
    try_open(directory).err().expect("it is refused")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_there_after_opening_again() {
    let directory = stopped().await;
    let (store, _committed) = open(directory.path());
    assert!(store.get_account(login("ann")).await.unwrap().is_some());
    let taken = store.add_user(new_account("ann")).await.unwrap();
    assert!(taken.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_may_read_its_files() {
    let (directory, store, _committed) = open_new();
    Person::sign_up(&store, "ann").await;
    let mut files: Vec<_> = directory.path().read_dir().unwrap().map(Result::unwrap).collect();
    files.sort_unstable_by_key(std::fs::DirEntry::file_name);
    let modes: Vec<_> = files
        .iter()
        .map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().permissions().mode() & 0o777))
        .collect();
    let closed = |name: &str| (name.to_owned(), 0o600);
    let names = ["messengerd.lock", "messengerd.sqlite", "messengerd.sqlite-shm", "messengerd.sqlite-wal"];
    assert_eq!(modes, names.map(closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_messengerd_on_the_directory_is_refused() {
    let (directory, _store, _committed) = open_new();
    let error = refused(directory.path());
    assert_eq!(error.exit(), Exit::TryLater);
    insta::assert_snapshot!(shown(&error, directory.path()), @"[state]/messengerd.lock: another messengerd is running on this state directory; stop it first, or give this one its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_program_holds_is_locked() {
    let directory = stopped().await;
    let other_program = foreign(directory.path());
    other_program.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = refused(directory.path());
    assert_eq!(error.exit(), Exit::TryLater);
    insta::assert_snapshot!(shown(&error, directory.path()), @"[state]/messengerd.sqlite: the database is locked by another program; end it (fuser [state]/messengerd.sqlite shows which) and start again");
    other_program.execute_batch("ROLLBACK").unwrap();
    open(directory.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused_and_left_alone() {
    let directory = stopped().await;
    foreign(directory.path()).pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(directory.path().join(FILE)).unwrap();
    let error = refused(directory.path());
    assert!(matches!(error, OpenError::Newer { found: 99, known: 3, .. }));
    assert_eq!(error.exit(), Exit::Data);
    insta::assert_snapshot!(shown(&error, directory.path()), @"[state]/messengerd.sqlite: the database has schema 99, and this release knows schemas up to 3; install the newer release again, or restore a backup that this one made");
    assert!(before == fs::read(directory.path().join(FILE)).unwrap(), "not a byte has changed");
}

/// A newer daemon that was killed has left what it wrote last in the log, its schema too, if it migrated just then.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_in_the_log_is_refused_and_the_log_is_left_alone() {
    let (running, store, _committed) = open_new();
    ann_and_bob(&store).await;
    foreign(running.path()).pragma_update(None, "user_version", 99).unwrap();
    let directory = TempDir::new().unwrap();
    for name in [FILE, "messengerd.sqlite-wal"] {
        fs::copy(running.path().join(name), directory.path().join(name)).unwrap();
    }
    let contents = || [FILE, "messengerd.sqlite-wal"].map(|name| fs::read(directory.path().join(name)).ok());
    let before = contents();
    for _ in 0..2 {
        let error = refused(directory.path());
        assert!(matches!(error, OpenError::Newer { found: 99, known: 3, .. }), "{error}");
        assert!(before == contents(), "not a byte has changed");
    }
    foreign(directory.path()).pragma_update(None, "user_version", 3).unwrap();
    let (store, _committed) = open(directory.path());
    assert!(store.get_account(login("bob")).await.unwrap().is_some(), "what was in the log is there");
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let with_tables = "CREATE TABLE bookmarks (url TEXT)";
    let with_a_number = "PRAGMA application_id = 42";
    let with_a_version = "PRAGMA user_version = 1";
    for sql in [with_tables, with_a_number, with_a_version] {
        let directory = TempDir::new().unwrap();
        foreign(directory.path()).execute_batch(sql).unwrap();
        let before = fs::read(directory.path().join(FILE)).unwrap();
        let error = refused(directory.path());
        assert!(matches!(error, OpenError::Foreign { .. }), "{sql}: {error}");
        assert_eq!(error.exit(), Exit::Data);
        insta::allow_duplicates! {
            insta::assert_snapshot!(shown(&error, directory.path()), @"[state]/messengerd.sqlite: this is a database of another program; move it away, or set state.directory");
        }
        assert!(before == fs::read(directory.path().join(FILE)).unwrap(), "{sql}: not a byte has changed");
    }
}

#[test]
fn an_empty_file_becomes_a_database() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join(FILE), "").unwrap();
    open(directory.path());
    assert_eq!(number(&foreign(directory.path()), "SELECT count(*) FROM accounts"), 0);
}

#[test]
fn a_directory_in_its_place_is_not_called_read_only() {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join(FILE)).unwrap();
    let error = refused(directory.path());
    assert_eq!(error.exit(), Exit::Io);
    insta::assert_snapshot!(shown(&error, directory.path()), @"[state]/messengerd.sqlite: can't open the database");
    insta::assert_snapshot!(std::error::Error::source(&error).unwrap().to_string(), @"it is not a regular file");
}

#[test]
fn a_state_directory_that_is_not_there_is_named() {
    let directory = TempDir::new().unwrap();
    let missing = directory.path().join("missing");
    let error = refused(&missing);
    assert_eq!(error.exit(), Exit::Io);
    insta::assert_snapshot!(shown(&error, directory.path()), @"[state]/missing/messengerd.lock: can't open the lock file");
}

/// Root may write everywhere, so this runs as nobody.
#[test]
fn what_may_not_be_written_is_read_only() {
    const NOBODY: u32 = 65534;
    if nix::unistd::geteuid().is_root() && role().is_none() {
        let directory = TempDir::new().unwrap();
        std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        let test = "opening::what_may_not_be_written_is_read_only";
        let ended = run_as(test, "nobody", directory.path(), |child| {
            child.uid(NOBODY).gid(NOBODY).env("TMPDIR", directory.path()).current_dir("/");
        });
        assert!(ended.success(), "{ended}");
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let directory = runtime.block_on(stopped());
    let set_mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let lock_file = directory.path().join("messengerd.lock");
    // Not a snapshot: the tool behind it wants to read the build directory.
    let assert_read_only = |file: &str| {
        let error = refused(directory.path());
        assert_eq!(error.exit(), Exit::NoPermission);
        let remedy = "make it, the files beside it and their directory writable for the user that messengerd runs as";
        assert_eq!(shown(&error, directory.path()), format!("[state]/{file}: the database is read-only; {remedy}"));
    };

    for mode in [0o400, 0o000] {
        set_mode(&directory.path().join(FILE), mode);
        assert_read_only(FILE);
    }
    set_mode(&directory.path().join(FILE), 0o600);
    set_mode(directory.path(), 0o500);
    assert_read_only(FILE);
    set_mode(directory.path(), 0o700);
    fs::remove_file(&lock_file).unwrap();
    set_mode(directory.path(), 0o500);
    assert_read_only("messengerd.lock");
    set_mode(directory.path(), 0o700);
    drop(runtime.block_on(async { open(directory.path()) }));
}

#[test]
fn a_full_disk_is_called_so_whoever_says_it() {
    let path = Path::new("/state/file");
    let system = |kind: ErrorKind| OpenError::io(path, "can't make the file", kind.into());
    let sqlite = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
    let opening = |code| OpenError::sqlite(path, "can't open the database", sqlite(code));
    let said = [
        system(ErrorKind::StorageFull),
        system(ErrorKind::QuotaExceeded),
        opening(ffi::SQLITE_FULL),
        opening(ffi::SQLITE_IOERR_SHMSIZE),
    ];
    for error in said {
        assert_eq!(error.exit(), Exit::Io);
        insta::allow_duplicates! {
            insta::assert_snapshot!(error.to_string(), @"/state/file: the disk is full; make room and start again");
        }
    }
    for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_SHMSIZE] {
        assert!(matches!(StoreError::from(sqlite(code)), StoreError::Full));
    }
    assert!(matches!(opening(ffi::SQLITE_IOERR_WRITE), OpenError::Sqlite { .. }));
}
