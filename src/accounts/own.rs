//! What somebody does with their own account, having logged in: another password, or the account's end. Each wants the
//! password once more, and costs and is throttled as a log-in is.
//!
//! Errors: a [`PasswordRefusal`] is what the peer is told.

use super::hashing::Parameters;
use super::{AccountError, Accounts, Verified, now};
use crate::domain::reply::{LogInRefusal, PasswordRefusal};
use crate::domain::{Login, Password, Peer, Secret};
use crate::store::{Erasure, StoreError};

impl Accounts {
    /// Gives an account another password, if the old one is given as well. Whether the new one is any is told first. Its
    /// other sessions are the caller's to end.
    ///
    /// # Errors
    /// A refusal, or a failure of the store; the old password stays.
    pub async fn change_password(
        &self,
        login: &Login,
        old: &Secret,
        new: &Secret,
        peer: Peer,
    ) -> Result<(), AccountError<PasswordRefusal>> {
        let settings = self.settings.get();
        let new = Password::parse(new)
            .ok()
            .filter(|password| password.chars() >= settings.accounts.password_min_length)
            .ok_or(AccountError::Refused(PasswordRefusal::BadPassword))?;
        let parameters = Parameters::of(&settings.auth);
        drop(settings);
        let Verified(account) = self.prove(login, old, peer).await?;
        let later = AccountError::Refused(PasswordRefusal::TryLater);
        let Some(hash) = self.hasher.hash(new, parameters).await? else { return Err(later) };
        // Else somebody else has changed it meanwhile.
        if self.store.renew_password(account.id, account.password_hash, hash).await? { Ok(()) } else { Err(later) }
    }

    /// Closes an account for good whose owner has shown who they are, and begins to erase it. A refusal: meanwhile it was
    /// disabled or has another password. `None`: it was closed already.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn close(&self, verified: Verified) -> Result<Result<Option<Erasure>, PasswordRefusal>, StoreError> {
        let Verified(account) = verified;
        let erasure = self.store.begin_erasing(account.id, Some(account.password_hash), now()).await?;
        if erasure.is_none() && self.store.get_account(account.login).await?.is_some() {
            return Ok(Err(PasswordRefusal::TryLater));
        }
        Ok(Ok(erasure))
    }

    /// Whether whoever has a session has the password as well.
    ///
    /// # Errors
    /// A refusal, or a failure of the store.
    pub async fn prove(
        &self,
        login: &Login,
        password: &Secret,
        peer: Peer,
    ) -> Result<Verified, AccountError<PasswordRefusal>> {
        self.verify_login(login.as_str(), password, peer).await.map_err(|error| match error {
            AccountError::Refused(refusal) => AccountError::Refused(match refusal {
                LogInRefusal::UnknownLogin | LogInRefusal::WrongPassword => PasswordRefusal::WrongPassword,
                LogInRefusal::TryLater | LogInRefusal::Disabled => PasswordRefusal::TryLater,
            }),
            AccountError::Store(error) => AccountError::Store(error),
            AccountError::Hashing(error) => AccountError::Hashing(error),
        })
    }
}
