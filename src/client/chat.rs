//! `chat`: a conversation at the terminal. One thread edits the line, one shows, and this one has the session: it
//! waits for the server, the keyboard and signals at once.

use super::editor::{self, Names, Typed};
use super::error::ClientError;
use super::names;
use super::screen::{Above, Screen};
use super::session::{Contacts, Session};
use super::show::{self, Style, status_word};
use super::signals::{Signals, wait};
use crate::domain::{Login, Status};
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, PoisonError};

const HELP: &str = "\
A line is sent when you press Enter; TAB completes names.
  /to NAME   talk to somebody else
  /who       list your contacts
  /quit      leave; so does Ctrl-D
  //text     send a line that begins with a slash
";

/// A line, understood.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Say(&'a str),
    To(&'a str),
    Who,
    Help,
    Quit,
    Unknown(&'a str),
    Nothing,
}

fn understand(line: &str) -> Line<'_> {
    if line.trim().is_empty() {
        return Line::Nothing;
    }
    let Some(command) = line.strip_prefix('/') else { return Line::Say(line) };
    if command.starts_with('/') {
        return Line::Say(command);
    }
    let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    match (word, rest.trim()) {
        ("to", name) if !name.is_empty() => Line::To(name),
        ("who", "") => Line::Who,
        ("help", "") => Line::Help,
        ("quit", "") => Line::Quit,
        _ => Line::Unknown(line),
    }
}

/// Whether there is a terminal to chat at.
///
/// # Errors
/// [`ClientError::NoChat`] when there is none.
pub(super) fn check_terminal() -> Result<(), ClientError> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() { Ok(()) } else { Err(ClientError::NoChat) }
}

/// The terminal's side of a chat, made before the log-in: what is pushed at the log-in goes to it.
pub(super) struct Desk {
    screen: Screen,
    names: Names,
    editor: editor::LineEditor,
}

impl Desk {
    /// Takes the terminal.
    ///
    /// # Errors
    /// [`ClientError::NoChat`] when it cannot edit lines (`TERM=dumb`).
    pub(super) fn new() -> Result<Self, ClientError> {
        let names = Names::default();
        let mut editor = editor::editor(Arc::clone(&names)).map_err(|_| ClientError::NoChat)?;
        let printer = editor.create_external_printer().map_err(|_| ClientError::NoChat)?;
        Ok(Self { screen: Screen::new(printer), names, editor })
    }

    /// A place for a session's pushes.
    pub(super) fn above(&self) -> Above {
        self.screen.above()
    }

    /// Talks until the person leaves.
    ///
    /// # Errors
    /// When the connection ends, or the server sends rubbish.
    pub(super) fn talk(self, session: Session<Above>, partner: Login, signals: &Signals) -> Result<(), ClientError> {
        let (ours, theirs) = UnixStream::pair().map_err(ClientError::System)?;
        let (typed_by, typed) = channel();
        let (next, prompts) = channel();
        let Self { mut screen, names, editor } = self;
        screen.quieten().map_err(ClientError::System)?;
        let mut chat = Chat { session, screen, names, partner, bell: ours, typed, next };
        let greeting = chat.session.contacts().map(|contacts| {
            chat.learn(&contacts);
            chat.screen.show(format!("Talking to {}; /help tells what you can do.\n", chat.partner));
            chat.introduce(&contacts);
        });
        if let Err(error) = greeting {
            chat.screen.close();
            return Err(error.into());
        }
        let prompt = chat.prompt();
        let editing = std::thread::spawn(move || editor::edit(editor, prompt, &typed_by, &theirs, &prompts));
        let outcome = chat.run(signals);
        let Chat { session, screen, next, .. } = chat;
        match outcome {
            Ok(End::Typed) => {
                // Without a next prompt the editor ends; what it was given and did not show is shown after that.
                drop(next);
                let _ = editing.join();
                session.leave();
                screen.close();
                Ok(())
            }
            Ok(End::Signal) => {
                session.leave();
                screen.abandon();
                Ok(())
            }
            Err(error) => {
                session.leave();
                screen.abandon();
                Err(error)
            }
        }
    }
}

/// How a chat ended well.
enum End {
    /// By the keyboard.
    Typed,
    /// By a signal, while the editor still waits for keys.
    Signal,
}

struct Chat {
    session: Session<Above>,
    screen: Screen,
    names: Names,
    partner: Login,
    bell: UnixStream,
    typed: Receiver<Typed>,
    next: Sender<String>,
}

impl Chat {
    fn run(&mut self, signals: &Signals) -> Result<End, ClientError> {
        loop {
            let [arrived, rung, told] =
                wait([(self.session.as_fd(), true), (self.bell.as_fd(), true), (signals.as_fd(), true)])
                    .map_err(ClientError::System)?;
            if told {
                return Ok(End::Signal);
            }
            if arrived {
                self.session.hear()?;
            }
            if rung {
                self.bell.read_exact(&mut [0]).map_err(ClientError::System)?;
                let Ok(typed) = self.typed.recv() else { return Ok(End::Typed) };
                if !self.typed(typed)? {
                    return Ok(End::Typed);
                }
                // The editor may have ended by itself; the next ring says so.
                let _ = self.next.send(self.prompt());
            }
        }
    }

    /// Does what was typed; false when that is to leave.
    fn typed(&mut self, typed: Typed) -> Result<bool, ClientError> {
        let line = match typed {
            Typed::Line(line) => line,
            Typed::Interrupted => {
                self.screen.show("(Ctrl-D or /quit leaves)\n".to_owned());
                return Ok(true);
            }
            Typed::End => return Ok(false),
            Typed::Failed(error) => return Err(ClientError::Terminal(error)),
        };
        match understand(&line) {
            Line::Nothing => {}
            Line::Say(text) => {
                let contacts = self.session.message(&self.partner, text)?;
                self.learn(&contacts);
            }
            Line::To(name) => match Login::parse(name) {
                Ok(login) => {
                    self.partner = login;
                    let contacts = self.session.contacts()?;
                    self.learn(&contacts);
                    self.introduce(&contacts);
                }
                Err(why) => self.screen.show(format!("{name:?} is no login: {why}\n")),
            },
            Line::Who => {
                let contacts = self.session.contacts()?;
                self.learn(&contacts);
                let list = show::contacts(&contacts, Style::of(&io::stdout()));
                self.screen.show(if list.is_empty() { "You have no contacts yet.\n".to_owned() } else { list });
            }
            Line::Help => self.screen.show(HELP.to_owned()),
            Line::Unknown(line) => {
                self.screen.show(format!("{line:?} is no command; /help lists them. (// sends a slash.)\n"));
            }
            Line::Quit => return Ok(false),
        }
        Ok(true)
    }

    fn prompt(&self) -> String {
        format!("{}> ", self.partner)
    }

    /// Keeps the names to complete, here and for the shell.
    fn learn(&self, contacts: &Contacts) {
        names::keep(contacts);
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) =
            contacts.iter().map(|(login, _)| login.clone()).collect();
    }

    /// Says what is to be known about the partner.
    fn introduce(&self, contacts: &Contacts) {
        self.screen.show(match contacts.iter().find(|(login, _)| *login == self.partner) {
            Some((login, Status::Offline)) => format!("{login} is offline; messages wait at the server.\n"),
            Some((login, status)) => format!("{login} is {}.\n", status_word(*status)),
            None => super::not_a_contact(&self.partner),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        for (line, understood) in [
            ("hello", Line::Say("hello")),
            (" /to bob", Line::Say(" /to bob")),
            ("//etc/passwd", Line::Say("/etc/passwd")),
            ("/to bob", Line::To("bob")),
            ("/to\tbob ", Line::To("bob")),
            ("/to", Line::Unknown("/to")),
            ("/who", Line::Who),
            ("/who is there", Line::Unknown("/who is there")),
            ("/help", Line::Help),
            ("/quit ", Line::Quit),
            ("/shrug", Line::Unknown("/shrug")),
            ("  ", Line::Nothing),
        ] {
            assert_eq!(understand(line), understood, "{line:?}");
        }
    }
}
