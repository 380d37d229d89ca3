//! What a store does with people's lists: of contacts, and of those who are blocked.

use super::{Added, CantBlock, Contact, NotAdded, Sight, Store, StoreError, blocks, contacts, sight};
use crate::config::ContactsPolicy;
use crate::domain::{AccountId, Login};

impl Store {
    /// Puts the account of a login on somebody's contact list, which may become `max` long. Adding twice is adding once.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn add_contact(
        &self,
        owner: AccountId,
        login: Login,
        max: usize,
        policy: ContactsPolicy,
    ) -> Result<Result<Added, NotAdded>, StoreError> {
        self.writer.write(move |batch| contacts::add(batch, owner, &login, max, policy)).await
    }

    /// Takes the account of a login off somebody's contact list. `None`: it was not there.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn remove_contact(
        &self,
        owner: AccountId,
        login: Login,
        policy: ContactsPolicy,
    ) -> Result<Option<Sight>, StoreError> {
        self.writer.write(move |batch| contacts::remove(batch.db, owner, &login, policy)).await
    }

    /// From now on somebody hears nothing of the account of a login, which can't tell. `max`: how many they may block.
    /// Blocking twice is blocking once.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn block(
        &self,
        owner: AccountId,
        login: Login,
        max: usize,
        policy: ContactsPolicy,
    ) -> Result<Result<Sight, CantBlock>, StoreError> {
        self.writer.write(move |batch| blocks::add(batch, owner, &login, max, policy)).await
    }

    /// Takes that back. What was withheld meanwhile stays so. `None`: nobody of that login was blocked.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn unblock(
        &self,
        owner: AccountId,
        login: Login,
        policy: ContactsPolicy,
    ) -> Result<Option<Sight>, StoreError> {
        self.writer.write(move |batch| blocks::remove(batch.db, owner, &login, policy)).await
    }

    /// Somebody's contact list, by login.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn get_contacts_list(&self, owner: AccountId) -> Result<Vec<(AccountId, Login)>, StoreError> {
        self.readers.read(move |db| contacts::list(db, owner)).await
    }

    /// Somebody's contact list, by login, and whose status they see.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn seen_contacts(&self, owner: AccountId, policy: ContactsPolicy) -> Result<Vec<Contact>, StoreError> {
        self.readers.read(move |db| sight::contacts(db, owner, policy)).await
    }

    /// Who sees somebody's status, in no order.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn watchers(&self, account: AccountId, policy: ContactsPolicy) -> Result<Vec<AccountId>, StoreError> {
        self.readers.read(move |db| sight::watchers(db, account, policy)).await
    }

    /// On whose contact lists somebody is, in no order.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn get_users_with_contact(&self, contact: AccountId) -> Result<Vec<AccountId>, StoreError> {
        self.readers.read(move |db| contacts::owners(db, contact)).await
    }
}
