//! `messengerctl`: the administrator's tool. It makes one call.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    messengerd::control::commands::main().into()
}
