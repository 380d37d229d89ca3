//! Files that are no database any more. Each is refused at start-up, not found out by the first message.

use super::*;
use crate::domain::exit::Exit;
use crate::store::open::look_for_damage;
use std::fs;

const PAGE: usize = 4096;

/// A database with some hundred pages, stopped cleanly: its path.
async fn populated(directory: &TempDir) -> PathBuf {
    let (store, _committed) = open(directory.path());
    let (ann, bob) = ann_and_bob(&store).await;
    let held = hold_writer(&store).await;
    let mut answers = Vec::new();
    for number in 0..500 {
        answers.push(ask(ann.writes(&store, &bob, &format!("{number} {}", "x".repeat(2000)))).await);
    }
    drop(held);
    for answer in answers {
        assert!(answer.await.unwrap().unwrap());
    }
    store.stop().await.unwrap();
    directory.path().join(FILE)
}

fn refused_as_damaged(directory: &Path) -> OpenError {
    let error = try_open(directory).err().expect("it is refused");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    assert_eq!(error.exit(), Exit::Data);
    error
}

#[test]
fn garbage_is_damage() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join(FILE), "This is a text file. ".repeat(1000)).unwrap();
    let error = refused_as_damaged(directory.path());
    insta::assert_snapshot!(shown(&error, directory.path()), @"[state]/messengerd.sqlite: the database is damaged (file is not a database); restore a backup, or save what is left with `sqlite3 [state]/messengerd.sqlite .recover`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_cut_off_is_damage() {
    let directory = TempDir::new().unwrap();
    let path = populated(&directory).await;
    let whole = fs::read(&path).unwrap();
    for length in [50, PAGE / 2, PAGE, whole.len() / 2, whole.len() - PAGE] {
        fs::write(&path, &whole[..length]).unwrap();
        refused_as_damaged(directory.path());
    }
    fs::write(&path, &whole).unwrap();
    open(directory.path());
}

/// Kinds of pages in the trees of tables (<https://sqlite.org/fileformat2.html#b_tree_pages>).
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;

/// Flips the bits of a page's first byte: of the first such page from `from` on. Returns its number; the first is 1.
fn flip(path: &Path, kind: u8, from: usize) -> usize {
    let mut file = fs::read(path).unwrap();
    let mut pages = from..file.len() / PAGE;
    let page = pages.find(|page| file[page * PAGE] == kind).expect("the database is large enough to have one");
    file[page * PAGE] ^= 0xff;
    fs::write(path, &file).unwrap();
    page + 1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_flipped_inside_is_damage() {
    let directory = TempDir::new().unwrap();
    let path = populated(&directory).await;
    let page = flip(&path, INTERIOR, 1);
    let damaged = fs::read(&path).unwrap();
    let error = refused_as_damaged(directory.path());
    assert!(error.to_string().contains(&format!("page {page}")), "{error}");
    assert!(damaged == fs::read(&path).unwrap(), "what is left is left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_for_damage_ends_when_its_time_is_over() {
    let directory = TempDir::new().unwrap();
    let path = populated(&directory).await;
    // A tree is gone through from its end, so this page comes late.
    flip(&path, LEAF, 20);
    let mut db = foreign(directory.path());
    look_for_damage(&mut db, &path, Duration::ZERO).expect("there was no time to come as far as the damage");
    look_for_damage(&mut db, &path, Duration::from_mins(1)).expect_err("there was time");
    // And nothing is left that would interrupt what comes later.
    let count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT max(i) FROM n";
    assert_eq!(number(&db, count), 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_its_database_is_damage_and_is_kept() {
    let (directory, store, _committed) = open_new();
    ann_and_bob(&store).await;
    let copy = TempDir::new().unwrap();
    let log = copy.path().join("messengerd.sqlite-wal");
    fs::copy(directory.path().join("messengerd.sqlite-wal"), &log).unwrap();
    let length = fs::metadata(&log).unwrap().len();
    assert!(length > 0);
    let error = refused_as_damaged(copy.path());
    insta::assert_snapshot!(shown(&error, copy.path()), @"[state]/messengerd.sqlite: the database is damaged (it is missing or empty, but its log [state]/messengerd.sqlite-wal is not); restore a backup, or save what is left with `sqlite3 [state]/messengerd.sqlite .recover`");
    fs::write(copy.path().join(FILE), "").unwrap();
    refused_as_damaged(copy.path());
    assert_eq!(fs::metadata(&log).unwrap().len(), length);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_number_that_does_not_fit_what_is_there_is_damage() {
    for version in [0, -1] {
        let (directory, store, _committed) = open_new();
        store.stop().await.unwrap();
        foreign(directory.path()).pragma_update(None, "user_version", version).unwrap();
        refused_as_damaged(directory.path());
    }
    let directory = TempDir::new().unwrap();
    foreign(directory.path()).execute_batch("PRAGMA application_id = 0x6d736764; PRAGMA user_version = 1").unwrap();
    let error = refused_as_damaged(directory.path());
    insta::assert_snapshot!(shown(&error, directory.path()), @"[state]/messengerd.sqlite: the database is damaged (schema 1 with 0 tables and indexes); restore a backup, or save what is left with `sqlite3 [state]/messengerd.sqlite .recover`");
}
