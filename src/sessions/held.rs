//! Sessions as an administrator sees them.

use super::{Sessions, Subscriber};
use crate::domain::{AccountId, Login, Peer, Status};
use crate::figures;
use std::collections::HashSet;
use std::sync::Arc;

/// A session as an administrator sees it: without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose.
    pub account: AccountId,
    /// Their login.
    pub login: Login,
    /// What it is called; of this process, and never given again.
    pub number: u64,
    /// Where it is held from.
    pub peer: Peer,
}

impl Sessions {
    /// How many accounts and sessions there are.
    #[must_use]
    pub fn figures(&self) -> figures::Sessions {
        let state = self.lock();
        let number = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        let accounts = state.online.values().filter(|online| online.status() == Status::Online).count();
        figures::Sessions { accounts: number(accounts), sessions: number(state.keys.len()) }
    }

    /// Who is online.
    #[must_use]
    pub fn online(&self) -> HashSet<AccountId> {
        let state = self.lock();
        let online = state.online.iter().filter(|(_, online)| online.status() == Status::Online);
        online.map(|(account, _)| *account).collect()
    }

    /// All sessions, by login and number; those of one account, if it is asked for.
    #[must_use]
    pub fn list(&self, account: Option<AccountId>) -> Vec<Held> {
        let mut all: Vec<_> = {
            let state = self.lock();
            let those = state.online.iter().filter(|(holder, _)| account.is_none_or(|account| account == **holder));
            those
                .flat_map(|(account, online)| {
                    online
                        .sessions
                        .iter()
                        .map(|one| (*account, online.login.clone(), one.number, Arc::clone(&one.subscriber)))
                })
                .collect()
        };
        all.sort_unstable_by(|(_, login, number, _), (_, other, than, _)| (login, number).cmp(&(other, than)));
        let held = |(account, login, number, subscriber): (AccountId, Login, u64, Arc<dyn Subscriber>)| Held {
            account,
            login,
            number,
            peer: subscriber.peer(),
        };
        all.into_iter().map(held).collect()
    }
}
