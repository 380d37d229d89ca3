//! `messengerd`: the daemon. It parses its arguments and makes one call.

#![forbid(unsafe_code)]

use messengerd::config::command;
use messengerd::daemon;
use std::process::ExitCode;

fn main() -> ExitCode {
    match command::parse_arguments() {
        Ok(arguments) => daemon::run(arguments).into(),
        Err(exit) => exit.into(),
    }
}
