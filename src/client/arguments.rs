//! The command line.

use super::names;
use crate::domain::InviteCode;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};
use clap_complete::ArgValueCandidates;
use std::path::PathBuf;
use std::time::Duration;

/// Talk to people through a messengerd server.
#[derive(Debug, Parser)]
#[command(name = "messenger", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) given: Given,
    #[command(subcommand)]
    pub(super) command: Command,
}

const AFTER_HELP: &str = "\
A first conversation:
  messenger signup ann        make an account
  messenger login ann         remember who you are
  messenger add bob           put somebody on your contact list
  messenger chat bob          talk";

/// What holds for every command.
#[derive(Debug, Args)]
pub(super) struct Given {
    /// The server: HOST, HOST:PORT, or the path of a UNIX socket [default: the remembered one, else 127.0.0.1:54321]
    #[arg(long, global = true, env = "MESSENGER_SERVER", value_name = "SERVER")]
    pub(super) server: Option<String>,
    /// Who you are [default: the remembered login]
    #[arg(long = "login", global = true, env = "MESSENGER_LOGIN", value_name = "LOGIN")]
    pub(super) login: Option<String>,
    /// Take the password from the first line of FILE; `-` is standard input
    #[arg(long, global = true, env = "MESSENGER_PASSWORD_FILE", value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) password_file: Option<PathBuf>,
    /// How long the server may take to answer: seconds, or as `1m 30s`
    #[arg(long, global = true, value_name = "TIME", default_value = "10s", value_parser = parse_timeout)]
    pub(super) timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an account
    Signup {
        /// The login that you want
        #[arg(id = "new_login", value_name = "LOGIN")]
        login: Option<String>,
        /// Your e-mail address; asked for when it is left out
        #[arg(long, value_name = "ADDRESS", value_hint = clap::ValueHint::EmailAddress)]
        email: Option<String>,
        /// The code of an invite, where the server wants one
        #[arg(long, value_name = "CODE", value_parser = InviteCode::parse)]
        invite: Option<InviteCode>,
    },
    /// Check the password, and remember server and login as your defaults
    Login {
        /// Your login
        #[arg(id = "own_login", value_name = "LOGIN")]
        login: Option<String>,
    },
    /// List your contacts, and who of them is online
    Contacts {
        /// Write one JSON array of {"login", "online"}
        #[arg(long)]
        json: bool,
    },
    /// Put somebody on your contact list
    Add {
        /// Their login
        name: String,
    },
    /// Take somebody off your contact list
    Remove {
        /// Their login
        #[arg(add = ArgValueCandidates::new(names::candidates))]
        name: String,
    },
    /// Get no messages of somebody, and be offline to them; they can't tell
    Block {
        /// Their login
        #[arg(add = ArgValueCandidates::new(names::candidates))]
        name: String,
    },
    /// Get messages of somebody again: those that they write from now on
    Unblock {
        /// Their login
        #[arg(add = ArgValueCandidates::new(names::candidates))]
        name: String,
    },
    /// Show what you and somebody have written to each other, or all that stands in your mailbox
    History {
        /// With whom; everybody when it is left out
        #[arg(add = ArgValueCandidates::new(names::candidates))]
        name: Option<String>,
        /// The newest so many
        #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        count: u32,
        /// Of those before this number
        #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64))]
        before: Option<u64>,
        /// Write one JSON object for each message
        #[arg(long)]
        json: bool,
    },
    /// Give your account another password; your other sessions end
    Passwd {
        /// Take the new password from the first line of FILE
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        new_password_file: Option<PathBuf>,
    },
    /// Delete your account for good: contacts, messages, and nobody gets its login
    Delete {
        /// Do not ask whether that is meant
        #[arg(long)]
        yes: bool,
    },
    /// Send a message: the rest of the line, else standard input
    Send {
        /// To whom
        #[arg(add = ArgValueCandidates::new(names::candidates))]
        name: String,
        /// What; several words are joined by spaces
        #[arg(value_name = "TEXT", trailing_var_arg = true, allow_hyphen_values = true)]
        text: Vec<String>,
    },
    /// Talk to somebody: what comes in appears while you type
    Chat {
        /// With whom
        #[arg(add = ArgValueCandidates::new(names::candidates))]
        name: String,
    },
    /// Print what arrives, until Ctrl-C or SIGTERM
    Listen {
        /// Write one JSON object for each message and each change of a contact's status
        #[arg(long)]
        json: bool,
    },
    /// Print the code that completes commands and names in a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        shell: String,
    },
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let time = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text).map_err(|error| error.to_string())?,
    };
    if time.is_zero() { Err("no time at all".to_owned()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &[&str]) -> Cli {
        Cli::try_parse_from(std::iter::once("messenger").chain(line.iter().copied())).unwrap()
    }

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_text_is_taken_as_it_stands_even_when_it_looks_like_a_flag() {
        let Command::Send { name, text } = parse(&["send", "bob", "well", "--", "-n", "--login"]).command else {
            panic!("not send");
        };
        assert_eq!((name.as_str(), text.join(" ").as_str()), ("bob", "well -- -n --login"));
    }

    #[test]
    fn flags_for_every_command_stand_before_or_behind_it() {
        for line in [["--login", "ann", "contacts"], ["contacts", "--login", "ann"]] {
            assert_eq!(parse(&line).given.login.as_deref(), Some("ann"));
        }
    }

    #[test]
    fn a_timeout_is_seconds_or_words() {
        for (text, seconds) in [("3", 3), ("3s", 3), ("1m 30s", 90)] {
            assert_eq!(parse(&["--timeout", text, "contacts"]).given.timeout.as_secs(), seconds);
        }
        for bad in ["0", "soon", "-1", ""] {
            assert!(parse_timeout(bad).is_err(), "{bad}");
        }
    }
}
