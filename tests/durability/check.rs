//! What a state directory holds, against a [`Ledger`]. The database is opened by the daemon's own store, recovery and all.
//!
//! Errors: the first thing that is not as it was promised, in words.

use crate::ledger::{Ledger, Sent};
use messengerd::domain::{AccountId, Email, Login, Message, Seq, UnixMillis};
use messengerd::store::{Draft, NewAccount, Options, PageLimits, Store};
use rusqlite::{Connection, OpenFlags, Row};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

const ALL: PageLimits = PageLimits { entries: u32::MAX, bytes: usize::MAX };
/// Who comes afterwards, and what they write to themselves.
const NEWCOMER: &str = "newcomer";
const NEXT: &str = "written afterwards\n";

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Somebody was told that it is done, and it is not there.
    Lost(String),
    /// All else.
    Broken(String),
}

impl Wrong {
    fn broken(what: &str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        move |error| Self::Broken(format!("{what}: {error}"))
    }
}

type Checked<T = ()> = Result<T, Wrong>;

/// Fails unless it is so.
fn hold(is_so: bool, wrong: impl FnOnce() -> String) -> Checked {
    if is_so { Ok(()) } else { Err(Wrong::Broken(wrong())) }
}

fn lost(what: &str, missing: impl IntoIterator<Item = impl std::fmt::Debug>) -> Checked {
    missing.into_iter().next().map_or(Ok(()), |first| Err(Wrong::Lost(format!("{what} {first:?}"))))
}

/// A mailbox: its messages in order, from number 1, and how far it was delivered.
struct Mailbox {
    login: String,
    messages: Vec<Sent>,
    cursor: usize,
}

/// Opens what is there, compares it with what is known, and goes on with it a little.
pub(crate) fn check(directory: &Path, ledger: &Ledger, runtime: &Runtime) -> Checked {
    let options = Options {
        directory: directory.to_owned(),
        sync_every_commit: true,
        readers: 1,
        batch_max: 64,
        busy_timeout: Duration::from_secs(1),
    };
    let (store, committed) = Store::open(&options, &(Arc::new(|| {}) as _))
        .map_err(|error| Wrong::Broken(format!("it can't be opened: {error}")))?;
    let checked = runtime.block_on(async {
        let ids = tables(directory, ledger)?;
        let mailboxes = mailboxes(&store, &ids).await?;
        compare(&mailboxes, ledger)?;
        go_on(&store).await?;
        Ok(mailboxes)
    });
    // Filed, put back and closed whatever was found: a directory is looked at by its next opener.
    let stopped = runtime.block_on(store.stop());
    drop(committed);
    let mailboxes = checked?;
    stopped.map_err(|error| Wrong::broken("it can't be stopped")(&error))?;
    filed(directory, mailboxes)
}

/// Without the store, as another program sees it.
fn foreign(directory: &Path) -> Checked<Connection> {
    Connection::open_with_flags(directory.join("messengerd.sqlite"), OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(|error| Wrong::broken("another program can't open it")(&error))
}

fn rows<T>(db: &Connection, query: &str, row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Checked<Vec<T>> {
    let read = db.prepare(query).and_then(|mut statement| statement.query_map([], row)?.collect());
    read.map_err(|error| Wrong::broken(query)(&error))
}

fn sound(db: &Connection) -> Checked {
    let found: Vec<String> = rows(db, "PRAGMA integrity_check", |row| row.get(0))?;
    hold(found == ["ok"], || format!("the database is damaged: {found:?}"))?;
    let orphans = rows(db, "PRAGMA foreign_key_check", |row| row.get::<_, String>(0))?;
    hold(orphans.is_empty(), || format!("rows refer to what is not there: {orphans:?}"))
}

/// Accounts and contacts are those that were asked for, each once, and those that were promised. Returns the accounts.
fn tables(directory: &Path, ledger: &Ledger) -> Checked<BTreeMap<String, AccountId>> {
    let db = foreign(directory)?;
    sound(&db)?;
    let accounts: Vec<(String, i64, String)> =
        rows(&db, "SELECT login, id, email FROM accounts", |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let ids: BTreeMap<String, AccountId> =
        accounts.iter().map(|(login, id, _)| (login.clone(), AccountId(*id))).collect();
    hold(ids.len() == accounts.len(), || format!("an account is there twice: {accounts:?}"))?;
    lost("the account", ledger.accounts_told.iter().filter(|login| !ids.contains_key(*login)))?;
    for (login, _, email) in &accounts {
        hold(ledger.accounts_asked.get(login) == Some(email), || format!("nobody asked for the account {login}"))?;
    }
    let contacts: Vec<(String, String)> = rows(
        &db,
        "SELECT owners.login, contacts_.login FROM contacts JOIN accounts AS owners ON owners.id = owner
         JOIN accounts AS contacts_ ON contacts_.id = contact",
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let there: BTreeSet<_> = contacts.iter().cloned().collect();
    hold(there.len() == contacts.len(), || format!("a contact is there twice: {contacts:?}"))?;
    lost("the contact", ledger.contacts_told.difference(&there))?;
    let strange = there.difference(&ledger.contacts_asked).next();
    hold(strange.is_none(), || format!("nobody asked for the contact {strange:?}"))?;
    Ok(ids)
}

/// All mailboxes as the store shows them, numbered without a gap.
async fn mailboxes(store: &Store, ids: &BTreeMap<String, AccountId>) -> Checked<Vec<Mailbox>> {
    let mut mailboxes = Vec::new();
    for (login, id) in ids {
        let fault = |error| Wrong::broken("a mailbox can't be read")(&error);
        let page = store.mailbox_page(*id, Seq(0), ALL).await.map_err(fault)?;
        let Seq(cursor) = store.cursor(*id).await.map_err(fault)?;
        let numbers: Vec<u64> = page.entries.iter().map(|entry| entry.seq.0).collect();
        let head = page.entries.len() as u64;
        hold(numbers.iter().copied().eq(1..=head), || format!("{login}'s mailbox has a gap: {numbers:?}"))?;
        hold(cursor <= head, || format!("{login}'s mailbox was delivered to {cursor}, and ends at {head}"))?;
        let messages = page.entries.iter().map(|entry| Sent {
            from: entry.message.sender.as_str().to_owned(),
            to: entry.message.recipient.as_str().to_owned(),
            text: entry.message.text.to_string(),
        });
        let cursor = usize::try_from(cursor).unwrap();
        mailboxes.push(Mailbox { login: login.clone(), messages: messages.collect(), cursor });
    }
    Ok(mailboxes)
}

fn compare(mailboxes: &[Mailbox], ledger: &Ledger) -> Checked {
    let sent: HashMap<&str, &Sent> = ledger.sent.values().flatten().map(|sent| (sent.text.as_str(), sent)).collect();
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    for Mailbox { login, messages, .. } in mailboxes {
        for (place, message) in messages.iter().enumerate() {
            hold(sent.get(message.text.as_str()) == Some(&message), || format!("nobody sent {message:?}"))?;
            hold([&message.from, &message.to].contains(&login), || format!("{login} has a stranger's {message:?}"))?;
            let twice = places.insert((login, &message.text), place);
            hold(twice.is_none(), || format!("{login} has {:?} twice", message.text))?;
        }
    }
    let place = |login: &str, text: &str| places.get(&(login, text)).copied();

    // Each message is in both mailboxes or in none, and so is all that its sender wrote before it, in that order.
    for sent in ledger.sent.values() {
        let mut before: HashMap<&str, usize> = HashMap::new();
        let mut ended = false;
        for Sent { from, to, text } in sent {
            let found = (place(from, text), place(to, text));
            let (Some(at_sender), Some(at_recipient)) = found else {
                hold(found == (None, None), || format!("{text:?} is in one mailbox of two"))?;
                lost("the message", ledger.messages_told.get(text))?;
                ended = true;
                continue;
            };
            hold(!ended, || format!("{text:?} is there, and not what {from} sent before"))?;
            for (login, place) in [(from, at_sender), (to, at_recipient)] {
                let last = before.insert(login, place);
                hold(last.is_none_or(|last| last < place || from == to), || {
                    format!("{text:?} stands before an older one at {login}'s")
                })?;
            }
        }
    }

    let incoming: HashMap<&str, Vec<(usize, &str)>> = mailboxes
        .iter()
        .map(|Mailbox { login, messages, .. }| {
            let incoming = messages.iter().enumerate().filter(|(_, message)| message.to == *login);
            (login.as_str(), incoming.map(|(place, message)| (place, message.text.as_str())).collect())
        })
        .collect();
    // What was shown on a connection is a run of what came, in the same order.
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (login, shown) in ledger.shown.values() {
        seen.extend(shown.iter().map(|text| (login.as_str(), text.as_str())));
        let there = incoming.get(login.as_str()).map_or(&[][..], Vec::as_slice);
        let first = there.iter().position(|(_, text)| shown.first().is_some_and(|first| first == text));
        let run = there.iter().skip(first.unwrap_or(there.len())).map(|(_, text)| *text);
        hold(run.take(shown.len()).eq(shown.iter().map(String::as_str)), || {
            format!("{login} was shown another order than {there:?}: {shown:?}")
        })?;
    }
    // And what counts as delivered was shown.
    for Mailbox { login, cursor, .. } in mailboxes {
        let unseen =
            incoming[login.as_str()].iter().find(|(place, text)| place < cursor && !seen.contains(&(login, text)));
        hold(unseen.is_none(), || format!("{login} will not be shown {unseen:?}, and never was"))?;
    }
    Ok(())
}

/// Somebody signs up and writes.
async fn go_on(store: &Store) -> Checked {
    let fault = |error| Wrong::broken("nothing can be written any more")(&error);
    let login = Login::parse(NEWCOMER).expect("it is a login");
    let account = NewAccount {
        login: login.clone(),
        email: Email::parse("newcomer@example.org").expect("it is an address"),
        password_hash: "$argon2id$".to_owned(),
        created_at: UnixMillis(0),
    };
    let added = store.add_user(account).await.map_err(fault)?;
    let sender = added.map_err(|_| Wrong::Broken("the newcomer is there already".to_owned()))?;
    let message = Message { sender: login.clone(), recipient: login, sent_at: UnixMillis(0), text: NEXT.into() };
    let written = store.add_message(Draft { sender, message: Arc::new(message) }).await.map_err(fault)?;
    hold(written, || "the newcomer is not found".to_owned())
}

/// When it was stopped, all is filed: what was seen before, and what came then.
fn filed(directory: &Path, mut mailboxes: Vec<Mailbox>) -> Checked {
    let db = foreign(directory)?;
    sound(&db)?;
    let newest: Vec<bool> =
        rows(&db, "SELECT up_to = (SELECT max(id) FROM messages) FROM filing", |row| row.get(0))?;
    hold(newest == [true], || "not all is filed".to_owned())?;
    let next = Sent { from: NEWCOMER.to_owned(), to: NEWCOMER.to_owned(), text: NEXT.to_owned() };
    mailboxes.push(Mailbox { login: NEWCOMER.to_owned(), messages: vec![next], cursor: 0 });
    let mut expected: Vec<(String, i64, String)> = Vec::new();
    for Mailbox { login, messages, .. } in mailboxes {
        expected.extend(messages.into_iter().zip(1..).map(|(message, seq)| (login.clone(), seq, message.text)));
    }
    expected.sort_unstable();
    let mut there: Vec<(String, i64, String)> = rows(
        &db,
        "SELECT login, seq, text FROM entries JOIN accounts ON accounts.id = account
         LEFT JOIN messages ON messages.id = message",
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    there.sort_unstable();
    hold(there == expected, || "what was filed is not what was there before".to_owned())
}
