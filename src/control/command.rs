//! What `messengerctl` can be asked for.

use super::{ClientError, SOCKET, client};
use crate::config;
use crate::domain::exit::Exit;
use crate::host::journal::Chain;
use std::io::{self, Write};
use std::path::PathBuf;

/// Look after messengerd
#[derive(Debug, clap::Parser)]
#[command(name = "messengerctl", version)]
pub struct Arguments {
    /// What to look after.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to look after.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Check, show or explain the configuration
    #[command(subcommand)]
    Config(config::command::Command),
    /// Have the running daemon take the new configuration, and say what became of it
    ///
    /// It waits for the outcome. On success the new settings are in force. Otherwise nothing of them is, all that is
    /// wrong or needs a restart is said on standard error, and the daemon goes on with what it had.
    Reload {
        /// Where the daemon listens.
        #[command(flatten)]
        door: Door,
    },
}

/// Where the daemon listens: what all commands share that talk to it.
#[derive(Debug, clap::Args)]
pub struct Door {
    /// The daemon's control socket
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    pub socket: PathBuf,
}

/// Does it, with the environment and the standard streams of this process.
#[must_use]
pub fn run(arguments: &Arguments) -> Exit {
    match &arguments.command {
        Command::Config(command) => config::command::run(command),
        Command::Reload { door } => report(client::reload(&door.socket)),
    }
}

fn report(outcome: Result<(), ClientError>) -> Exit {
    match outcome {
        Ok(()) => Exit::Ok,
        Err(error) => {
            // Nobody is left to be told when standard error is gone; the exit code says it as well.
            _ = writeln!(io::stderr(), "{}", Chain(&error));
            error.exit()
        }
    }
}
