//! Which of many sockets have something to read: epoll(7), edge-triggered.
//!
//! The runtime has an epoll of its own, and keeps some hundred bytes for each socket in it. A connection that says
//! nothing costs nothing here but what the kernel needs.

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// As many events are taken at once.
pub const EVENTS: usize = 256;

/// Sockets that are waited for, each under a number.
#[derive(Debug)]
pub struct Readiness(Epoll);

/// Something happened to a socket since this was last told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The socket's number.
    pub number: u64,
    /// Nothing more will come behind what has come, or the connection has failed.
    pub hung_up: bool,
}

impl Readiness {
    /// Of no sockets yet.
    ///
    /// # Errors
    /// What `epoll_create1(2)` said.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?))
    }

    /// Waits for a socket from now on. What has come already is an event as well.
    ///
    /// # Errors
    /// What `epoll_ctl(2)` said: no memory, or as many are waited for as this user may (`ENOSPC`).
    pub fn add(&self, socket: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        let events = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        Ok(self.0.add(socket, EpollEvent::new(events, number))?)
    }

    /// Before the socket is closed: somebody else may have a copy of it, and the kernel would go on telling of it.
    pub fn remove(&self, socket: BorrowedFd<'_>) {
        // It is not in here any more, then: that is what we want.
        let _ = self.0.delete(socket);
    }

    /// Lets the runtime say when there are events. Within the runtime.
    ///
    /// # Errors
    /// When the runtime can't wait for any more.
    #[expect(unsafe_code, reason = "the runtime has no safe way to wait for a descriptor that is not its own")]
    pub fn watch(&self) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
        // SAFETY: it is borrowed from us for as long as the result lives, so it stays open, and the number the same.
        Ok(unsafe { AsyncFd::register_with_interest(self.0.0.as_fd(), Interest::READABLE) }?)
    }

    /// Takes the events that are there, at most [`EVENTS`] at once.
    ///
    /// # Errors
    /// What `epoll_wait(2)` said; nothing that a socket can bring about.
    pub fn take(&self, mut each: impl FnMut(Event)) -> io::Result<usize> {
        let mut events = [EpollEvent::empty(); EVENTS];
        let count = match self.0.wait(&mut events, EpollTimeout::ZERO) {
            Err(Errno::EINTR) => 0,
            taken => taken?,
        };
        let end = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        for event in &events[..count] {
            each(Event { number: event.data(), hung_up: event.events().intersects(end) });
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn events(readiness: &Readiness) -> Vec<Event> {
        let mut events = Vec::new();
        readiness.take(|event| events.push(event)).unwrap();
        events
    }

    #[test]
    fn what_comes_is_told_once_and_so_is_the_end() {
        let readiness = Readiness::new().unwrap();
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"early").unwrap();
        readiness.add(ours.as_fd(), 7).unwrap();
        let came = Event { number: 7, hung_up: false };
        assert_eq!(events(&readiness), [came]);
        assert_eq!(events(&readiness), []);
        // More is told, though the first was not read.
        theirs.write_all(b"more").unwrap();
        assert_eq!(events(&readiness), [came]);
        ours.read_exact(&mut [0; 9]).unwrap();
        drop(theirs);
        assert_eq!(events(&readiness), [Event { number: 7, hung_up: true }]);
    }

    #[test]
    fn of_a_socket_that_was_removed_nothing_is_told_though_somebody_else_has_a_copy() {
        let readiness = Readiness::new().unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let _copy = ours.try_clone().unwrap();
        readiness.add(ours.as_fd(), 7).unwrap();
        readiness.remove(ours.as_fd());
        readiness.remove(ours.as_fd());
        drop(ours);
        theirs.write_all(b"late").unwrap();
        assert_eq!(events(&readiness), []);
    }
}
