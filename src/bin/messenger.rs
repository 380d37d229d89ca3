//! `messenger`: a terminal client for people who talk through a messengerd server.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    messengerd::client::run(std::env::args_os()).into()
}
