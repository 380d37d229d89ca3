//! What was acknowledged outlives a power cut and a SIGKILL.
//!
//! The real daemon is watched while people use it (`trace`), and its power is cut, on a model of a disk (`disk`), after
//! thousands of the things that it did; or it is killed, again and again. Each time the daemon's own store opens what is
//! left, and it is compared (`check`) with what people had asked for and were told (`ledger`).
//!
//! By hand, for longer: `MESSENGERD_POWER_CUTS` and `MESSENGERD_KILLS` say how many, `MESSENGERD_SEED` where chance begins.
//! A program of its own, because a watched child has one thread for its parent, and because it plays that child.

mod check;
mod daemon;
#[cfg(target_arch = "x86_64")]
mod disk;
mod kills;
mod ledger;
#[cfg(target_arch = "x86_64")]
mod old_schema;
mod packets;
mod people;
#[cfg(target_arch = "x86_64")]
mod power_cuts;
mod random;
#[cfg(target_arch = "x86_64")]
mod trace;

use libtest_mimic::{Arguments, Completion, Trial};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

#[cfg(not(target_arch = "x86_64"))]
mod power_cuts {
    use super::{Named, Scene};

    pub(crate) const SCENES: &[Named] =
        &[("power_cuts::all", || Scene::NotHere("only the system calls of x86-64 can be watched"))];
}

/// How a scene ends, unless it panics.
enum Scene {
    Played,
    /// What this machine does not let us try, and why. It is shown in the list of tests.
    NotHere(&'static str),
}

/// A scene and its name, which is a statement.
type Named = (&'static str, fn() -> Scene);

fn main() -> ExitCode {
    #[cfg(target_arch = "x86_64")]
    {
        let words: Vec<String> = std::env::args().skip(1).collect();
        if let [as_, watched, words @ ..] = words.as_slice()
            && (as_.as_str(), watched.as_str()) == ("as", "watched")
        {
            trace::become_watched(words);
        }
    }
    let trials = [power_cuts::SCENES, kills::SCENES].concat().into_iter().map(|(name, scene)| {
        Trial::ignorable_test(name, move || match scene() {
            Scene::Played => Ok(Completion::Completed),
            Scene::NotHere(reason) => Ok(Completion::ignored_with(format!("NOT TRIED: {reason}"))),
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// A number that somebody has set, or ours.
fn knob(name: &str, ours: usize) -> usize {
    std::env::var(name).map_or(ours, |value| value.parse().unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// Where chance begins: somewhere else each time, unless somebody says where.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    knob("MESSENGERD_SEED", usize::try_from(now % 1_000_000_000).unwrap()) as u64
}

/// A folder where syncing costs nothing, if there is one: what is tried here is not this machine's disk.
fn scratch() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("messengerd-durability-").permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755));
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).unwrap()
}
