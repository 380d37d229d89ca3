//! Who is at the other end of a control connection.

use crate::host::peer_groups;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use tokio::net::{UnixListener, UnixStream};

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

/// What the kernel shows of users and groups that have no name in our user namespace (`/proc/sys/kernel/overflowuid`).
const UNSEEN: u32 = 65534;

/// Who may come in: root, the daemon's own user, and the group that the socket belongs to.
///
/// The kernel has looked at the socket's mode before anybody gets here; this looks again, lest a mode that was changed by
/// hand lets everybody in. In a user namespace other users and groups can't be told from each other: then the mode is all
/// there is.
pub(super) struct Gate {
    own: u32,
    group: Option<u32>,
}

impl Gate {
    /// Of this listener. A socket without a path has no group.
    pub(super) fn of(listener: &UnixListener) -> Self {
        let address = listener.local_addr().ok();
        let path = address.as_ref().and_then(|address| address.as_pathname());
        Self {
            own: nix::unistd::Uid::effective().as_raw(),
            group: path.and_then(|path| std::fs::metadata(path).ok()).map(|socket| socket.gid()),
        }
    }

    /// Whether somebody who has connected may.
    pub(super) fn admits(&self, stream: &UnixStream, caller: Caller) -> bool {
        let groups = stream.peer_cred().map(|credentials| credentials.gid()).into_iter();
        let groups: Vec<_> = groups.chain(peer_groups::of(stream).unwrap_or_default()).collect();
        self.is_for(caller.user, &groups)
    }

    fn is_for(&self, user: u32, groups: &[u32]) -> bool {
        // Nor is the path there to be looked at, where the service has a root directory of its own.
        let unseen = user == UNSEEN && self.group.is_none_or(|group| group == UNSEEN);
        let of_the_group = self.group.is_some_and(|group| groups.contains(&group));
        user == 0 || user == self.own || of_the_group || unseen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_not_meant_is_not_let_in() {
        let gate = Gate { own: 990, group: Some(70) };
        for (user, groups, admitted) in [
            (0, &[0][..], true),
            (990, &[990], true),
            (1000, &[1000, 70], true),
            (1000, &[70], true),
            (1000, &[1000, 71], false),
            (UNSEEN, &[UNSEEN], false),
        ] {
            assert_eq!(gate.is_for(user, groups), admitted, "{user} {groups:?}");
        }
        // In a user namespace only the socket's mode can tell.
        assert!(Gate { own: 990, group: Some(UNSEEN) }.is_for(UNSEEN, &[UNSEEN]));
        assert!(Gate { own: 990, group: None }.is_for(UNSEEN, &[UNSEEN]));
        // A socket without a path.
        assert!(!Gate { own: 990, group: None }.is_for(1000, &[70]));
    }

    #[test]
    fn a_process_that_is_not_seen_is_not_named() {
        assert_eq!(Caller { user: 0, process: Some(7) }.to_string(), "local user 0, process 7");
        assert_eq!(Caller { user: 65534, process: Some(0) }.to_string(), "local user 65534");
        assert_eq!(Caller { user: 65534, process: None }.to_string(), "local user 65534");
    }
}
