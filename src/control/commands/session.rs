//! `messengerctl session`: who is logged in, and from where.

use super::door::Door;
use super::{print, print_json};
use crate::control::ClientError;
use crate::control::methods::kill_sessions::{KillSessions, Those};
use crate::control::methods::list_sessions::{ListSessions, Whose};
use crate::terminal::table::Table;

/// What there is to do with sessions.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List all sessions, or those of one account
    List {
        /// Of this account alone
        #[arg(add = super::names::logins())]
        login: Option<String>,
        /// One JSON object each
        #[arg(long)]
        json: bool,
        /// Where the daemon listens.
        #[command(flatten)]
        door: Door,
    },
    /// End a session, or all of an account; whoever had it may log in again
    ///
    /// To keep somebody out, disable the account or change its password.
    Kill {
        /// The number of a session, as "session list" shows it
        #[arg(long, value_name = "NUMBER", required_unless_present = "login", conflicts_with = "login")]
        number: Option<u64>,
        /// All of this account
        #[arg(add = super::names::logins())]
        login: Option<String>,
        /// Where the daemon listens.
        #[command(flatten)]
        door: Door,
    },
}

pub(super) fn run(command: Command) -> Result<(), ClientError> {
    match command {
        Command::List { login, json, door } => {
            let mut table = Table::new(&["NUMBER", "LOGIN", "FROM"], &[0]);
            door.open()?.stream::<ListSessions, ClientError>(&Whose { login }, |part| {
                for session in part.sessions {
                    if json {
                        print_json(&session)?;
                    } else {
                        table.row([session.number.to_string(), session.login, session.peer]);
                    }
                }
                Ok(true)
            })?;
            if json { Ok(()) } else { print(&table.show()) }
        }
        Command::Kill { number, login, door } => {
            let ended = door.call::<KillSessions>(&Those { login, number })?;
            let sessions = if ended.sessions == 1 { "session has" } else { "sessions have" };
            print(&format!("{} {sessions} ended\n", ended.sessions))
        }
    }
}
