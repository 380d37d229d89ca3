//! Where the daemon listens, and what is done when it does not.

use crate::config::Sources;
use crate::control::client::Client;
use crate::control::local::Local;
use crate::control::methods::{Answered, Streamed};
use crate::control::{ClientError, SOCKET};
use crate::terminal::say;
use std::path::PathBuf;

/// Where the daemon listens: what all commands share that talk to it.
#[derive(Debug, clap::Args)]
pub struct Door {
    /// The daemon's control socket
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    pub socket: PathBuf,
}

impl Door {
    /// Knocks.
    pub(super) fn open(&self) -> Result<Client, ClientError> {
        Client::connect(&self.socket)
    }

    /// Knocks, calls one method, and leaves.
    pub(super) fn call<M: Answered>(&self, parameters: &M::Parameters) -> Result<M::Reply, ClientError> {
        self.open()?.call::<M>(parameters)
    }
}

/// The door, and where the configuration is that names the database: what commands share that need no daemon.
#[derive(Debug, clap::Args)]
pub struct House {
    /// Where the daemon listens.
    #[command(flatten)]
    pub door: Door,
    /// Where it is said which database it has.
    #[command(flatten)]
    pub sources: Sources,
}

/// Who does it.
pub(super) enum Hands {
    /// The daemon.
    Daemon(Box<Client>),
    /// This process, since none runs.
    Ours(Box<Local>),
}

impl House {
    /// Knocks. Where nobody listens, it is done without, and that is said.
    pub(super) fn open(&self) -> Result<Hands, ClientError> {
        match self.door.open() {
            Ok(client) => Ok(Hands::Daemon(Box::new(client))),
            Err(ClientError::Nobody { socket, .. }) => {
                let local = Local::open(&self.sources)?;
                say(&format!("messengerctl: nobody listens at {socket}: working on the database without messengerd\n"));
                Ok(Hands::Ours(Box::new(local)))
            }
            Err(error) => Err(error),
        }
    }
}

impl Hands {
    /// Calls a method.
    pub(super) fn call<M: Answered>(&mut self, parameters: M::Parameters) -> Result<M::Reply, ClientError> {
        match self {
            Self::Daemon(client) => client.call::<M>(&parameters),
            Self::Ours(local) => local.call::<M>(parameters),
        }
    }

    /// Calls a method with a long answer: `part` sees each part, and says whether to go on.
    pub(super) fn stream<M: Streamed, E: From<ClientError>>(
        &mut self,
        parameters: M::Parameters,
        part: impl FnMut(M::Reply) -> Result<bool, E>,
    ) -> Result<(), E> {
        match self {
            Self::Daemon(client) => client.stream::<M, E>(&parameters, part),
            Self::Ours(local) => local.stream::<M, E>(parameters, part),
        }
    }
}
