//! Limits on what this process may have: getrlimit(2).

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fmt;
use std::io;

/// Descriptors that are no connection: standard streams, listeners, epoll, the database with its readers, logs.
pub const RESERVED_DESCRIPTORS: u64 = 64;

/// Of these, what is opened from now until the daemon serves, without the database's readers.
const BEGINNING: u64 = 24;
/// The database and its log.
const FOR_A_READER: u64 = 2;

/// How many files must be allowed to be open so that the daemon can begin, with so many readers: those that are open
/// now, and those to come. Who is there then finds out that there are none for peers, and waits for some.
///
/// # Errors
/// Of proc(5).
pub fn descriptors_to_begin(readers: usize) -> io::Result<u64> {
    let open = std::fs::read_dir("/proc/self/fd")?.count();
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    Ok(number(readers).saturating_mul(FOR_A_READER).saturating_add(BEGINNING).saturating_add(number(open)))
}

/// Raises the soft limit on open files (`RLIMIT_NOFILE`) to the hard one, and returns what it is now.
///
/// systemd gives services a soft limit of 1024 for the sake of programs that use select(2). We do not.
///
/// # Errors
/// What getrlimit(2) or setrlimit(2) said.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

/// Lets no core file be written (`RLIMIT_CORE`), now and by whatever this process becomes. A program that takes cores
/// through a pipe (core(5)) does not ask for this limit: it is the dumpable flag that keeps them from it.
///
/// # Errors
/// What getrlimit(2) or setrlimit(2) said.
pub fn forbid_core_files() -> io::Result<()> {
    // Where a unit has seen to it there is no call that its filter could mind.
    if getrlimit(Resource::RLIMIT_CORE)? != (0, 0) {
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    }
    Ok(())
}

/// More connections are configured than there can be descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorShortage {
    /// What the configuration allows.
    pub connections: u64,
    /// What this process may open.
    pub limit: u64,
}

impl fmt::Display for DescriptorShortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, limit } = self;
        let needed = connections.saturating_add(RESERVED_DESCRIPTORS);
        write!(f, "{connections} connections need {needed} open files, but only {limit} are allowed: ")?;
        write!(f, "set LimitNOFILE={needed} in the unit, or allow fewer connections")
    }
}

/// Says whether `connections` and [`RESERVED_DESCRIPTORS`] fit under `limit`.
#[must_use]
pub fn descriptor_shortage(connections: u64, limit: u64) -> Option<DescriptorShortage> {
    let short = connections.saturating_add(RESERVED_DESCRIPTORS) > limit;
    short.then_some(DescriptorShortage { connections, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let limit = raise_descriptor_limit().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (limit, limit));
        assert_eq!(raise_descriptor_limit().unwrap(), limit);
    }

    #[test]
    fn too_many_connections_are_told_with_the_remedy() {
        assert_eq!(descriptor_shortage(1000 - RESERVED_DESCRIPTORS, 1000), None);
        let shortage = descriptor_shortage(1000, 1024).unwrap();
        assert_eq!(
            shortage.to_string(),
            "1000 connections need 1064 open files, but only 1024 are allowed: \
             set LimitNOFILE=1064 in the unit, or allow fewer connections"
        );
        assert!(descriptor_shortage(u64::MAX, 1024).is_some());
    }
}
