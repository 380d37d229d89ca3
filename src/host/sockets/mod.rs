//! Listeners: from systemd under a name, or bound by us, and what their connections inherit.
//!
//! Errors: [`SocketError`], with the address or descriptor in every variant.
//!
//! Must not be here: accepting, tokio, what a listener's name means.

mod bind;
mod inherited;
mod options;

pub use bind::{Reach, bind_tcp, bind_unix};
pub use inherited::inherited;
pub use options::{TcpOptions, set_tcp_options};

use crate::domain::exit::Exit;
use std::io;
use std::net::TcpListener;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::UnixListener;

/// A listening stream socket, non-blocking and close-on-exec.
#[derive(Debug)]
pub enum Listener {
    /// TCP over IPv4 or IPv6.
    Tcp(TcpListener),
    /// A UNIX stream socket, from a path or abstract.
    Unix(UnixListener),
}

/// A listener and the name systemd has for it: `FileDescriptorName=` of systemd.socket(5).
#[derive(Debug)]
pub struct NamedListener {
    /// One of the names asked for. Several listeners may share one, such as IPv4 and IPv6 of one service.
    pub name: String,
    /// The socket.
    pub listener: Listener,
}

/// What systemd passed.
#[derive(Debug, Default)]
pub struct Inherited {
    /// Its sockets.
    pub listeners: Vec<NamedListener>,
    /// What was in the store of descriptors.
    pub stored: Vec<Stored>,
    /// The names of what was in the store and is not for there, or is of no use without one. It is closed.
    pub closed: Vec<String>,
}

/// A descriptor from the store, with the name that it was stored under.
pub type Stored = (String, OwnedFd);

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// [`inherited()`] came too late to change the environment.
    #[error("sockets must be taken from systemd before there are threads, but there are {count}")]
    Threads {
        /// Threads in this process.
        count: usize,
    },
    /// `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` contradict each other or the open descriptors.
    #[error("the sockets passed by systemd can't be taken (LISTEN_FDS={fds}, LISTEN_FDNAMES={names})")]
    Environment {
        /// `LISTEN_FDS`.
        fds: String,
        /// `LISTEN_FDNAMES`.
        names: String,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// systemd passed something else: a datagram socket, a pipe, a connection (`Accept=yes`).
    #[error(
        "descriptor {fd} from systemd, named \"{name}\", is no listening TCP or UNIX stream socket; \
         use ListenStream= and Accept=no in its socket unit"
    )]
    NotAListener {
        /// The number.
        fd: RawFd,
        /// Its name.
        name: String,
    },
    /// What is spoken there needs a path, for the kernel to say who may connect and who does.
    #[error(
        "descriptor \"{name}\" from systemd listens at {address}, and must be a UNIX socket; set ListenStream=/PATH"
    )]
    NotUnix {
        /// Its name.
        name: &'static str,
        /// Address and port.
        address: String,
    },
    /// A name that says nothing to us.
    #[error(
        "descriptor {fd} from systemd is named \"{name}\", which is none of: {known}; \
         set FileDescriptorName={suggestion} in its socket unit"
    )]
    UnknownName {
        /// The number.
        fd: RawFd,
        /// Its name. Without `FileDescriptorName=` it is the unit's, without `LISTEN_FDNAMES` it is "unknown".
        name: String,
        /// The names asked for.
        known: String,
        /// The only name, or `NAME` where there is a choice.
        suggestion: String,
    },
    /// Somebody else listens there.
    #[error("{address} is taken: another program listens there (ss -lxtnp shows which)")]
    Taken {
        /// Address and port, or path.
        address: String,
    },
    /// A port below 1024, or a folder that we may not write to.
    #[error("no permission to listen on {address}; let systemd pass the socket, or choose another address")]
    NotPermitted {
        /// Address and port, or path.
        address: String,
    },
    /// No interface has this address, or the kernel does not have the family (no IPv6).
    #[error("{address} is no address of this machine")]
    NoSuchAddress {
        /// Address and port.
        address: String,
    },
    /// The path of a UNIX socket is taken by something that is no socket. It is left alone.
    #[error("{path} exists and is no socket; move it away, or choose another path")]
    NotASocket {
        /// The path.
        path: String,
    },
    /// Any other refusal.
    #[error("{address}: {doing} failed")]
    Failed {
        /// Address and port, or path, or descriptor.
        address: String,
        /// The step that failed.
        doing: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl SocketError {
    /// The code to end with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Threads { .. } => Exit::Software,
            Self::Environment { .. }
            | Self::NotAListener { .. }
            | Self::UnknownName { .. }
            | Self::NotUnix { .. }
            | Self::NotASocket { .. } => Exit::Config,
            // An address may come up later than we do, so a restart can help.
            Self::Taken { .. } | Self::NoSuchAddress { .. } => Exit::Unavailable,
            Self::NotPermitted { .. } => Exit::NoPermission,
            Self::Failed { .. } => Exit::Os,
        }
    }
}
