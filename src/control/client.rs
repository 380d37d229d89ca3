//! The client half: calls a method, and waits for what becomes of it.

use super::LocalError;
use super::interface::{NAME, Refused};
use super::methods::{Answered, Method, Streamed};
use crate::domain::exit::Exit;
use crate::store::backup::{BackupError, RestoreError};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use tokio::runtime::Runtime;
use zlink::{Call, tokio::unix};

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
    /// No daemon runs, and without it it can't be done either.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// There is none to show it on.
    #[error("that needs a terminal; for scripts and files there is: messengerctl status")]
    NoTerminal,
    /// Standard output can't be written to.
    #[error("cannot write to standard output: {}", crate::terminal::plain(.0))]
    Output(io::Error),
    /// Standard input can't be read.
    #[error("cannot read standard input: {}", crate::terminal::plain(.0))]
    Input(io::Error),
    /// There is no password.
    #[error("{0}")]
    Password(String),
    /// A file can't be made or written.
    #[error("{said}")]
    File {
        /// Which, and why.
        said: String,
        /// What the shell is told.
        exit: Exit,
    },
    /// What can't be undone was not done: nobody has said yes.
    #[error("nothing was done: {0}")]
    NotConfirmed(String),
    /// A backup could not be taken to another folder.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A backup can't be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Another process of ours, which has said why.
    #[error("messengerctl backup: {0}")]
    Another(ExitStatus),
    /// The daemon would not do it, and says why.
    #[error("{}", .0.words())]
    Refused(Refused),
}

impl ClientError {
    /// What the shell is told.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Nobody { .. } | Self::NoAnswer => Exit::Unavailable,
            Self::NotPermitted { .. } => Exit::NoPermission,
            Self::System(_) => Exit::Os,
            Self::Local(error) => error.exit(),
            Self::Output(_) | Self::Input(_) => Exit::Io,
            Self::Password(_) => Exit::Data,
            Self::NoTerminal | Self::NotConfirmed(_) => Exit::Usage,
            Self::Backup(error) => error.exit(),
            Self::Restore(error) => error.exit(),
            Self::Another(status) => {
                let codes = [Exit::NoInput, Exit::Unavailable, Exit::TryLater, Exit::NoPermission, Exit::Config];
                codes.into_iter().find(|exit| status.code() == Some(*exit as i32)).unwrap_or(Exit::Io)
            }
            Self::File { exit, .. } => *exit,
            Self::UnknownOrder(_) | Self::NotUnderstood { .. } => Exit::Protocol,
            Self::Refused(refused) => match refused {
                Refused::ReloadRefused { .. } => Exit::Config,
                Refused::Stopping => Exit::Unavailable,
                Refused::NoSuchUser { .. } => Exit::NoUser,
                Refused::LoginTaken { .. }
                | Refused::NoSuchInvite { .. }
                | Refused::NoSuchSession { .. }
                | Refused::NotAcceptable { .. } => Exit::Data,
                Refused::NoBackup { .. } => Exit::Io,
                Refused::Busy => Exit::TryLater,
                Refused::Failed { .. } => Exit::Software,
            },
        }
    }
}

/// A connection to the daemon that listens at a path.
pub(super) struct Client {
    runtime: Runtime,
    connection: unix::Connection,
    socket: PathBuf,
}

/// A method's call as it goes over the wire.
#[derive(Debug, Serialize)]
struct Calling<'a, Parameters> {
    method: String,
    parameters: &'a Parameters,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(super) fn connect(socket: &Path) -> Result<Self, ClientError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ClientError::System)?;
        let connection =
            runtime.block_on(zlink::tokio::unix::connect(socket)).map_err(|error| not_connected(socket, error))?;
        Ok(Self { runtime, connection, socket: socket.to_owned() })
    }

    /// Calls a method, and has its answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(super) fn call<M: Answered>(&mut self, parameters: &M::Parameters) -> Result<M::Reply, ClientError> {
        self.send::<M>(parameters, false)?;
        Ok(self.receive::<M>()?.0)
    }

    /// Calls a method with a long answer: `part` sees each part of it, the last one too, and says whether to go on.
    ///
    /// # Errors
    /// See [`ClientError`]; and those of `part`.
    pub(super) fn stream<M: Streamed, E: From<ClientError>>(
        &mut self,
        parameters: &M::Parameters,
        mut part: impl FnMut(M::Reply) -> Result<bool, E>,
    ) -> Result<(), E> {
        self.send::<M>(parameters, true)?;
        loop {
            let (reply, continues) = self.receive::<M>()?;
            if !part(reply)? || !continues {
                return Ok(());
            }
        }
    }

    fn send<M: Method>(&mut self, parameters: &M::Parameters, more: bool) -> Result<(), ClientError> {
        let calling = Calling { method: format!("{NAME}.{}", M::NAME), parameters };
        let call = Call::new(calling).set_more(more);
        let sent = self.runtime.block_on(self.connection.send_call(&call, Vec::new()));
        sent.map_err(|error| failed(&self.socket, error))
    }

    fn receive<M: Method>(&mut self) -> Result<(M::Reply, bool), ClientError> {
        let received = self.runtime.block_on(self.connection.receive_reply::<serde_json::Value, Refused>());
        let (reply, _) = received.map_err(|error| failed(&self.socket, error))?;
        let reply = reply.map_err(ClientError::Refused)?;
        let continues = reply.continues().unwrap_or_default();
        let parameters = reply.into_parameters().unwrap_or_else(|| serde_json::Map::new().into());
        let reply = serde_json::from_value(parameters).map_err(|error| failed(&self.socket, error.into()))?;
        Ok((reply, continues))
    }
}

fn failed(socket: &Path, error: zlink::Error) -> ClientError {
    match error {
        zlink::Error::Io(_) | zlink::Error::UnexpectedEof => ClientError::NoAnswer,
        error @ zlink::Error::VarlinkService(_) => ClientError::UnknownOrder(error),
        source => ClientError::NotUnderstood { socket: socket.display().to_string(), source },
    }
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
