//! What `messengerctl` can be asked for: one noun, one file.
//!
//! Errors: told on standard error with their causes; the shell gets a code of sysexits ([`ClientError::exit`]).
//!
//! Must not be here: what the daemon does. What is printed for people is a table or a sentence; with `--json` it is what
//! the daemon answered.

mod backup;
mod configuration;
mod contacts;
mod door;
mod export;
mod invite;
mod log;
mod message;
mod names;
mod restore;
mod retention;
mod session;
mod status;
mod top;
mod user;

pub use door::{Door, House};

use super::methods::Nothing;
use super::methods::reload::Reload;
use super::{Caller, ClientError};
use crate::config;
use crate::domain::exit::Exit;
use crate::host::journal::{self, Chain};
use crate::terminal::credentials;
use clap::CommandFactory;
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;

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
    /// Say how messengerd is: who is online, what waits, how long things take
    ///
    /// What is counted is counted from the start of the daemon. Where none runs, that is said, with what the database
    /// knows; then the exit code is 3, as that of "systemctl status".
    Status {
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Where the daemon and its database are.
        #[command(flatten)]
        house: House,
    },
    /// Show how messengerd is, live, in the terminal; q quits
    Top {
        /// How often to look
        #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
        every: Duration,
        /// Where the daemon listens.
        #[command(flatten)]
        door: Door,
    },
    /// Check, show or explain the configuration
    #[command(subcommand)]
    Config(configuration::Command),
    /// Make, change and show accounts
    #[command(subcommand)]
    User(user::Command),
    /// Say who may sign up
    #[command(subcommand)]
    Invite(invite::Command),
    /// Show and end sessions
    #[command(subcommand)]
    Session(session::Command),
    /// Show and change contact lists
    #[command(subcommand)]
    Contacts(contacts::Command),
    /// Write to people in the server's name
    #[command(subcommand)]
    Message(message::Command),
    /// Make a backup, while messengerd runs or not
    ///
    /// It has all that was committed before it began, in one file with a manifest beside it, and was checked. Nobody
    /// waits for it. If it can't be made, those that were there before are as they were.
    Backup(backup::Arguments),
    /// Put a backup in the place of the database, or see whether that could be done
    ///
    /// messengerd has to be stopped. A backup that is damaged, incomplete or of a later release is refused before anything
    /// is touched. The database of before is moved aside and kept.
    Restore(restore::Arguments),
    /// Say how long mailboxes keep messages
    #[command(subcommand)]
    Retention(retention::Command),
    /// Say what the journal gets
    #[command(subcommand)]
    Log(log::Command),
    /// Have the running daemon take the new configuration, and say what became of it
    ///
    /// It waits for the outcome. On success the new settings are in force. Otherwise nothing of them is, all that is
    /// wrong or needs a restart is said on standard error, and the daemon goes on with what it had.
    Reload {
        /// It always waits; scripts may say so
        #[arg(long)]
        wait: bool,
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
        Command::Config(command) => match configuration::run(command) {
            Ok(exit) => return exit,
            Err(error) => Err(error),
        },
        Command::Status { json, house } => match status::run(json, &house) {
            Ok(exit) => return exit,
            Err(error) => Err(error),
        },
        Command::Top { every, door } => top::run(&door, every),
        Command::User(command) => user::run(command),
        Command::Invite(command) => invite::run(command),
        Command::Session(command) => session::run(command),
        Command::Contacts(command) => contacts::run(command),
        Command::Message(command) => message::run(command),
        Command::Backup(arguments) => backup::run(arguments),
        Command::Restore(arguments) => restore::run(arguments),
        Command::Retention(command) => retention::run(command),
        Command::Log(command) => log::run(command),
        Command::Reload { wait: _, door } => door.call::<Reload>(&Nothing {}).map(drop),
    };
    match outcome {
        Ok(()) => Exit::Ok,
        Err(error) => {
            if let ClientError::NotPermitted { .. } = error {
                note_refusal(&error);
            }
            // Nobody is left to be told when standard error is gone; the exit code says it as well.
            _ = writeln!(io::stderr(), "{}", Chain(&error));
            error.exit()
        }
    }
}

/// Who may not use the socket is refused by the kernel, which tells nobody. The journal has it from us, and says itself
/// whose process it was.
fn note_refusal(error: &ClientError) {
    if journal::is_there() && journal::start(journal::Format::Journal, LevelFilter::WARN).is_ok() {
        tracing::warn!(audit = 1, peer = %Caller::ourselves(), %error, "messengerctl refused");
    }
}

/// Writes to standard output.
fn print(text: &str) -> Result<(), ClientError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(ClientError::Output)
}

/// Asks before something is done that can't be undone.
///
/// # Errors
/// [`ClientError::NotConfirmed`]: the answer was another, or there was nobody to ask.
fn confirm(what: &str) -> Result<(), ClientError> {
    let answer = credentials::question(&format!("{what} [y/N]"), "give --yes")
        .map_err(|error| ClientError::NotConfirmed(error.to_string()))?;
    if ["y", "yes"].contains(&answer.to_lowercase().as_str()) {
        return Ok(());
    }
    Err(ClientError::NotConfirmed("the answer was not yes".to_owned()))
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
