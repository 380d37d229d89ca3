//! Messages that are committed and not yet filed into mailboxes: where each stands, in memory.
//!
//! A commit writes a message once, at the end of one table. Were its two entries written with it, each commit would change
//! two more pages for each message, scattered over all mailboxes, and that is what a commit costs. So the writer files
//! later, many at once ([`filing`](super::filing)); until then, where an entry stands is known here, and after a crash it is
//! found out again from the order of the messages.

use crate::domain::{AccountId, AccountMap, Seq};
use rusqlite::{Connection, OptionalExtension, ffi};
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// As many entries are filed in one go. Eight bytes each are held here until then.
pub(super) const FILE_AT: usize = 128 * 1024;
/// After so long without a message, all is filed: a quiet server holds nothing here.
const QUIET: Duration = Duration::from_secs(1);
/// With so many, no message is taken any more: they can't be filed, and would fill the memory.
const MOST: usize = 8 * FILE_AT;

/// The number of a message: where it stands among all messages.
pub(super) type MessageId = i64;

/// See the module. The writer changes it when it has committed; readers look.
#[derive(Debug)]
pub(super) struct Unfiled {
    state: Mutex<State>,
    first: Notify,
}

#[derive(Debug)]
struct State {
    tails: AccountMap<Tail>,
    entries: usize,
    newest: MessageId,
}

/// The end of one mailbox: what is not filed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tail {
    /// Filed up to here; the first message is the next.
    pub(super) after: Seq,
    /// In their order.
    pub(super) messages: Vec<MessageId>,
}

impl Tail {
    pub(super) fn head(&self) -> Seq {
        Seq(self.after.0 + self.messages.len() as u64)
    }
}

impl Unfiled {
    /// Finds out what a process before has committed and not filed.
    pub(super) fn find(db: &Connection) -> rusqlite::Result<Self> {
        let up_to: MessageId =
            db.prepare_cached("SELECT up_to FROM filing WHERE one = 1")?.query_row([], |row| row.get(0))?;
        let mut state = State { tails: AccountMap::default(), entries: 0, newest: up_to };
        // Up to which message an account's are filed already: a crash may have come between two steps.
        let mut filed = AccountMap::default();
        let mut behind =
            db.prepare_cached("SELECT id, sender, recipient, withheld FROM messages WHERE id > ?1 ORDER BY id")?;
        let mut rows = behind.query([up_to])?;
        while let Some(row) = rows.next()? {
            let message = row.get(0)?;
            let (sender, recipient) = (AccountId(row.get(1)?), AccountId(row.get(2)?));
            let taken = (!row.get::<_, bool>(3)?).then_some(recipient);
            for account in taken.into_iter().chain((sender != recipient).then_some(sender)) {
                let filed = match filed.entry(account) {
                    Entry::Occupied(filed) => filed.into_mut(),
                    // The mailbox of an erased account is gone when all of it was filed.
                    Entry::Vacant(unknown) => unknown.insert(mailbox(db, account).optional()?),
                };
                if let Some((head, filed)) = *filed
                    && message > filed
                {
                    state.add(account, head, message);
                }
            }
            state.newest = message;
        }
        Ok(Self { state: Mutex::new(state), first: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest entry of a mailbox, if it is not filed.
    pub(super) fn head(&self, account: AccountId) -> Option<Seq> {
        self.lock().tails.get(&account).map(Tail::head)
    }

    /// Until there is something to file, and nothing has been added for a while.
    pub(super) async fn quiet(&self) {
        loop {
            let (newest, entries) = self.newest();
            if entries == 0 {
                self.first.notified().await;
                continue;
            }
            tokio::time::sleep(QUIET).await;
            if self.newest().0 == newest {
                return;
            }
        }
    }

    /// Of a mailbox's tail, what stands behind `after`, at most so many entries.
    pub(super) fn behind(&self, account: AccountId, after: Seq, most: usize) -> Option<Tail> {
        let state = self.lock();
        let tail = state.tails.get(&account)?;
        let skipped = usize::try_from(after.0.saturating_sub(tail.after.0)).unwrap_or(usize::MAX);
        let messages: Vec<_> = tail.messages.iter().skip(skipped).take(most).copied().collect();
        (!messages.is_empty()).then(|| Tail { after: tail.after.max(after), messages })
    }

    /// Of a mailbox's tail, what stands before a place, at most so many entries, the last ones.
    pub(super) fn before(&self, account: AccountId, before: Seq, most: usize) -> Option<Tail> {
        let state = self.lock();
        let tail = state.tails.get(&account)?;
        let end = before.0.saturating_sub(tail.after.next().0);
        let end = usize::try_from(end).unwrap_or(usize::MAX).min(tail.messages.len());
        let begin = end.saturating_sub(most);
        (begin < end)
            .then(|| Tail { after: Seq(tail.after.0 + begin as u64), messages: tail.messages[begin..end].to_vec() })
    }

    /// How many entries of a mailbox are not filed.
    pub(super) fn entries(&self, account: AccountId) -> usize {
        self.lock().tails.get(&account).map_or(0, |tail| tail.messages.len())
    }

    /// The newest message that was committed, and how many entries are not filed.
    pub(super) fn newest(&self) -> (MessageId, usize) {
        let state = self.lock();
        (state.newest, state.entries)
    }

    /// Whose mailboxes are to be filed into, in order.
    pub(super) fn accounts(&self) -> Vec<AccountId> {
        let mut accounts: Vec<_> = self.lock().tails.keys().copied().collect();
        accounts.sort_unstable();
        accounts
    }

    /// All of a mailbox that is not filed.
    pub(super) fn tail(&self, account: AccountId) -> Option<Tail> {
        self.lock().tails.get(&account).cloned()
    }

    /// All that is here of these mailboxes has been filed.
    pub(super) fn filed(&self, accounts: &[AccountId]) {
        let mut state = self.lock();
        for account in accounts {
            let filed = state.tails.remove(account).map_or(0, |tail| tail.messages.len());
            state.entries -= filed;
        }
        if state.tails.is_empty() {
            state.tails.shrink_to_fit();
        }
    }

    /// What was pending has been committed.
    pub(super) fn add(&self, pending: &mut Pending) {
        if pending.entries.is_empty() {
            return;
        }
        let mut state = self.lock();
        let first = state.entries == 0;
        for (account, after, message) in pending.entries.drain(..) {
            state.add(account, after, message);
        }
        state.newest = pending.newest;
        drop(state);
        pending.heads.clear();
        if first {
            self.first.notify_one();
        }
    }
}

impl State {
    /// `after`: the entry before it, which counts if there is no tail yet.
    fn add(&mut self, account: AccountId, after: Seq, message: MessageId) {
        let tail = self.tails.entry(account).or_insert_with(|| Tail { after, messages: Vec::new() });
        tail.messages.push(message);
        self.entries += 1;
    }
}

/// The newest entry of a mailbox that was filed, and its message.
fn mailbox(db: &Connection, account: AccountId) -> rusqlite::Result<(Seq, MessageId)> {
    db.prepare_cached("SELECT head, filed FROM mailboxes WHERE account = ?1")?
        .query_row([account.0], |row| Ok((Seq(row.get::<_, i64>(0)?.unsigned_abs()), row.get(1)?)))
}

/// What a transaction has added and not yet committed.
#[derive(Debug, Default)]
pub(super) struct Pending {
    entries: Vec<(AccountId, Seq, MessageId)>,
    heads: AccountMap<Seq>,
    newest: MessageId,
}

impl Pending {
    /// The number of the next message.
    ///
    /// # Errors
    /// As with a full disk, if far too many could not be filed: most likely because it is full.
    pub(super) fn next_message(&mut self, unfiled: &Unfiled) -> rusqlite::Result<MessageId> {
        let (newest, entries) = unfiled.newest();
        if entries >= MOST {
            let detail = "messages can't be filed into their mailboxes".to_owned();
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), Some(detail)));
        }
        self.newest = self.newest.max(newest) + 1;
        Ok(self.newest)
    }

    /// Puts a message at the end of a mailbox; where that is.
    pub(super) fn add(
        &mut self,
        db: &Connection,
        unfiled: &Unfiled,
        account: AccountId,
        message: MessageId,
    ) -> rusqlite::Result<Seq> {
        let head = match self.heads.entry(account) {
            Entry::Occupied(head) => head.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(match unfiled.head(account) {
                Some(head) => head,
                None => mailbox(db, account)?.0,
            }),
        };
        self.entries.push((account, *head, message));
        *head = head.next();
        Ok(*head)
    }

    /// The transaction was rolled back.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}
