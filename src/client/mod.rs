//! `messenger`, the terminal client: the classic protocol from the other side.
//!
//! `link` has the connection, `packets` knows where a packet ends, `session` has what is said over it. `arguments`,
//! `remembered` and `credentials` are about who wants what from which server; `own` about what somebody does with their own account. `show` and `sanitise` make what came from
//! others fit for a terminal; `listen` and `chat` (with `editor` and `screen`) are the commands that stay.
//!
//! # Errors
//! Each file has a typed error; all end in `ClientError`, which is one line for a person and an exit code of
//! `sysexits.h` for a script.
//!
//! # What must not be lost
//! A server counts a message as delivered when this machine's kernel has it. So nothing here reads a message without
//! showing it, and nothing closes a connection without having read it to the end (`session::Session::leave`).
//!
//! Must not be here: SQL, the server's configuration, tokio.

mod address;
mod arguments;
mod chat;
mod editor;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod link;
mod listen;
mod names;
mod own;
mod packets;
mod remembered;
mod screen;
mod session;
mod show;
mod signals;

use crate::domain::exit::Exit;
use crate::domain::{Email, InviteCode, Login, Secret, Seq};
use crate::terminal::credentials::{Source, question};
use crate::terminal::{sanitise, say};
use arguments::{Cli, Command, Given};
use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;
use clap_complete::env::Shells;
use error::{ClientError, MAX_TEXT};
use link::Link;
use remembered::{Remembered, Settled, parse_login, settle};
use session::{Arrivals, Contacts, Session};
use show::{Aside, Printed, Style, status_word};
use signals::Signals;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};

/// Does what the command line says, and says how it went: all that the program `messenger` is.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // A shell that completes a word calls with COMPLETE set.
    match CompleteEnv::with_factory(Cli::command).try_complete(arguments.clone(), None) {
        Ok(true) => return Exit::Ok,
        Ok(false) => {}
        Err(error) => return usage(&error),
    }
    let Cli { given, command } = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match perform(&given, command) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            say(&format!("messenger: {}\n", sanitise::word(&error.to_string())));
            error.exit()
        }
    }
}

/// The command line of `messenger`, for its manual.
#[must_use]
pub fn command_line() -> clap::Command {
    Cli::command()
}

/// The argument parser's word: a fault, or the help that was asked for.
fn usage(error: &clap::Error) -> Exit {
    // When nobody reads it, there is nobody to tell.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Ok }
}

fn perform(given: &Given, command: Command) -> Result<(), ClientError> {
    match command {
        Command::Signup { login, email, invite } => sign_up(given, login, email, invite),
        Command::Login { login } => log_in(given, login),
        Command::Contacts { json } => {
            let mut session = person(given)?.enter()?;
            let contacts = session.contacts()?;
            names::keep(&contacts);
            session.leave();
            list(&contacts, json)
        }
        Command::Add { name } => {
            let name = parse_login(&name)?;
            let mut session = person(given)?.enter()?;
            let outcome = session.add(&name).and_then(|status| Ok((status, session.contacts()?)));
            session.leave();
            let (status, contacts) = outcome?;
            names::keep(&contacts);
            print(&format!("{name} is on your contact list, and {}\n", status_word(status)))
        }
        Command::Remove { name } => {
            let name = parse_login(&name)?;
            let mut session = person(given)?.enter()?;
            let outcome = session.remove(&name).and_then(|()| session.contacts());
            session.leave();
            names::keep(&outcome?);
            print(&format!("{name} is off your contact list\n"))
        }
        Command::Block { name } => {
            let name = parse_login(&name)?;
            let mut session = person(given)?.enter()?;
            let outcome = session.block(&name);
            session.leave();
            outcome?;
            print(&format!("{name} is blocked, and can't tell\n"))
        }
        Command::Unblock { name } => {
            let name = parse_login(&name)?;
            let mut session = person(given)?.enter()?;
            let outcome = session.unblock(&name);
            session.leave();
            outcome?;
            print(&format!("{name} is not blocked any more\n"))
        }
        Command::History { name, count, before, json } => {
            let name = name.map(|name| parse_login(&name)).transpose()?;
            own::history(given, &own::Wanted { name, count, before: Seq(before.unwrap_or_default()), json })
        }
        Command::Passwd { new_password_file } => own::change_password(given, new_password_file.as_deref()),
        Command::Delete { yes } => own::delete(given, yes),
        Command::Send { name, text } => send(given, &name, &text),
        Command::Chat { name } => {
            let name = parse_login(&name)?;
            chat::check_terminal()?;
            let person = person(given)?;
            let link = person.connect()?;
            let signals = Signals::hold().map_err(ClientError::System)?;
            let desk = chat::Desk::new()?;
            let session = person.log_in(link, desk.above())?;
            desk.talk(session, name, &signals)
        }
        Command::Listen { json } => {
            let person = person(given)?;
            let link = person.connect()?;
            let signals = Signals::hold().map_err(ClientError::System)?;
            let session = person.log_in(link, Printed::new(json))?;
            say(&format!("messenger: listening as {} at {}\n", person.login, person.settled.server));
            listen::listen(session, &signals)
        }
        Command::Completions { shell } => completions(&shell),
    }
}

/// Somebody with a password, in front of a server.
struct Person<'a> {
    given: &'a Given,
    settled: Settled,
    login: Login,
    password: Secret,
}

/// Who this is: asks for the password, before there is a connection that waits for it.
fn person(given: &Given) -> Result<Person<'_>, ClientError> {
    let settled = settle(given.server.as_deref(), given.login.as_deref(), &Remembered::read()?)?;
    let login = settled.login.clone().ok_or(ClientError::NoLogin)?;
    let password = Source::of(given.password_file.as_deref()).password()?;
    Ok(Person { given, settled, login, password })
}

impl Person<'_> {
    fn connect(&self) -> Result<Link, ClientError> {
        Ok(Link::open(&self.settled.server, self.given.timeout)?)
    }

    fn log_in<A: Arrivals>(&self, link: Link, arrivals: A) -> Result<Session<A>, ClientError> {
        Ok(Session::log_in(link, self.given.timeout, &self.login, self.password.clone(), arrivals)?)
    }

    /// Connects and logs in, for a command that is short.
    fn enter(&self) -> Result<Session<Aside>, ClientError> {
        self.log_in(self.connect()?, Aside::new())
    }
}

fn sign_up(
    given: &Given,
    login: Option<String>,
    email: Option<String>,
    invite: Option<InviteCode>,
) -> Result<(), ClientError> {
    let remembered = Remembered::read()?;
    let settled =
        settle(given.server.as_deref(), None, &Remembered { server: remembered.server.clone(), login: None })?;
    let login = match login.or_else(|| given.login.clone()) {
        Some(login) => login,
        None => question("Login", "name it: messenger signup LOGIN")?,
    };
    let login = parse_login(&login)?;
    let email = match email {
        Some(email) => email,
        None => question("E-mail address", "give --email ADDRESS")?,
    };
    let (address, behind) = InviteCode::behind(&email);
    let invite = invite.or(behind);
    let email = Email::parse(address).map_err(|_| ClientError::Email(email.clone()))?;
    let password = Source::of(given.password_file.as_deref()).new_password()?;
    let mut link = Link::open(&settled.server, given.timeout)?;
    session::sign_up(&mut link, given.timeout, &email, invite.as_ref(), &login, password)?;
    let next = if remembered.login.is_none() {
        match Remembered::write(&settled.server, &login) {
            Ok(_) => "from now on you are this one here, unless you say otherwise".to_owned(),
            // The account is there all the same.
            Err(error) => format!("that could not be remembered: {error}"),
        }
    } else {
        format!("to be this one from now on: messenger login {login}")
    };
    print(&format!("{login} has an account at {}; {next}\n", settled.server))
}

fn log_in(given: &Given, login: Option<String>) -> Result<(), ClientError> {
    let remembered = Remembered::read()?;
    let given_login = login.or_else(|| given.login.clone());
    let login = match given_login.or_else(|| remembered.login.clone()) {
        Some(login) => login,
        None => question("Login", "name it: messenger login LOGIN")?,
    };
    let settled = settle(given.server.as_deref(), Some(&login), &remembered)?;
    let login = parse_login(&login)?;
    let password = Source::of(given.password_file.as_deref()).password()?;
    let person = Person { given, settled, login, password };
    person.enter()?.leave();
    let path = Remembered::write(&person.settled.server, &person.login)?;
    print(&format!("{} at {}: remembered in {}\n", person.login, person.settled.server, path.display()))
}

fn send(given: &Given, name: &str, words: &[String]) -> Result<(), ClientError> {
    let name = parse_login(name)?;
    // The password first: it may be the first line of the same input.
    let person = person(given)?;
    let text = if words.is_empty() { text_from_input()? } else { words.join(" ") };
    if text.is_empty() {
        return Err(ClientError::NoText);
    }
    let mut session = person.enter()?;
    let outcome = session.message(&name, &text);
    session.leave();
    let contacts = outcome?;
    names::keep(&contacts);
    if !contacts.iter().any(|(login, _)| *login == name) {
        say(&format!("messenger: {}", not_a_contact(&name)));
    }
    Ok(())
}

/// The protocol has no answer to a message, and so none for a login that nobody has.
fn not_a_contact(login: &Login) -> String {
    format!("{login} is not on your contact list; a message to a login that nobody has is dropped without a word\n")
}

/// All of standard input, without the line feed at its end. What is not UTF-8 becomes U+FFFD, as the server would
/// have it.
fn text_from_input() -> Result<String, ClientError> {
    let input = io::stdin();
    if input.is_terminal() {
        say("Type your message; Ctrl-D on a line of its own sends it.\n");
    }
    let mut bytes = Vec::new();
    input.lock().take(MAX_TEXT + 1).read_to_end(&mut bytes).map_err(ClientError::Input)?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(ClientError::LongText);
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

fn list(contacts: &Contacts, json: bool) -> Result<(), ClientError> {
    if json {
        return print(&show::contacts_json(contacts));
    }
    if contacts.is_empty() {
        say("You have no contacts yet; messenger add NAME adds one.\n");
    }
    print(&show::contacts(contacts, Style::of(&io::stdout())))
}

fn completions(shell: &str) -> Result<(), ClientError> {
    let shells = Shells::builtins();
    let completer = shells.completer(shell).ok_or_else(|| ClientError::Shell { shell: shell.to_owned() })?;
    let mut code = Vec::new();
    completer
        .write_registration("COMPLETE", "messenger", "messenger", "messenger", &mut code)
        .map_err(ClientError::System)?;
    print(&String::from_utf8_lossy(&code))
}

fn print(text: &str) -> Result<(), ClientError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(ClientError::Output)
}
