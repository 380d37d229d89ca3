//! What outlives the process: accounts, contacts, and the mailboxes with their messages, in SQLite. The only SQL.
//!
//! One thread writes (`writer.rs`): it takes all requests that wait, commits them as one transaction, tells the
//! notifier what was committed, in the order of the commits, and only then answers each caller. What a caller was
//! told is on the disk (`synchronous=FULL`). A message is committed once, and filed into its two mailboxes later, with many
//! others (`unfiled.rs`, `filing.rs`); who reads a mailbox can't tell. Readers (`readers.rs`) have connections of their own, and see what was
//! committed when they began.
//!
//! Errors: opening gives an [`OpenError`], each with the file and what to do. A running store gives a [`StoreError`];
//! then nothing of that request was written, and the store goes on, also after a panic in it. Outcomes that are
//! nobody's fault (a login that is taken) are values, not errors.
//!
//! An account is erased in steps (`erasure.rs`). A backup (`backup/`) is made as one more reader. What the store counts of
//! itself is in `figures.rs`.
//!
//! Must not be here: passwords in clear, sessions, connections, bytes of a protocol.

mod accounts;
mod backlog;
pub mod backup;
mod blocks;
mod contacts;
mod cursors;
mod erasure;
mod error;
mod export;
mod figures;
mod files;
mod filing;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod history;
mod invites;
mod letting_go;
mod lists;
mod mailboxes;
mod migrations;
#[cfg(any(test, fuzzing))]
pub(crate) mod model;
mod open;
mod readers;
mod reading;
mod retention;
mod sight;
mod totals;
mod unfiled;
mod upkeep;
mod writer;

pub use accounts::{Account, NewAccount, NotMade, Profile};
pub use blocks::CantBlock;
pub use contacts::{Added, NotAdded};
pub use erasure::Erasure;
pub use error::{OpenError, StoreError};
pub use invites::Invite;
pub use mailboxes::{Committed, Draft, Page, PageLimits};
pub use migrations::Progress;
pub use retention::{LetGo, Limits, Overrides, Round};
pub use sight::{Contact, Sight};
pub use totals::Totals;

use crate::domain::{AccountId, AccountMap, InviteCode, Login, Seq, UnixMillis};
use backup::Backups;
use cursors::Cursors;
use figures::Figures;
use readers::Readers;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use unfiled::Unfiled;
use writer::Writer;

/// After a filing that failed.
const FILING_RETRY: Duration = Duration::from_mins(1);

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of the database; it exists and is ours.
    pub directory: PathBuf,
    /// Whether each commit waits for the disk (`synchronous=FULL`); else a power cut may take back the newest.
    pub sync_every_commit: bool,
    /// Connections for reading; at least one is opened.
    pub readers: usize,
    /// The most requests in one commit; at least one.
    pub batch_max: usize,
    /// How long to wait for a lock that a foreign program (an administrator's `sqlite3`) holds.
    pub busy_timeout: Duration,
}

/// The store; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    readers: Readers,
    cursors: Arc<Cursors>,
    unfiled: Arc<Unfiled>,
    erasures: Arc<Notify>,
    backups: Backups,
    figures: Arc<Figures>,
}

impl Store {
    /// Opens the database, made new if there is none, migrated if it is of an older schema (after a backup). Blocks;
    /// `progress` is called now and then while a migration runs.
    ///
    /// What is committed later goes to the receiver, in the order of the commits, in batches. It must be read: the
    /// writer waits when 256 batches are unread.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with which file, and what to do.
    pub fn open(options: &Options, progress: &Progress) -> Result<(Self, mpsc::Receiver<Vec<Committed>>), OpenError> {
        let opened = open::open(options, migrations::MIGRATIONS, progress)?;
        let figures = Arc::<Figures>::default();
        let readers = Readers::open(&opened.path, options, Arc::clone(&figures))?;
        let cursors = Arc::new(Cursors::default());
        let unfiled = Unfiled::find(&opened.db)
            .map_err(|source| OpenError::sqlite(&opened.path, "can't read what was written last", source))?;
        let unfiled = Arc::new(unfiled);
        let (writer, committed) = Writer::start(opened, Arc::clone(&unfiled), Arc::clone(&figures), options.batch_max)?;
        let backups = Backups::of(options);
        Ok((Self { writer, readers, cursors, unfiled, erasures: Arc::default(), backups, figures }, committed))
    }

    /// Whether there is a database in a folder.
    #[must_use]
    pub fn is_in(directory: &Path) -> bool {
        directory.join(open::FILE).is_file() || backup::pending(directory).is_ok_and(|pending| pending.is_some())
    }

    /// Makes an account, with an empty mailbox.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn add_user(&self, account: NewAccount) -> Result<Result<AccountId, NotMade>, StoreError> {
        self.writer.write(move |batch| accounts::add(batch.db, &account)).await
    }

    /// Whether somebody has a login, or had it.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn is_login_taken(&self, login: Login) -> Result<bool, StoreError> {
        self.readers.read(move |db| accounts::is_taken(db, &login)).await
    }

    /// The account of a login.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn get_account(&self, login: Login) -> Result<Option<Account>, StoreError> {
        self.readers.read(move |db| accounts::get(db, &login)).await
    }

    /// The account of a login, or else the next one in the order of their bytes: as much is read if there is none, in the
    /// same time.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn nearest_account(&self, login: Login) -> Result<Option<Account>, StoreError> {
        self.readers.read(move |db| accounts::nearest(db, &login)).await
    }

    /// The logins of these accounts, as far as there are such.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn logins(&self, accounts: Vec<AccountId>) -> Result<AccountMap<Login>, StoreError> {
        self.readers.read(move |db| accounts::logins(db, &accounts)).await
    }

    /// Puts a new hash in the place of `old`. False: somebody else has changed it meanwhile.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn renew_password(&self, account: AccountId, old: String, new: String) -> Result<bool, StoreError> {
        self.writer.write(move |batch| accounts::renew_password(batch.db, account, &old, &new)).await
    }

    /// Gives the account of a login another password. `None`: nobody has it.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn set_password(&self, login: Login, hash: String) -> Result<Option<AccountId>, StoreError> {
        self.writer.write(move |batch| accounts::set_password(batch.db, &login, &hash)).await
    }

    /// Refuses or allows the log-ins of the account of a login. `None`: nobody has it.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn set_disabled(&self, login: Login, disabled: bool) -> Result<Option<AccountId>, StoreError> {
        self.writer.write(move |batch| accounts::set_disabled(batch.db, &login, disabled)).await
    }

    /// Accounts by login, at most so many: those behind `after`, or from the first.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn profiles(&self, after: Option<Login>, most: u32) -> Result<Vec<Profile>, StoreError> {
        let (cursors, unfiled) = (Arc::clone(&self.cursors), Arc::clone(&self.unfiled));
        self.readers
            .read(move |db| {
                let after = after.as_ref().map_or("", Login::as_str);
                accounts::page(db, after, most, |account| tails(&cursors, &unfiled, account))
            })
            .await
    }

    /// One account by its login.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn profile(&self, login: Login) -> Result<Option<Profile>, StoreError> {
        let (cursors, unfiled) = (Arc::clone(&self.cursors), Arc::clone(&self.unfiled));
        self.readers
            .read(move |db| accounts::profile_of(db, &login, |account| tails(&cursors, &unfiled, account)))
            .await
    }

    /// Makes an invite.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn add_invite(&self, invite: Invite) -> Result<(), StoreError> {
        self.writer.write(move |batch| invites::add(batch.db, &invite)).await
    }

    /// Invites by code, at most so many, also those that are used up or expired: those behind `after`, or from the first.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn invites(&self, after: Option<InviteCode>, most: u32) -> Result<Vec<Invite>, StoreError> {
        let after = after.map(|code| code.plain()).unwrap_or_default();
        self.readers.read(move |db| invites::page(db, &after, most)).await
    }

    /// Takes an invite back. False: there is none with that code.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn remove_invite(&self, code: InviteCode) -> Result<bool, StoreError> {
        self.writer.write(move |batch| invites::remove(batch.db, &code)).await
    }

    /// Whether an invite makes another account.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn is_good_invite(&self, code: InviteCode, now: UnixMillis) -> Result<bool, StoreError> {
        self.readers.read(move |db| invites::is_good(db, &code, now)).await
    }

    /// Commits a message: one row, which is an entry in the recipient's mailbox and one in the sender's; only in the
    /// sender's, if the recipient has blocked them. False: nobody has
    /// the recipient's login, and nothing was written.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn add_message(&self, draft: Draft) -> impl Future<Output = Result<bool, StoreError>> + Send + use<> {
        self.writer.write(move |batch| mailboxes::add_message(batch, &draft))
    }

    /// How far an account's mailbox has been delivered, including what [`Store::delivered`] has not yet written.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn cursor(&self, account: AccountId) -> Result<Seq, StoreError> {
        // The unwritten one first: if it is being written right now, the read below sees it.
        let unwritten = self.cursors.get(account).unwrap_or_default();
        let unfiled = self.unfiled.head(account);
        self.readers.read(move |db| mailboxes::cursor(db, account, unwritten, unfiled)).await
    }

    /// The entries of a mailbox behind `after`, as many as the limits allow, and at least one if one is kept there.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn mailbox_page(&self, account: AccountId, after: Seq, limits: PageLimits) -> Result<Page, StoreError> {
        // First what is not filed: if that is being done right now, the read below sees it.
        let most = usize::try_from(u64::from(limits.entries) + mailboxes::TAIL_MORE).unwrap_or(usize::MAX);
        let tail = self.unfiled.behind(account, after, most);
        self.readers.read(move |db| mailboxes::page(db, account, after, limits, tail.as_ref())).await
    }

    /// Notes that a mailbox was delivered up to `seq`. Cheap, and never waits: [`Store::keep_cursors`] writes it.
    /// A crash before that brings the newest entries a second time; a clean stop does not.
    pub fn delivered(&self, account: AccountId, seq: Seq) {
        self.cursors.moved(account, seq);
    }

    /// Writes moved cursors, again and again, some milliseconds after the first has moved. Runs until it is dropped or
    /// the store is stopped.
    pub async fn keep_cursors(&self) {
        loop {
            self.cursors.wait().await;
            match self.write_cursors().await {
                Ok(()) => {}
                Err(StoreError::Stopped) => return,
                Err(error) => {
                    // They stay noted, and the next round tries again.
                    tracing::warn!(error = %error.chain(), "cursors could not be written yet");
                    tokio::time::sleep(cursors::RETRY).await;
                }
            }
        }
    }

    async fn write_cursors(&self) -> Result<(), StoreError> {
        let moved = self.cursors.snapshot();
        if moved.is_empty() {
            return Ok(());
        }
        let written = moved.clone();
        self.writer.write(move |batch| mailboxes::move_cursors(batch, &moved)).await?;
        self.cursors.written(&written);
        Ok(())
    }

    /// Files messages into their mailboxes when there is time, again and again. Runs until it is dropped. When there never
    /// is, the writer does it in between.
    pub async fn file_when_quiet(&self) {
        loop {
            self.unfiled.quiet().await;
            self.writer.file().await;
            if self.unfiled.newest().1 > 0 {
                // It can't be done now; the writer has said why.
                tokio::time::sleep(FILING_RETRY).await;
            }
        }
    }

    /// Waits until the writer has gone through its queue and answers: for the watchdog. A full disk or a foreign lock
    /// is an answer: another process would find the same.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] when the writer is gone.
    pub async fn probe(&self) -> Result<(), StoreError> {
        match self.writer.write(|_| Ok(())).await {
            Err(StoreError::Stopped) => Err(StoreError::Stopped),
            _ => Ok(()),
        }
    }

    /// Writes what is still to be written, closes the database and frees the directory, for all handles. Later
    /// requests get [`StoreError::Stopped`].
    ///
    /// # Errors
    /// When the last cursors could not be written. The store is stopped all the same.
    pub async fn stop(&self) -> Result<(), StoreError> {
        let written = self.write_cursors().await;
        self.backups.close().await;
        // Readers first: the last connection to close puts the log back into the database, and that is the writer's.
        self.readers.close().await;
        self.writer.stop().await;
        written
    }
}

/// The cursor of a mailbox that is not written, and its end that is not filed.
fn tails(cursors: &Cursors, unfiled: &Unfiled, account: AccountId) -> (Seq, Seq) {
    (cursors.get(account).unwrap_or_default(), unfiled.head(account).unwrap_or_default())
}

#[cfg(test)]
mod tests;
