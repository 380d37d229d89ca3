//! Socket activation: `sd_listen_fds(3)`.

use super::{Listener, NamedListener, SocketError};
use crate::host::threads;
use listenfd::ListenFd;
use socket2::SockRef;
use std::os::fd::{AsFd, AsRawFd, RawFd};

/// What `sd_listen_fds(3)` reads. `LISTEN_FDS_FIRST_FD` is not systemd's, but `listenfd` counts from it.
const VARIABLES: [&str; 4] = ["LISTEN_FDS_FIRST_FD", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// Takes the listeners that systemd passed to this process; none is no error.
///
/// Each must have one of the `known` names and be a listening TCP or UNIX stream socket. They come non-blocking and
/// close-on-exec. The variables are removed, so a second call finds nothing, and neither does a child.
///
/// # Errors
/// The first descriptor that is not as it should be, by number and name. With more than one thread: refused,
/// since removing variables is only safe without others.
pub fn inherited(known: &[&str]) -> Result<Vec<NamedListener>, SocketError> {
    let count = threads::count().map_err(|source| SocketError::Failed {
        address: "/proc/self/task".into(),
        doing: "counting our threads",
        source,
    })?;
    if count != 1 {
        return Err(SocketError::Threads { count });
    }
    remove_variable(VARIABLES[0]);
    let announced = announced();
    // listenfd removes LISTEN_PID and LISTEN_FDS as it reads them, so the names are read before. It also takes sockets
    // without a LISTEN_PID, which sd_listen_fds(3) does not: where there are none, it isn't asked.
    let descriptors = match &announced {
        Ok(names) if !names.is_empty() => ListenFd::from_env(),
        _ => ListenFd::empty(),
    };
    VARIABLES.into_iter().for_each(remove_variable);
    take(announced?, descriptors, known)
}

/// Numbers and names, by the environment.
fn announced() -> Result<Vec<(RawFd, String)>, SocketError> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let read = || {
        // A LISTEN_FDNAMES left over by a parent names nothing; sd-notify would take it for a wrong count.
        if sd_notify::listen_fds()?.len() == 0 {
            return Ok(Vec::new());
        }
        sd_notify::listen_fds_with_names().map(Iterator::collect)
    };
    read().map_err(|source| SocketError::Environment {
        fds: variable("LISTEN_FDS"),
        names: variable("LISTEN_FDNAMES"),
        source,
    })
}

#[expect(unsafe_code, reason = "children must not take our sockets for theirs, and std has no safe way")]
fn remove_variable(name: &str) {
    // SAFETY: the only caller has made sure that this is the only thread, so nobody reads the environment meanwhile.
    unsafe { std::env::remove_var(name) }
}

fn take(
    announced: Vec<(RawFd, String)>,
    mut descriptors: ListenFd,
    known: &[&str],
) -> Result<Vec<NamedListener>, SocketError> {
    let mut listeners = Vec::with_capacity(announced.len());
    for (index, (fd, name)) in announced.into_iter().enumerate() {
        if !known.contains(&name.as_str()) {
            let suggestion = if let [only] = known { only } else { "NAME" };
            return Err(SocketError::UnknownName {
                fd,
                name,
                known: known.join(", "),
                suggestion: suggestion.to_owned(),
            });
        }
        let listener = match (descriptors.take_tcp_listener(index), descriptors.take_unix_listener(index)) {
            (Ok(Some(tcp)), _) => Listener::Tcp(tcp),
            (_, Ok(Some(unix))) => Listener::Unix(unix),
            _ => return Err(SocketError::NotAListener { fd, name }),
        };
        check(&listener, fd, &name)?;
        listeners.push(NamedListener { name, listener });
    }
    Ok(listeners)
}

/// listenfd checks family and type; this checks the rest, and that both crates mean the same descriptor.
fn check(listener: &Listener, fd: RawFd, name: &str) -> Result<(), SocketError> {
    let socket = match listener {
        Listener::Tcp(tcp) => tcp.as_fd(),
        Listener::Unix(unix) => unix.as_fd(),
    };
    let raw = socket.as_raw_fd();
    let socket = SockRef::from(&socket);
    let listening = socket.is_listener().and_then(|listening| {
        socket.set_nonblocking(true)?;
        Ok(listening)
    });
    match listening {
        Ok(true) if raw == fd => Ok(()),
        Ok(_) => Err(SocketError::NotAListener { fd, name: name.to_owned() }),
        Err(source) => {
            Err(SocketError::Failed { address: format!("descriptor {fd}"), doing: "asking whether it listens", source })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rest is told by `tests/host_process`, in processes of one thread.
    #[test]
    fn beside_other_threads_it_refuses() {
        let error = inherited(&["classic"]).unwrap_err();
        assert!(matches!(error, SocketError::Threads { count } if count > 1), "{error}");
    }
}
