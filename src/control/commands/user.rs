//! `messengerctl user`: accounts.

use super::door::{Hands, House};
use super::{confirm, day, print, print_json};
use crate::accounts::{self, Parameters};
use crate::control::ClientError;
use crate::control::methods::add_user::{AddUser, NewUser};
use crate::control::methods::delete_user::DeleteUser;
use crate::control::methods::get_password_policy::GetPasswordPolicy;
use crate::control::methods::list_users::{self, ListUsers, User};
use crate::control::methods::set_disabled::{Disabled, SetDisabled};
use crate::control::methods::set_password::{NewPassword, SetPassword};
use crate::control::methods::show_user::{ShowUser, Shown, Whose};
use crate::control::methods::{Nothing, kill_sessions::Killed};
use crate::domain::Secret;
use crate::terminal::credentials::Source;
use crate::terminal::progress::Progress;
use crate::terminal::table::Table;
use std::fmt::Write as _;
use std::path::PathBuf;

/// What there is to do with accounts.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make an account, whoever may sign up
    Add {
        /// The login
        login: String,
        /// Where its owner can be written to
        #[arg(long, value_name = "ADDRESS")]
        email: String,
        /// How the password is given.
        #[command(flatten)]
        password: PasswordFrom,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
    /// List all accounts
    List {
        /// One JSON object each
        #[arg(long)]
        json: bool,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
    /// Show one account: all but its password and its messages
    Show {
        /// Whose
        #[arg(add = super::names::logins())]
        login: String,
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
    /// Give an account another password; its sessions end
    Passwd {
        /// Whose
        #[arg(add = super::names::logins())]
        login: String,
        /// How the password is given.
        #[command(flatten)]
        password: PasswordFrom,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
    /// Refuse an account's log-ins; its sessions end
    ///
    /// Its mailbox goes on taking messages, and all is as it was when it is enabled again.
    Disable {
        /// Whose
        #[arg(add = super::names::logins())]
        login: String,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
    /// Erase an account for good, with all that is kept of it
    ///
    /// Its sessions end first, and whoever has it as a contact sees it offline. Then its e-mail address and password, its
    /// contact list, and its mailbox go. What others have received from it stays with them, under a name that nobody can
    /// have; its login is given to nobody else. When this returns, all of it is gone from the database and its log; when it
    /// is interrupted, the daemon goes on with it. privacy.md in
    /// /usr/share/doc/messengerd has the table of what goes and what stays.
    Delete {
        /// Whose
        #[arg(add = super::names::logins())]
        login: String,
        /// Without asking
        #[arg(long)]
        yes: bool,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
    /// Write down all that is kept of one person, as one JSON document
    ///
    /// The account, its contacts, whom it blocks, and its mailbox: what it has received and sent. Its password is not in it,
    /// and no hash of it. That it was told is in the journal, with whoever has asked for it.
    Export {
        /// Whose
        #[arg(add = super::names::logins())]
        login: String,
        /// Into this file, which nobody else may read; it must not be there yet. Otherwise to standard output
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// It always is JSON; scripts may say so
        #[arg(long)]
        json: bool,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
    /// Allow an account's log-ins again
    Enable {
        /// Whose
        #[arg(add = super::names::logins())]
        login: String,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
}

/// Where a new password comes from.
#[derive(Debug, clap::Args)]
pub struct PasswordFrom {
    /// Read the password from the first line of this file; "-" is standard input. Otherwise it is asked for
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

pub(super) fn run(command: Command) -> Result<(), ClientError> {
    match command {
        Command::Add { login, email, password, house } => {
            let password = password.ask()?;
            let mut hands = house.open()?;
            let password_hash = hashed(&password, &mut hands)?;
            let added = hands.call::<AddUser>(NewUser { login, email, password_hash })?;
            print(&format!("the account {} was made\n", added.login))
        }
        Command::List { json, house } => list(&house, json),
        Command::Show { login, json, house } => {
            let shown = house.open()?.call::<ShowUser>(Whose { login })?;
            if json { print_json(&shown) } else { print(&show(&shown)) }
        }
        Command::Passwd { login, password, house } => {
            let password = password.ask()?;
            let mut hands = house.open()?;
            let password_hash = hashed(&password, &mut hands)?;
            let ended = hands.call::<SetPassword>(NewPassword { login: login.clone(), password_hash })?;
            print(&format!("{login} has another password{}\n", and_sessions(&ended)))
        }
        Command::Disable { login, house } => {
            let ended = house.open()?.call::<SetDisabled>(Disabled { login: login.clone(), disabled: true })?;
            print(&format!("{login} is disabled{}\n", and_sessions(&ended)))
        }
        Command::Delete { login, yes, house } => {
            if !yes {
                confirm(&format!("Erase {login} for good, with all that is kept of them?"))?;
            }
            delete(&house, &login)
        }
        Command::Export { login, output, json: _, house } => super::export::run(&house, login, output.as_deref()),
        Command::Enable { login, house } => {
            house.open()?.call::<SetDisabled>(Disabled { login: login.clone(), disabled: false })?;
            print(&format!("{login} is enabled\n"))
        }
    }
}

impl PasswordFrom {
    /// First of all: who works without the daemon is not root any more afterwards, and may not read the file.
    fn ask(&self) -> Result<Secret, ClientError> {
        Source::of(self.password_file.as_deref())
            .new_password()
            .map_err(|error| ClientError::Password(error.to_string()))
    }
}

/// A new password, hashed here: it goes to nobody.
fn hashed(password: &Secret, hands: &mut Hands) -> Result<String, ClientError> {
    let policy = hands.call::<GetPasswordPolicy>(Nothing {})?;
    let parameters = Parameters {
        memory_kib: u32::try_from(policy.memory / 1024).unwrap_or(u32::MAX),
        iterations: policy.iterations,
        lanes: policy.lanes,
    };
    let least = usize::try_from(policy.min_length).unwrap_or(usize::MAX);
    accounts::hash_password(password, least, parameters).map_err(|error| ClientError::Password(error.to_string()))
}

fn delete(house: &House, login: &str) -> Result<(), ClientError> {
    let (mut sessions, progress) = (0, Progress::of("erasing"));
    house.open()?.stream::<DeleteUser, ClientError>(Whose { login: login.to_owned() }, |part| {
        progress.at(part.rows, part.of);
        sessions = part.sessions;
        Ok(true)
    })?;
    drop(progress);
    print(&format!("{login} is erased{}\n", and_sessions(&Killed { sessions })))
}

fn list(house: &House, json: bool) -> Result<(), ClientError> {
    let mut table = Table::new(&["LOGIN", "STATUS", "WAITING", "SINCE", "E-MAIL"], &[2]);
    house.open()?.stream::<ListUsers, ClientError>(list_users::Which::default(), |part| {
        for user in part.users {
            if json {
                print_json(&user)?;
            } else {
                let (login, status, since) = (user.login.clone(), status(&user).to_owned(), day(user.created_at));
                table.row([login, status, user.waiting.to_string(), since, user.email]);
            }
        }
        Ok(true)
    })?;
    if json { Ok(()) } else { print(&table.show()) }
}

/// In one word.
fn status(user: &User) -> &'static str {
    match user {
        User { disabled: true, .. } => "disabled",
        User { online: Some(true), .. } => "online",
        User { online: Some(false), .. } => "offline",
        User { online: None, .. } => "-",
    }
}

fn show(Shown { user, contacts, contact_of }: &Shown) -> String {
    let mut shown = String::new();
    let mut line = |what: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(shown, "{:<12}{value}", format!("{what}:"));
    };
    line("login", &user.login);
    line("e-mail", &user.email);
    line("status", &status(user));
    line("since", &day(user.created_at));
    line("invite", &user.invite.as_deref().unwrap_or("none"));
    line("mailbox", &format!("{} entries, {} not delivered", user.entries, user.waiting));
    line("contacts", &format!("{contacts}; on the lists of {contact_of}"));
    shown
}

/// What else happened.
fn and_sessions(ended: &Killed) -> String {
    match ended.sessions {
        0 => String::new(),
        1 => ", and their session has ended".to_owned(),
        several => format!(", and their {several} sessions have ended"),
    }
}
