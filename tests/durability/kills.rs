//! SIGKILL, again and again, while people use the daemon.

use super::{Named, Scene};
use crate::check::check;
use crate::daemon::{KilledInPanic, signal, spawn, words};
use crate::ledger::Ledger;
use crate::people::{Town, Witness};
use crate::random::Random;
use crate::{knob, scratch, seed};
use nix::sys::signal::Signal::SIGKILL;
use nix::unistd::Pid;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime;

pub(crate) const SCENES: &[Named] =
    &[("kills::what_was_acknowledged_is_there_once_whenever_the_daemon_is_killed", acknowledged)];

const KILLS: usize = 36;
/// After so many, all begins anew in a new directory.
const LIVES: usize = 12;
const PEOPLE: usize = 6;
/// More than anybody gets done.
const DEEDS: usize = 100_000;
const PATIENCE: Duration = Duration::from_mins(1);

/// What all people asked for and were told, as they remember it.
#[derive(Default)]
struct Memory(Mutex<Ledger>);

impl Witness for Memory {
    fn asks(&self, connection: usize, bytes: &[u8]) {
        self.0.lock().unwrap().heard(connection, bytes);
    }

    fn is_told(&self, connection: usize, bytes: &[u8]) {
        self.0.lock().unwrap().told(connection, bytes);
    }
}

impl Memory {
    /// Until so many promises more were made.
    fn promises(&self, more: usize) {
        let promises = || self.0.lock().unwrap().promises();
        let (before, deadline) = (promises(), Instant::now() + PATIENCE);
        while promises() < before + more {
            assert!(Instant::now() < deadline, "nothing is done any more");
            thread::yield_now();
        }
    }
}

/// Starts a daemon, and kills it: while it starts, or when it has served for a while.
fn kill_one(scratch: &Path, town: &Town, memory: &Memory, random: &mut Random) {
    let (mut child, says) = spawn(&words(scratch, &[]));
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let moment = |random: &mut Random, most: usize| {
        thread::sleep(Duration::from_micros(random.below(most) as u64));
    };
    if random.percent(15) {
        moment(random, 100_000);
        signal(pid, SIGKILL);
    } else {
        let address = says.address().expect("it listens");
        thread::scope(|scope| {
            for seed in std::iter::repeat_with(|| random.number()).take(PEOPLE).collect::<Vec<_>>() {
                scope.spawn(move || town.live(address, seed, DEEDS, memory).expect_err("it was killed"));
            }
            let _killed = KilledInPanic(pid);
            memory.promises(random.below(150));
            moment(random, 5000);
            signal(pid, SIGKILL);
        });
    }
    child.wait().unwrap();
}

/// All that is left, so that the next daemon finds it as it is.
fn copy(state: &Path, to: &Path) {
    for entry in std::fs::read_dir(state).into_iter().flatten() {
        let entry = entry.unwrap();
        // But for the folder of backups, which is empty.
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn acknowledged() -> Scene {
    let (kills, seed) = (knob("MESSENGERD_KILLS", KILLS), seed());
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut random, mut promises) = (Random::new(seed), 0);
    let (mut folder, mut town, mut memory) = (scratch(), Town::default(), Memory::default());
    for kill in 0..kills {
        if kill % LIVES == 0 {
            promises += memory.0.lock().unwrap().promises();
            (folder, town, memory) = (scratch(), Town::default(), Memory::default());
        }
        kill_one(folder.path(), &town, &memory, &mut random);
        let left = scratch();
        copy(&folder.path().join("state"), left.path());
        let checked = check(left.path(), &memory.0.lock().unwrap(), &runtime);
        assert_eq!(checked, Ok(Vec::new()), "seed {seed}, kill {kill}; see {}", folder.keep().display());
    }
    promises += memory.0.lock().unwrap().promises();
    eprintln!("kills: seed {seed}; {kills} kills; {promises} things acknowledged, all there once");
    Scene::Played
}
