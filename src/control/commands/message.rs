//! `messengerctl message`: what the server has to say to people.

use super::door::House;
use super::print;
use crate::control::ClientError;
use crate::control::methods::send_message::{Notice, SendMessage};
use std::io::{self, Read};

/// Longer than any message may be.
const MOST: u64 = 16 * 1024 * 1024;

/// What there is to do with messages.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write to one account, or to all
    ///
    /// It comes from a name that is nobody's, so that people can tell. Whoever is offline finds it when they log in.
    Send {
        /// To whom
        #[arg(long, value_name = "LOGIN", required_unless_present = "all", conflicts_with = "all", add = super::names::logins())]
        to: Option<String>,
        /// To everybody
        #[arg(long)]
        all: bool,
        /// In whose name; there must be no person with it
        #[arg(long, value_name = "NAME", default_value = "SYSTEM")]
        from: String,
        /// What to say; "-" reads it from standard input
        text: String,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
}

pub(super) fn run(command: Command) -> Result<(), ClientError> {
    let Command::Send { to, all: _, from, text, house } = command;
    let text = if text == "-" { standard_input()? } else { text };
    let mut messages = 0;
    house.open()?.stream::<SendMessage, ClientError>(Notice { from, to, text }, |sent| {
        messages = sent.messages;
        Ok(true)
    })?;
    print(&format!("{messages} {} written\n", if messages == 1 { "message was" } else { "messages were" }))
}

fn standard_input() -> Result<String, ClientError> {
    let mut text = String::new();
    io::stdin().lock().take(MOST).read_to_string(&mut text).map_err(ClientError::Input)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
