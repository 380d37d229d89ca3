//! Backups that are cut short.

use super::traced::{self, Fault};
use super::*;
use crate::domain::UnixMillis;
use crate::store::backup::{self, BackupError, Made, Watched};
use std::collections::BTreeSet;
use std::fs;
use std::num::NonZero;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::watch;

const DONE: i32 = 0;
const FULL: i32 = 28;
const ELSE: i32 = 70;

/// 2026-11-27T13:20:05Z, and some seconds later.
pub(super) fn moment(seconds: i64) -> UnixMillis {
    UnixMillis(1_795_785_605_000 + seconds * 1000)
}

fn make(directory: &Path, at: i64, keep: u32) -> Result<Made, BackupError> {
    let watched = Watched { progress: watch::channel(backup::Progress::default()).0, over: Arc::new(|| false) };
    backup::make(&options(directory), moment(at), NonZero::new(keep), &watched)
}

/// A folder in which a backup was made, and messages were written since.
pub(super) fn with_a_backup() -> TempDir {
    let directory = TempDir::new().unwrap();
    backup::prepare(directory.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, _committed) = open(directory.path());
        let (ann, bob) = ann_and_bob(&store).await;
        ann.writes(&store, &bob, "before").await.unwrap();
        make(directory.path(), 0, 9).unwrap();
        for number in 0..200 {
            ann.writes(&store, &bob, &format!("{number}{}", "x".repeat(1000))).await.unwrap();
        }
        store.stop().await.unwrap();
    });
    directory
}

/// The same again.
pub(super) fn copy_of(directory: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    backup::prepare(copy.path()).unwrap();
    for folder in ["", "backups"] {
        for file in directory.join(folder).read_dir().unwrap().map(Result::unwrap) {
            if file.file_type().unwrap().is_file() {
                fs::copy(file.path(), copy.path().join(folder).join(file.file_name())).unwrap();
            }
        }
    }
    copy
}

pub(super) fn names(directory: &Path) -> BTreeSet<String> {
    let names = directory.join("backups").read_dir().unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The backups in a folder, by their age, and how many messages are in each. All that is named as one is whole.
fn backups(directory: &Path) -> Vec<i64> {
    let names = names(directory);
    let copies = names.iter().filter(|name| name.ends_with(".sqlite"));
    copies
        .map(|name| {
            let path = directory.join("backups").join(name);
            let manifest = fs::read(path.with_extension("json")).unwrap();
            let manifest = backup::Manifest::parse(&manifest).unwrap();
            assert_eq!(manifest.bytes, fs::metadata(&path).unwrap().len(), "{name}");
            let copy = Connection::open(&path).unwrap();
            assert_eq!(number(&copy, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check != 'ok'"), 0);
            let messages = number(&copy, "SELECT count(*) FROM messages");
            assert_eq!(messages.unsigned_abs(), manifest.messages, "{name}");
            messages
        })
        .collect()
}

/// In the child.
fn make_as_told(directory: &Path) -> ! {
    traced::begin();
    let code = match make(directory, 60, 1) {
        Ok(_) => DONE,
        Err(BackupError::Full { .. } | BackupError::NoRoom { .. }) => FULL,
        Err(error) => {
            eprintln!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
            ELSE
        }
    };
    std::process::exit(code)
}

fn at_each_call(test: &str, fault: Fault, mut check: impl FnMut(&Path, traced::Ended, &str)) {
    let begun = with_a_backup();
    let mut at = 0;
    loop {
        at += 1;
        let directory = copy_of(begun.path());
        let ended = traced::run(test, "make", directory.path(), at, fault);
        check(directory.path(), ended, &format!("at call {at}"));
        // Whatever has happened, the next one is made, and what was left is gone.
        make(directory.path(), 120, 1).unwrap();
        assert_eq!(backups(directory.path()), [201], "at call {at}");
        assert_eq!(names(directory.path()).len(), 2, "at call {at}");
        if !ended.struck {
            assert_eq!(ended.code, Some(DONE));
            break;
        }
    }
    assert!(at > 20, "a backup that changes files in {at} calls?");
}

#[test]
fn killed_at_any_call_it_leaves_the_old_one_or_the_new_one_or_both() {
    if let Some((_, directory)) = role() {
        make_as_told(&directory);
    }
    let test = "backups::killed_at_any_call_it_leaves_the_old_one_or_the_new_one_or_both";
    let mut seen = BTreeSet::new();
    at_each_call(test, Fault::Kill, |directory, ended, what| {
        assert_eq!(ended.code.is_none(), ended.struck, "{what}: {ended:?}");
        seen.insert(backups(directory));
    });
    assert_eq!(seen, [vec![1], vec![1, 201], vec![201]].into());
}

#[test]
fn on_a_disk_that_is_full_from_any_call_on_it_says_so_and_leaves_the_old_one() {
    if let Some((_, directory)) = role() {
        make_as_told(&directory);
    }
    let test = "backups::on_a_disk_that_is_full_from_any_call_on_it_says_so_and_leaves_the_old_one";
    let mut refused = 0;
    at_each_call(test, Fault::Full, |directory, ended, what| match ended.code {
        Some(FULL) => {
            refused += 1;
            assert_eq!(backups(directory), [1], "{what}");
            assert_eq!(names(directory).len(), 2, "{what}: half a backup takes room");
        }
        Some(DONE) => assert_eq!(backups(directory), [201], "{what}"),
        _ => panic!("{what}: {ended:?}"),
    });
    assert!(refused > 10, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_made_at_a_time_and_a_store_that_stops_or_a_caller_who_goes_ends_it() {
    let (directory, store, _committed) = open_new();
    backup::prepare(directory.path()).unwrap();
    let turn = store.backups.hold().await;
    let (tell, _) = watch::channel(backup::Progress::default());
    let busy = store.back_up(moment(0), None, tell.clone()).await;
    assert!(matches!(busy, Err(BackupError::Busy)), "{busy:?}");
    drop(turn);
    // A caller who goes before the first step: the next one finds the way free, as soon as that one has noticed.
    ask(in_time_of(&store, tell.clone())).await.abort();
    drop(store.backups.hold().await);
    store.back_up(moment(1), None, tell.clone()).await.unwrap();
    store.stop().await.unwrap();
    let stopped = store.back_up(moment(2), None, tell).await;
    assert!(matches!(stopped, Err(BackupError::Busy | BackupError::GivenUp)), "{stopped:?}");
}

fn in_time_of(
    store: &Store,
    tell: watch::Sender<backup::Progress>,
) -> impl Future<Output = Result<Made, BackupError>> + Send + use<> {
    let store = store.clone();
    async move { store.back_up(moment(0), None, tell).await }
}

#[test]
fn a_damaged_database_makes_no_backup() {
    let directory = with_a_backup();
    let database = directory.path().join(FILE);
    let mut bytes = fs::read(&database).unwrap();
    let length = bytes.len();
    // In the middle of it: what a start, which has little time, may not see.
    bytes[length / 2..length / 2 + 4096].fill(0x5a);
    fs::write(&database, bytes).unwrap();
    let error = make(directory.path(), 60, 1).unwrap_err();
    assert!(matches!(error, BackupError::Damaged { .. }), "{error}");
    assert_eq!(backups(directory.path()), [1], "the old one stays");
    assert_eq!(names(directory.path()).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_one_is_made_does_not_wait_for_it_and_is_not_in_it() {
    let (directory, store, mut committed) = open_new();
    tokio::spawn(async move { while committed.recv().await.is_some() {} });
    backup::prepare(directory.path()).unwrap();
    let (ann, bob) = ann_and_bob(&store).await;
    for number in 0..300 {
        ann.writes(&store, &bob, &format!("{number}{}", "x".repeat(4000))).await.unwrap();
    }
    let (runtime, written) = (tokio::runtime::Handle::current(), Arc::new(AtomicUsize::new(0)));
    let (writing, folder) = (Arc::clone(&written), directory.path().to_owned());
    // Asked whether it is still wanted, between two steps, it has one more message written, and waits for the commit.
    let over = move || {
        if writing.fetch_add(1, Relaxed) < 3 {
            runtime.block_on(in_time(ann.writes(&store, &bob, "meanwhile"))).unwrap();
        }
        false
    };
    let watched = Watched { progress: watch::channel(backup::Progress::default()).0, over: Arc::new(over) };
    let made = move || backup::make(&options(&folder), moment(0), None, &watched);
    let made = tokio::task::spawn_blocking(made).await.unwrap().unwrap();
    assert!(written.load(Relaxed) > 3, "it was asked in the middle");
    assert_eq!(made.manifest.messages, 300);
    assert_eq!(backups(directory.path()), [300]);
    assert_eq!(number(&foreign(directory.path()), "SELECT count(*) FROM messages"), 303);
}
