//! The power is cut after something that the daemon did, anywhere from its first start to its last stop.

use super::{Named, Scene};
use crate::check::{Broken, Lost, check};
use crate::daemon::{KilledInPanic, signal};
use crate::disk::{Change, Disk, Honesty, make};
use crate::ledger::Ledger;
use crate::old_schema::{has_backup, leave};
use crate::people::Town;
use crate::random::Random;
use crate::trace::{Event, Record};
use crate::{knob, scratch, seed};
use caps::{CapSet, Capability};
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use nix::unistd::Pid;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime;

pub(crate) const SCENES: &[Named] = &[
    ("power_cuts::what_was_acknowledged_is_there_once_wherever_the_power_is_cut", acknowledged),
    ("power_cuts::a_disk_that_keeps_syncs_in_a_cache_is_found_out", cached),
    ("power_cuts::without_a_sync_for_each_commit_the_newest_is_lost_and_nothing_is_damaged", normal),
    ("power_cuts::a_migration_that_loses_its_power_goes_on_and_has_its_backup", migrating),
];

const CUTS: usize = 1500;
/// In the scenes that show that losses are found.
const CUTS_TO_LOSE: usize = 150;
const PEOPLE: usize = 5;
const PATIENCE: Duration = Duration::from_mins(1);
const DATABASE: &str = "messengerd.sqlite";
const NOT_WATCHED: Scene = Scene::NotHere("the daemon is not dumpable: only who has CAP_SYS_PTRACE can watch it");

fn can_watch() -> bool {
    caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_PTRACE).unwrap()
}

/// People live on this address, each in a way of their own.
fn live(town: &Town, address: SocketAddr, seed: u64, deeds: usize) {
    let mut random = Random::new(seed);
    thread::scope(|scope| {
        for seed in std::iter::repeat_with(|| random.number()).take(PEOPLE) {
            scope.spawn(move || town.live(address, seed, deeds, &()).unwrap());
        }
    });
}

/// Until all that was sent is filed. That is seen on a copy, so that nobody is in the daemon's way.
fn is_filed(state: &Path) {
    let deadline = Instant::now() + PATIENCE;
    let filed = || {
        let copy = scratch();
        for name in ["messengerd.sqlite", "messengerd.sqlite-wal"] {
            std::fs::copy(state.join(name), copy.path().join(name)).ok()?;
        }
        let db = Connection::open(copy.path().join("messengerd.sqlite")).ok()?;
        db.query_row("SELECT up_to = (SELECT max(id) FROM messages) FROM filing", [], |row| row.get(0)).ok()
    };
    while filed() != Some(true) {
        assert!(Instant::now() < deadline, "messages are not filed though nobody writes");
        thread::sleep(Duration::from_millis(100));
    }
}

/// People live there until the daemon is killed, which is when they have written so much more.
fn live_until_killed(town: &Town, address: SocketAddr, seed: u64, much: usize, pid: Pid) {
    let (before, deadline) = (town.so_far(), Instant::now() + PATIENCE);
    thread::scope(|scope| {
        for person in 0..PEOPLE as u64 {
            scope.spawn(move || town.live(address, seed + person, usize::MAX, &()).expect_err("it was killed"));
        }
        let _killed = KilledInPanic(pid);
        while town.so_far() < before + much {
            assert!(Instant::now() < deadline, "nobody writes any more");
            thread::yield_now();
        }
        signal(pid, SIGKILL);
    });
}

/// Four daemons, one after the other: in a new directory, with a quiet second between, then killed under way; on what
/// that has left, and stopped; on what that has left; and once more, with nobody there.
fn record(settings: &[&str], seed: u64, deeds: usize) -> Record {
    let (folder, town, mut random) = (scratch(), Town::default(), Random::new(seed));
    let state = folder.path().join("state");
    let mut record = Record::of(&state);
    let mut seeds = std::iter::repeat_with(|| random.number() / 2);
    let [first, second, third, fourth] = std::array::from_fn(|_| seeds.next().unwrap_or_default());
    record.watch(folder.path(), settings, |pid, address| {
        // Until the log was put back once, while they live: until then the database has its first page only.
        let database = state.join(DATABASE);
        for round in 0.. {
            live(&town, address, first + round, deeds);
            if std::fs::metadata(&database).unwrap().len() > 4096 {
                break;
            }
        }
        is_filed(&state);
        live_until_killed(&town, address, second, 5 * deeds, pid);
    });
    for (seed, deeds) in [(third, deeds / 2), (fourth, deeds / 2), (0, 0)] {
        record.watch(folder.path(), settings, |pid, address| {
            live(&town, address, seed, deeds);
            signal(pid, SIGTERM);
        });
    }
    record
}

/// What people asked for while the daemon was started, chatted with, killed and stopped.
fn recorded() -> &'static (Record, u64) {
    static RECORD: OnceLock<(Record, u64)> = OnceLock::new();
    RECORD.get_or_init(|| {
        let seed = seed();
        (record(&[], seed, knob("MESSENGERD_DEEDS", 20)), seed)
    })
}

/// Writes into a file while the daemon serves: somebody is told something before it, and after.
fn writes_while_serving(record: &Record, name: &str) -> usize {
    let mut files = BTreeSet::new();
    let (mut told, mut since, mut writes) = (false, 0, 0);
    for event in &record.events {
        match event {
            Event::Started => (told, since) = (false, 0),
            Event::Told(..) => {
                writes += since;
                (told, since) = (true, 0);
            }
            Event::Disk(Change::Create { name: made, file }) if made == name => {
                files.insert(*file);
            }
            Event::Disk(Change::Write { file, .. }) if told && files.contains(file) => since += 1,
            _ => {}
        }
    }
    writes
}

fn described(record: &Record) -> String {
    let count = |wanted: fn(&Event) -> bool| record.events.iter().filter(|event| wanted(event)).count();
    format!(
        "{} daemons, {} writes ({} into the database while serving), {} syncs, {} files made and {} removed, \
         {} requests read, {} packets sent",
        count(|event| matches!(event, Event::Started)),
        count(|event| matches!(event, Event::Disk(Change::Write { .. }))),
        writes_while_serving(record, DATABASE),
        count(|event| matches!(event, Event::Disk(Change::SyncEnds { .. }))),
        count(|event| matches!(event, Event::Disk(Change::Create { .. }))),
        count(|event| matches!(event, Event::Disk(Change::Remove { .. }))),
        count(|event| matches!(event, Event::Heard(..))),
        count(|event| matches!(event, Event::Told(..))),
    )
}

/// What was wrong after a cut, and where that was.
#[derive(Debug)]
struct Wrong {
    cut: String,
    found: Result<Lost, Broken>,
    left: BTreeMap<String, Vec<u8>>,
}

/// Looks at the files that are left.
type Look = fn(&BTreeMap<String, Vec<u8>>) -> Result<(), Broken>;

/// Cuts so often, evenly from the first event to the last, and checks what is left.
fn cut(record: &Record, honesty: Honesty, cuts: usize, seed: u64, look: Look) -> Vec<Wrong> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for worker in 0..workers {
            let wrong = &wrong;
            scope.spawn(move || {
                let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let mut disk = Disk::with(&record.before, honesty);
                let (mut ledger, mut events) = (Ledger::default(), record.events.iter());
                for number in (worker..cuts).step_by(workers) {
                    let mut random = Random::new(seed + number as u64);
                    let (began, all) = (record.began(), record.events.len());
                    let place = began + number * (all - began) / cuts;
                    let after = place + random.below((all - began).div_ceil(cuts)) + 1;
                    while record.events.len() - events.len() < after
                        && let Some(event) = events.next()
                    {
                        match event {
                            Event::Started => {}
                            Event::Disk(change) => disk.change(change),
                            Event::Heard(connection, bytes) => ledger.heard(*connection, bytes),
                            Event::Told(connection, bytes) => ledger.told(*connection, bytes),
                        }
                    }
                    let folder = scratch();
                    let left = disk.cut(&mut random);
                    make(&left, folder.path());
                    let checked = look(&left).and_then(|()| check(folder.path(), &ledger, &runtime));
                    if checked == Ok(Lost::new()) {
                        continue;
                    }
                    let cut = format!("seed {}, after event {after}", seed + number as u64);
                    wrong.lock().unwrap().push(Wrong { cut, found: checked, left });
                }
            });
        }
    });
    wrong.into_inner().unwrap()
}

/// Says what came of it; how often something was lost, and how often more than that went wrong.
fn tell(what: &str, record: &Record, cuts: usize, seed: u64, wrong: &[Wrong]) -> (usize, usize) {
    let lost = wrong.iter().filter(|wrong| wrong.found.is_ok()).count();
    let broken = wrong.len() - lost;
    let recorded = described(record);
    eprintln!(
        "power cuts, {what}: {recorded}; seed {seed}, {cuts} cuts; {lost} lost something, {broken} broke something"
    );
    (lost, broken)
}

/// The first of these, with the files as they were before they were opened.
fn show(wrong: &[Wrong], is_it: impl Fn(&Wrong) -> bool) {
    if let Some(Wrong { cut, found, left }) = wrong.iter().find(|wrong| is_it(wrong)) {
        let folder = scratch().keep();
        make(left, &folder);
        panic!("{} cuts went wrong, one of them: {cut}: {found:?}; see {}", wrong.len(), folder.display());
    }
}

fn acknowledged() -> Scene {
    if !can_watch() {
        return NOT_WATCHED;
    }
    let (record, seed) = recorded();
    let cuts = knob("MESSENGERD_POWER_CUTS", CUTS);
    let wrong = cut(record, Honesty::Honest, cuts, *seed, |_| Ok(()));
    tell("on an honest disk", record, cuts, *seed, &wrong);
    show(&wrong, |_| true);
    Scene::Played
}

fn cached() -> Scene {
    if !can_watch() {
        return NOT_WATCHED;
    }
    let (record, seed) = recorded();
    let wrong = cut(record, Honesty::Cached, CUTS_TO_LOSE, *seed, |_| Ok(()));
    let (lost, broken) = tell("on a disk that syncs into a cache", record, CUTS_TO_LOSE, *seed, &wrong);
    assert!(lost > 0 && broken > 0, "what such a disk does is not found");
    Scene::Played
}

fn normal() -> Scene {
    if !can_watch() {
        return NOT_WATCHED;
    }
    let seed = seed();
    let record = record(&["store.synchronous=normal"], seed, 10);
    let wrong = cut(&record, Honesty::Honest, CUTS_TO_LOSE, seed, |_| Ok(()));
    let (lost, _) = tell("with store.synchronous=normal", &record, CUTS_TO_LOSE, seed, &wrong);
    assert!(lost > 0, "no loss is found");
    show(&wrong, |wrong| wrong.found.is_err());
    Scene::Played
}

fn migrating() -> Scene {
    if !can_watch() {
        return NOT_WATCHED;
    }
    let (folder, seed) = (scratch(), seed());
    let before = leave(folder.path());
    let mut record = Record::of(&folder.path().join("state"));
    record.events = before;
    record.watch(folder.path(), &[], |pid, _| signal(pid, SIGTERM));
    // The first cut comes when the daemon has begun.
    let cuts = 5 * (record.events.len() - record.began());
    let wrong = cut(&record, Honesty::Honest, cuts, seed, has_backup);
    tell("while a database of schema 1 is migrated", &record, cuts, seed, &wrong);
    show(&wrong, |_| true);
    // That this would be seen: a disk that is not honest has a backup that is not whole.
    let wrong = cut(&record, Honesty::Cached, cuts, seed, has_backup);
    let is_backup = |wrong: &Wrong| matches!(&wrong.found, Err(Broken(what)) if what.contains("backup"));
    assert!(wrong.iter().any(is_backup), "no backup is found to be missing or broken");
    Scene::Played
}
