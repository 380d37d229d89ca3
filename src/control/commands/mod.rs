//! What `messengerctl` can be asked for: one noun, one file.
//!
//! Errors: told on standard error with their causes; the shell gets a code of sysexits ([`ClientError::exit`]).
//!
//! Must not be here: what the daemon does. What is printed for people is a table or a sentence; with `--json` it is what
//! the daemon answered.

mod door;
mod invite;
mod names;
mod session;
mod user;

pub use door::{Door, House};

use super::ClientError;
use super::methods::Nothing;
use super::methods::reload::Reload;
use crate::config;
use crate::domain::exit::Exit;
use crate::host::journal::Chain;
use clap::CommandFactory;
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use std::io::{self, Write};

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
    /// Make, change and show accounts
    #[command(subcommand)]
    User(user::Command),
    /// Say who may sign up
    #[command(subcommand)]
    Invite(invite::Command),
    /// Show and end sessions
    #[command(subcommand)]
    Session(session::Command),
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

/// `messengerctl`, with the arguments, the environment and the standard streams of this process. A shell that wants a word
/// completed is answered first of all.
#[must_use]
pub fn main() -> Exit {
    clap_complete::CompleteEnv::with_factory(Arguments::command).completer("messengerctl").complete();
    match config::command::parse_arguments::<Arguments>() {
        Ok(arguments) => run(arguments),
        Err(exit) => exit,
    }
}

fn run(arguments: Arguments) -> Exit {
    let outcome = match arguments.command {
        Command::Config(command) => return config::command::run(&command),
        Command::User(command) => user::run(command),
        Command::Invite(command) => invite::run(command),
        Command::Session(command) => session::run(command),
        Command::Reload { door } => door.call::<Reload>(&Nothing {}).map(drop),
    };
    match outcome {
        Ok(()) => Exit::Ok,
        Err(error) => {
            // Nobody is left to be told when standard error is gone; the exit code says it as well.
            _ = writeln!(io::stderr(), "{}", Chain(&error));
            error.exit()
        }
    }
}

/// Writes to standard output.
fn print(text: &str) -> Result<(), ClientError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(ClientError::Output)
}

/// One line of JSON.
fn print_json(what: &impl Serialize) -> Result<(), ClientError> {
    let mut line = serde_json::to_string(what).expect("it has no keys that are no strings");
    line.push('\n');
    print(&line)
}

/// A moment, to the minute, in local time.
fn day(milliseconds: i64) -> String {
    let moment = Timestamp::from_millisecond(milliseconds).unwrap_or_default();
    moment.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}
