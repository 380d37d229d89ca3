//! What is said over a connection: sign-up, log-in, and a session's requests.
//!
//! A request that has a reply is never followed by another one before the reply has come. What the server pushes
//! meanwhile goes to [`Arrivals`] at once: the server counts it as delivered when this machine's kernel has it, so
//! whatever is read must be shown, and everything must be read.

use super::link::{Link, LinkError};
use crate::domain::reply::{BlockRefusal, LogInRefusal, PasswordRefusal, SignUpRefusal};
use crate::domain::request::Text;
use crate::domain::{Email, History, InviteCode, Login, Reply, Request, Secret, Seq, SessionKey, Status};
use crate::protocol::classic::packet::{Packet, Past};
use crate::protocol::classic::request::encode;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// When nothing has come for so long (and two round trips) after the log-out, nothing more is under way.
const QUIET: Duration = Duration::from_millis(50);
/// How long the server gets to close when we have.
const CLOSING: Duration = Duration::from_secs(1);

/// What the server sends without having been asked. The names are as they came, and have passed no rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Push {
    /// Somebody wrote.
    Message { sender: String, text: String },
    /// A contact came or went.
    Status { login: String, status: Status },
}

/// Where pushes go, in the order in which they come.
pub(super) trait Arrivals {
    /// Shows it. It will not come again.
    fn take(&mut self, push: Push);
}

/// A contact list, by login.
pub(super) type Contacts = Vec<(Login, Status)>;

/// Why a conversation with a server did not go as a person wanted.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    /// Bytes do not go to and fro.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The server sent the reply to another request.
    #[error("the server answered something that was not asked")]
    OtherReply,
    /// The message was written to the connection, and then the server's word did not come.
    #[error("{0}: the message may not have been stored")]
    Unconfirmed(Box<SessionError>),
    /// No account was made.
    #[error("{}", sign_up_words(*.0))]
    SignUp(SignUpRefusal),
    /// No session began.
    #[error("{}", log_in_words(*.refusal, .login))]
    LogIn { refusal: LogInRefusal, login: Login },
    /// Nobody to add.
    #[error("nobody has the login {0}")]
    Nobody(Login),
    /// Nobody to remove.
    #[error("{0} was not on your contact list")]
    NoContact(Login),
    /// Nobody to unblock.
    #[error("{0} was not blocked")]
    NotBlocked(Login),
    /// No more.
    #[error("you block as many as the server allows; unblock somebody")]
    TooManyBlocked,
    /// The password, or the new one, is not taken.
    #[error("{}", password_words(*.0))]
    Password(PasswordRefusal),
}

fn password_words(refusal: PasswordRefusal) -> &'static str {
    match refusal {
        PasswordRefusal::WrongPassword => "wrong password",
        PasswordRefusal::BadPassword => "the server does not take the new password; is it too short?",
        PasswordRefusal::TryLater => "the server asks to try again later",
    }
}

fn sign_up_words(refusal: SignUpRefusal) -> &'static str {
    match refusal {
        SignUpRefusal::BadEmail => "the server does not take this e-mail address",
        SignUpRefusal::BadLogin => "the server does not take this login",
        SignUpRefusal::BadPassword => "the server does not take this password; is it too short?",
        SignUpRefusal::LoginTaken => "somebody has this login already",
        SignUpRefusal::Closed => "the server takes no sign-ups, or none at the moment, or only with another invite",
    }
}

fn log_in_words(refusal: LogInRefusal, login: &Login) -> String {
    match refusal {
        LogInRefusal::UnknownLogin => format!("nobody has the login {login}"),
        LogInRefusal::WrongPassword => "wrong password".to_owned(),
        LogInRefusal::TryLater => "the server asks to try again later".to_owned(),
        LogInRefusal::Disabled => format!("the account {login} is disabled"),
    }
}

/// Makes an account.
///
/// # Errors
/// [`SessionError::SignUp`] when the server refuses.
pub(super) fn sign_up(
    link: &mut Link,
    timeout: Duration,
    email: &Email,
    invite: Option<&InviteCode>,
    login: &Login,
    password: Secret,
) -> Result<(), SessionError> {
    let email = match invite {
        Some(code) => format!("{} {code}", email.as_str()),
        None => email.as_str().to_owned(),
    };
    let request = Request::SignUp { email, login: login.as_str().to_owned(), password };
    match ask(link, timeout, &request, None, &mut Nowhere)? {
        Reply::SignedUp => Ok(()),
        Reply::SignUpRefused(refusal) => Err(SessionError::SignUp(refusal)),
        _ => Err(SessionError::OtherReply),
    }
}

/// Before a log-in the server has nothing to push.
struct Nowhere;

impl Arrivals for Nowhere {
    fn take(&mut self, _: Push) {}
}

/// A person, logged in.
#[derive(Debug)]
pub(super) struct Session<A> {
    link: Link,
    key: SessionKey,
    timeout: Duration,
    arrivals: A,
}

impl<A: Arrivals> Session<A> {
    /// Logs in. What waited at the server begins to come at once.
    ///
    /// # Errors
    /// [`SessionError::LogIn`] when the server refuses.
    pub(super) fn log_in(
        mut link: Link,
        timeout: Duration,
        login: &Login,
        password: Secret,
        mut arrivals: A,
    ) -> Result<Self, SessionError> {
        let request = Request::LogIn { login: login.as_str().to_owned(), password };
        match ask(&mut link, timeout, &request, None, &mut arrivals)? {
            Reply::LoggedIn(key) => Ok(Self { link, key, timeout, arrivals }),
            Reply::LogInRefused(refusal) => Err(SessionError::LogIn { refusal, login: login.clone() }),
            _ => Err(SessionError::OtherReply),
        }
    }

    /// Asks for the contact list.
    ///
    /// # Errors
    /// When no list comes.
    pub(super) fn contacts(&mut self) -> Result<Contacts, SessionError> {
        match self.ask(&Request::GetContacts)? {
            Reply::Contacts(contacts) => Ok(contacts),
            _ => Err(SessionError::OtherReply),
        }
    }

    /// Puts somebody on the contact list, and says whether they are online.
    ///
    /// # Errors
    /// [`SessionError::Nobody`] when there is no such login.
    pub(super) fn add(&mut self, login: &Login) -> Result<Status, SessionError> {
        match self.ask(&Request::AddContact { login: login.as_str().to_owned() })? {
            Reply::ContactAdded(status) => Ok(status),
            Reply::UnknownContact => Err(SessionError::Nobody(login.clone())),
            _ => Err(SessionError::OtherReply),
        }
    }

    /// Takes somebody off the contact list.
    ///
    /// # Errors
    /// [`SessionError::NoContact`] when they were not on it.
    pub(super) fn remove(&mut self, login: &Login) -> Result<(), SessionError> {
        match self.ask(&Request::RemoveContact { login: login.as_str().to_owned() })? {
            Reply::ContactRemoved => Ok(()),
            Reply::NoSuchContact => Err(SessionError::NoContact(login.clone())),
            _ => Err(SessionError::OtherReply),
        }
    }

    /// Has the server keep all of somebody's messages away, and one's own status from them.
    ///
    /// # Errors
    /// [`SessionError::Nobody`] when there is no such login, or it is one's own.
    pub(super) fn block(&mut self, login: &Login) -> Result<(), SessionError> {
        match self.ask(&Request::Block { login: login.as_str().to_owned() })? {
            Reply::Blocked => Ok(()),
            Reply::BlockRefused(BlockRefusal::UnknownLogin) => Err(SessionError::Nobody(login.clone())),
            Reply::BlockRefused(BlockRefusal::TooMany) => Err(SessionError::TooManyBlocked),
            _ => Err(SessionError::OtherReply),
        }
    }

    /// Takes that back.
    ///
    /// # Errors
    /// [`SessionError::NotBlocked`] when they were not.
    pub(super) fn unblock(&mut self, login: &Login) -> Result<(), SessionError> {
        match self.ask(&Request::Unblock { login: login.as_str().to_owned() })? {
            Reply::Unblocked => Ok(()),
            Reply::WasNotBlocked => Err(SessionError::NotBlocked(login.clone())),
            _ => Err(SessionError::OtherReply),
        }
    }

    /// Gives the account another password. Its other sessions end.
    ///
    /// # Errors
    /// [`SessionError::Password`] when the server refuses.
    pub(super) fn change_password(&mut self, old: Secret, new: Secret) -> Result<(), SessionError> {
        match self.ask(&Request::ChangePassword { old, new })? {
            Reply::PasswordChanged => Ok(()),
            Reply::PasswordNotChanged(refusal) => Err(SessionError::Password(refusal)),
            _ => Err(SessionError::OtherReply),
        }
    }

    /// Erases the account, and closes.
    ///
    /// # Errors
    /// [`SessionError::Password`] when the server refuses: then the session is over in order.
    pub(super) fn delete(mut self, password: Secret) -> Result<(), SessionError> {
        match self.ask(&Request::DeleteAccount { password }) {
            Ok(Reply::AccountDeleted) => {
                // There is no session to log out from.
                self.close();
                Ok(())
            }
            answer => {
                self.leave();
                match answer? {
                    Reply::AccountNotDeleted(refusal) => Err(SessionError::Password(refusal)),
                    _ => Err(SessionError::OtherReply),
                }
            }
        }
    }

    /// A page of what was written to somebody and by them, the oldest first, and where to go on.
    ///
    /// # Errors
    /// [`SessionError::Nobody`] when there is no such login.
    pub(super) fn history(
        &mut self,
        login: &str,
        before: Seq,
        count: u32,
    ) -> Result<(Vec<Past>, Option<Seq>), SessionError> {
        self.link.send(&encode(&Request::GetHistory { login: login.to_owned(), before, count }, Some(self.key)))?;
        let mut page = Vec::new();
        loop {
            match next(&mut self.link, self.timeout, &mut self.arrivals)? {
                Answer::Past(past) => page.push(past),
                Answer::Reply(Reply::History(History { older, .. })) => return Ok((page, older)),
                Answer::Reply(Reply::UnknownPartner) => {
                    return Err(Login::parse(login).map_or(SessionError::OtherReply, SessionError::Nobody));
                }
                Answer::Reply(_) => return Err(SessionError::OtherReply),
            }
        }
    }

    /// Sends a message and sees to it that the server has it. A message has no reply, but the server takes a
    /// connection's requests in order and commits a message before it takes the next one: so the contact list,
    /// asked for behind the message and handed back here, is the server's word for it.
    ///
    /// # Errors
    /// [`SessionError::Unconfirmed`] when that word does not come.
    pub(super) fn message(&mut self, recipient: &Login, text: &str) -> Result<Contacts, SessionError> {
        let request = Request::SendMessage { recipient: recipient.as_str().to_owned(), text: Text(text.into()) };
        self.link
            .send(&encode(&request, Some(self.key)))
            .map_err(SessionError::from)
            .and_then(|()| self.contacts())
            .map_err(|error| SessionError::Unconfirmed(Box::new(error)))
    }

    /// Takes all that has come.
    ///
    /// # Errors
    /// When the connection ended, or brought what nobody asked for.
    pub(super) fn hear(&mut self) -> Result<(), SessionError> {
        self.link.answer_bell();
        while let Some(packet) = self.link.receive(Duration::ZERO)? {
            if hand_over(packet, &mut self.arrivals).is_some() {
                return Err(SessionError::OtherReply);
            }
        }
        Ok(())
    }

    /// Where pushes go.
    pub(super) fn arrivals(&mut self) -> &mut A {
        &mut self.arrivals
    }

    /// Logs out and closes, without losing what is under way: the log-out stops the server from sending more, what
    /// it had sent is read until it is quiet, and then until the server has closed as well.
    pub(super) fn leave(mut self) -> A {
        let quiet = QUIET + 2 * self.link.round_trip();
        if self.link.send(&encode(&Request::LogOut, Some(self.key))).is_ok() {
            while self.take_within(quiet) {}
            self.link.finish();
        }
        while self.take_within(CLOSING) {}
        self.arrivals
    }

    /// Closes without a log-out.
    fn close(mut self) {
        self.link.finish();
        while self.take_within(CLOSING) {}
    }

    /// Takes one packet, and says whether there was one. What is none is passed over: nobody waits for a reply.
    fn take_within(&mut self, wait: Duration) -> bool {
        match self.link.receive(wait) {
            Ok(Some(packet)) => {
                hand_over(packet, &mut self.arrivals);
                true
            }
            Err(LinkError::Rubbish(_)) => true,
            Ok(None) | Err(_) => false,
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, SessionError> {
        ask(&mut self.link, self.timeout, request, Some(self.key), &mut self.arrivals)
    }
}

impl<A> AsFd for Session<A> {
    /// Readable when [`Session::hear`] has something to take.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}

/// Sends a request and waits for its reply: as long as the server is not silent for `timeout`, because what waited
/// for a person may come before the reply, and may be much.
fn ask(
    link: &mut Link,
    timeout: Duration,
    request: &Request,
    key: Option<SessionKey>,
    arrivals: &mut impl Arrivals,
) -> Result<Reply, SessionError> {
    link.send(&encode(request, key))?;
    match next(link, timeout, arrivals)? {
        Answer::Reply(reply) => Ok(reply),
        Answer::Past(_) => Err(SessionError::OtherReply),
    }
}

/// What comes as an answer next.
fn next(link: &mut Link, timeout: Duration, arrivals: &mut impl Arrivals) -> Result<Answer, SessionError> {
    loop {
        let Some(packet) = link.receive(timeout)? else {
            return Err(LinkError::Silent { server: link.server().clone(), timeout }.into());
        };
        if let Some(answer) = hand_over(packet, arrivals) {
            return Ok(answer);
        }
    }
}

/// What comes because it was asked for.
enum Answer {
    Reply(Reply),
    Past(Past),
}

/// Gives a push to those who show it, and an answer back.
fn hand_over(packet: Packet, arrivals: &mut impl Arrivals) -> Option<Answer> {
    match packet {
        Packet::Reply(reply) => return Some(Answer::Reply(reply)),
        Packet::Past(past) => return Some(Answer::Past(past)),
        Packet::Message { sender, text } => arrivals.take(Push::Message { sender, text }),
        Packet::ContactStatus { login, status } => arrivals.take(Push::Status { login, status }),
    }
    None
}
