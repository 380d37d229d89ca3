//! People with accounts, in a store that was just made.

use super::words::login;
use messengerd::domain::{AccountId, Email, Login, UnixMillis};
use messengerd::store::{NewAccount, Options, Progress, Store};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Somebody with an account.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// Their account.
    pub(crate) id: AccountId,
    /// Their login.
    pub(crate) login: Login,
}

/// Accounts that have this password.
pub(crate) async fn sign_up(store: &Store, count: usize, password_hash: &str) -> Vec<Person> {
    let email = Email::parse("somebody@example.org").expect("it is an address");
    let mut people = Vec::with_capacity(count);
    for number in 0..count {
        let (login, email, password_hash) = (login(number), email.clone(), password_hash.to_owned());
        let account =
            NewAccount { login: login.clone(), email, password_hash, created_at: UnixMillis(0), invite: None };
        let id = store.add_user(account).await.expect("it can be written").expect("nobody has that login");
        people.push(Person { id, login });
    }
    people
}

/// How a store is opened, unless something else is measured: as the daemon does by default.
pub(crate) fn options(directory: &Path, sync_every_commit: bool, batch_max: usize) -> Options {
    let busy_timeout = Duration::from_secs(5);
    Options { directory: directory.to_owned(), sync_every_commit, readers: 2, batch_max, busy_timeout }
}

/// For a database that is made anew: there is nothing to migrate.
pub(crate) fn no_progress() -> Progress {
    Arc::new(|| {})
}
