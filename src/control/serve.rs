//! The server half: takes connections, a few at a time.

use super::service::Service;
use super::stream::Bounded;
use super::{Caller, Desk};
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use zlink::{ReadyListener, Server};

/// Control connections at the same time. One more is closed at once.
pub const CONNECTIONS: usize = 8;

/// Between two attempts to accept, after one that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes connections and answers them, until dropped; then they are closed.
///
/// Runs within a [`LocalSet`](tokio::task::LocalSet), since zlink's server stays on the thread on which it began.
pub async fn serve(listener: UnixListener, desk: Rc<Desk>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = accept(&listener) => match accepted {
                Ok((stream, caller)) if connections.len() < CONNECTIONS => {
                    connections.spawn_local(converse(stream, caller, Rc::clone(&desk)));
                }
                Ok((_, caller)) => {
                    tracing::warn!(
                        peer = %caller,
                        "control connection closed at once: there are {CONNECTIONS} already"
                    );
                }
                Err(error) => {
                    tracing::warn!(%error, "no control connection can be accepted for the moment");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: &UnixListener) -> io::Result<(UnixStream, Caller)> {
    let (stream, _) = listener.accept().await?;
    let caller = Caller::of(&stream)?;
    Ok((stream, caller))
}

pub(super) async fn converse(stream: UnixStream, caller: Caller, desk: Rc<Desk>) {
    let (stream, over) = Bounded::new(stream, caller);
    tracing::debug!(peer = %caller, "control connection accepted");
    let outcome = Server::new(ReadyListener::new(stream), Service { caller, desk }).run().await;
    match outcome {
        Ok(()) if !over.get() => tracing::warn!(peer = %caller, "control connection closed: what came is no call"),
        Ok(()) => tracing::debug!(peer = %caller, "control connection closed"),
        Err(error) => tracing::warn!(peer = %caller, %error, "control connection closed"),
    }
}
