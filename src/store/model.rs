//! What a store should hold after any sequence of steps, in a few lines: for tests and fuzzing.
//!
//! [`Model`] is what is expected, [`Both`] a real store on real files with it beside.
//!
//! Errors: a store that does otherwise is a panic.

mod both;

pub(crate) use both::Both;

use super::open::FILE;
use super::{
    CantBlock, Committed, Contact, Draft, Limits, NewAccount, OpenError, Options, Page, PageLimits, Progress, Sight,
    Store,
};
use crate::config::ContactsPolicy;
use crate::domain::{AccountId, Email, Entry, History, Login, Message, Seq, UnixMillis};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Who there may be.
pub(crate) const LOGINS: [&str; 5] = ["ann", "bob", "cid", "dee", "żółw"];

pub(super) const ALL: PageLimits = PageLimits { entries: u32::MAX, bytes: usize::MAX };

const POLICIES: [ContactsPolicy; 2] = [ContactsPolicy::Open, ContactsPolicy::Mutual];

pub(super) fn options(directory: &Path) -> Options {
    Options {
        directory: directory.to_owned(),
        sync_every_commit: true,
        readers: 2,
        batch_max: 64,
        busy_timeout: Duration::from_millis(1),
    }
}

pub(super) fn no_progress() -> Progress {
    Arc::new(|| {})
}

pub(super) type Opened = (Store, mpsc::Receiver<Vec<Committed>>);

pub(super) fn try_open(directory: &Path) -> Result<Opened, OpenError> {
    Store::open(&options(directory), &no_progress())
}

pub(super) fn open(directory: &Path) -> Opened {
    try_open(directory).unwrap()
}

pub(super) fn open_new() -> (TempDir, Store, mpsc::Receiver<Vec<Committed>>) {
    let directory = TempDir::new().unwrap();
    let (store, committed) = open(directory.path());
    (directory, store, committed)
}

pub(super) fn login(text: &str) -> Login {
    Login::parse(text).unwrap()
}

pub(super) fn new_account(text: &str) -> NewAccount {
    NewAccount {
        login: login(text),
        email: Email::parse("someone@example.org").unwrap(),
        password_hash: "$argon2id$".to_owned(),
        created_at: UnixMillis(0),
        invite: None,
    }
}

/// Somebody with an account.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: AccountId,
    pub(crate) login: Login,
}

impl Person {
    pub(super) fn draft(&self, recipient: &Login, text: &str) -> Draft {
        let message = Message {
            sender: self.login.clone(),
            recipient: recipient.clone(),
            sent_at: UnixMillis(1_700_000_000_000),
            text: text.into(),
        };
        Draft { sender: self.id, message: Arc::new(message) }
    }

    pub(super) async fn mailbox(&self, store: &Store) -> Vec<Entry> {
        store.mailbox_page(self.id, Seq(0), ALL).await.unwrap().entries
    }
}

pub(super) fn assert_gapless(entries: &[Entry]) {
    let numbers = entries.iter().map(|entry| entry.seq.0);
    assert!(numbers.eq(1..=entries.len() as u64), "{entries:?}");
}

/// What is asked of a store, or happens to it. Whoever is chosen by a number is one of those who are there.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    AddUser {
        login: usize,
    },
    AddContact {
        owner: usize,
        login: usize,
    },
    RemoveContact {
        owner: usize,
        login: usize,
    },
    Block {
        owner: usize,
        login: usize,
    },
    Unblock {
        owner: usize,
        login: usize,
    },
    /// From an account, or from none; to a login that somebody has or nobody, and perhaps to oneself.
    AddMessage {
        sender: Option<usize>,
        recipient: usize,
        text: String,
    },
    /// Relative to the head of the mailbox; `i64::MAX` stands for "far beyond".
    Delivered {
        account: usize,
        beyond_head: i64,
    },
    WriteCursors,
    File,
    History {
        account: usize,
        with: Option<usize>,
        before: u64,
        limits: (u32, usize),
    },
    /// By count: so many that were delivered, and so many that were not. 0 is no limit.
    Retain {
        delivered: u64,
        undelivered: u64,
    },
    Page {
        account: usize,
        after: u64,
        limits: (u32, usize),
    },
    Stop,
    Crash,
}

#[derive(Default)]
struct Mailbox {
    /// What was not let go of.
    entries: Vec<Entry>,
    head: u64,
    written: u64,
    noted: u64,
}

impl Mailbox {
    fn head(&self) -> u64 {
        self.head
    }

    /// Lets go of what two counts leave no room for.
    fn retain(&mut self, delivered: u64, undelivered: u64) {
        let cursor = self.cursor();
        for (is_delivered, keep) in [(true, delivered), (false, undelivered)] {
            let in_class = |entry: &&Entry| (entry.seq <= cursor || !entry.incoming) == is_delivered;
            let all: Vec<_> = self.entries.iter().filter(in_class).map(|entry| entry.seq).collect();
            let keep = if keep == 0 { all.len() } else { usize::try_from(keep).unwrap() };
            let going = &all[..all.len().saturating_sub(keep)];
            self.entries.retain(|entry| !going.contains(&entry.seq));
            if let (false, Some(last)) = (is_delivered, going.last()) {
                self.written = self.written.max(last.0);
            }
        }
    }

    fn cursor(&self) -> Seq {
        Seq(self.written.max(self.noted).min(self.head()))
    }

    fn page(&self, after: u64, limits: PageLimits) -> Page {
        let rest: Vec<_> = self.entries.iter().filter(|entry| entry.seq.0 > after).cloned().collect();
        let fits = |length: &usize| {
            let bytes: usize = rest[..*length].iter().map(|entry| entry.message.text.len()).sum();
            *length == 1 || (*length <= limits.entries as usize && bytes <= limits.bytes)
        };
        let length = (1..=rest.len()).take_while(fits).last().unwrap_or(0);
        let (entries, more) = (rest[..length].to_vec(), length < rest.len());
        let up_to = if more { entries[length - 1].seq } else { Seq(self.head.max(after)) };
        Page { entries, up_to, more }
    }
}

/// Some have this, some that.
fn policy_of(owner: &Person) -> ContactsPolicy {
    POLICIES[usize::from(owner.id.0 % 2 == 0)]
}

/// What the store should hold.
#[derive(Default)]
pub(crate) struct Model {
    people: Vec<Person>,
    contacts: BTreeSet<(AccountId, AccountId)>,
    blocks: BTreeSet<(AccountId, AccountId)>,
    mailboxes: HashMap<AccountId, Mailbox>,
}

impl Model {
    pub(crate) fn with_login(&self, login: &Login) -> Option<Person> {
        self.people.iter().find(|person| person.login == *login).cloned()
    }

    fn chosen(&self, number: usize) -> Option<Person> {
        (!self.people.is_empty()).then(|| self.people[number % self.people.len()].clone())
    }

    pub(crate) fn add_user(&mut self, person: Person) {
        assert!(self.people.iter().all(|other| other.id < person.id), "a number is never used again");
        self.mailboxes.insert(person.id, Mailbox::default());
        self.people.push(person);
    }

    /// The contact, if somebody has that login.
    pub(crate) fn add_contact(&mut self, owner: AccountId, login: &Login) -> Option<AccountId> {
        let contact = self.with_login(login).map(|person| person.id);
        self.contacts.extend(contact.map(|contact| (owner, contact)));
        contact
    }

    /// Whether they were on the list.
    pub(crate) fn remove_contact(&mut self, owner: AccountId, login: &Login) -> bool {
        self.with_login(login).is_some_and(|contact| self.contacts.remove(&(owner, contact.id)))
    }

    /// Whom; nobody, if nobody else has that login.
    pub(crate) fn block(&mut self, owner: AccountId, login: &Login) -> Option<AccountId> {
        let other = self.with_login(login).map(|person| person.id).filter(|other| *other != owner);
        self.blocks.extend(other.map(|other| (owner, other)));
        other
    }

    /// Whom; nobody, if they were not blocked.
    pub(crate) fn unblock(&mut self, owner: AccountId, login: &Login) -> Option<AccountId> {
        let other = self.with_login(login)?.id;
        self.blocks.remove(&(owner, other)).then_some(other)
    }

    pub(crate) fn sees(&self, watcher: AccountId, account: AccountId, policy: ContactsPolicy) -> bool {
        self.has_contact(watcher, account)
            && !self.blocks.contains(&(account, watcher))
            && (policy == ContactsPolicy::Open || self.has_contact(account, watcher))
    }

    pub(crate) fn has_contact(&self, owner: AccountId, contact: AccountId) -> bool {
        self.contacts.contains(&(owner, contact))
    }

    /// Whether whoever has that login sees the owner's status, by either policy.
    fn sights(&self, owner: AccountId, login: &Login) -> [bool; 2] {
        let other = self.with_login(login);
        POLICIES.map(|policy| other.as_ref().is_some_and(|other| self.sees(other.id, owner, policy)))
    }

    /// What has become of it by the owner's policy.
    fn sight(&self, before: [bool; 2], owner: &Person, login: &Login) -> Option<Sight> {
        let (other, after) = (self.with_login(login)?.id, self.sights(owner.id, login));
        let policy = usize::from(policy_of(owner) == ContactsPolicy::Mutual);
        Some(Sight { other, before: before[policy], after: after[policy] })
    }

    /// By login.
    pub(crate) fn contacts(&self, owner: AccountId) -> Vec<(AccountId, Login)> {
        let by_login: BTreeMap<_, _> = self.people.iter().map(|person| (&person.login, person.id)).collect();
        let listed = by_login.into_iter().filter(|(_, contact)| self.has_contact(owner, *contact));
        listed.map(|(login, contact)| (contact, login.clone())).collect()
    }

    /// `None`: nobody has that login.
    pub(crate) fn history(
        &self,
        account: AccountId,
        with: Option<&Login>,
        before: u64,
        limits: PageLimits,
    ) -> Option<History> {
        if with.is_some_and(|login| self.with_login(login).is_none()) {
            return None;
        }
        let mut history = History { entries: Vec::new(), older: None };
        let (mut bytes, mut at) = (0, Seq(before));
        for entry in self.mailboxes[&account].entries.iter().rev().filter(|entry| entry.seq.0 < before) {
            let Message { sender, recipient, .. } = &*entry.message;
            let other = if self.with_login(sender).is_some_and(|it| it.id == account) { recipient } else { sender };
            if with.is_none_or(|login| login == other) {
                bytes += entry.message.text.len() + 256;
                let many = history.entries.len();
                if many > 0 && (many >= limits.entries as usize || bytes > limits.bytes) {
                    history.older = Some(at);
                    break;
                }
                history.entries.insert(0, entry.clone());
            }
            at = entry.seq;
        }
        Some(history)
    }

    /// What is to be told of it; nothing, if nobody has the recipient's login.
    pub(crate) fn add_message(&mut self, sender: AccountId, message: &Arc<Message>) -> Vec<Committed> {
        let Some(recipient) = self.with_login(&message.recipient) else { return Vec::new() };
        let withheld = self.blocks.contains(&(recipient.id, sender));
        let copies = [(!withheld).then_some((recipient.id, true)), (recipient.id != sender).then_some((sender, false))];
        let copies = copies.into_iter().flatten();
        let told = copies.map(|(account, incoming)| {
            let mailbox = self.mailboxes.get_mut(&account).unwrap();
            mailbox.head += 1;
            let entry = Entry { seq: Seq(mailbox.head), incoming, message: Arc::clone(message) };
            mailbox.entries.push(entry.clone());
            Committed { account, entry }
        });
        told.collect()
    }

    /// How many stand in at least one mailbox.
    fn messages(&self) -> usize {
        let entries = self.mailboxes.values().flat_map(|mailbox| &mailbox.entries);
        entries.map(|entry| Arc::as_ptr(&entry.message)).collect::<BTreeSet<_>>().len()
    }

    fn write_cursors(&mut self) {
        for mailbox in self.mailboxes.values_mut() {
            (mailbox.written, mailbox.noted) = (mailbox.cursor().0, 0);
        }
    }

    pub(super) fn cursors(&self) -> HashMap<AccountId, Seq> {
        self.mailboxes.iter().map(|(account, mailbox)| (*account, mailbox.cursor())).collect()
    }

    pub(crate) async fn compare(&self, store: &Store) {
        for person in &self.people {
            let mailbox = &self.mailboxes[&person.id];
            assert_eq!(person.mailbox(store).await, mailbox.entries);
            let history = store.history(person.id, None, Seq(u64::MAX), ALL).await.unwrap().unwrap();
            assert_eq!(history, History { entries: mailbox.entries.clone(), older: None });
            assert_eq!(store.cursor(person.id).await.unwrap(), mailbox.cursor());
            assert_eq!(store.get_contacts_list(person.id).await.unwrap(), self.contacts(person.id));
            let on_lists_of: BTreeSet<_> = store.get_users_with_contact(person.id).await.unwrap().into_iter().collect();
            for policy in POLICIES {
                let seen = self.contacts(person.id).into_iter().map(|(account, login)| {
                    let is_seen = self.sees(person.id, account, policy);
                    Contact { account, login, is_seen }
                });
                assert_eq!(store.seen_contacts(person.id, policy).await.unwrap(), seen.collect::<Vec<_>>());
                let watchers: BTreeSet<_> = store.watchers(person.id, policy).await.unwrap().into_iter().collect();
                let all = self.people.iter().map(|other| other.id);
                assert_eq!(watchers, all.filter(|other| self.sees(*other, person.id, policy)).collect());
            }
            let owners = self.contacts.iter().filter(|(_, contact)| *contact == person.id).map(|(owner, _)| *owner);
            assert_eq!(on_lists_of, owners.collect());
        }
    }
}
