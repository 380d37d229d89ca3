//! What a person or a script sees: lines, or one JSON object each.

use super::session::{Arrivals, Contacts, Push};
use crate::domain::Status;
use crate::protocol::classic::packet::Past;
use crate::terminal::{sanitise, say};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

/// Whether lines have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Text and nothing else.
    Plain,
    /// The time is faint and names are bold, by ECMA-48.
    Coloured,
}

impl Style {
    /// Colours on a terminal, unless `NO_COLOR` is set and not empty (no-color.org).
    pub(super) fn of(stream: &impl IsTerminal) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if stream.is_terminal() && !unwanted { Self::Coloured } else { Self::Plain }
    }

    fn faint(self, text: &str) -> String {
        self.wrap("\x1b[2m", text)
    }

    fn bold(self, text: &str) -> String {
        self.wrap("\x1b[1m", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("{code}{text}\x1b[0m"),
        }
    }
}

/// A push as a person reads it, with the local time of its arrival; it ends with a line feed. Further lines of a
/// message are indented, so that none of them can be taken for a message of its own.
pub(super) fn line(push: &Push, at: &Zoned, style: Style) -> String {
    let time = style.faint(&at.strftime("%H:%M").to_string());
    match push {
        Push::Message { sender, text } => {
            let sender = style.bold(&sanitise::word(sender));
            let text = sanitise::lines(text);
            format!("{time} {sender}: {}\n", text.trim_end_matches('\n').replace('\n', "\n      "))
        }
        Push::Status { login, status } => {
            format!("{time} * {} is {}\n", style.bold(&sanitise::word(login)), status_word(*status))
        }
    }
}

/// The word for a status.
pub(super) fn status_word(status: Status) -> &'static str {
    match status {
        Status::Offline => "offline",
        Status::Online => "online",
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum PushJson<'a> {
    Message { from: &'a str, text: &'a str, time: String },
    Status { login: &'a str, online: bool },
}

/// A push as one JSON object, exact, with a line feed behind it. The time is that of its arrival, in UTC (RFC 3339).
pub(super) fn json(push: &Push, at: Timestamp) -> String {
    let object = match push {
        Push::Message { sender, text } => PushJson::Message { from: sender, text, time: format!("{at:.3}") },
        Push::Status { login, status } => PushJson::Status { login, online: *status == Status::Online },
    };
    serde_json::to_string(&object).unwrap_or_default() + "\n"
}

#[derive(Serialize)]
struct PastJson<'a> {
    id: u64,
    time: String,
    from: &'a str,
    to: &'a str,
    text: &'a str,
}

/// When the server took a message. What is beyond the calendar is at its end.
fn taken_at(past: &Past) -> Timestamp {
    Timestamp::from_millisecond(past.sent_at.0).unwrap_or(Timestamp::MAX)
}

/// A message of a history as one JSON object, exact, with a line feed behind it.
pub(super) fn past_json(past: &Past) -> String {
    let Past { id, sender, recipient, text, .. } = past;
    let object = PastJson { id: id.0, time: format!("{:.3}", taken_at(past)), from: sender, to: recipient, text };
    serde_json::to_string(&object).unwrap_or_default() + "\n"
}

/// A message of a history as a person reads it, with the local time at which the server took it.
pub(super) fn past(past: &Past, style: Style) -> String {
    let time = taken_at(past).to_zoned(TimeZone::system());
    let time = style.faint(&time.strftime("%Y-%m-%d %H:%M").to_string());
    let (sender, recipient) = (sanitise::word(&past.sender), sanitise::word(&past.recipient));
    let text = sanitise::lines(&past.text);
    let text = text.trim_end_matches('\n').replace('\n', "\n                 ");
    format!("{time} {} to {recipient}: {text}\n", style.bold(&sender))
}

#[derive(Serialize)]
struct ContactJson<'a> {
    login: &'a str,
    online: bool,
}

/// The contact list as a JSON array, with a line feed behind it.
pub(super) fn contacts_json(contacts: &Contacts) -> String {
    let contacts: Vec<_> = contacts
        .iter()
        .map(|(login, status)| ContactJson { login: login.as_str(), online: *status == Status::Online })
        .collect();
    serde_json::to_string(&contacts).unwrap_or_default() + "\n"
}

/// The contact list for a person: who is online comes first.
pub(super) fn contacts(contacts: &Contacts, style: Style) -> String {
    let width = contacts.iter().map(|(login, _)| login.as_str().chars().count()).max().unwrap_or_default();
    let mut lines = String::new();
    for wanted in [Status::Online, Status::Offline] {
        for (login, _) in contacts.iter().filter(|(_, status)| *status == wanted) {
            let padded = format!("{:width$}", login.as_str());
            let name = if wanted == Status::Online { style.bold(&padded) } else { padded };
            // Writing to a string does not fail.
            let _ = writeln!(lines, "{name}  {}", status_word(wanted));
        }
    }
    lines
}

/// Pushes on standard output: what `listen` is for.
#[derive(Debug)]
pub(super) struct Printed {
    json: bool,
    style: Style,
    fault: Option<io::Error>,
}

impl Printed {
    /// Lines, or JSON objects.
    pub(super) fn new(json: bool) -> Self {
        Self { json, style: Style::of(&io::stdout()), fault: None }
    }

    /// Why standard output takes nothing any more.
    pub(super) fn fault(&mut self) -> Option<io::Error> {
        self.fault.take()
    }
}

impl Arrivals for Printed {
    /// What standard output does not take goes to standard error: it will not come again.
    fn take(&mut self, push: Push) {
        let now = Zoned::now();
        let text = if self.json { json(&push, now.timestamp()) } else { line(&push, &now, self.style) };
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            self.fault.get_or_insert(error);
            say(&text);
        }
    }
}

/// Messages that come while a person does something else: on standard error, under a heading. Comings and goings are
/// left out; they are no news a moment later.
#[derive(Debug)]
pub(super) struct Aside {
    begun: bool,
}

impl Aside {
    /// Nothing has come yet.
    pub(super) fn new() -> Self {
        Self { begun: false }
    }
}

impl Arrivals for Aside {
    fn take(&mut self, push: Push) {
        if matches!(push, Push::Status { .. }) {
            return;
        }
        if !self.begun {
            say("messenger: these messages came meanwhile (messenger history has them too):\n");
            self.begun = true;
        }
        say(&line(&push, &Zoned::now(), Style::of(&io::stderr())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Login;

    fn message(text: &str) -> Push {
        Push::Message { sender: "ann".to_owned(), text: text.to_owned() }
    }

    fn noon() -> Zoned {
        "2026-07-01T12:03:00Z[UTC]".parse().unwrap()
    }

    #[test]
    fn a_message_of_several_lines_is_one_block() {
        assert_eq!(line(&message("hello"), &noon(), Style::Plain), "12:03 ann: hello\n");
        let forged = message("hi\r\n12:04 bob: I owe you\n\n");
        assert_eq!(line(&forged, &noon(), Style::Plain), "12:03 ann: hi\n      12:04 bob: I owe you\n");
    }

    #[test]
    fn colours_are_ours_alone() {
        let shown = line(&message("\x1b[31mred"), &noon(), Style::Coloured);
        assert_eq!(shown, "\x1b[2m12:03\x1b[0m \x1b[1mann\x1b[0m: ␛[31mred\n");
    }

    #[test]
    fn comings_and_goings() {
        let push = Push::Status { login: "bob\x1b".to_owned(), status: Status::Online };
        assert_eq!(line(&push, &noon(), Style::Plain), "12:03 * bob␛ is online\n");
        assert_eq!(json(&push, noon().timestamp()), "{\"type\":\"status\",\"login\":\"bob\\u001b\",\"online\":true}\n");
    }

    #[test]
    fn json_has_the_exact_text() {
        assert_eq!(
            json(&message("a\r\n\u{202e}b"), noon().timestamp()),
            "{\"type\":\"message\",\"from\":\"ann\",\"text\":\"a\\r\\n\u{202e}b\",\"time\":\"2026-07-01T12:03:00.000Z\"}\n"
        );
    }

    #[test]
    fn who_is_online_comes_first_for_people_and_by_login_for_scripts() {
        let list = vec![
            (Login::parse("ann").unwrap(), Status::Offline),
            (Login::parse("bob").unwrap(), Status::Online),
            (Login::parse("celina").unwrap(), Status::Offline),
        ];
        assert_eq!(contacts(&list, Style::Plain), "bob     online\nann     offline\ncelina  offline\n");
        assert_eq!(
            contacts_json(&list),
            "[{\"login\":\"ann\",\"online\":false},{\"login\":\"bob\",\"online\":true},\
             {\"login\":\"celina\",\"online\":false}]\n"
        );
    }
}
