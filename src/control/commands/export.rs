//! What is kept of one person, as one JSON document: written as it comes, never whole in memory.

use super::door::House;
use crate::control::ClientError;
use crate::control::methods::export_user::{ExportUser, Kept, Piece};
use crate::control::methods::list_users::User;
use crate::control::methods::show_retention::Rules;
use crate::control::methods::show_user::Whose;
use crate::domain::exit::Exit;
use crate::terminal::private_file::NewFile;
use crate::terminal::progress::Progress;
use jiff::Timestamp;
use serde::Serialize;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// In which form the document is. A key that is added does not change it.
const FORMAT: u32 = 1;

pub(super) fn run(house: &House, login: String, output: Option<&Path>) -> Result<(), ClientError> {
    let Some(path) = output else {
        let mut document = Document::new(BufWriter::new(io::stdout().lock()), ClientError::Output);
        write(house, login, &mut document, &Progress::hidden())?;
        return document.out.flush().map_err(ClientError::Output);
    };
    // First of all: who works without the daemon is not root any more afterwards, and may not write there.
    let failed = |exit| move |said: String| ClientError::File { said, exit };
    let file = NewFile::create(path).map_err(|error| failed(Exit::CantCreate)(error.to_string()))?;
    let not_written = |source: io::Error| {
        let said = format!("{}: {}", path.display(), crate::terminal::plain(&source));
        failed(Exit::Io)(said)
    };
    let mut document = Document::new(BufWriter::new(file), not_written);
    write(house, login, &mut document, &Progress::of("exporting"))?;
    let written = document.out.into_inner().map_err(io::IntoInnerError::into_error);
    written.and_then(NewFile::finish).map_err(not_written)
}

fn write<W: Write, E: Fn(io::Error) -> ClientError>(
    house: &House,
    login: String,
    document: &mut Document<W, E>,
    progress: &Progress,
) -> Result<(), ClientError> {
    let mut of = 0;
    house.open()?.stream::<ExportUser, ClientError>(Whose { login }, |piece| {
        of = piece.account.as_ref().map_or(of, |account| account.entries);
        progress.at(piece.messages.last().map_or(0, |last| last.number), of);
        document.take(&piece)?;
        Ok(true)
    })?;
    document.end()
}

/// The account, as the document has it.
#[derive(Serialize)]
struct Account<'a> {
    login: &'a str,
    email: &'a str,
    created_at: String,
    disabled: bool,
    invite: Option<&'a str>,
}

/// A message, as the document has it.
#[derive(Serialize)]
struct Message<'a> {
    number: u64,
    direction: &'static str,
    from: &'a str,
    to: &'a str,
    at: String,
    /// Whether the other side has got what was sent is the other side's.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<bool>,
    text: &'a str,
}

impl<'a> From<&'a Kept> for Message<'a> {
    fn from(kept: &'a Kept) -> Self {
        Self {
            number: kept.number,
            direction: if kept.received { "received" } else { "sent" },
            from: &kept.from,
            to: &kept.to,
            at: moment(kept.sent_at),
            delivered: kept.received.then_some(kept.delivered),
            text: &kept.text,
        }
    }
}

/// RFC 3339, in UTC.
fn moment(milliseconds: i64) -> String {
    format!("{:.3}", Timestamp::from_millisecond(milliseconds).unwrap_or_default())
}

/// The lists of the document, in their order.
const LISTS: [&str; 3] = ["contacts", "blocks", "messages"];

/// A document that is being written.
struct Document<W, E> {
    out: W,
    failed: E,
    /// So many lists were begun, and so many members of the last.
    lists: usize,
    members: usize,
}

impl<W: Write, E: Fn(io::Error) -> ClientError> Document<W, E> {
    fn new(out: W, failed: E) -> Self {
        Self { out, failed, lists: 0, members: 0 }
    }

    fn put(&mut self, text: &str) -> Result<(), ClientError> {
        self.out.write_all(text.as_bytes()).map_err(&self.failed)
    }

    fn take(&mut self, piece: &Piece) -> Result<(), ClientError> {
        if let Some(account) = &piece.account {
            self.begin(account, &piece.retention.unwrap_or_default())?;
        }
        self.extend(0, piece.contacts.iter())?;
        self.extend(1, piece.blocks.iter())?;
        self.extend(2, piece.messages.iter().map(Message::from))
    }

    fn begin(&mut self, user: &User, retention: &Rules) -> Result<(), ClientError> {
        let account = Account {
            login: &user.login,
            email: &user.email,
            created_at: moment(user.created_at),
            disabled: user.disabled,
            invite: user.invite.as_deref(),
        };
        let now = Timestamp::now();
        self.put(&format!("{{\n\"messengerd_export\": {FORMAT},\n\"exported_at\": \"{now:.0}\",\n"))?;
        self.put(&format!("\"account\": {},\n\"retention\": {}", json(&account), json(retention)))
    }

    /// Adds to one of the lists; those before it are over.
    fn extend(&mut self, list: usize, members: impl Iterator<Item = impl Serialize>) -> Result<(), ClientError> {
        for member in members {
            self.list(list)?;
            self.put(if self.members == 0 { "\n" } else { ",\n" })?;
            self.put(&json(&member))?;
            self.members += 1;
        }
        Ok(())
    }

    /// Begins all lists up to this one that are not begun.
    fn list(&mut self, list: usize) -> Result<(), ClientError> {
        while self.lists <= list {
            let end = if self.lists > 0 { "]" } else { "" };
            self.put(&format!("{end},\n\"{}\": [", LISTS[self.lists]))?;
            self.lists += 1;
            self.members = 0;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ClientError> {
        self.list(LISTS.len() - 1)?;
        self.put("]\n}\n")
    }
}

fn json(what: &impl Serialize) -> String {
    serde_json::to_string(what).expect("it has no keys that are no strings")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn written(pieces: &[Piece]) -> Value {
        let mut document = Document::new(Vec::new(), ClientError::Output);
        for piece in pieces {
            document.take(piece).unwrap();
        }
        document.end().unwrap();
        serde_json::from_slice(&document.out).unwrap()
    }

    fn account() -> Piece {
        let user = User {
            login: "ann".to_owned(),
            email: "\"ann\"@example.org".to_owned(),
            disabled: false,
            created_at: 1_700_000_000_000,
            invite: None,
            online: Some(true),
            entries: 3,
            waiting: 0,
        };
        Piece { account: Some(user), ..Piece::default() }
    }

    fn message(number: u64, text: &str) -> Kept {
        let (from, to, text) = ("bob".to_owned(), "ann".to_owned(), text.to_owned());
        Kept { number, received: number != 2, from, to, sent_at: 1_700_000_000_250, text, delivered: number == 1 }
    }

    #[test]
    fn whatever_pieces_it_comes_in_it_is_one_document() {
        let empty = written(&[account()]);
        assert_eq!((&empty["contacts"], &empty["blocks"], &empty["messages"]), (&json!([]), &json!([]), &json!([])));
        assert_eq!(empty["account"]["email"], "\"ann\"@example.org");
        assert_eq!(empty["retention"]["delivered_age"], Value::Null);
        assert_eq!(empty["account"]["created_at"], "2023-11-14T22:13:20.000Z");
        let whole = written(&[
            account(),
            Piece { contacts: vec!["bob".to_owned()], ..Piece::default() },
            Piece { contacts: vec!["cid".to_owned()], ..Piece::default() },
            Piece { messages: vec![message(1, "\"}\u{0}\r\n\u{202e}"), message(2, "")], ..Piece::default() },
            Piece { messages: vec![message(3, "x")], ..Piece::default() },
        ]);
        assert_eq!((&whole["contacts"], &whole["blocks"]), (&json!(["bob", "cid"]), &json!([])));
        assert_eq!(whole["messages"].as_array().unwrap().len(), 3);
        assert_eq!(
            whole["messages"][0],
            json!({"number": 1, "direction": "received", "from": "bob", "to": "ann", "at": "2023-11-14T22:13:20.250Z",
                   "delivered": true, "text": "\"}\u{0}\r\n\u{202e}"})
        );
        assert_eq!(whole["messages"][1].get("delivered"), None, "what was sent is delivered or not to somebody else");
        assert_eq!(whole["messages"][2]["delivered"], false);
    }
}
