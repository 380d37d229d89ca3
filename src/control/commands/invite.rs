//! `messengerctl invite`: who may sign up.

use super::door::House;
use super::{day, print, print_json};
use crate::control::ClientError;
use crate::control::methods::Nothing;
use crate::control::methods::create_invite::{CreateInvite, Created, NewInvite};
use crate::control::methods::list_invites::{Invite, ListInvites};
use crate::control::methods::revoke_invite::{RevokeInvite, Which};
use crate::terminal::table::Table;
use std::time::Duration;

/// What there is to do with invites.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make an invite, and say how it is used
    Create {
        /// How many accounts it makes
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        uses: u32,
        /// For how long, such as 7days; for ever, if it is not said
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
    /// List all invites, also those that are used up or expired
    List {
        /// One JSON object each
        #[arg(long)]
        json: bool,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
    /// Take an invite back; accounts that were made with it stay
    Revoke {
        /// Its code
        code: String,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
}

pub(super) fn run(command: Command) -> Result<(), ClientError> {
    match command {
        Command::Create { uses, expires, json, house } => {
            let seconds = expires.map(|expires| expires.as_secs());
            let created = house.open()?.call::<CreateInvite>(NewInvite { uses: Some(uses), seconds })?;
            if json { print_json(&created.invite) } else { print(&how_to_use(&created)) }
        }
        Command::List { json, house } => {
            let mut table = Table::new(&["CODE", "STATE", "USED", "OF", "UNTIL", "SINCE", "BY"], &[2, 3]);
            house.open()?.stream::<ListInvites, ClientError>(Nothing {}, |part| {
                for invite in part.invites {
                    if json {
                        print_json(&invite)?;
                    } else {
                        let until = invite.expires_at.map_or_else(|| "for ever".to_owned(), day);
                        let (used, uses) = (invite.used.to_string(), invite.uses.to_string());
                        let state = state(&invite).to_owned();
                        table.row([invite.code, state, used, uses, until, day(invite.created_at), invite.created_by]);
                    }
                }
                Ok(true)
            })?;
            if json { Ok(()) } else { print(&table.show()) }
        }
        Command::Revoke { code, house } => {
            house.open()?.call::<RevokeInvite>(Which { code: code.clone() })?;
            print(&format!("the invite {code} makes no accounts any more\n"))
        }
    }
}

fn state(invite: &Invite) -> &'static str {
    match invite {
        Invite { good: true, .. } => "good",
        invite if invite.used >= invite.uses => "used up",
        _ => "expired",
    }
}

fn how_to_use(Created { invite, sign_up }: &Created) -> String {
    let code = &invite.code;
    let uses = if invite.uses == 1 { "one account".to_owned() } else { format!("{} accounts", invite.uses) };
    let until = invite.expires_at.map_or_else(String::new, |at| format!(", until {}", day(at)));
    let note = match sign_up.as_str() {
        "open" => "At this moment everybody may sign up (accounts.sign_up = \"open\"): nobody needs it.\n",
        "closed" => "At this moment nobody may sign up (accounts.sign_up = \"closed\"), with an invite neither.\n",
        _ => "",
    };
    format!(
        "{code}\n\n\
         It is good for {uses}{until}. To use it:\n\
         \x20   messenger --server HOST signup LOGIN --email ADDRESS --invite {code}\n\
         or, in any other client, behind the e-mail address and a space:\n\
         \x20   ann@example.org {code}\n{note}"
    )
}
