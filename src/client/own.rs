//! What somebody does with their own account: another password, its end, and what was written.

use super::error::ClientError;
use super::session::{Arrivals, Session, SessionError};
use super::show::{self, Style};
use super::{Given, person, print};
use crate::domain::{Login, Seq};
use crate::protocol::classic::packet::Past;
use crate::terminal::credentials::{Source, question};
use crate::terminal::say;
use std::collections::VecDeque;
use std::io;
use std::path::Path;

/// Gives the account another password.
///
/// # Errors
/// When one of the two is missing, or the server refuses.
pub(super) fn change_password(given: &Given, file: Option<&Path>) -> Result<(), ClientError> {
    let person = person(given)?;
    let new = Source::of(file).another_password()?;
    let mut session = person.enter()?;
    let outcome = session.change_password(person.password.clone(), new);
    session.leave();
    outcome?;
    print(&format!("{} has another password; other sessions have ended\n", person.login))
}

/// Erases the account, if it is confirmed.
///
/// # Errors
/// When it is not, or the server refuses.
pub(super) fn delete(given: &Given, sure: bool) -> Result<(), ClientError> {
    let person = person(given)?;
    if !sure {
        let (login, server) = (&person.login, &person.settled.server);
        say(&format!("The account {login} at {server}, its contacts and its messages will be gone for good.\n"));
        if question("Type its login to delete it", "give --yes")? != login.as_str() {
            return Err(ClientError::NotConfirmed);
        }
    }
    person.enter()?.delete(person.password.clone())?;
    print(&format!("the account {} is deleted\n", person.login))
}

/// What is to be read.
pub(super) struct Wanted {
    /// With whom; nobody in particular.
    pub(super) name: Option<Login>,
    /// As many messages.
    pub(super) count: u32,
    /// Before this one.
    pub(super) before: Seq,
    /// As JSON.
    pub(super) json: bool,
}

/// Prints what was written, the oldest first.
///
/// # Errors
/// When it can't be had.
pub(super) fn history(given: &Given, wanted: &Wanted) -> Result<(), ClientError> {
    let mut session = person(given)?.enter()?;
    let outcome = read(&mut session, wanted);
    session.leave();
    let (past, older) = outcome?;
    let style = Style::of(&io::stdout());
    let line = |past: &Past| if wanted.json { show::past_json(past) } else { show::past(past, style) };
    print(&past.iter().map(line).collect::<String>())?;
    if let (Some(before), false) = (older, wanted.json) {
        say(&format!("messenger: there are older ones: --before {before}\n"));
    }
    Ok(())
}

/// Page after page, from the newest on, until there are enough.
fn read<A: Arrivals>(session: &mut Session<A>, wanted: &Wanted) -> Result<(VecDeque<Past>, Option<Seq>), SessionError> {
    let (mut all, mut before) = (VecDeque::new(), wanted.before);
    let name = wanted.name.as_ref().map_or("", Login::as_str);
    loop {
        let missing = wanted.count.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX));
        if missing == 0 {
            return Ok((all, Some(before)));
        }
        let (page, older) = session.history(name, before, missing)?;
        for past in page.into_iter().rev() {
            all.push_front(past);
        }
        match older {
            // A server that does not go back would be asked for ever.
            Some(older) if before == Seq(0) || older < before => before = older,
            Some(_) => return Err(SessionError::OtherReply),
            None => return Ok((all, None)),
        }
    }
}
