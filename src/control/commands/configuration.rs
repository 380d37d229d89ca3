//! `messengerctl config`: what the files say, and what the daemon goes by.

use super::door::Door;
use super::{print, print_json};
use crate::config::{self, Sources, Taken, command};
use crate::control::methods::Nothing;
use crate::control::methods::get_configuration::GetConfiguration;
use crate::control::{ClientError, LocalError};
use crate::domain::exit::Exit;
use crate::terminal::table::Table;
use serde::Serialize;

/// A command about the configuration.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// What needs no daemon.
    #[command(flatten)]
    Files(command::Command),
    /// Show what a reload or a restart would change: the running daemon against the files
    ///
    /// Variables MESSENGERD_… are those of this shell, not those that the service gets from its unit.
    Diff {
        /// One JSON object for each key
        #[arg(long)]
        json: bool,
        /// Where the daemon listens.
        #[command(flatten)]
        door: Door,
        /// Where it is read from.
        #[command(flatten)]
        sources: Sources,
    },
}

/// A key that would change.
#[derive(Debug, Serialize)]
struct Change<'a> {
    key: &'a str,
    running: &'a str,
    file: &'a str,
    origin: &'a str,
    taken: &'a str,
}

pub(super) fn run(command: Command) -> Result<Exit, ClientError> {
    match command {
        Command::Files(command) => Ok(command::run(&command)),
        Command::Diff { json, door, sources } => diff(json, &door, &sources).map(|()| Exit::Ok),
    }
}

fn diff(json: bool, door: &Door, sources: &Sources) -> Result<(), ClientError> {
    let running = door.call::<GetConfiguration>(&Nothing {})?;
    let loaded = config::load(sources).map_err(LocalError::Config)?;
    let mut table = Table::new(&["KEY", "RUNNING", "FILES", "FROM", "TAKEN BY"], &[]);
    let mut changes = 0;
    for entry in loaded.entries() {
        let file = entry.value_text();
        let Some(now) = running.entries.iter().find(|now| now.key == entry.path()) else { continue };
        if now.value == file {
            continue;
        }
        changes += 1;
        let taken = match entry.taken() {
            Taken::Reload => "reload",
            Taken::Restart => "restart",
        };
        if json {
            let (key, running, origin) = (entry.path(), now.value.as_str(), entry.origin());
            print_json(&Change { key, running, file: &file, origin, taken })?;
        } else {
            let [key, origin, taken] = [entry.path(), entry.origin(), taken].map(ToOwned::to_owned);
            table.row([key, now.value.clone(), file, origin, taken]);
        }
    }
    match (json, changes) {
        (true, _) => Ok(()),
        (false, 0) => print("the daemon goes by what the files say\n"),
        (false, _) => print(&table.show()),
    }
}
