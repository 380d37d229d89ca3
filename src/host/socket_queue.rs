//! How much of what we wrote the other side has not taken, and how much of what it wrote we have not.

use nix::libc::c_int;
use socket2::SockRef;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

mod ioctl {
    nix::ioctl_read_bad!(
        /// `SIOCOUTQ` of tcp(7), which is the number of `TIOCOUTQ` on every architecture.
        outq,
        nix::libc::TIOCOUTQ,
        nix::libc::c_int
    );
    nix::ioctl_read_bad!(
        /// `FIONREAD` of tcp(7) and unix(7).
        fionread,
        nix::libc::FIONREAD,
        nix::libc::c_int
    );
}

/// What of our writes on this TCP socket is still under way: bytes, sent or not, that the peer's kernel has not
/// acknowledged (`SIOCOUTQ`). A connection that was reset keeps its number: what was not acknowledged never will be. After
/// shutdown(2) our FIN counts as one.
///
/// # Errors
/// What ioctl(2) said: no socket, or a listening one.
pub fn unacknowledged_bytes(socket: BorrowedFd<'_>) -> io::Result<usize> {
    queued(socket)
}

/// What of our writes on this UNIX stream socket the peer itself has not read, with the kernel's own overhead
/// (`SIOCOUTQ`): only "none" or "some" has a meaning.
///
/// # Errors
/// `ConnectionReset`: the peer closed it without reading all. Its kernel forgets the rest, so that nothing seems to be
/// under way, and the writes must not be taken for read. (The error is taken from the socket: it is not told twice.)
/// Else what ioctl(2) said: no socket, or a listening one.
pub fn unread_by_peer(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let bytes = queued(socket)?;
    // The peer's end marks ours before it frees what it did not read, so an empty queue is judged second.
    if bytes == 0
        && let Some(error) = SockRef::from(&socket).take_error()?
    {
        return Err(error);
    }
    Ok(bytes)
}

#[expect(unsafe_code, reason = "neither std, nix nor socket2 has SIOCOUTQ")]
fn queued(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: c_int = 0;
    // SAFETY: the descriptor is open as long as it is borrowed, and SIOCOUTQ writes one int.
    unsafe { ioctl::outq(socket.as_raw_fd(), &raw mut bytes) }?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// Bytes that have come on this stream socket and were not read: `FIONREAD`, also called `SIOCINQ`. Unlike a look with
/// `MSG_PEEK` it leaves the socket's error where it is.
///
/// # Errors
/// What ioctl(2) said: no socket, or a listening one.
#[expect(unsafe_code, reason = "neither std, nix nor socket2 has FIONREAD")]
pub fn unread_bytes(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: c_int = 0;
    // SAFETY: the descriptor is open as long as it is borrowed, and FIONREAD writes one int.
    unsafe { ioctl::fionread(socket.as_raw_fd(), &raw mut bytes) }?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    /// Writes until the kernel takes no more; how much it took.
    fn fill(mut socket: &TcpStream) -> usize {
        socket.set_nonblocking(true).unwrap();
        let mut written = 0;
        loop {
            match socket.write(&[b'x'; 8192]) {
                Ok(n) => written += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return written,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn tcp_pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (ours, listener.accept().unwrap().0)
    }

    /// The acknowledgement is the kernels' affair and comes when it comes.
    fn wait_until_acknowledged(socket: &TcpStream) {
        while unacknowledged_bytes(socket.as_fd()).unwrap() > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_tcp_peer_with_a_full_window_leaves_bytes_and_one_that_reads_takes_them() {
        let (ours, mut peer) = tcp_pair();
        let written = fill(&ours);
        assert!(unacknowledged_bytes(ours.as_fd()).unwrap() > 0);

        peer.read_exact(&mut vec![0; written]).unwrap();
        wait_until_acknowledged(&ours);
    }

    #[test]
    fn what_fits_the_tcp_window_is_taken_though_nobody_reads() {
        let (mut ours, _peer) = tcp_pair();
        ours.write_all(b"hello").unwrap();
        wait_until_acknowledged(&ours);
    }

    #[test]
    fn a_reset_tcp_connection_does_not_count_as_taken() {
        let (ours, peer) = tcp_pair();
        fill(&ours);
        // Closing with unread bytes resets the connection; the poll below ends when the reset is here.
        drop(peer);
        while SockRef::from(&ours).take_error().unwrap().is_none() {
            std::thread::yield_now();
        }
        assert!(unacknowledged_bytes(ours.as_fd()).unwrap() > 0);
    }

    #[test]
    fn a_unix_peer_has_taken_what_it_has_read() {
        let (mut ours, mut peer) = UnixStream::pair().unwrap();
        assert_eq!(unread_by_peer(ours.as_fd()).unwrap(), 0);
        ours.write_all(b"hello").unwrap();
        assert!(unread_by_peer(ours.as_fd()).unwrap() > 0);

        peer.read_exact(&mut [0; 4]).unwrap();
        assert!(unread_by_peer(ours.as_fd()).unwrap() > 0, "one byte is left");
        peer.read_exact(&mut [0; 1]).unwrap();
        assert_eq!(unread_by_peer(ours.as_fd()).unwrap(), 0);
    }

    #[test]
    fn a_unix_peer_that_closes_without_reading_has_taken_nothing() {
        let (mut ours, peer) = UnixStream::pair().unwrap();
        ours.write_all(b"hello").unwrap();
        drop(peer);
        let error = unread_by_peer(ours.as_fd()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_unix_peer_that_read_all_and_closed_has_taken_all() {
        let (mut ours, mut peer) = UnixStream::pair().unwrap();
        ours.write_all(b"hello").unwrap();
        peer.read_exact(&mut [0; 5]).unwrap();
        drop(peer);
        assert_eq!(unread_by_peer(ours.as_fd()).unwrap(), 0);
    }

    #[test]
    fn what_is_no_connection_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(unacknowledged_bytes(listener.as_fd()).is_err());
        let file = tempfile::tempfile().unwrap();
        assert!(unacknowledged_bytes(file.as_fd()).is_err());
    }

    #[test]
    fn what_has_come_is_counted_until_it_is_read() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        assert_eq!(unread_bytes(ours.as_fd()).unwrap(), 0);
        theirs.write_all(b"hello").unwrap();
        assert_eq!(unread_bytes(ours.as_fd()).unwrap(), 5);
        (&ours).read_exact(&mut [0; 3]).unwrap();
        assert_eq!(unread_bytes(ours.as_fd()).unwrap(), 2);
    }

    #[test]
    fn asking_what_has_come_does_not_take_the_error_that_says_what_was_not_taken() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (&ours).write_all(b"unread").unwrap();
        drop(theirs);
        assert_eq!(unread_bytes(ours.as_fd()).unwrap(), 0);
        let error = unread_by_peer(ours.as_fd()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
