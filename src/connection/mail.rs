//! Where a session stands in its mailbox.
//!
//! It is *live* while the newest entry it was told of is the newest there is: then the next one comes straight from
//! memory. Else it is *behind*, as it is at log-in: when all that was written has been taken, the next page is read
//! from the store, until there is nothing behind it and nothing new was heard of meanwhile.

use super::outbox::Packet;
use super::{Connection, End, State};
use crate::domain::{AccountId, Event, Seq};
use crate::protocol::classic;
use crate::store::{Page, PageLimits, StoreError};

/// Entries in a page, at the most.
const PAGE: u32 = 128;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// The newest entry that was queued for the peer, or needs not be.
    at: Seq,
    /// The newest entry that was heard of.
    newest: Seq,
    live: bool,
    /// A page is being read.
    reading: bool,
}

/// Where an entry belongs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Right behind the newest that was queued.
    Next,
    /// It was queued already, or it will be read from the store.
    Elsewhere,
}

impl Mail {
    /// At log-in: behind by an unknown number of entries.
    pub(super) fn from(delivered: Seq) -> Self {
        Self { at: delivered, ..Self::default() }
    }

    pub(super) fn at(&self) -> Seq {
        self.at
    }

    /// Takes note of a new entry, and says whether it can be queued.
    pub(super) fn place(&mut self, seq: Seq) -> Place {
        self.newest = self.newest.max(seq);
        if self.live && seq == self.at.next() {
            return Place::Next;
        }
        self.live &= seq <= self.at;
        Place::Elsewhere
    }

    pub(super) fn queued(&mut self, seq: Seq) {
        self.at = seq;
    }

    /// The outbox has no room.
    pub(super) fn fall_behind(&mut self, seq: Seq) {
        self.newest = self.newest.max(seq);
        self.live = false;
    }

    pub(super) fn is_behind(&self) -> bool {
        !self.live && !self.reading
    }
}

/// Reads the next page on a task of its own.
pub(super) fn read_on(connection: &Connection, state: &mut State) {
    let (Some(session), Some(me)) = (&state.session, connection.me.upgrade()) else { return };
    state.mail.reading = true;
    let (account, key, at) = (session.account, session.key, state.mail.at);
    tokio::spawn(async move {
        let page = read(&me, account, at).await;
        let mut state = me.lock();
        // Another session may have begun on this connection; its own reading is not ours to touch.
        if state.session.as_ref().is_some_and(|session| session.key == key) {
            state.mail.reading = false;
            match page {
                Ok(page) => take(&me, &mut state, account, &page),
                Err(error) => me.end(&mut state, End::Mailbox(error)),
            }
        }
    });
}

async fn read(connection: &Connection, account: AccountId, after: Seq) -> Result<Page, StoreError> {
    let bytes = connection.shared.settings.get().connections.outbox_max / 2;
    connection.shared.core.store.mailbox_page(account, after, PageLimits { entries: PAGE, bytes }).await
}

fn take(connection: &Connection, state: &mut State, account: AccountId, page: &Page) {
    for entry in &page.entries {
        if let Some(bytes) = classic::encode_event(&Event::Mail(entry.clone())) {
            // The page was asked for when nothing waited, and no longer than there is room for.
            let pushed = state.outbox.push(Packet::mail(bytes, account, entry.seq), usize::MAX);
            debug_assert_eq!(pushed, Ok(()));
        }
    }
    // What is missing there is kept no longer: it is not waited for.
    state.mail.queued(page.up_to);
    state.mail.live = !page.more && state.mail.at >= state.mail.newest;
    connection.advance(state);
}
