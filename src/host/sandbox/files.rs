//! Files and networks, by Landlock.

use super::SandboxError;
use crate::host::threads;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope, make_bitflags, path_beneath_rules,
};
use std::fmt;
use std::path::PathBuf;

/// The newest interface whose restrictions have been tried with us. A kernel may know less: then there are fewer, and
/// [`Restrictions`] says which. One that knows more restricts no more: ABI 9 would close the sockets of systemd and
/// the journal, which have paths.
const TRIED: ABI = ABI::V6;

/// What the process may touch from now on, besides what it has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The directory in which files may be read, written, made and removed. No directory, socket or device can be
    /// made there, and nothing executed.
    pub writable: PathBuf,
    /// Files and directories that may be read; a directory with all below it. What does not exist is passed over: if it
    /// comes later, it can't be read. A file that another took the place of is another file.
    pub readable: Vec<PathBuf>,
    /// Whether abstract UNIX sockets (unix(7)) of other processes may be written to.
    pub abstract_sockets: bool,
}

/// What may be opened late without being named.
const ALWAYS_READABLE: [&str; 3] = [
    // A link to it empties a configuration file (systemd.unit(5) calls that masking).
    "/dev/null",
    // SQLite, for the salts of its log. Else it makes them of the time and the process's id.
    "/dev/urandom",
    // malloc(3), before it gives memory back.
    "/proc/sys/vm/overcommit_memory",
];

/// What holds from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restrictions {
    abi: ABI,
    abstract_sockets: bool,
}

impl fmt::Display for Restrictions {
    /// "files, truncation, TCP": what is restricted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = [
            (ABI::V1, "files"),
            (ABI::V3, "truncation"),
            (ABI::V4, "TCP"),
            (ABI::V5, "devices"),
            (ABI::V6, "signals"),
            (ABI::V6, "abstract sockets"),
        ];
        let held = since.into_iter().filter(|(abi, _)| *abi <= self.abi).map(|(_, what)| what);
        let held: Vec<_> = held.filter(|what| !self.abstract_sockets || *what != "abstract sockets").collect();
        f.write_str(&held.join(", "))
    }
}

impl Restrictions {
    /// The version of Landlock's interface that was used.
    #[must_use]
    pub fn abi(&self) -> u32 {
        self.abi as u32
    }
}

/// Restricts this thread, and all that it starts, to `files`. TCP sockets can't be bound or connected any
/// more, and signals reach only our own threads; open sockets go on. It can't be taken back. Sets `no_new_privs`.
///
/// # Errors
/// Nothing is restricted then. [`SandboxError::Threads`] if this comes too late.
pub fn confine_files(files: &Files) -> Result<Restrictions, SandboxError> {
    match threads::count().map_err(SandboxError::CountingThreads)? {
        1 => {}
        count => return Err(SandboxError::Threads { count }),
    }
    let writable = PathFd::new(&files.writable)
        .map_err(|source| SandboxError::Directory { path: files.writable.clone(), source })?;
    let readable = files.readable.iter().cloned().chain(ALWAYS_READABLE.map(PathBuf::from));
    let scope = if files.abstract_sockets { Scope::Signal.into() } else { Scope::from_all(TRIED) };

    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(TRIED))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(TRIED)))
        .and_then(|rules| rules.scope(scope))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rule(PathBeneath::new(writable, in_the_state_directory())))
        .and_then(|rules| rules.add_rules(path_beneath_rules(readable, AccessFs::ReadFile | AccessFs::ReadDir)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(SandboxError::Rules)?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => {
            Err(SandboxError::NoLandlock { why: "the kernel has it, but was started without it (lsm=)" })
        }
        (_, LandlockStatus::Available { effective_abi, .. }) => {
            Ok(Restrictions { abi: effective_abi.min(TRIED), abstract_sockets: files.abstract_sockets })
        }
        _ => Err(SandboxError::NoLandlock { why: "the kernel does not know it, or what we run in forbids it" }),
    }
}

/// What a database needs of its directory.
fn in_the_state_directory() -> BitFlags<AccessFs> {
    make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile | Truncate | MakeReg | RemoveFile})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_kernel_restricts_less_and_we_say_so() {
        let restricted = |abi| Restrictions { abi, abstract_sockets: false }.to_string();
        assert_eq!(restricted(ABI::V2), "files");
        assert_eq!(restricted(ABI::V4), "files, truncation, TCP");
        assert_eq!(restricted(ABI::V6), "files, truncation, TCP, devices, signals, abstract sockets");
        let telling_systemd = Restrictions { abi: ABI::V6, abstract_sockets: true };
        assert_eq!(telling_systemd.to_string(), "files, truncation, TCP, devices, signals");
    }

    #[test]
    fn with_other_threads_it_comes_too_late() {
        let files = Files { writable: "/tmp".into(), readable: Vec::new(), abstract_sockets: false };
        let error = confine_files(&files).unwrap_err();
        assert!(matches!(error, SandboxError::Threads { count: 2.. }), "{error}");
    }
}
