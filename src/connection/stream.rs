//! A byte stream of either kind.

use super::outbox::Link;
use crate::domain::Peer;
use crate::host::socket_queue::{unacknowledged_bytes, unread_bytes};
use socket2::{Domain, SockRef, Type};
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// A connected stream socket.
#[derive(Debug)]
pub enum Stream {
    /// tcp(7)
    Tcp(TcpStream),
    /// unix(7)
    Unix(UnixStream),
}

impl Stream {
    /// A connected socket that another process has accepted, and who is at its other end. Within the runtime.
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
            let stream = UnixStream::from_std(socket.into())?;
            let user = stream.peer_cred()?.uid();
            return Ok((Self::Unix(stream), Peer::Unix { user }));
        }
        let stream = TcpStream::from_std(socket.into())?;
        let address = stream.peer_addr()?;
        Ok((Self::Tcp(stream), Peer::Tcp(address)))
    }

    pub(super) fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// Waits for bytes, or for the end.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
        }
    }

    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Unix(stream) => stream.try_read(buffer),
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

impl Link for Stream {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    fn untaken(&self) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => unacknowledged_bytes(stream.as_fd()),
            Self::Unix(stream) => unacknowledged_bytes(stream.as_fd()),
        }
    }

    fn has_unread(&self) -> bool {
        // Not to be had from the runtime, which may not have heard of it yet. And not by reading: that would take the
        // error of a peer that is gone, which tells what it has not taken, and is told once.
        let unread = match self {
            Self::Tcp(stream) => unread_bytes(stream.as_fd()),
            Self::Unix(stream) => unread_bytes(stream.as_fd()),
        };
        unread.is_ok_and(|bytes| bytes > 0)
    }
}
