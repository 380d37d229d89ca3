//! A real store on real files, and beside it what is expected of it.

use super::*;

/// The store under test, and what it should hold.
pub(crate) struct Both {
    directory: TempDir,
    pub(crate) store: Store,
    pub(crate) committed: mpsc::Receiver<Vec<Committed>>,
    pub(crate) model: Model,
}

impl Both {
    pub(crate) fn new() -> Self {
        let (directory, store, committed) = open_new();
        Self { directory, store, committed, model: Model::default() }
    }

    /// The steps that need somebody are left out while there is nobody.
    pub(crate) async fn take(&mut self, step: Step) {
        match step {
            Step::AddUser { login } => self.add_user(LOGINS[login]).await,
            Step::AddContact { owner, login } => {
                if let Some(owner) = self.model.chosen(owner) {
                    let login = self::login(LOGINS[login]);
                    let (before, policy) = (self.model.sights(owner.id, &login), policy_of(&owner));
                    let added = self.store.add_contact(owner.id, login.clone(), usize::MAX, policy).await.unwrap();
                    assert_eq!(added.ok().map(|added| added.contact), self.model.add_contact(owner.id, &login));
                    assert_eq!(added.ok().map(|added| added.sight), self.model.sight(before, &owner, &login));
                    let seen = |contact| self.model.sees(owner.id, contact, policy);
                    assert!(added.is_ok_and(|added| added.is_seen == seen(added.contact)) || added.is_err());
                }
            }
            Step::RemoveContact { owner, login } => {
                if let Some(owner) = self.model.chosen(owner) {
                    let login = self::login(LOGINS[login]);
                    let before = self.model.sights(owner.id, &login);
                    let removed = self.store.remove_contact(owner.id, login.clone(), policy_of(&owner)).await.unwrap();
                    let expected = self.model.remove_contact(owner.id, &login);
                    assert_eq!(removed, self.model.sight(before, &owner, &login).filter(|_| expected));
                }
            }
            Step::Block { owner, login } => {
                if let Some(owner) = self.model.chosen(owner) {
                    let login = self::login(LOGINS[login]);
                    let before = self.model.sights(owner.id, &login);
                    let blocked =
                        self.store.block(owner.id, login.clone(), usize::MAX, policy_of(&owner)).await.unwrap();
                    let expected = self.model.block(owner.id, &login);
                    let sight = self.model.sight(before, &owner, &login).filter(|_| expected.is_some());
                    assert_eq!(blocked, sight.ok_or(CantBlock::Nobody));
                }
            }
            Step::Unblock { owner, login } => {
                if let Some(owner) = self.model.chosen(owner) {
                    let login = self::login(LOGINS[login]);
                    let before = self.model.sights(owner.id, &login);
                    let unblocked = self.store.unblock(owner.id, login.clone(), policy_of(&owner)).await.unwrap();
                    let expected = self.model.unblock(owner.id, &login);
                    let sight = self.model.sight(before, &owner, &login).filter(|_| expected.is_some());
                    assert_eq!(unblocked, sight);
                }
            }
            Step::AddMessage { sender: None, recipient, text } => self.add_message_of_nobody(recipient, &text).await,
            Step::AddMessage { sender: Some(sender), recipient, text } => {
                if let Some(sender) = self.model.chosen(sender) {
                    let draft = sender.draft(&login(LOGINS[recipient]), &text);
                    let written = self.store.add_message(draft.clone()).await.unwrap();
                    let told = self.model.add_message(sender.id, &draft.message);
                    assert_eq!(written, !told.is_empty());
                    assert_eq!(self.committed.try_recv().unwrap_or_default(), told);
                }
            }
            Step::Delivered { account, beyond_head } => {
                if let Some(person) = self.model.chosen(account) {
                    let mailbox = self.model.mailboxes.get_mut(&person.id).unwrap();
                    let seq = mailbox.head().saturating_add_signed(beyond_head);
                    mailbox.noted = mailbox.noted.max(seq);
                    self.store.delivered(person.id, Seq(seq));
                }
            }
            Step::WriteCursors => {
                self.store.write_cursors().await.unwrap();
                self.model.write_cursors();
            }
            Step::File => self.store.writer.file().await,
            Step::History { account, with, before, limits: (entries, bytes) } => {
                if let Some(person) = self.model.chosen(account) {
                    let with = with.map(|with| login(LOGINS[with]));
                    let limits = PageLimits { entries, bytes };
                    let history = self.store.history(person.id, with.clone(), Seq(before), limits).await.unwrap();
                    assert_eq!(history, self.model.history(person.id, with.as_ref(), before, limits));
                }
            }
            Step::Retain { delivered, undelivered } => {
                let limits = Limits { delivered_count: delivered, undelivered_count: undelivered, ..Limits::default() };
                let mut round = self.store.retain(limits, UnixMillis(i64::MAX), false);
                while round.go_on().await.unwrap() {}
                for mailbox in self.model.mailboxes.values_mut() {
                    mailbox.retain(delivered, undelivered);
                }
            }
            Step::Page { account, after, limits: (entries, bytes) } => {
                if let Some(person) = self.model.chosen(account) {
                    let limits = PageLimits { entries, bytes };
                    let page = self.store.mailbox_page(person.id, Seq(after), limits).await.unwrap();
                    assert_eq!(page, self.model.mailboxes[&person.id].page(after, limits));
                }
            }
            Step::Stop => self.stop_and_open().await,
            Step::Crash => self.crash_and_open().await,
        }
    }

    pub(crate) async fn compare(&self) {
        self.model.compare(&self.store).await;
        let count = |db: &rusqlite::Connection| db.query_row("SELECT count(*) FROM messages", [], |row| row.get(0));
        let kept: i64 = self.store.readers.read(count).await.unwrap();
        assert_eq!(usize::try_from(kept).unwrap(), self.model.messages(), "a message goes with the last that holds it");
    }

    async fn add_user(&mut self, text: &str) {
        let login = login(text);
        let added = self.store.add_user(new_account(text)).await.unwrap();
        assert_eq!(added.is_err(), self.model.with_login(&login).is_some());
        if let Ok(id) = added {
            self.model.add_user(Person { id, login });
        }
    }

    async fn add_message_of_nobody(&mut self, recipient: usize, text: &str) {
        let nobody = Person { id: AccountId(i64::MAX), login: login("nobody") };
        let written = self.store.add_message(nobody.draft(&login(LOGINS[recipient]), text)).await;
        assert!(!written.unwrap_or(false));
        assert!(self.committed.try_recv().is_err());
    }

    async fn stop_and_open(&mut self) {
        self.store.stop().await.unwrap();
        self.model.write_cursors();
        (self.store, self.committed) = open(self.directory.path());
    }

    /// What a killed process leaves: the files as they are, and no cursor that was only noted.
    async fn crash_and_open(&mut self) {
        let copy = TempDir::new().unwrap();
        for file in [FILE, "messengerd.sqlite-wal"] {
            fs::copy(self.directory.path().join(file), copy.path().join(file)).unwrap();
        }
        for mailbox in self.model.mailboxes.values_mut() {
            mailbox.noted = 0;
        }
        let (store, committed) = open(copy.path());
        self.committed = committed;
        std::mem::replace(&mut self.store, store).stop().await.unwrap();
        self.directory = copy;
    }
}
