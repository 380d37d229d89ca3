//! Accepts connections from a listening socket, within limits.
//!
//! Errors: what a stranger or the moment can cause (an aborted connection, no descriptors left) never ends the loop;
//! only a broken listener does, and that is returned.
//!
//! Must not be here: bytes of a protocol, sessions.

use crate::connection::{Connection, Refused, Shared, Stream};
use crate::domain::{Peer, Source};
use nix::errno::Errno;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};

/// A listening socket of either kind, on the runtime.
pub enum Listener {
    /// tcp(7)
    Tcp(TcpListener),
    /// unix(7)
    Unix(UnixListener),
}

/// First and longest pause after the machine ran out of something.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Accepts until the daemon stops.
///
/// What there is no room for is accepted and closed, so that the peer knows. The journal is told once: of all together when
/// there is no room for anybody, else of each source, until it has another connection.
///
/// # Errors
/// When the listener itself is broken.
pub async fn accept(listener: Listener, shared: Arc<Shared>) -> io::Result<()> {
    let mut pause = PAUSE.0;
    let mut full = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return Ok(()),
            accepted = next(&listener) => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => match Trouble::of(&error) {
                Trouble::Passing => continue,
                Trouble::OutOf => {
                    if pause == PAUSE.0 {
                        tracing::error!(%error, "no connection can be accepted for the moment");
                    }
                    tokio::select! {
                        () = shared.stop.cancelled() => return Ok(()),
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(PAUSE.1);
                    continue;
                }
                Trouble::Broken => return Err(error),
            },
        };
        pause = PAUSE.0;
        let source = Source::from(peer);
        let admitted = shared.connections.admit(source, &shared, |seat| {
            tracing::debug!(%peer, protocol = "classic", "connection accepted");
            Connection::new(stream, peer, seat, Arc::clone(&shared))
        });
        shared.counts.came(&admitted);
        let news = match &admitted {
            Ok(()) => false,
            Err(Refused::Full) => !full,
            Err(_) => shared.connections.is_news(source),
        };
        if news && let Err(refused) = &admitted {
            tracing::warn!(%peer, "closed at once: {refused}");
        }
        full = admitted == Err(Refused::Full);
    }
}

async fn next(listener: &Listener) -> io::Result<(Stream, Peer)> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            Ok((Stream::Tcp(stream.into_std()?), Peer::Tcp(address)))
        }
        Listener::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            let user = stream.peer_cred()?.uid();
            Ok((Stream::Unix(stream.into_std()?), Peer::Unix { user }))
        }
    }
}

/// What an error of accept(2) means for the loop.
enum Trouble {
    /// That connection is gone; the next may be well.
    Passing,
    /// The machine has no descriptors or no memory, or it is something that we don't know: wait, and try again.
    OutOf,
    /// Nothing can ever be accepted here.
    Broken,
}

impl Trouble {
    fn of(error: &io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EBADF | Errno::EINVAL | Errno::ENOTSOCK | Errno::EOPNOTSUPP | Errno::EFAULT) => Self::Broken,
            // accept(2) passes on whatever happened to the connection meanwhile; the list is the manual page's.
            Some(
                Errno::ECONNABORTED
                | Errno::EHOSTDOWN
                | Errno::EHOSTUNREACH
                | Errno::EINTR
                | Errno::ENETDOWN
                | Errno::ENETUNREACH
                | Errno::ENONET
                | Errno::ENOPROTOOPT
                | Errno::EPERM
                | Errno::EPROTO,
            ) => Self::Passing,
            _ => Self::OutOf,
        }
    }
}
