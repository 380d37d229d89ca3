//! Changes of somebody's lists: the store is changed, and whoever sees their status now or no longer is told. For the
//! handlers, and for what administrators do.
//!
//! Whom somebody blocks is told what they would be told if that one had gone offline, and no more; nothing, if they knew
//! them as offline.

use super::Core;
use crate::domain::{AccountId, Event, Login, Status};
use crate::sessions::Session;
use crate::store::{Added, CantBlock, NotAdded, Sight, StoreError};

/// Whose list is changed.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// Their account.
    pub account: AccountId,
    /// Their login.
    pub login: &'a Login,
}

impl<'a> Owner<'a> {
    /// Whose session it is.
    pub(super) fn of(session: &'a Session) -> Self {
        Self { account: session.account, login: &session.login }
    }
}

impl Core {
    /// Puts the account of a login on somebody's contact list.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn add_contact(&self, owner: Owner<'_>, login: Login) -> Result<Result<Added, NotAdded>, StoreError> {
        let _alone = self.sessions.between(owner.login, &login).await;
        let (max, policy) = (self.accounts.contacts_max(), self.accounts.contacts_policy());
        let added = self.store.add_contact(owner.account, login, max, policy).await?;
        if let Ok(added) = &added {
            self.tell(owner, added.sight).await;
        }
        Ok(added)
    }

    /// Takes the account of a login off somebody's contact list. False: it was not there.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn remove_contact(&self, owner: Owner<'_>, login: Login) -> Result<bool, StoreError> {
        let _alone = self.sessions.between(owner.login, &login).await;
        let sight = self.store.remove_contact(owner.account, login, self.accounts.contacts_policy()).await?;
        if let Some(sight) = sight {
            self.tell(owner, sight).await;
        }
        Ok(sight.is_some())
    }

    /// From now on somebody hears nothing of the account of a login.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn block(&self, owner: Owner<'_>, login: Login) -> Result<Result<(), CantBlock>, StoreError> {
        let _alone = self.sessions.between(owner.login, &login).await;
        let (max, policy) = (self.accounts.contacts_max(), self.accounts.contacts_policy());
        match self.store.block(owner.account, login, max, policy).await? {
            Ok(sight) => {
                self.tell(owner, sight).await;
                Ok(Ok(()))
            }
            Err(why) => Ok(Err(why)),
        }
    }

    /// Takes that back. False: they were not blocked.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn unblock(&self, owner: Owner<'_>, login: Login) -> Result<bool, StoreError> {
        let _alone = self.sessions.between(owner.login, &login).await;
        let sight = self.store.unblock(owner.account, login, self.accounts.contacts_policy()).await?;
        if let Some(sight) = sight {
            self.tell(owner, sight).await;
        }
        Ok(sight.is_some())
    }

    /// The status of a contact, for somebody who sees it or does not.
    pub(super) fn status(&self, contact: AccountId, is_seen: bool) -> Status {
        if is_seen { self.sessions.status(contact) } else { Status::Offline }
    }

    async fn tell(&self, owner: Owner<'_>, sight: Sight) {
        if sight.before == sight.after {
            return;
        }
        // Should others just be told that the owner comes or goes, this is told behind it. Whoever has a session that was
        // answered is online, and everybody has been told.
        self.sessions.told(owner.account).await;
        if self.sessions.status(owner.account) == Status::Online {
            let status = if sight.after { Status::Online } else { Status::Offline };
            self.sessions.notify(sight.other, &Event::ContactStatus(owner.login.clone(), status));
        }
    }
}
