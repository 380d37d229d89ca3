//! The client half: gives an order, and waits for what becomes of it.

use super::interface::{Control, Refused};
use crate::domain::exit::Exit;
use std::io;
use std::path::Path;

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the socket.
    #[error("messengerd can't be reached at {socket}; is it running? (systemctl status messengerd)")]
    Nobody {
        /// The path.
        socket: String,
        /// What connect(2) said.
        #[source]
        source: io::Error,
    },
    /// The socket is not for everybody.
    #[error("not permitted: {socket} is for root and the group that it belongs to (ls -l {socket})")]
    NotPermitted {
        /// The path.
        socket: String,
    },
    /// The runtime or the socket can't be had.
    #[error("the system refused")]
    System(#[source] io::Error),
    /// The daemon went away, or closed the connection, before it answered.
    #[error("messengerd closed the connection without an answer; the journal may say why")]
    NoAnswer,
    /// The daemon stops.
    #[error("messengerd is stopping and takes no more orders")]
    Stopping,
    /// The daemon is older, or not ours.
    #[error("the messengerd that is running does not know this order; is it older than messengerctl?")]
    UnknownOrder(#[source] zlink::Error),
    /// Somebody else listens there.
    #[error("what listens at {socket} gave an answer that is not understood")]
    NotUnderstood {
        /// The path.
        socket: String,
        /// What is wrong with it.
        #[source]
        source: zlink::Error,
    },
    /// The new configuration was refused, and the old one holds.
    #[error("{}", .0.iter().map(|reason| format!("reload refused: {reason}")).collect::<Vec<_>>().join("\n"))]
    ReloadRefused(Vec<String>),
}

impl ClientError {
    /// What the shell is told.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Nobody { .. } | Self::NoAnswer | Self::Stopping => Exit::Unavailable,
            Self::NotPermitted { .. } => Exit::NoPermission,
            Self::System(_) => Exit::Os,
            Self::UnknownOrder(_) | Self::NotUnderstood { .. } => Exit::Protocol,
            Self::ReloadRefused(_) => Exit::Config,
        }
    }
}

/// Has the daemon that listens there read its configuration anew. When this returns, the new settings are in force.
///
/// # Errors
/// See [`ClientError`].
pub(super) fn reload(socket: &Path) -> Result<(), ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(ClientError::System)?;
    runtime.block_on(async {
        let mut connection = zlink::tokio::unix::connect(socket).await.map_err(|error| not_connected(socket, error))?;
        match connection.reload().await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Refused::ReloadRefused { reasons })) => Err(ClientError::ReloadRefused(reasons)),
            Ok(Err(Refused::Stopping)) => Err(ClientError::Stopping),
            Err(zlink::Error::Io(_) | zlink::Error::UnexpectedEof) => Err(ClientError::NoAnswer),
            Err(error @ zlink::Error::VarlinkService(_)) => Err(ClientError::UnknownOrder(error)),
            Err(source) => Err(ClientError::NotUnderstood { socket: socket.display().to_string(), source }),
        }
    })
}

fn not_connected(socket: &Path, error: zlink::Error) -> ClientError {
    let socket = socket.display().to_string();
    match error {
        zlink::Error::Io(source) if source.kind() == io::ErrorKind::PermissionDenied => {
            ClientError::NotPermitted { socket }
        }
        zlink::Error::Io(source) => ClientError::Nobody { socket, source },
        source => ClientError::NotUnderstood { socket, source },
    }
}
