//! `messengerctl contacts`: who has whom on the list.

use super::door::House;
use super::{print, print_json};
use crate::control::ClientError;
use crate::control::methods::add_contact::{AddContact, Pair};
use crate::control::methods::list_contacts::ListContacts;
use crate::control::methods::remove_contact::RemoveContact;
use crate::control::methods::show_user::Whose;
use crate::terminal::table::Table;

/// What there is to do with contact lists.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List somebody's contacts
    List {
        /// Whose
        #[arg(add = super::names::logins())]
        login: String,
        /// One JSON object each
        #[arg(long)]
        json: bool,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
    /// Put somebody on somebody's list
    Add {
        /// Whose list
        #[arg(add = super::names::logins())]
        login: String,
        /// Whom
        #[arg(add = super::names::logins())]
        contact: String,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
    /// Take somebody off somebody's list
    Remove {
        /// Whose list
        #[arg(add = super::names::logins())]
        login: String,
        /// Whom
        #[arg(add = super::names::logins())]
        contact: String,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
}

pub(super) fn run(command: Command) -> Result<(), ClientError> {
    match command {
        Command::List { login, json, house } => {
            let mut table = Table::new(&["LOGIN", "STATUS"], &[]);
            house.open()?.stream::<ListContacts, ClientError>(Whose { login }, |part| {
                for contact in part.contacts {
                    if json {
                        print_json(&contact)?;
                    } else {
                        let status = match contact.online {
                            Some(true) => "online",
                            Some(false) => "offline",
                            None => "-",
                        };
                        table.row([contact.login, status.to_owned()]);
                    }
                }
                Ok(true)
            })?;
            if json { Ok(()) } else { print(&table.show()) }
        }
        Command::Add { login, contact, house } => {
            let pair = Pair { login: login.clone(), contact: contact.clone() };
            house.open()?.call::<AddContact>(pair)?;
            print(&format!("{login} has {contact} as a contact\n"))
        }
        Command::Remove { login, contact, house } => {
            let pair = Pair { login: login.clone(), contact: contact.clone() };
            let before =
                if house.open()?.call::<RemoveContact>(pair)?.removed { "no longer has" } else { "does not have" };
            print(&format!("{login} {before} {contact} as a contact\n"))
        }
    }
}
