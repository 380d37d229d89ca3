//! Every byte that a stranger sends, and every input that crosses a border of trust, as a function of bytes that must
//! not panic: what is fuzzed.
//!
//! Each room has its own in a file `fuzzing.rs`, since what they feed is nobody else's business. They are here for
//! cargo-fuzz (`fuzz/`, with `--cfg fuzzing`), and for the tests, which play the inputs kept in `fuzz/corpus` once more;
//! no other build has them. docs/fuzzing.md says what each of them feeds and claims.
//!
//! Errors: a claim that does not hold is a panic.
//!
//! Must not be here: what only makes fuzzing pass.

use crate::{client, config, control, domain, handlers, handover, host, metrics, protocol, store};
#[cfg(fuzzing)]
use std::time::{Duration, Instant};

/// Takes bytes, and panics where a claim does not hold.
pub type Target = fn(&[u8]);

/// What is fuzzed, by name.
pub const TARGETS: [(&str, Target); 13] = [
    ("classic_request", protocol::classic::fuzzing::request),
    ("classic_split", protocol::classic::fuzzing::split),
    ("client_packets", client::fuzzing::packets),
    ("client_sanitise", client::fuzzing::sanitise),
    ("config", config::fuzzing::load),
    ("control", control::fuzzing::converse),
    ("domain", domain::fuzzing::words),
    ("handover_state", handover::fuzzing::state),
    ("handover_roll", handover::fuzzing::roll),
    ("journal", host::journal::fuzzing::lines),
    ("metrics", metrics::fuzzing::converse_with),
    ("people", people),
    ("store", store::fuzzing::steps),
];

/// Handlers know no bytes; they get what the protocol reads.
fn people(bytes: &[u8]) {
    let decode: handlers::fuzzing::Decode = |packet| {
        let decoded = protocol::classic::decode(packet).ok()?;
        Some((decoded.key, decoded.request))
    };
    handlers::fuzzing::people(bytes, decode);
}

/// The target of that name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn target(name: &str) -> Target {
    TARGETS.iter().find(|(its, _)| *its == name).expect("a target of that name").1
}

/// Plays the target of that name, and waits until the threads that it began have ended: all that they had is given back
/// then, or lost for good, which the sanitiser tells.
///
/// # Panics
/// Where a claim does not hold, and when a thread goes on.
#[cfg(fuzzing)]
pub fn fuzz(name: &str, bytes: &[u8]) {
    let before = threads();
    target(name)(bytes);
    let deadline = Instant::now() + Duration::from_secs(10);
    while threads() > before {
        assert!(Instant::now() < deadline, "a thread goes on");
        std::thread::yield_now();
    }
}

/// How many this process has (`/proc/self/task`).
#[cfg(fuzzing)]
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("there is /proc").count()
}

/// Bytes as choices, one after the other.
pub(crate) struct Choices<'bytes>(pub(crate) &'bytes [u8]);

impl<'bytes> Choices<'bytes> {
    pub(crate) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A byte says how many.
    pub(crate) fn bytes(&mut self) -> &'bytes [u8] {
        let length = usize::from(self.next().unwrap_or_default());
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    pub(crate) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
    }

    fn names(folder: &Path) -> BTreeSet<String> {
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn each_target_has_its_program_and_its_corpus() {
        let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names(&folder("targets")), targets);
        assert_eq!(names(&folder("corpus")), targets);
    }

    /// The packages of a lock file, each with its version.
    fn locked(path: &str) -> BTreeSet<(String, String)> {
        let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        let lines: Vec<_> = lock.lines().collect();
        let pairs = lines.windows(2).filter_map(|pair| {
            Some((pair[0].strip_prefix("name = ")?.to_owned(), pair[1].strip_prefix("version = ")?.to_owned()))
        });
        pairs.collect()
    }

    #[test]
    fn what_is_fuzzed_is_what_is_shipped() {
        let shipped = locked("Cargo.lock");
        let names: BTreeSet<_> = shipped.iter().map(|(name, _)| name).collect();
        assert!(names.len() > 50, "the scan finds no packages any more");
        for package in locked("fuzz/Cargo.lock") {
            assert!(!names.contains(&package.0) || shipped.contains(&package), "{package:?} is not that of Cargo.lock");
        }
    }

    #[test]
    fn what_fuzzing_has_kept_is_well() {
        for (name, target) in TARGETS {
            let mut played = 0;
            for file in fs::read_dir(folder("corpus").join(name)).unwrap() {
                let path = file.unwrap().path();
                // Shown if the test fails.
                println!("{}", path.display());
                target(&fs::read(&path).unwrap());
                played += 1;
            }
            assert!(played > 0, "the corpus of {name} is empty");
        }
    }
}
