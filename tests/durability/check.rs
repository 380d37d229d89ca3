//! What a state directory holds, against a [`Ledger`]. The database is opened by the daemon's own store, recovery and all.
//!
//! Errors: [`Broken`], the first thing that must not be, in words. What was promised and is not there is no error but what
//! comes of it: where losses are expected, they have to be told from all else.

use crate::ledger::{Asked, Ledger};
use messengerd::domain::{AccountId, Email, Login, Message, Seq, UnixMillis};
use messengerd::store::{Draft, NewAccount, Options, PageLimits, Store};
use rusqlite::{Connection, OpenFlags, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

const ALL: PageLimits = PageLimits { entries: u32::MAX, bytes: usize::MAX };
/// Who comes afterwards, and what they write to themselves.
const NEWCOMER: &str = "newcomer";
const NEXT: &str = "written afterwards\n";

/// What must not be: damage, a gap, something twice or in another order, something that nobody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

/// What somebody was told is done, and is not there, in words.
pub(crate) type Lost = Vec<String>;

type Checked<T = ()> = Result<T, Broken>;

fn broken<E: Display>(what: &str) -> impl Fn(E) -> Broken {
    move |error| Broken(format!("{what}: {error}"))
}

/// Fails unless it is so.
fn hold(is_so: bool, wrong: impl FnOnce() -> String) -> Checked {
    if is_so { Ok(()) } else { Err(Broken(wrong())) }
}

/// A mailbox: its messages in order, from number 1, and how far it was delivered.
struct Mailbox {
    login: String,
    messages: Vec<Asked>,
    cursor: usize,
}

/// Opens what is there, compares it with what is known, and goes on with it a little.
pub(crate) fn check(directory: &Path, ledger: &Ledger, runtime: &Runtime) -> Checked<Lost> {
    let options = Options {
        directory: directory.to_owned(),
        sync_every_commit: true,
        readers: 1,
        batch_max: 64,
        busy_timeout: Duration::from_secs(1),
    };
    let (store, committed) = Store::open(&options, &(Arc::new(|| {}) as _)).map_err(broken("it can't be opened"))?;
    let mut lost = Lost::new();
    let checked = runtime.block_on(async {
        let ids = tables(directory, ledger, &mut lost)?;
        let mailboxes = mailboxes(&store, &ids, ledger).await?;
        compare(&mailboxes, ledger, &mut lost)?;
        go_on(&store).await?;
        Ok(mailboxes)
    });
    // Filed, put back and closed whatever was found: a directory is looked at by its next opener.
    let stopped = runtime.block_on(store.stop());
    drop(committed);
    let mailboxes = checked?;
    stopped.map_err(broken("it can't be stopped"))?;
    filed(directory, mailboxes, ledger)?;
    Ok(lost)
}

/// Without the store, as another program sees it.
fn foreign(directory: &Path) -> Checked<Connection> {
    Connection::open_with_flags(directory.join("messengerd.sqlite"), OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(broken("another program can't open it"))
}

fn rows<T>(db: &Connection, query: &str, row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Checked<Vec<T>> {
    let read = db.prepare(query).and_then(|mut statement| statement.query_map([], row)?.collect());
    read.map_err(broken(query))
}

fn sound(db: &Connection) -> Checked {
    let found: Vec<String> = rows(db, "PRAGMA integrity_check", |row| row.get(0))?;
    hold(found == ["ok"], || format!("the database is damaged: {found:?}"))?;
    let orphans = rows(db, "PRAGMA foreign_key_check", |row| row.get::<_, String>(0))?;
    hold(orphans.is_empty(), || format!("rows refer to what is not there: {orphans:?}"))
}

/// Accounts and contacts are those that were asked for, each once, and those that were promised. Returns the accounts.
fn tables(directory: &Path, ledger: &Ledger, lost: &mut Lost) -> Checked<BTreeMap<String, AccountId>> {
    let db = foreign(directory)?;
    sound(&db)?;
    let accounts: Vec<(String, i64, String)> =
        rows(&db, "SELECT login, id, email FROM accounts", |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let ids: BTreeMap<String, AccountId> =
        accounts.iter().map(|(login, id, _)| (login.clone(), AccountId(*id))).collect();
    hold(ids.len() == accounts.len(), || format!("an account is there twice: {accounts:?}"))?;
    let missing = ledger.accounts_told.iter().filter(|login| !ids.contains_key(*login));
    lost.extend(missing.map(|login| format!("the account {login}")));
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
    lost.extend(ledger.contacts_told.difference(&there).map(|contact| format!("the contact {contact:?}")));
    let strange = there.difference(&ledger.contacts_asked).next();
    hold(strange.is_none(), || format!("nobody asked for the contact {strange:?}"))?;
    Ok(ids)
}

/// All mailboxes as the store shows them, numbered without a gap, with nothing that nobody sent.
async fn mailboxes(store: &Store, ids: &BTreeMap<String, AccountId>, ledger: &Ledger) -> Checked<Vec<Mailbox>> {
    let mut mailboxes = Vec::new();
    for (login, id) in ids {
        let page = store.mailbox_page(*id, Seq(0), ALL).await.map_err(broken("a mailbox can't be read"))?;
        let Seq(cursor) = store.cursor(*id).await.map_err(broken("a cursor can't be read"))?;
        let numbers: Vec<u64> = page.entries.iter().map(|entry| entry.seq.0).collect();
        let head = page.entries.len() as u64;
        hold(numbers.iter().copied().eq(1..=head), || format!("{login}'s mailbox has a gap: {numbers:?}"))?;
        hold(cursor <= head, || format!("{login}'s mailbox was delivered to {cursor}, and ends at {head}"))?;
        let mut messages = Vec::with_capacity(page.entries.len());
        for entry in &page.entries {
            let Message { sender, recipient, text, .. } = &*entry.message;
            let found = ledger.messages.find(text);
            let is_so = found.is_some_and(|asked| {
                let message = &ledger.messages[asked];
                (message.from.as_str(), message.to.as_str()) == (sender.as_str(), recipient.as_str())
            });
            hold(is_so, || format!("nobody sent {:?}", entry.message))?;
            hold([sender.as_str(), recipient.as_str()].contains(&login.as_str()), || {
                format!("{login} has a stranger's {:?}", entry.message)
            })?;
            messages.extend(found);
        }
        let cursor = usize::try_from(cursor).expect("it is no larger than the mailbox");
        mailboxes.push(Mailbox { login: login.clone(), messages, cursor });
    }
    Ok(mailboxes)
}

/// Where a message stands in its mailboxes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Places {
    senders: Option<usize>,
    recipients: Option<usize>,
}

fn compare(mailboxes: &[Mailbox], ledger: &Ledger, lost: &mut Lost) -> Checked {
    let mut places = vec![Places::default(); ledger.messages.count()];
    for Mailbox { login, messages, .. } in mailboxes {
        for (place, asked) in messages.iter().enumerate() {
            let message = &ledger.messages[*asked];
            let places = &mut places[*asked];
            let before = if message.to == *login { &mut places.recipients } else { &mut places.senders };
            let twice = before.replace(place);
            hold(twice.is_none(), || format!("{login} has {:?} twice", message.text))?;
            if message.from == message.to {
                places.senders = places.recipients;
            }
        }
    }
    each_connection(&places, ledger, lost)?;
    each_reader(mailboxes, &places, ledger)
}

/// Each message is in both mailboxes or in none, and so is all that its sender wrote before it, in that order.
fn each_connection(places: &[Places], ledger: &Ledger, lost: &mut Lost) -> Checked {
    for sent in ledger.sent.values() {
        let mut before: BTreeMap<&str, usize> = BTreeMap::new();
        let mut ended = false;
        for asked in sent {
            let message = &ledger.messages[*asked];
            let text = &message.text;
            let (at_sender, at_recipient) = match places[*asked] {
                Places { senders: Some(at_sender), recipients: Some(at_recipient) } => (at_sender, at_recipient),
                Places { senders: None, recipients: None } => {
                    lost.extend(message.is_told.then(|| format!("the message {text:.20?}")));
                    ended = true;
                    continue;
                }
                _ => return Err(Broken(format!("{text:?} is in one mailbox of two"))),
            };
            hold(!ended, || format!("{text:?} is there, and not what {} sent before", message.from))?;
            let both = [(&message.to, at_recipient), (&message.from, at_sender)];
            for (login, place) in &both[..if message.to == message.from { 1 } else { 2 }] {
                let in_order = before.insert(login, *place).is_none_or(|last| last < *place);
                hold(in_order, || format!("{text:?} stands before an older one at {login}'s"))?;
            }
        }
    }
    Ok(())
}

/// What was shown on a connection is a run of what came, in the same order; and what counts as delivered was shown.
fn each_reader(mailboxes: &[Mailbox], places: &[Places], ledger: &Ledger) -> Checked {
    let mut is_shown = vec![false; places.len()];
    for (login, shown) in ledger.shown.values() {
        for asked in shown {
            is_shown[*asked] = true;
        }
        let Some(mailbox) = mailboxes.iter().find(|mailbox| mailbox.login == *login) else { continue };
        // What was lost was counted.
        let there: Vec<Asked> = shown.iter().copied().filter(|asked| places[*asked].recipients.is_some()).collect();
        let first = there.first().and_then(|first| places[*first].recipients).unwrap_or(0);
        let incoming = mailbox.messages[first..].iter().copied().filter(|asked| ledger.messages[*asked].to == *login);
        hold(incoming.take(there.len()).eq(there.iter().copied()), || {
            format!("{login} was shown another order than what is there: {shown:?}")
        })?;
    }
    for Mailbox { login, messages, cursor } in mailboxes {
        let unseen =
            messages[..*cursor].iter().find(|asked| ledger.messages[**asked].to == *login && !is_shown[**asked]);
        hold(unseen.is_none(), || {
            let text = unseen.map(|asked| &ledger.messages[*asked].text);
            format!("{login} will not be shown {text:?}, and never was")
        })?;
    }
    Ok(())
}

/// Somebody signs up and writes.
async fn go_on(store: &Store) -> Checked {
    let login = Login::parse(NEWCOMER).expect("it is a login");
    let account = NewAccount {
        login: login.clone(),
        email: Email::parse("newcomer@example.org").expect("it is an address"),
        password_hash: "$argon2id$".to_owned(),
        created_at: UnixMillis(0),
        invite: None,
    };
    let added = store.add_user(account).await.map_err(broken("nothing can be written any more"))?;
    let sender = added.map_err(|_| Broken("the newcomer is there already".to_owned()))?;
    let message = Message { sender: login.clone(), recipient: login, sent_at: UnixMillis(0), text: NEXT.into() };
    let written = store
        .add_message(Draft { sender, message: Arc::new(message) })
        .await
        .map_err(broken("nothing can be written any more"))?;
    hold(written, || "the newcomer is not found".to_owned())
}

/// When it was stopped, all is filed: what was seen before, and what came then.
fn filed(directory: &Path, mailboxes: Vec<Mailbox>, ledger: &Ledger) -> Checked {
    let db = foreign(directory)?;
    sound(&db)?;
    let all: Vec<bool> = rows(&db, "SELECT up_to = (SELECT max(id) FROM messages) FROM filing", |row| row.get(0))?;
    hold(all == [true], || "not all is filed".to_owned())?;
    // In the order of their names, as they came.
    let mut there = rows(
        &db,
        "SELECT login, seq, text FROM entries JOIN accounts ON accounts.id = account
         LEFT JOIN messages ON messages.id = message ORDER BY login <> 'newcomer', login, seq",
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?)),
    )?
    .into_iter();
    let mut is_next = |login: &str, seq: i64, text: &str| {
        let next = there.next();
        hold(next.as_ref().is_some_and(|next| (next.0.as_str(), next.1, next.2.as_str()) == (login, seq, text)), || {
            format!("what was filed is not what was there before: {next:.40?} for {login}'s {seq}, {text:.20?}")
        })
    };
    is_next(NEWCOMER, 1, NEXT)?;
    for Mailbox { login, messages, .. } in mailboxes {
        for (asked, seq) in messages.into_iter().zip(1..) {
            is_next(&login, seq, &ledger.messages[asked].text)?;
        }
    }
    hold(there.next().is_none(), || "more was filed than was there before".to_owned())
}
