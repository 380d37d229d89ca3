//! Why the daemon did not start, or ended by itself.

use crate::config::Faults;
use crate::domain::exit::Exit;
use crate::handover::{OUR_OWN, roll};
use crate::host::journal::{Chain, LogError};
use crate::host::privileges::{PrivilegeError, StateDirectoryError};
use crate::host::sandbox::SandboxError;
use crate::host::sockets::SocketError;
use crate::store::OpenError;
use std::io;

/// See the module. Each kind has its exit code.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration has faults.
    #[error("{0}")]
    Config(#[from] Faults),
    /// The log can't be set up.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A socket can't be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// No directory for the database is named anywhere.
    #[error("there is no directory for the database: set state.directory, or STATE_DIRECTORY, XDG_STATE_HOME or HOME")]
    NoStateDirectory,
    /// The state directory can't be used.
    #[error(transparent)]
    StateDirectory(#[from] StateDirectoryError),
    /// Root could not be left behind for good.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    /// `sandbox.require` is set, and a layer does not hold.
    #[error("sandbox.require is set, but not all of the sandbox can be had")]
    Sandbox(#[from] SandboxError),
    /// The database can't be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The kernel gives no threads, timers or signals.
    #[error("the runtime can't start: {doing}")]
    Runtime {
        /// What was tried.
        doing: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Too few files may be open to begin.
    #[error(
        "only {limit} files may be open, and {least} are needed to begin: set LimitNOFILE= in the unit (ulimit -n in a shell)"
    )]
    Descriptors {
        /// `RLIMIT_NOFILE`.
        limit: u64,
        /// As many are needed before the first peer comes.
        least: u64,
    },
    /// systemd keeps fewer descriptors than there may be connections.
    #[error(
        "connections.max is {connections}, but systemd keeps {kept} connections for us when the daemon restarts: \
         set FileDescriptorStoreMax={needed} (before systemd 254 also Environment=DESCRIPTOR_STORE_MAX={needed}) in \
         messengerd.service (systemctl edit), or connections.max = {kept}",
        needed = .connections + OUR_OWN
    )]
    DescriptorStore {
        /// `connections.max`.
        connections: usize,
        /// As many could be kept.
        kept: usize,
    },
    /// More connections are configured than any process can be passed.
    #[error(
        "connections.max is {connections}, but no more than {} can outlive the daemon; set it so, or \
         FileDescriptorStoreMax=0 and Environment=DESCRIPTOR_STORE_MAX=0 in messengerd.service (systemctl edit) to do without",
        roll::LINES
    )]
    TooManyToKeep {
        /// `connections.max`.
        connections: usize,
    },
    /// A listener broke while the daemon was running.
    #[error("the listener {address} is broken")]
    Listener {
        /// Which.
        address: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl StartError {
    /// Tells the administrator. Faults of the configuration are found before there is a log.
    pub(super) fn report(&self) {
        match self {
            Self::Config(faults) => eprintln!("{faults}"),
            Self::Log(_) => eprintln!("messengerd: {}", Chain(self)),
            _ => tracing::error!("{}", Chain(self)),
        }
    }

    /// What the shell and the unit file are told.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::NoStateDirectory | Self::DescriptorStore { .. } | Self::TooManyToKeep { .. } => {
                Exit::Config
            }
            Self::Log(_) => Exit::Software,
            Self::Socket(error) => error.exit(),
            Self::StateDirectory(error) => error.exit(),
            Self::Privileges(error) => error.exit(),
            Self::Sandbox(error) => error.exit(),
            Self::Store(error) => error.exit(),
            Self::Descriptors { .. } | Self::Runtime { .. } | Self::Listener { .. } => Exit::Os,
        }
    }
}
