//! What stands in a process's memory, by `proc_pid_mem(5)`: for root, since the daemon is closed to all others.

use super::{is_root, not_tried};
use memchr::memmem::Finder;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// Read at once; what is looked for may lie across the end of it.
const STEP: u64 = 1 << 20;

/// What was looked at.
#[derive(Debug, Default)]
pub struct Memory {
    /// Each find: what, and where it stands.
    pub found: Vec<(Vec<u8>, String)>,
    pub bytes: u64,
}

impl Memory {
    /// Looks through all that can be read for any of these. `None`, and a word about it, where nobody may look.
    pub fn of(pid: u32, wanted: &[Vec<u8>]) -> Option<Self> {
        if !is_root() {
            not_tried("not root");
            return None;
        }
        let memory = match File::open(format!("/proc/{pid}/mem")) {
            Ok(memory) => memory,
            Err(error) => {
                not_tried(&format!("no look into another process's memory: {error}"));
                return None;
            }
        };
        let mut seen = Self::default();
        for line in fs::read_to_string(format!("/proc/{pid}/maps")).unwrap().lines() {
            seen.look(&memory, line, wanted);
        }
        Some(seen)
    }

    /// Looks through one mapping.
    fn look(&mut self, memory: &File, mapping: &str, wanted: &[Vec<u8>]) {
        let (range, rest) = mapping.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        // The kernel's own pages can't be read this way.
        if !rest.starts_with('r') || rest.ends_with("[vvar]") || rest.ends_with("[vsyscall]") {
            return;
        }
        let overlap = wanted.iter().map(Vec::len).max().unwrap_or(1) as u64 - 1;
        let finders: Vec<_> = wanted.iter().map(Finder::new).collect();
        let mut buffer = Vec::new();
        let mut at = start;
        while at < end {
            let size = (end - at).min(STEP + overlap);
            buffer.resize(usize::try_from(size).unwrap(), 0);
            // A mapping may have gone meanwhile, and of a file there may be less than is mapped.
            let Ok(read) = memory.read_at(&mut buffer, at) else { return };
            for finder in &finders {
                for place in finder.find_iter(&buffer[..read]).filter(|place| (*place as u64) < STEP) {
                    let around = &buffer[place.saturating_sub(32)..read.min(place + 64)];
                    let shown = format!("{mapping} at {:#x}: {}", at + place as u64, around.escape_ascii());
                    self.found.push((finder.needle().to_vec(), shown));
                }
            }
            self.bytes += (read as u64).min(STEP);
            if read == 0 {
                return;
            }
            at += STEP;
        }
    }

    /// How many of these finds there are.
    pub fn count(&self, wanted: &[u8]) -> usize {
        self.found.iter().filter(|(what, _)| what == wanted).count()
    }
}
