//! What the kernel knows of this process: proc(5).

use nix::dir::Dir;
use nix::fcntl::OFlag;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::Mode;
use nix::unistd::{SysconfVar, sysconf};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const STAT: &str = "/proc/self/stat";
const DESCRIPTORS: &str = "/proc/self/fd";

/// The files of proc(5) in which it stands. They are opened before the daemon forbids itself to open such, and say how
/// things are whenever they are read.
pub struct Process {
    stat: File,
    descriptors: Mutex<Dir>,
    page_size: u64,
    ticks: u64,
    descriptors_max: u64,
}

/// What this process has and uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// CPU time, in user and in system mode.
    pub cpu: Duration,
    /// Bytes of memory.
    pub resident: u64,
    /// Bytes of addresses.
    pub addresses: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors, those of [`Process`] among them.
    pub descriptors: u64,
    /// As many may be open (`RLIMIT_NOFILE`).
    pub descriptors_max: u64,
}

impl Process {
    /// Opens them. The limit of descriptors is that of this moment.
    ///
    /// # Errors
    /// With the path, where there is no proc(5).
    pub fn open() -> io::Result<Self> {
        let named = |path: &'static str| move |error| io::Error::other(format!("{path}: {error}"));
        let number = |variable| sysconf(variable).ok().flatten().and_then(|value| u64::try_from(value).ok());
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self {
            stat: File::open(STAT).map_err(named(STAT))?,
            descriptors: Dir::open(DESCRIPTORS, flags, Mode::empty())
                .map_err(io::Error::from)
                .map_err(named(DESCRIPTORS))?
                .into(),
            page_size: number(SysconfVar::PAGE_SIZE).unwrap_or(4096),
            ticks: number(SysconfVar::CLK_TCK).unwrap_or(100),
            descriptors_max: getrlimit(Resource::RLIMIT_NOFILE)?.0,
        })
    }

    /// Reads them.
    ///
    /// # Errors
    /// With the path.
    pub fn usage(&self) -> io::Result<Usage> {
        let mut buffer = [0; 1024];
        let size = self.stat.read_at(&mut buffer, 0).map_err(|error| io::Error::other(format!("{STAT}: {error}")))?;
        let text = String::from_utf8_lossy(&buffer[..size]);
        let stat = Stat::parse(&text).ok_or_else(|| io::Error::other(format!("{STAT}: {text:?}")))?;
        let ticks = Duration::from_secs(1) / u32::try_from(self.ticks).unwrap_or(100).max(1);
        Ok(Usage {
            cpu: ticks.saturating_mul(u32::try_from(stat.ticks).unwrap_or(u32::MAX)),
            resident: stat.resident_pages.saturating_mul(self.page_size),
            addresses: stat.addresses,
            threads: stat.threads,
            descriptors: self.count_descriptors(),
            descriptors_max: self.descriptors_max,
        })
    }

    fn count_descriptors(&self) -> u64 {
        // It begins anew each time that it is iterated over.
        let mut descriptors = self.descriptors.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = descriptors.iter().map_while(Result::ok);
        let count = entries.filter(|entry| !entry.file_name().to_bytes().starts_with(b".")).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    ticks: u64,
    threads: u64,
    addresses: u64,
    resident_pages: u64,
}

impl Stat {
    /// Fields by the numbers that proc(5) gives them. The second is the program's name in parentheses, which may hold
    /// anything.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            ticks: field(14)?.saturating_add(field(15)?),
            threads: field(20)?,
            addresses: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_does_not_shift_the_fields() {
        let numbers: Vec<_> = (4..=52).map(|number| number.to_string()).collect();
        let stat = Stat::parse(&format!("7 (a ) S 1 2) S {}\n", numbers.join(" ")));
        assert_eq!(stat, Some(Stat { ticks: 29, threads: 20, addresses: 23, resident_pages: 24 }));
        assert_eq!(Stat::parse("7 (short) S 1 2"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn this_process_has_memory_threads_and_descriptors_and_each_reading_is_new() {
        let process = Process::open().unwrap();
        let before = process.usage().unwrap();
        assert!(before.resident > 100_000 && before.addresses > before.resident, "{before:?}");
        assert!(before.threads > 0 && before.descriptors < before.descriptors_max, "{before:?}");
        // Other tests open files as well, but not so many.
        let open: Vec<_> = (0..200).map(|_| File::open("/dev/null").unwrap()).collect();
        assert!(process.usage().unwrap().descriptors > before.descriptors + 100);
        drop(open);
    }
}
