//! A byte stream of either kind.

use super::outbox::Link;
use crate::domain::Peer;
use crate::host::socket_queue::{unacknowledged_bytes, unread_by_peer, unread_bytes};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use socket2::{Domain, SockRef, Type};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A connected stream socket, which never blocks.
#[derive(Debug)]
pub enum Stream {
    /// tcp(7)
    Tcp(TcpStream),
    /// unix(7)
    Unix(UnixStream),
}

impl Stream {
    /// A connected socket that another process has accepted, and who is at its other end.
    ///
    /// # Errors
    /// When it is none, or not connected any more.
    pub fn inherited(socket: OwnedFd) -> io::Result<(Self, Peer)> {
        let kind = SockRef::from(&socket);
        kind.set_nonblocking(true)?;
        if kind.r#type()? != Type::STREAM {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no stream socket"));
        }
        if kind.domain()? == Domain::UNIX {
            let stream = UnixStream::from(socket);
            let user = peer_user(&stream)?;
            return Ok((Self::Unix(stream), Peer::Unix { user }));
        }
        let stream = TcpStream::from(socket);
        let address = stream.peer_addr()?;
        Ok((Self::Tcp(stream), Peer::Tcp(address)))
    }

    pub(super) fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&mut &*stream).read(buffer),
            Self::Unix(stream) => (&mut &*stream).read(buffer),
        }
    }

    fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(stream),
        }
    }

    /// The kernel's number for this socket, which no other has: `SO_COOKIE` of socket(7).
    pub(super) fn cookie(&self) -> io::Result<u64> {
        self.socket().cookie()
    }

    /// What happened to the connection since this was last asked: `SO_ERROR` of socket(7), which tells it once.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.socket().take_error().unwrap_or_else(Some)
    }

    /// When the socket is closed, what the peer's kernel has not taken is thrown away: `SO_LINGER` of socket(7). (A
    /// UNIX peer has all of it already, read or not.) Where systemd has a copy of the socket, that is when it has closed it too.
    pub(super) fn abandon(&self) {
        // Else the kernel goes on sending, which harms nobody but who gets something twice.
        let _ = self.socket().set_linger(Some(Duration::ZERO));
    }

    /// Ends both directions: the peer sees the end of the stream behind what was written, and so do we.
    pub(super) fn shut_down(&self) {
        // It may have ended already, which is all we want.
        let _ = self.socket().shutdown(Shutdown::Both);
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// Who is at the other end of a UNIX socket: `SO_PEERCRED` of unix(7).
fn peer_user(stream: &UnixStream) -> io::Result<u32> {
    Ok(getsockopt(stream, PeerCredentials)?.uid())
}

impl Link for Stream {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&mut &*stream).write(bytes),
            Self::Unix(stream) => (&mut &*stream).write(bytes),
        }
    }

    fn untaken(&self) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => unacknowledged_bytes(stream.as_fd()),
            Self::Unix(stream) => unread_by_peer(stream.as_fd()),
        }
    }

    fn has_unread(&self) -> bool {
        // Not by reading: that would take the error of a peer that is gone, which tells what it has not taken, and is
        // told once.
        unread_bytes(self.as_fd()).is_ok_and(|bytes| bytes > 0)
    }
}
