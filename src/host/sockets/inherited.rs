//! Socket activation: `sd_listen_fds(3)`.

use super::{Inherited, Listener, NamedListener, SocketError};
use crate::host::threads;
use listenfd::ListenFd;
use socket2::SockRef;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

/// What `sd_listen_fds(3)` reads. `LISTEN_FDS_FIRST_FD` is not systemd's, but `listenfd` counts from it.
const VARIABLES: [&str; 4] = ["LISTEN_FDS_FIRST_FD", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// Takes what systemd passed to this process: listeners, and what a process before this one has put into the store of
/// descriptors. Nothing is no error.
///
/// What has one of the `known` names must be a listening TCP or UNIX stream socket, and comes non-blocking. If there is
/// a `store`, what has another name and does not listen is from there: as it is, whatever it is. All is close-on-exec.
/// The variables are removed, so a second call finds nothing, and neither does a child.
///
/// # Errors
/// The first descriptor that is not as it should be, by number and name. With more than one thread: refused,
/// since removing variables is only safe without others.
pub fn inherited(known: &[&str], store: bool) -> Result<Inherited, SocketError> {
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
    take(announced?, descriptors, known, store)
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
    store: bool,
) -> Result<Inherited, SocketError> {
    let mut inherited = Inherited::default();
    for (index, (fd, name)) in announced.into_iter().enumerate() {
        if !known.contains(&name.as_str()) {
            match store.then(|| take_stored(&mut descriptors, index, fd)).flatten() {
                Some(descriptor) => inherited.stored.push((name, descriptor)),
                None => return Err(unknown(fd, name, known)),
            }
            continue;
        }
        let listener = match (descriptors.take_tcp_listener(index), descriptors.take_unix_listener(index)) {
            (Ok(Some(tcp)), _) => Listener::Tcp(tcp),
            (_, Ok(Some(unix))) => Listener::Unix(unix),
            _ => return Err(SocketError::NotAListener { fd, name }),
        };
        check(&listener, fd, &name)?;
        inherited.listeners.push(NamedListener { name, listener });
    }
    Ok(inherited)
}

fn unknown(fd: RawFd, name: String, known: &[&str]) -> SocketError {
    let suggestion = if let [only] = known { only } else { "NAME" };
    SocketError::UnknownName { fd, name, known: known.join(", "), suggestion: suggestion.to_owned() }
}

/// What is from the store, which keeps no listeners.
#[expect(unsafe_code, reason = "neither listenfd nor sd-notify gives out owned descriptors of any kind")]
fn take_stored(descriptors: &mut ListenFd, index: usize, expected: RawFd) -> Option<OwnedFd> {
    let fd = descriptors.take_raw_fd(index).ok().flatten().filter(|fd| *fd == expected)?;
    // SAFETY: it is one of those that LISTEN_FDS counts, so it was passed to us, and listenfd gives it out once.
    let descriptor = unsafe { OwnedFd::from_raw_fd(fd) };
    if SockRef::from(&descriptor).is_listener().unwrap_or(false) {
        // It goes on listening: whoever passed it should be told.
        return None;
    }
    Some(descriptor)
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
        let error = inherited(&["classic"], false).unwrap_err();
        assert!(matches!(error, SocketError::Threads { count } if count > 1), "{error}");
    }
}
