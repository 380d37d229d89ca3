//! `messengerctl log`: what the journal gets.

use super::door::Door;
use super::print;
use crate::control::ClientError;
use crate::control::methods::set_log_level::{Level, SetLogLevel};

/// What there is to do with the log.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Log more or less, until the next reload or restart
    Level {
        /// From which level on
        #[arg(value_parser = ["error", "warn", "info", "debug", "trace"])]
        level: String,
        /// Where the daemon listens.
        #[command(flatten)]
        door: Door,
    },
}

pub(super) fn run(command: Command) -> Result<(), ClientError> {
    let Command::Level { level, door } = command;
    door.call::<SetLogLevel>(&Level { level: level.clone() })?;
    print(&format!("messengerd logs from {level} on, until the next reload or restart\n"))
}
