//! `messengerctl`: the administrator's tool. It parses its arguments and makes one call.

#![forbid(unsafe_code)]

use messengerd::config::command::parse_arguments;
use messengerd::control::command::{self, Arguments};
use std::process::ExitCode;

fn main() -> ExitCode {
    match parse_arguments::<Arguments>() {
        Ok(arguments) => command::run(&arguments).into(),
        Err(exit) => exit.into(),
    }
}
