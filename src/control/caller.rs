//! Who is at the other end of a control connection.

use std::fmt;
use std::io;
use tokio::net::UnixStream;

/// The process that connected, as the kernel says (unix(7), `SO_PEERCRED`).
///
/// In a user namespace, which `PrivateUsers=yes` makes, users other than root and the daemon's own are seen as 65534.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    user: u32,
    process: Option<i32>,
}

impl Caller {
    /// Asks the kernel.
    ///
    /// # Errors
    /// When it does not know, which happens to sockets that are not connected any more.
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { user: credentials.uid(), process: credentials.pid() })
    }
}

impl Caller {
    /// This process, where `messengerctl` does without the daemon: whoever called it.
    pub(super) fn ourselves() -> Self {
        Self { user: nix::unistd::Uid::current().as_raw(), process: Some(nix::unistd::Pid::this().as_raw()) }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "local user {}", self.user)?;
        // 0: of another namespace.
        match self.process {
            Some(process) if process > 0 => write!(f, ", process {process}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_seen_is_not_named() {
        assert_eq!(Caller { user: 0, process: Some(7) }.to_string(), "local user 0, process 7");
        assert_eq!(Caller { user: 65534, process: Some(0) }.to_string(), "local user 65534");
        assert_eq!(Caller { user: 65534, process: None }.to_string(), "local user 65534");
    }
}
