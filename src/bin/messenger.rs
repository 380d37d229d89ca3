//! `messenger`: a terminal client for people who talk through a messengerd server.

use std::process::ExitCode;

fn main() -> ExitCode {
    messengerd::client::run(std::env::args_os()).into()
}
