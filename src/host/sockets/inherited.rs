//! Socket activation: `sd_listen_fds(3)`.

use super::{Inherited, Listener, NamedListener, SocketError};
use crate::host::threads;
use listenfd::ListenFd;
use socket2::{Domain, SockRef, Type};
use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;

/// What `sd_listen_fds(3)` reads. `LISTEN_FDS_FIRST_FD` is not systemd's, but `listenfd` counts from it.
const VARIABLES: [&str; 4] = ["LISTEN_FDS_FIRST_FD", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// Takes what systemd passed to this process: listeners, and what a process before this one has put into the store of
/// descriptors. Nothing is no error.
///
/// What has one of the `known` names must be a listening TCP or UNIX stream socket, and comes non-blocking. If there is
/// a `store`, what has another name and does not listen is from there: as it is, whatever it is. Without one, what has
/// a name of `ours` and does not listen is left from a time when there was one, and is closed.
///
/// A process that was taken over may have put anything into the store. systemd passes the sockets of units first, so
/// no listener is taken from behind what must be from the store, nor one for the second time; such are
/// closed, and never an error. All is close-on-exec. The variables are removed, so a second call finds nothing, and
/// neither does a child.
///
/// # Errors
/// The first descriptor that is not as it should be, by number and name. With more than one thread: refused,
/// since removing variables is only safe without others.
pub fn inherited(known: &[&str], store: bool, ours: fn(&str) -> bool) -> Result<Inherited, SocketError> {
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
    take(announced?, descriptors, known, store, ours)
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
    ours: fn(&str) -> bool,
) -> Result<Inherited, SocketError> {
    let mut inherited = Inherited::default();
    let mut listening = HashSet::new();
    // systemd begins with its units' sockets (service_collect_fds() there), and goes on with the store.
    let mut from_units = true;
    for (index, (fd, name)) in announced.into_iter().enumerate() {
        let Some(descriptor) = take_descriptor(&mut descriptors, index, fd) else {
            return Err(SocketError::NotAListener { fd, name });
        };
        let is_known = known.contains(&name.as_str());
        let listens = SockRef::from(&descriptor).is_listener().unwrap_or(false);
        // A unit's socket is passed once; a copy of it is from somebody who had it. The kernel counts sockets by cookies.
        let again = listens && SockRef::from(&descriptor).cookie().is_ok_and(|cookie| !listening.insert(cookie));
        if again || (!listens && !is_known && (store || ours(&name))) {
            from_units = false;
        }
        if !from_units {
            if store && !listens && !is_known {
                inherited.stored.push((name, descriptor));
            } else {
                inherited.closed.push(name);
            }
            continue;
        }
        if !is_known {
            return Err(unknown(fd, name, known));
        }
        match is_tcp(&SockRef::from(&descriptor)).filter(|_| listens) {
            Some(is_tcp) => {
                inherited.listeners.push(NamedListener { name, listener: listener(descriptor, is_tcp, fd)? });
            }
            None if store && !is_of_a_unit(descriptor) => inherited.closed.push(name),
            None => return Err(SocketError::NotAListener { fd, name }),
        }
    }
    Ok(inherited)
}

fn unknown(fd: RawFd, name: String, known: &[&str]) -> SocketError {
    let suggestion = if let [only] = known { only } else { "NAME" };
    SocketError::UnknownName { fd, name, known: known.join(", "), suggestion: suggestion.to_owned() }
}

/// One that was passed. Both crates must mean the same.
#[expect(unsafe_code, reason = "neither listenfd nor sd-notify gives out owned descriptors of any kind")]
fn take_descriptor(descriptors: &mut ListenFd, index: usize, expected: RawFd) -> Option<OwnedFd> {
    let fd = descriptors.take_raw_fd(index).ok().flatten().filter(|fd| *fd == expected)?;
    // SAFETY: it is one of those that LISTEN_FDS counts, so it was passed to us, and listenfd gives it out once.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether it is TCP, if it is that or a UNIX stream socket.
fn is_tcp(socket: &SockRef<'_>) -> Option<bool> {
    match (socket.r#type(), socket.domain()) {
        (Ok(Type::STREAM), Ok(Domain::IPV4 | Domain::IPV6)) => Some(true),
        (Ok(Type::STREAM), Ok(Domain::UNIX)) => Some(false),
        _ => None,
    }
}

fn listener(descriptor: OwnedFd, is_tcp: bool, fd: RawFd) -> Result<Listener, SocketError> {
    SockRef::from(&descriptor).set_nonblocking(true).map_err(|source| SocketError::Failed {
        address: format!("descriptor {fd}"),
        doing: "making it non-blocking",
        source,
    })?;
    Ok(if is_tcp { Listener::Tcp(descriptor.into()) } else { Listener::Unix(descriptor.into()) })
}

/// Whether a unit may have this, of what is no listener of ours: other kinds of sockets that have an address
/// (`ListenDatagram=`), pipes with a path (`ListenFIFO=`). A daemon that is confined has no such thing to put into the
/// store.
fn is_of_a_unit(descriptor: OwnedFd) -> bool {
    let socket = SockRef::from(&descriptor);
    match socket.r#type() {
        Ok(Type::STREAM) => socket.is_listener().unwrap_or(false),
        Ok(_) => socket.local_addr().is_ok_and(|address| !address.is_unnamed()),
        Err(_) => File::from(descriptor).metadata().is_ok_and(|file| file.file_type().is_fifo()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rest is told by `tests/host_process`, in processes of one thread.
    #[test]
    fn beside_other_threads_it_refuses() {
        let error = inherited(&["classic"], false, |_| false).unwrap_err();
        assert!(matches!(error, SocketError::Threads { count } if count > 1), "{error}");
    }
}
