//! Erase an account for good. It is closed first, in one commit; then its sessions end, and those who have it as a contact
//! are told; then what is left goes in steps, with a word on each.

use super::kill_sessions::Killed;
use super::show_user::Whose;
use super::{Method, Parts, Streamed};
use crate::accounts;
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::sessions::Dismissal;
use crate::store::StoreError;
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct DeleteUser;

/// How far it is. It is done when this is the last part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Deleted {
    /// So many sessions were ended.
    pub(in crate::control) sessions: u64,
    /// So many rows are gone: entries of the mailbox and of contact lists.
    pub(in crate::control) rows: u64,
    /// Of about so many.
    pub(in crate::control) of: u64,
}

impl Method for DeleteUser {
    const NAME: &'static str = "DeleteUser";
    const ABOUT: &'static str = "Ends the sessions of an account and erases it for good. Should the caller go away, or the daemon end, \
        it is gone on with.";
    type Parameters = Whose;
    type Reply = Deleted;

    fn change(whose: &Whose) -> Option<String> {
        Some(format!("erase the account {:?}", whose.login))
    }
}

impl Streamed for DeleteUser {
    async fn answer(desk: &Desk, _: Caller, whose: Whose, parts: Parts<Deleted>) -> Result<Deleted, Refused> {
        let account = desk.account(&whose.login).await?;
        if accounts::is_voice(&account.password_hash) {
            let reason =
                format!("{} speaks in the server's name, and stays for the sake of what it has said", whose.login);
            return Err(Refused::NotAcceptable { reason });
        }
        let begun = desk.core.store.begin_erasing(account.id, None, accounts::now()).await?;
        let mut erasure = begun.ok_or(Refused::NoSuchUser { login: whose.login })?;
        let ended = Killed::of(desk, account.id, Dismissal::Erased).await;
        let of = erasure.extent().await.map_err(|error| not_yet(&error))?;
        let mut told = Deleted { sessions: ended.sessions, rows: 0, of };
        parts.send(&told).await;
        while let Some(rows) = erasure.go_on().await.map_err(|error| not_yet(&error))? {
            told.rows += rows;
            parts.send(&told).await;
        }
        Ok(Deleted { rows: told.of.max(told.rows), ..told })
    }
}

/// The account is closed by now.
fn not_yet(error: &StoreError) -> Refused {
    tracing::error!(error = %error.chain(), "an account is closed and not quite erased yet");
    let reason = "the account is closed, but not all of it could be erased yet; the journal says why. The daemon goes on with it";
    Refused::Failed { reason: reason.to_owned() }
}
