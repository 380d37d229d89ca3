//! What an administrator does with accounts: no policy and no budget stands in the way.
//!
//! Errors: an [`AdministrationError`]; nothing was changed then.

use super::hashing::{self, Parameters};
use super::{Accounts, now};
use crate::domain::{AccountId, Email, Login, Password, Secret};
use crate::store::{NewAccount, NotMade, StoreError};

/// Why an administrator's order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    /// What was given is not what there may be, in words.
    #[error("{0}")]
    NotAcceptable(String),
    /// Somebody has that login, or had it.
    #[error("the login {0} is taken")]
    LoginTaken(String),
    /// Nobody has that login.
    #[error("nobody has the login {0}")]
    NoSuchUser(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A hash that no password has: its salt and all of its output are zeros. It costs what argon2's defaults cost, so that
/// nobody can tell such an account by its time.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Accounts {
    /// Makes an account, whoever may sign up.
    ///
    /// # Errors
    /// See [`AdministrationError`].
    pub async fn add_user(
        &self,
        login: &str,
        email: &str,
        password_hash: String,
    ) -> Result<Login, AdministrationError> {
        let parsed = known(login)?;
        check_hash(&password_hash)?;
        let email = Email::parse(email).map_err(|error| AdministrationError::NotAcceptable(error.to_string()))?;
        let taken = || AdministrationError::LoginTaken(parsed.to_string());
        let account = NewAccount { login: parsed.clone(), email, password_hash, created_at: now(), invite: None };
        match self.store.add_user(account).await? {
            Ok(_) => Ok(parsed),
            Err(NotMade::LoginTaken | NotMade::NoInvite) => Err(taken()),
        }
    }

    /// The account that speaks in the server's name, made if there is none: nobody can log in to it.
    ///
    /// # Errors
    /// See [`AdministrationError`]: a person's account is none.
    pub async fn voice(&self, name: &str) -> Result<(AccountId, Login), AdministrationError> {
        let login = known(name)?;
        if let Some(account) = self.store.get_account(login.clone()).await? {
            if account.password_hash != NOBODYS_HASH {
                let reason = format!("{login:?} is a person: write in the server's name, such as SYSTEM");
                return Err(AdministrationError::NotAcceptable(reason));
            }
            return Ok((account.id, login));
        }
        let email =
            Email::parse("nobody@localhost").map_err(|error| AdministrationError::NotAcceptable(error.to_string()))?;
        let password_hash = NOBODYS_HASH.to_owned();
        let account = NewAccount { login: login.clone(), email, password_hash, created_at: now(), invite: None };
        let id = self.store.add_user(account).await?.map_err(|_| AdministrationError::LoginTaken(login.to_string()))?;
        self.store.set_disabled(login.clone(), true).await?;
        Ok((id, login))
    }

    /// Gives an account another password. Its sessions are the caller's to end.
    ///
    /// # Errors
    /// See [`AdministrationError`].
    pub async fn set_password(&self, login: &str, password_hash: String) -> Result<AccountId, AdministrationError> {
        let nobody = || AdministrationError::NoSuchUser(login.to_owned());
        let parsed = Login::parse(login).map_err(|_| nobody())?;
        check_hash(&password_hash)?;
        self.store.set_password(parsed, password_hash).await?.ok_or_else(nobody)
    }

    /// Refuses or allows an account's log-ins. Its sessions are the caller's to end.
    ///
    /// # Errors
    /// See [`AdministrationError`].
    pub async fn set_disabled(&self, login: &str, disabled: bool) -> Result<AccountId, AdministrationError> {
        let nobody = || AdministrationError::NoSuchUser(login.to_owned());
        let parsed = Login::parse(login).map_err(|_| nobody())?;
        self.store.set_disabled(parsed, disabled).await?.ok_or_else(nobody)
    }
}

/// A password that an administrator gives, hashed where they are, so that it goes nowhere.
///
/// # Errors
/// [`AdministrationError::NotAcceptable`], also when argon2 refuses the parameters.
pub fn hash_password(
    password: &Secret,
    min_length: usize,
    parameters: Parameters,
) -> Result<String, AdministrationError> {
    let not_acceptable = |reason: String| AdministrationError::NotAcceptable(reason);
    let password = Password::parse(password).map_err(|error| not_acceptable(error.to_string()))?;
    if password.chars() < min_length {
        let reason = format!("a password has at least {min_length} characters (accounts.password_min_length)");
        return Err(not_acceptable(reason));
    }
    hashing::hash_once(&password, parameters).map_err(|error| not_acceptable(error.to_string()))
}

/// Whether an account with this hash only speaks in the server's name.
#[must_use]
pub fn is_voice(password_hash: &str) -> bool {
    password_hash == NOBODYS_HASH
}

fn check_hash(hash: &str) -> Result<(), AdministrationError> {
    if hashing::is_hash(hash) {
        Ok(())
    } else {
        Err(AdministrationError::NotAcceptable("that is no argon2id hash".to_owned()))
    }
}

fn known(login: &str) -> Result<Login, AdministrationError> {
    Login::parse(login).map_err(|error| AdministrationError::NotAcceptable(error.to_string()))
}
