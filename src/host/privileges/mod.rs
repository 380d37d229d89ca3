//! From root to nobody in particular, for good.
//!
//! [`plan`] says who to be, [`prepare_state_directory`] makes that identity's folder, [`drop_to`] becomes it and
//! proves that there is no way back. In this order, and before there are threads. Started as somebody else
//! (`User=` of systemd.exec(5), or by hand), we stay who we are, and give up what else we may have.
//!
//! Errors: [`PrivilegeError`] and [`StateDirectoryError`]. After an error of [`drop_to`] the process is half dropped:
//! it must end and serve nobody.
//!
//! Must not be here: what needs root, reading the configuration.

mod drop;
mod identity;
mod proof;
mod state_directory;

pub use drop::{Dropped, drop_to};
pub use identity::{DYNAMIC_IDS, Identity, Wanted, plan};
pub use state_directory::{StateDirectoryError, prepare_state_directory};

use crate::domain::exit::Exit;
use nix::errno::Errno;
use std::io;

/// Why we can't be who we should be.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// The configuration names a user that doesn't exist.
    #[error("there is no user \"{user}\"; create it (systemd-sysusers, or adduser --system {user}), or name another")]
    NoSuchUser {
        /// Its name.
        user: String,
    },
    /// The configuration names a group that doesn't exist.
    #[error(
        "there is no group \"{group}\"; create it (systemd-sysusers, or addgroup --system {group}), or name another"
    )]
    NoSuchGroup {
        /// Its name.
        group: String,
    },
    /// The identity to serve as is root's, or root's group.
    #[error("{who} is root, and messengerd does not serve as root; name another, or none")]
    Root {
        /// Which user or group.
        who: String,
    },
    /// All ids of [`DYNAMIC_IDS`] belong to somebody.
    #[error("no numeric id is free in 61184..=65519; create a user \"messengerd\"")]
    NoFreeId,
    /// The user database did not answer: getpwnam(3), getgrnam(3).
    #[error("looking up {name} failed")]
    Lookup {
        /// Whom we asked for.
        name: String,
        /// Why.
        #[source]
        source: Errno,
    },
    /// [`drop_to`] came too late: a thread may keep what its process gives up.
    #[error("privileges must be dropped before there are threads, but there are {count}")]
    Threads {
        /// Threads in this process.
        count: usize,
    },
    /// The kernel refused a step.
    #[error("dropping privileges: {doing} failed")]
    Refused {
        /// The step.
        doing: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The steps went well, but something is left.
    #[error("privileges are not gone: {what}")]
    NotGone {
        /// What is left.
        what: String,
    },
}

impl PrivilegeError {
    /// The code to end with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoSuchUser { .. } | Self::NoSuchGroup { .. } => Exit::NoUser,
            Self::Root { .. } => Exit::Config,
            Self::Refused { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Exit::NoPermission,
            Self::Refused { .. } | Self::NoFreeId | Self::Lookup { .. } => Exit::Os,
            Self::Threads { .. } | Self::NotGone { .. } => Exit::Software,
        }
    }
}
