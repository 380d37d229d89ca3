//! Any sequence of requests, stops and crashes, against a model of a few lines.

use super::*;
use crate::store::Page;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;

const LOGINS: [&str; 5] = ["ann", "bob", "cid", "dee", "żółw"];

#[derive(Debug, Clone)]
enum Step {
    AddUser {
        login: usize,
    },
    AddContact {
        owner: Index,
        login: usize,
    },
    /// From an account, or from none; to a login that somebody has or nobody, and perhaps to oneself.
    AddMessage {
        sender: Option<Index>,
        recipient: usize,
        text: String,
    },
    /// Relative to the head of the mailbox; `i64::MAX` stands for "far beyond".
    Delivered {
        account: Index,
        beyond_head: i64,
    },
    WriteCursors,
    File,
    Page {
        account: Index,
        after: u64,
        limits: (u32, usize),
    },
    Stop,
    Crash,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<String>(),
        1 => Just(String::new()),
        1 => Just("\0".to_owned()),
        1 => Just("two\r\nlines\r".to_owned()),
        1 => Just("שלום 👩‍👩‍👧 \u{202e}\u{fffd}".to_owned()),
        1 => Just("\r\0🙂".repeat(10 * 1024)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let login = || 0..LOGINS.len();
    prop_oneof![
        3 => login().prop_map(|login| Step::AddUser { login }),
        2 => (any::<Index>(), login()).prop_map(|(owner, login)| Step::AddContact { owner, login }),
        12 => (proptest::option::weighted(0.95, any::<Index>()), login(), text())
            .prop_map(|(sender, recipient, text)| Step::AddMessage { sender, recipient, text }),
        4 => (any::<Index>(), prop_oneof![9 => -3..3_i64, 1 => Just(i64::MAX)])
            .prop_map(|(account, beyond_head)| Step::Delivered { account, beyond_head }),
        2 => Just(Step::WriteCursors),
        1 => Just(Step::File),
        4 => (any::<Index>(), 0..8_u64, (0..4_u32, prop_oneof![Just(0), Just(100), Just(usize::MAX)]))
            .prop_map(|(account, after, limits)| Step::Page { account, after, limits }),
        1 => Just(Step::Stop),
        1 => Just(Step::Crash),
    ]
}

#[derive(Default)]
struct Mailbox {
    entries: Vec<Entry>,
    written: u64,
    noted: u64,
}

impl Mailbox {
    fn head(&self) -> u64 {
        self.entries.len() as u64
    }

    fn cursor(&self) -> Seq {
        Seq(self.written.max(self.noted).min(self.head()))
    }

    fn page(&self, after: u64, limits: PageLimits) -> Page {
        let rest: Vec<_> = self.entries.iter().skip(usize::try_from(after).unwrap()).cloned().collect();
        let fits = |length: &usize| {
            let bytes: usize = rest[..*length].iter().map(|entry| entry.message.text.len()).sum();
            *length == 1 || (*length <= limits.entries as usize && bytes <= limits.bytes)
        };
        let length = (1..=rest.len()).take_while(fits).last().unwrap_or(0);
        Page { entries: rest[..length].to_vec(), more: length < rest.len() }
    }
}

/// The store under test, and what it should hold.
struct Both {
    directory: TempDir,
    store: Store,
    committed: mpsc::Receiver<Vec<Committed>>,
    people: Vec<Person>,
    contacts: BTreeSet<(AccountId, AccountId)>,
    mailboxes: HashMap<AccountId, Mailbox>,
}

impl Both {
    fn new() -> Self {
        let (directory, store, committed) = open_new();
        let (people, contacts, mailboxes) = (Vec::new(), BTreeSet::new(), HashMap::new());
        Self { directory, store, committed, people, contacts, mailboxes }
    }

    fn with_login(&self, number: usize) -> Option<Person> {
        self.people.iter().find(|person| person.login == login(LOGINS[number])).cloned()
    }

    fn mailbox(&mut self, person: &Person) -> &mut Mailbox {
        self.mailboxes.get_mut(&person.id).unwrap()
    }

    fn write_cursors(&mut self) {
        for mailbox in self.mailboxes.values_mut() {
            (mailbox.written, mailbox.noted) = (mailbox.cursor().0, 0);
        }
    }

    /// The steps that need somebody are left out while there is nobody.
    async fn take(&mut self, step: Step) {
        let chosen = |index: Index| (!self.people.is_empty()).then(|| index.get(&self.people).clone());
        match step {
            Step::AddUser { login } => self.add_user(login).await,
            Step::AddContact { owner, login } => {
                if let Some(owner) = chosen(owner) {
                    let contact = self.with_login(login).map(|person| person.id);
                    let added =
                        self.store.add_contact(owner.id, super::login(LOGINS[login]), usize::MAX).await.unwrap();
                    assert_eq!(added.ok(), contact);
                    self.contacts.extend(contact.map(|contact| (owner.id, contact)));
                }
            }
            Step::AddMessage { sender: None, recipient, text } => self.add_message_of_nobody(recipient, &text).await,
            Step::AddMessage { sender: Some(sender), recipient, text } => {
                if let Some(sender) = chosen(sender) {
                    self.add_message(&sender, recipient, &text).await;
                }
            }
            Step::Delivered { account, beyond_head } => {
                if let Some(person) = chosen(account) {
                    let mailbox = self.mailbox(&person);
                    let seq = mailbox.head().saturating_add_signed(beyond_head);
                    mailbox.noted = mailbox.noted.max(seq);
                    self.store.delivered(person.id, Seq(seq));
                }
            }
            Step::WriteCursors => {
                self.store.write_cursors().await.unwrap();
                self.write_cursors();
            }
            Step::File => self.store.writer.file().await,
            Step::Page { account, after, limits: (entries, bytes) } => {
                if let Some(person) = chosen(account) {
                    let limits = PageLimits { entries, bytes };
                    let page = self.store.mailbox_page(person.id, Seq(after), limits).await.unwrap();
                    assert_eq!(page, self.mailbox(&person).page(after, limits));
                }
            }
            Step::Stop => self.stop_and_open().await,
            Step::Crash => self.crash_and_open().await,
        }
    }

    async fn add_user(&mut self, login: usize) {
        let taken = self.with_login(login).is_some();
        let added = self.store.add_user(new_account(LOGINS[login])).await.unwrap();
        assert_eq!(added.is_err(), taken);
        if let Ok(id) = added {
            assert!(self.people.iter().all(|person| person.id < id), "a number is never used again");
            self.people.push(Person { id, login: super::login(LOGINS[login]) });
            self.mailboxes.insert(id, Mailbox::default());
        }
    }

    async fn add_message(&mut self, sender: &Person, recipient: usize, text: &str) {
        let draft = sender.draft(&login(LOGINS[recipient]), text);
        let recipient = self.with_login(recipient);
        assert_eq!(self.store.add_message(draft.clone()).await.unwrap(), recipient.is_some());
        let mut told = self.committed.try_recv().unwrap_or_default();
        told.reverse();
        if let Some(recipient) = recipient {
            let copies = [(&recipient, true), (sender, false)];
            for (person, incoming) in copies.into_iter().take(if recipient.id == sender.id { 1 } else { 2 }) {
                let mailbox = self.mailbox(person);
                let entry = Entry { seq: Seq(mailbox.head() + 1), incoming, message: Arc::clone(&draft.message) };
                mailbox.entries.push(entry.clone());
                assert_eq!(told.pop(), Some(Committed { account: person.id, entry }));
            }
        }
        assert_eq!(told, []);
    }

    async fn add_message_of_nobody(&mut self, recipient: usize, text: &str) {
        let nobody = Person { id: AccountId(i64::MAX), login: login("nobody") };
        let written = self.store.add_message(nobody.draft(&login(LOGINS[recipient]), text)).await;
        assert!(!written.unwrap_or(false));
        assert!(self.committed.try_recv().is_err());
    }

    async fn stop_and_open(&mut self) {
        self.store.stop().await.unwrap();
        self.write_cursors();
        (self.store, self.committed) = open(self.directory.path());
    }

    /// What a killed process leaves: the files as they are, and no cursor that was only noted.
    async fn crash_and_open(&mut self) {
        let copy = TempDir::new().unwrap();
        for file in [FILE, "messengerd.sqlite-wal"] {
            fs::copy(self.directory.path().join(file), copy.path().join(file)).unwrap();
        }
        for mailbox in self.mailboxes.values_mut() {
            mailbox.noted = 0;
        }
        let (store, committed) = open(copy.path());
        self.committed = committed;
        std::mem::replace(&mut self.store, store).stop().await.unwrap();
        self.directory = copy;
    }

    async fn compare(&self) {
        for person in &self.people {
            let mailbox = &self.mailboxes[&person.id];
            assert_gapless(&mailbox.entries);
            assert_eq!(person.mailbox(&self.store).await, mailbox.entries);
            assert_eq!(self.store.cursor(person.id).await.unwrap(), mailbox.cursor());
            self.compare_contacts(person).await;
        }
    }

    async fn compare_contacts(&self, person: &Person) {
        let by_login: BTreeMap<_, _> = self.people.iter().map(|person| (person.login.clone(), person.id)).collect();
        let list: Vec<_> = by_login
            .into_iter()
            .filter(|(_, contact)| self.contacts.contains(&(person.id, *contact)))
            .map(|(login, contact)| (contact, login))
            .collect();
        assert_eq!(self.store.get_contacts_list(person.id).await.unwrap(), list);
        let on_lists_of: BTreeSet<_> =
            self.store.get_users_with_contact(person.id).await.unwrap().into_iter().collect();
        let owners = self.contacts.iter().filter(|(_, contact)| *contact == person.id).map(|(owner, _)| *owner);
        assert_eq!(on_lists_of, owners.collect());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_store_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut both = Both::new();
            for step in steps {
                let cursors: Vec<_> = both.mailboxes.iter().map(|(account, mailbox)| (*account, mailbox.cursor())).collect();
                let crash = matches!(step, Step::Crash);
                both.take(step).await;
                both.compare().await;
                for (account, before) in cursors {
                    prop_assert!(crash || both.mailboxes[&account].cursor() >= before, "it went back");
                }
            }
            Ok(())
        })?;
    }
}
