//! Filing: what was committed is entered into the mailboxes, many entries at once.
//!
//! It goes round all mailboxes that have something to be filed, in the order of their numbers, some at a time, each time in
//! a transaction of its own, between the commits of requests. A mailbox is filed whole or not at all, and says how far it
//! is, so it may be cut short anywhere.

use super::StoreError;
use super::figures::Writing;
use super::unfiled::{FILE_AT, MessageId, Unfiled};
use crate::domain::AccountId;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::time::Instant;

/// Entries in one step: requests wait for it, some milliseconds.
const STEP: usize = 2048;

/// A round that is under way, if one is.
#[derive(Debug)]
pub(super) struct Filing {
    /// About so many entries are filed in a step: each mailbox is filed whole.
    size: usize,
    round: Option<Round>,
    /// A step has failed with so many entries unfiled; until there are twice as many, none is tried.
    failed_at: usize,
}

#[derive(Debug)]
struct Round {
    /// The last is the next.
    accounts: Vec<AccountId>,
    /// When it is over, all up to here is filed.
    up_to: MessageId,
}

impl Round {
    fn over(unfiled: &Unfiled) -> Self {
        let mut accounts = unfiled.accounts();
        accounts.reverse();
        Self { accounts, up_to: unfiled.newest().0 }
    }
}

impl Default for Filing {
    fn default() -> Self {
        Self::in_steps_of(STEP)
    }
}

impl Filing {
    pub(super) fn in_steps_of(size: usize) -> Self {
        Self { size, round: None, failed_at: 0 }
    }

    /// Begins a round, if there is anything to be filed: there is time.
    pub(super) fn begin(&mut self, unfiled: &Unfiled) {
        self.failed_at = 0;
        if unfiled.newest().1 > 0 {
            self.round.get_or_insert_with(|| Round::over(unfiled));
        }
    }

    /// Whether a round is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.round.is_some()
    }

    /// Takes a step, if enough has gathered, or a round is under way.
    pub(super) fn go_on(&mut self, db: &mut Connection, unfiled: &Unfiled, figures: &Writing) {
        let (_, entries) = unfiled.newest();
        if (self.round.is_some() || entries >= FILE_AT) && entries >= self.failed_at {
            // What can't be filed is tried again; it is not lost meanwhile.
            let _ = self.step(db, unfiled, figures);
        }
    }

    /// Files all there is.
    ///
    /// # Errors
    /// When it could not be written: what is left stays as it is, and will be found again.
    pub(super) fn finish(
        &mut self,
        db: &mut Connection,
        unfiled: &Unfiled,
        figures: &Writing,
    ) -> Result<(), StoreError> {
        self.round = None;
        while self.round.is_some() || unfiled.newest().1 > 0 {
            self.step(db, unfiled, figures)?;
        }
        Ok(())
    }

    /// Goes on with the round under way, or begins one.
    pub(super) fn step(&mut self, db: &mut Connection, unfiled: &Unfiled, figures: &Writing) -> Result<(), StoreError> {
        let round = self.round.get_or_insert_with(|| Round::over(unfiled));
        let (mut accounts, mut entries, began) = (Vec::new(), 0, Instant::now());
        while entries < self.size
            && let Some(account) = round.accounts.pop()
        {
            entries += unfiled.entries(account);
            accounts.push(account);
        }
        // What came since the round began may have been filed with it: when nothing is left, all are.
        let (newest, unfiled_entries) = unfiled.newest();
        let up_to = if unfiled_entries == entries { newest } else { round.up_to };
        let up_to = round.accounts.is_empty().then_some(up_to);
        match file(db, unfiled, &accounts, up_to) {
            Ok(()) => {
                unfiled.filed(&accounts);
                figures.filed(entries, began.elapsed());
                self.failed_at = 0;
                self.round.take_if(|round| round.accounts.is_empty());
                Ok(())
            }
            Err(error) => {
                self.round = None;
                self.failed_at = unfiled.newest().1.saturating_mul(2);
                tracing::warn!(error = %error.chain(), "messages could not be filed into their mailboxes yet");
                Err(error)
            }
        }
    }
}

fn file(
    db: &mut Connection,
    unfiled: &Unfiled,
    accounts: &[AccountId],
    up_to: Option<MessageId>,
) -> Result<(), StoreError> {
    let transaction = Transaction::new(db, TransactionBehavior::Immediate)?;
    {
        let mut enter =
            transaction.prepare_cached("INSERT INTO entries (account, seq, message) VALUES (?1, ?2, ?3)")?;
        let mut note = transaction.prepare_cached("UPDATE mailboxes SET head = ?2, filed = ?3 WHERE account = ?1")?;
        for account in accounts {
            let Some(tail) = unfiled.tail(*account) else { continue };
            let mut seq = tail.after;
            for message in &tail.messages {
                seq = seq.next();
                enter.execute(params![account.0, super::mailboxes::number(seq), message])?;
            }
            note.execute(params![account.0, super::mailboxes::number(seq), tail.messages.last()])?;
        }
        if let Some(up_to) = up_to {
            transaction.prepare_cached("UPDATE filing SET up_to = ?1 WHERE one = 1")?.execute([up_to])?;
        }
    }
    Ok(transaction.commit()?)
}
