//! A byte stream of either kind.

use super::outbox::Link;
use crate::host::socket_queue::{unacknowledged_bytes, unread_bytes};
use socket2::SockRef;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
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

    /// What happened to the connection since this was last asked: `SO_ERROR` of socket(7), which tells it once.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.socket().take_error().unwrap_or_else(Some)
    }

    /// When the socket is closed, what the peer's kernel has not taken is thrown away: `SO_LINGER` of socket(7). (A
    /// UNIX peer has all of it already, read or not.)
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
