//! What this process forbids itself, so that whoever takes it over has little of the machine.
//!
//! Two layers of the kernel's, each for good and for all threads, with and without systemd:
//!
//! - [`confine_files`], by Landlock (landlock(7)): which files may be touched; no new TCP connections or listeners.
//! - [`confine_calls`], by a seccomp filter (seccomp(2)): which system calls may be made, and the worth of it is less
//!   kernel to attack. Any other kills the process with SIGSYS.
//!
//! # Order
//!
//! Landlock holds for a thread and those that it starts, so [`confine_files`] comes while there is one, after
//! [`drop_to`](super::privileges::drop_to), which reads what it later forbids; what is opened later must be named. The
//! filter is laid on all threads at once, so [`confine_calls`] comes when sockets, database and runtime stand: then
//! their making needs no place in it.
//!
//! # Errors
//!
//! [`SandboxError`]: this layer does not hold, and nothing else has changed; the caller says whether the daemon may go on.
//!
//! # Must not be here
//!
//! Whether a layer is wanted, where the configuration lies, what to tell systemd.

mod calls;
mod files;
mod permitted;

pub use calls::{Calls, confine_calls};
pub use files::{Files, Restrictions, confine_files};

use crate::domain::exit::Exit;
use std::io;
use std::path::PathBuf;

/// Why a layer does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// This kernel has no Landlock, or does not let us use it.
    #[error("there is no Landlock here: {why}")]
    NoLandlock {
        /// What the kernel's answer means.
        why: &'static str,
    },
    /// The directory to write in is not there, or can't be entered.
    #[error("Landlock: {} can't be opened", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: landlock::PathFdError,
    },
    /// The kernel has Landlock, but refused these rules.
    #[error("Landlock refused its rules")]
    Rules(#[source] landlock::RulesetError),
    /// [`confine_files`] came too late: the other threads would stay free.
    #[error("files must be confined before there are threads, but there are {count}")]
    Threads {
        /// Threads in this process.
        count: usize,
    },
    /// The threads can't be counted.
    #[error("/proc/self/task can't be read")]
    CountingThreads(#[source] io::Error),
    /// No system call numbers of this architecture are known here, or this kernel has no filters.
    #[error("there are no system call filters here")]
    NoFilter(#[source] seccompiler::Error),
    /// The kernel has filters, but refused this one.
    #[error("the system call filter was refused")]
    Filter(#[source] seccompiler::Error),
}

impl SandboxError {
    /// The code to end with where the layer must hold.
    ///
    /// A machine that has no such layer will not have it after a restart either: what is wrong is that the
    /// configuration requires it, and systemd is to be told not to try again.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoLandlock { .. } | Self::NoFilter(_) => Exit::Config,
            Self::Directory { .. } | Self::Rules(_) | Self::CountingThreads(_) | Self::Filter(_) => Exit::Os,
            Self::Threads { .. } => Exit::Software,
        }
    }
}
