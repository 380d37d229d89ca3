//! Who is online, on which connections, under which key.
//!
//! An account is online while it has at least one session; it may have several, each on a connection of its own. A
//! change from none to one or back is put where [`Sessions::next_change`] takes it out: one at a time, so that an
//! account's "online" and "offline" are told in the order in which they happened, and folded when they cancel out.
//!
//! Whoever looks from outside lists sessions (`held.rs`) and ends them (`dismissal.rs`); connections end their own.
//!
//! Errors: only the operating system's random source can fail, see [`Sessions::sign_in`].
//!
//! Must not be here: passwords, SQL, bytes of a protocol, sockets. A connection is seen as a [`Subscriber`].
//!
//! Locks: the one here is held for look-ups only, never while a subscriber is told something.

mod dismissal;
mod held;
mod pairs;

pub use dismissal::{Dismissal, Dismissed};
pub use held::Held;

use crate::domain::{AccountId, AccountMap, Event, Login, Peer, SessionKey, Status};
use pairs::Pairs;
use std::collections::hash_map::Entry;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// What a session needs of its connection.
pub trait Subscriber: Send + Sync {
    /// Tells the account's session on this connection what happened. Never waits: what can't be sent now is queued,
    /// and what can't be queued costs the connection. A connection that has no session of that account (any more)
    /// ignores it.
    fn notify(&self, account: AccountId, event: &Event);

    /// A session of this account is about to begin here. Noted where a crash can't take it away, before anybody is told,
    /// so that whoever was told can be told that it came to nothing.
    fn expect(&self, account: AccountId);

    /// Notes what the peer has taken by now, without waiting for the moment at which it would be noticed.
    fn settle(&self);

    /// The session ends for a reason that is not its peer's, and its connection with it: mail that was not taken stays in
    /// the mailbox. A connection that has not that session (any more) ignores it; one that has yet to take it up asks
    /// [`Sessions::dismissal`] then.
    fn dismiss(&self, key: SessionKey, why: Dismissal);

    /// Where the session is held from.
    fn peer(&self) -> Peer;
}

/// A session, as its connection keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub account: AccountId,
    /// Their login.
    pub login: Login,
    /// What requests must carry, on this connection and no other.
    pub key: SessionKey,
}

/// No two sessions have one key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is a session with that key")]
pub struct KeyTaken;

/// An account went online or offline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub account: AccountId,
    /// Its login.
    pub login: Login,
    /// What it is now.
    pub status: Status,
}

/// All sessions of this server.
#[derive(Default)]
pub struct Sessions {
    state: Mutex<State>,
    changed: Notify,
    /// Somebody has signed out.
    left: Notify,
    /// What two people see of each other is being changed.
    pairs: Pairs,
}

#[derive(Default)]
struct State {
    online: AccountMap<Online>,
    keys: HashSet<SessionKey>,
    /// How many there have been.
    sessions: u64,
    /// Accounts whose status may differ from what was last told; each stands here once.
    changed: VecDeque<AccountId>,
    /// Whose change is just being told.
    telling: Option<AccountId>,
    /// Who waits until an account's change has been told. Each waits for one account, so that a crowd that goes at once
    /// does not wake itself again and again.
    waiting: AccountMap<Vec<oneshot::Sender<()>>>,
    /// Who waits until all changes have been told.
    waiting_for_all: Vec<oneshot::Sender<()>>,
}

impl State {
    fn is_untold(&self, account: AccountId) -> bool {
        self.telling == Some(account) || self.online.get(&account).is_some_and(|online| online.in_changed)
    }

    fn wake_who_waits_for(&mut self, account: AccountId) {
        // It may have changed again meanwhile.
        if !self.is_untold(account) {
            self.waiting.remove(&account);
        }
    }
}

struct Online {
    login: Login,
    sessions: Vec<One>,
    told: Status,
    in_changed: bool,
}

/// One session.
struct One {
    key: SessionKey,
    number: u64,
    /// It was told to end.
    dismissed: Option<Dismissal>,
    subscriber: Arc<dyn Subscriber>,
}

impl Online {
    /// As whoever has it as a contact knows it.
    fn told_before(login: Login) -> Self {
        Self { login, sessions: Vec::with_capacity(1), told: Status::Online, in_changed: false }
    }

    fn status(&self) -> Status {
        if self.sessions.is_empty() { Status::Offline } else { Status::Online }
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session, under a key that no other session has.
    ///
    /// # Errors
    /// When the operating system gives no random bytes; then there is no session.
    pub fn sign_in(
        &self,
        account: AccountId,
        login: Login,
        subscriber: Arc<dyn Subscriber>,
    ) -> Result<Session, getrandom::Error> {
        let mut state = self.lock();
        let key = new_key(&mut state.keys)?;
        state.sessions += 1;
        let number = state.sessions;
        let online = state.online.entry(account).or_insert_with(|| Online {
            login: login.clone(),
            sessions: Vec::with_capacity(1),
            told: Status::Offline,
            in_changed: false,
        });
        online.sessions.push(One { key, number, dismissed: None, subscriber });
        self.note_change(&mut state, account);
        Ok(Session { account, login, key })
    }

    /// Goes on with a session that began in a process before this one: its contacts have been told.
    ///
    /// # Errors
    /// [`KeyTaken`]: there is a session with its key already.
    pub fn resume(&self, session: &Session, subscriber: Arc<dyn Subscriber>) -> Result<(), KeyTaken> {
        let mut state = self.lock();
        if !state.keys.insert(session.key) {
            return Err(KeyTaken);
        }
        state.sessions += 1;
        let number = state.sessions;
        let online = state.online.entry(session.account).or_insert_with(|| Online::told_before(session.login.clone()));
        online.sessions.push(One { key: session.key, number, dismissed: None, subscriber });
        Ok(())
    }

    /// An account was online in a process before this one. If none of its sessions goes on, its contacts are told that
    /// it is not any more: after those that do were [resumed](Self::resume).
    pub fn was_online(&self, account: AccountId, login: Login) {
        let mut state = self.lock();
        state.online.entry(account).or_insert_with(|| Online::told_before(login));
        self.note_change(&mut state, account);
    }

    /// Ends a session. Ending it again does nothing.
    pub fn sign_out(&self, session: &Session) {
        let mut state = self.lock();
        if !state.keys.remove(&session.key) {
            return;
        }
        self.left.notify_waiters();
        if let Some(online) = state.online.get_mut(&session.account) {
            online.sessions.retain(|one| one.key != session.key);
        }
        self.note_change(&mut state, session.account);
    }

    fn note_change(&self, state: &mut State, account: AccountId) {
        let Entry::Occupied(mut online) = state.online.entry(account) else { return };
        let online = online.get_mut();
        if online.status() != online.told && !online.in_changed {
            online.in_changed = true;
            state.changed.push_back(account);
            self.changed.notify_one();
        }
    }

    /// Waits for the next change of an account's status that has not been told yet. For one caller, who has told the
    /// change before when it asks for the next.
    pub async fn next_change(&self) -> Change {
        loop {
            if let Some(change) = self.take_change() {
                return change;
            }
            self.changed.notified().await;
        }
    }

    fn take_change(&self) -> Option<Change> {
        let mut state = self.lock();
        if let Some(account) = state.telling.take() {
            state.wake_who_waits_for(account);
        }
        while let Some(account) = state.changed.pop_front() {
            let Entry::Occupied(mut entry) = state.online.entry(account) else { continue };
            let online = entry.get_mut();
            online.in_changed = false;
            let (status, told, login) = (online.status(), online.told, online.login.clone());
            online.told = status;
            if status == Status::Offline {
                entry.remove();
            }
            if status != told {
                state.telling = Some(account);
                return Some(Change { account, login, status });
            }
            state.wake_who_waits_for(account);
        }
        state.waiting_for_all.clear();
        None
    }

    /// Waits until the change of an account's status, if it had one, has been told.
    pub async fn told(&self, account: AccountId) {
        let told = {
            let mut state = self.lock();
            if !state.is_untold(account) {
                return;
            }
            let (tell, told) = oneshot::channel();
            state.waiting.entry(account).or_default().push(tell);
            told
        };
        // Dropping the other half is the word.
        let _ = told.await;
    }

    /// Waits until no change is left that has not been told.
    pub async fn all_told(&self) {
        let told = {
            let mut state = self.lock();
            if state.changed.is_empty() && state.telling.is_none() {
                return;
            }
            let (tell, told) = oneshot::channel();
            state.waiting_for_all.push(tell);
            told
        };
        let _ = told.await;
    }

    /// Whether an account has a session.
    #[must_use]
    pub fn status(&self, account: AccountId) -> Status {
        self.lock().online.get(&account).map_or(Status::Offline, Online::status)
    }

    /// Tells all sessions of an account what happened.
    pub fn notify(&self, account: AccountId, event: &Event) {
        for subscriber in self.subscribers(account) {
            subscriber.notify(account, event);
        }
    }

    /// Tells all sessions of many accounts what happened.
    ///
    /// In two rounds, so that one write follows the other without a question in between: a peer's machine that is awake for
    /// the first need not be woken for the next.
    pub fn notify_all(&self, accounts: &[AccountId], event: &Event) {
        let subscribers: Vec<_> = {
            let state = self.lock();
            let online = accounts.iter().filter_map(|account| Some((*account, state.online.get(account)?)));
            online
                .flat_map(|(account, online)| {
                    online.sessions.iter().map(move |one| (account, Arc::clone(&one.subscriber)))
                })
                .collect()
        };
        for (_, subscriber) in &subscribers {
            subscriber.settle();
        }
        for (account, subscriber) in subscribers {
            subscriber.notify(account, event);
        }
    }

    /// Lets all sessions of an account note what their peers have taken: before another one begins where they stand.
    /// Its peer may have had one of those just now, and gone; we notice that a little later.
    pub fn settle(&self, account: AccountId) {
        for subscriber in self.subscribers(account) {
            subscriber.settle();
        }
    }

    fn subscribers(&self, account: AccountId) -> impl Iterator<Item = Arc<dyn Subscriber>> + use<> {
        let state = self.lock();
        let sessions = state.online.get(&account).map(|online| online.sessions.as_slice()).unwrap_or_default();
        let mut sessions = sessions.iter().map(|one| Arc::clone(&one.subscriber));
        // Most have one, and an empty list takes no memory.
        let first = sessions.next();
        let others: Vec<_> = sessions.collect();
        first.into_iter().chain(others)
    }

    /// How many accounts are online.
    #[must_use]
    pub fn accounts_online(&self) -> usize {
        self.lock().online.values().filter(|online| online.status() == Status::Online).count()
    }
}

fn new_key(taken: &mut HashSet<SessionKey>) -> Result<SessionKey, getrandom::Error> {
    loop {
        let mut bytes = [0; SessionKey::LEN];
        getrandom::fill(&mut bytes)?;
        if let Some(key) = SessionKey::new(bytes)
            && taken.insert(key)
        {
            return Ok(key);
        }
    }
}

#[cfg(test)]
mod tests;
