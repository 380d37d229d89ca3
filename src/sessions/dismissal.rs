//! Ending sessions from outside: by an administrator, or because of what became of the account.

use super::{One, Session, Sessions};
use crate::domain::{AccountId, SessionKey};
use std::sync::Arc;

/// Why a session is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Dismissal {
    /// An administrator ended it.
    #[error("an administrator ended the session")]
    Killed,
    /// The account is disabled.
    #[error("the account was disabled")]
    Disabled,
    /// The account has another password.
    #[error("the account's password was changed")]
    PasswordChanged,
    /// The account is erased.
    #[error("the account was erased")]
    Erased,
}

/// Sessions that were told to end.
#[derive(Debug)]
pub struct Dismissed {
    account: AccountId,
    keys: Vec<SessionKey>,
}

impl Dismissed {
    /// How many they are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.keys.len()
    }
}

impl Sessions {
    /// Ends all sessions of an account, or all but one. Each is over when its connection has heard of it, which may be a
    /// moment later: [`Sessions::gone`] waits for that.
    pub fn dismiss(&self, account: AccountId, but: Option<SessionKey>, why: Dismissal) -> Dismissed {
        self.dismiss_those(account, |one| Some(one.key) != but, why)
    }

    /// Ends one session, by its number; none, if there is none.
    pub fn dismiss_one(&self, number: u64, why: Dismissal) -> Option<Dismissed> {
        let account = {
            let state = self.lock();
            let holder = state.online.iter().find(|(_, online)| online.sessions.iter().any(|one| one.number == number));
            holder.map(|(account, _)| *account)
        };
        account.map(|account| self.dismiss_those(account, |one| one.number == number, why))
    }

    fn dismiss_those(&self, account: AccountId, which: impl Fn(&One) -> bool, why: Dismissal) -> Dismissed {
        let those: Vec<_> = {
            let mut state = self.lock();
            let sessions = state.online.get_mut(&account).map(|online| online.sessions.as_mut_slice());
            let those = sessions.unwrap_or_default().iter_mut().filter(|one| which(one));
            those
                .map(|one| {
                    one.dismissed = Some(why);
                    (one.key, Arc::clone(&one.subscriber))
                })
                .collect()
        };
        for (key, subscriber) in &those {
            subscriber.dismiss(*key, why);
        }
        Dismissed { account, keys: those.into_iter().map(|(key, _)| key).collect() }
    }

    /// Whether a session was told to end: for its connection, which takes it up some time after it began.
    #[must_use]
    pub fn dismissal(&self, session: &Session) -> Option<Dismissal> {
        let state = self.lock();
        let sessions = &state.online.get(&session.account)?.sessions;
        sessions.iter().find(|one| one.key == session.key)?.dismissed
    }

    /// Waits until these sessions are over, and whoever has to be told has been.
    pub async fn gone(&self, dismissed: &Dismissed) {
        loop {
            let left = self.left.notified();
            let mut left = std::pin::pin!(left);
            left.as_mut().enable();
            if !dismissed.keys.iter().any(|key| self.lock().keys.contains(key)) {
                break;
            }
            left.await;
        }
        self.told(dismissed.account).await;
    }
}
