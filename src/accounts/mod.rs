//! Passwords, throttling, and who may sign up.
//!
//! Errors: a refusal ([`SignUpRefusal`], [`LogInRefusal`]) is what the peer is told. A [`StoreError`] is not the
//! peer's doing: it goes to the journal, and the connection closes.
//!
//! Hashing is the one thing here that costs: threads of its own do it, at a low priority and in memory that they keep.
//!
//! Must not be here: SQL, sessions, bytes of a protocol. No password and no hash is in a log.

mod administration;
mod debts;
mod figures;
mod hashing;
mod own;

pub use administration::{AdministrationError, hash_password, is_voice};
pub use hashing::{HashingError, Parameters};

use crate::config::{self, ContactsPolicy, Live, SignUp};
use crate::domain::reply::{LogInRefusal, SignUpRefusal};
use crate::domain::{AccountId, Email, InviteCode, Login, Password, Peer, Secret, Source, UnixMillis};
use crate::limits::{Budget, Throttle};
use crate::store::{Account, NewAccount, NotMade, Store, StoreError};
use figures::Throttled;
use hashing::{Hasher, Verdict};
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

/// The accounts of this server.
pub struct Accounts {
    store: Store,
    settings: Live,
    hasher: Hasher,
    by_login: Throttle<Login>,
    by_source: Throttle<Source>,
    log_ins: Throttle<Source>,
    sign_ups: Throttle<Option<Source>>,
    throttled: Throttled,
}

/// Why somebody did not get what they asked for.
#[derive(Debug, thiserror::Error)]
pub enum AccountError<Refusal: std::fmt::Debug> {
    /// Their doing, or our policy.
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A hash could not be computed: a fault of ours, or of the hash that is stored.
    #[error(transparent)]
    Hashing(#[from] HashingError),
}

impl Accounts {
    /// Accounts over a store, with the threads that hash. What they need besides computing, they have done then.
    ///
    /// # Errors
    /// What the kernel said to more threads.
    pub fn start(store: Store, settings: Live) -> io::Result<Self> {
        let auth = settings.get().auth.clone();
        Ok(Self {
            store,
            hasher: Hasher::start(auth.hashing_threads, auth.hashing_queue)?,
            settings,
            by_login: Throttle::default(),
            by_source: Throttle::default(),
            log_ins: Throttle::default(),
            sign_ups: Throttle::default(),
            throttled: Throttled::default(),
        })
    }

    /// Makes an account. What is wrong is told in the order of the fields; a login is found to be taken before its
    /// password is hashed, because hashing is what costs. Whoever has found that out has spent a sign-up, too.
    ///
    /// # Errors
    /// A refusal, or a failure of the store.
    pub async fn sign_up(
        &self,
        email: &str,
        login: &str,
        password: &Secret,
        peer: Peer,
    ) -> Result<Login, AccountError<SignUpRefusal>> {
        use SignUpRefusal as Refusal;
        let settings = Arc::clone(&self.settings.get());
        if settings.accounts.sign_up == SignUp::Closed {
            return Err(AccountError::Refused(Refusal::Closed));
        }
        let (email, code) = InviteCode::behind(email);
        let email = Email::parse(email).map_err(|_| AccountError::Refused(Refusal::BadEmail))?;
        let login = Login::parse(login).map_err(|_| AccountError::Refused(Refusal::BadLogin))?;
        let password = Password::parse(password)
            .ok()
            .filter(|password| password.chars() >= settings.accounts.password_min_length)
            .ok_or(AccountError::Refused(Refusal::BadPassword))?;
        if !self.spend_sign_up(&settings.accounts, peer) {
            return Err(AccountError::Refused(Refusal::Closed));
        }
        // Before the login is looked for: who is not invited does not learn who is here.
        let invite = match settings.accounts.sign_up {
            SignUp::Invite => Some(self.good_invite(code).await?.ok_or(AccountError::Refused(Refusal::Closed))?),
            SignUp::Open | SignUp::Closed => None,
        };
        if self.store.is_login_taken(login.clone()).await? {
            return Err(AccountError::Refused(Refusal::LoginTaken));
        }
        let password_hash = self
            .hasher
            .hash(password, Parameters::of(&settings.auth))
            .await?
            .ok_or(AccountError::Refused(Refusal::Closed))?;
        let account = NewAccount { login: login.clone(), email, password_hash, created_at: now(), invite };
        match self.store.add_user(account).await? {
            Ok(_) => Ok(login),
            Err(NotMade::LoginTaken) => Err(AccountError::Refused(Refusal::LoginTaken)),
            // Somebody was quicker.
            Err(NotMade::NoInvite) => Err(AccountError::Refused(Refusal::Closed)),
        }
    }

    /// The invite, if it is one that makes an account.
    async fn good_invite(&self, code: Option<InviteCode>) -> Result<Option<InviteCode>, StoreError> {
        let Some(code) = code else { return Ok(None) };
        Ok(self.store.is_good_invite(code.clone(), now()).await?.then_some(code))
    }

    /// False: there have been too many from there, or from everywhere.
    fn spend_sign_up(&self, accounts: &config::Accounts, peer: Peer) -> bool {
        let source = Some(Source::from(peer));
        let by_source = Budget { burst: accounts.source_sign_ups, refill: accounts.source_sign_ups_refill };
        let by_all = Budget { burst: accounts.sign_ups, refill: accounts.sign_ups_refill };
        if !self.sign_ups.spend(source, by_source) {
            self.throttled.count(figures::SIGN_UPS_OF_SOURCE);
            return false;
        }
        let taken = self.sign_ups.spend(None, by_all);
        if !taken {
            self.throttled.count(figures::SIGN_UPS);
            self.sign_ups.refund(&source, by_source);
        }
        taken
    }

    /// Finds out whether somebody is who they say.
    ///
    /// With `auth.hide_unknown_login`, an unknown login costs what a wrong password costs, and is answered as one: an
    /// account nearby is read in its place, and the password compared with that one's hash, in vain.
    ///
    /// # Errors
    /// A refusal, or a failure of the store.
    pub async fn verify_login(
        &self,
        login: &str,
        password: &Secret,
        peer: Peer,
    ) -> Result<Verified, AccountError<LogInRefusal>> {
        let auth = self.settings.get().auth.clone();
        let source = Source::from(peer);
        let by_source = Budget { burst: auth.source_failures, refill: auth.source_refill };
        let by_login = Budget { burst: auth.account_failures, refill: auth.account_refill };
        let throttled = |why| {
            self.throttled.count(why);
            Err(AccountError::Refused(LogInRefusal::TryLater))
        };

        let log_ins = Budget { burst: auth.source_log_ins, refill: auth.source_log_ins_refill };
        if !self.log_ins.spend(source, log_ins) {
            return throttled(figures::LOG_INS_OF_SOURCE);
        }
        // Each attempt counts as a failure until it is known to be none, so that many at once don't get past the limit.
        if !self.by_source.spend(source, by_source) {
            return throttled(figures::FAILURES_OF_SOURCE);
        }
        let login = Login::parse(login).ok();
        if let Some(login) = &login
            && !self.by_login.spend(login.clone(), by_login)
        {
            self.by_source.refund(&source, by_source);
            return throttled(figures::FAILURES_OF_ACCOUNT);
        }
        let outcome = self.compare(login.clone(), password, &auth).await;
        let wrong = [LogInRefusal::UnknownLogin, LogInRefusal::WrongPassword];
        if !matches!(&outcome, Err(AccountError::Refused(refusal)) if wrong.contains(refusal)) {
            self.by_source.refund(&source, by_source);
            if let Some(login) = &login {
                self.by_login.refund(login, by_login);
            }
        }
        let account = outcome?;
        self.by_login.forget(&account.login);
        Ok(Verified(account))
    }

    /// How many contacts one account may have, and how many it may block.
    #[must_use]
    pub fn contacts_max(&self) -> usize {
        self.settings.get().accounts.contacts_max
    }

    /// Who sees whose status.
    #[must_use]
    pub fn contacts_policy(&self) -> ContactsPolicy {
        self.settings.get().contacts.policy
    }

    /// The account with that login and that password.
    async fn compare(
        &self,
        login: Option<Login>,
        password: &Secret,
        auth: &config::Auth,
    ) -> Result<Account, AccountError<LogInRefusal>> {
        use LogInRefusal as Refusal;
        let refused = |refusal| Err(AccountError::Refused(refusal));
        let hide = auth.hide_unknown_login;
        let unknown = if hide { Refusal::WrongPassword } else { Refusal::UnknownLogin };
        let password = Password::parse(password).ok();
        if hide && password.is_none() {
            // No account has it. Without a hash around it, even looking for the login could be timed.
            return refused(Refusal::WrongPassword);
        }
        let found = match login.clone() {
            Some(login) if hide => self.store.nearest_account(login).await?,
            Some(login) => self.store.get_account(login).await?,
            None => None,
        };
        let (account, other) = match found {
            Some(found) if Some(&found.login) == login.as_ref() => (Some(found), None),
            other => (None, other),
        };
        let Some(password) = password else {
            return refused(if account.is_some() { Refusal::WrongPassword } else { unknown });
        };
        let parameters = Parameters::of(auth);
        let Some(account) = account else {
            let hashed = match other {
                Some(other) => self.hasher.verify_in_vain(password, other.password_hash).await?,
                None if hide => self.hasher.hash(password, parameters).await?.map(drop),
                None => Some(()),
            };
            return refused(if hashed.is_some() { unknown } else { Refusal::TryLater });
        };
        match self.hasher.verify(password, account.password_hash.clone(), parameters).await? {
            None => refused(Refusal::TryLater),
            Some(Verdict::Wrong) => refused(Refusal::WrongPassword),
            Some(Verdict::Right { .. }) if account.disabled => refused(Refusal::Disabled),
            Some(Verdict::Right { renewed: None }) => Ok(account),
            Some(Verdict::Right { renewed: Some(renewed) }) => Ok(self.renew(account, renewed).await),
        }
    }

    /// Stores a hash with today's parameters. If that fails, the old one is as good as it was. The account as it is then.
    async fn renew(&self, account: Account, renewed: String) -> Account {
        match self.store.renew_password(account.id, account.password_hash.clone(), renewed.clone()).await {
            // Somebody else has changed it: whoever goes on finds that.
            Ok(false) => account,
            Ok(true) => {
                tracing::info!(login = %account.login, "password hash renewed with the configured parameters");
                Account { password_hash: renewed, ..account }
            }
            Err(error) => {
                tracing::warn!(login = %account.login, error = %error.chain(), "password hash not renewed");
                account
            }
        }
    }

    /// Whether a log-in that was verified a moment ago still holds: the account is there, not disabled, and has the same
    /// password.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn is_still(&self, verified: &Verified) -> Result<bool, StoreError> {
        let found = self.store.get_account(verified.0.login.clone()).await?;
        Ok(found.is_some_and(|found| found == verified.0))
    }
}

/// An account whose owner has shown who they are.
#[derive(Debug)]
pub struct Verified(Account);

impl Verified {
    /// The account's number.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.0.id
    }

    /// Its login.
    #[must_use]
    pub fn login(&self) -> &Login {
        &self.0.login
    }
}

/// The time, as the store keeps it. A clock before 1970 counts as 1970.
#[must_use]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
