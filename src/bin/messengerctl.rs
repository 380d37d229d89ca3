//! `messengerctl`: the administrator's tool. It parses its arguments and makes one call.

use messengerd::config::command::{self, Administration, Arguments};
use std::process::ExitCode;

fn main() -> ExitCode {
    match command::parse_arguments() {
        Ok(Arguments { command: Administration::Config(command) }) => command::run(&command).into(),
        Err(exit) => exit.into(),
    }
}
