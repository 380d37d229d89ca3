//! All that is kept of one person, in parts: nothing is whole in memory. That somebody has read it is in the journal.

use super::list_users::User;
use super::show_retention::Rules;
use super::show_user::Whose;
use super::{Method, Parts, Streamed};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::domain::Seq;
use crate::store::PageLimits;
use serde::{Deserialize, Serialize};
use zlink::introspect;

/// Names in one part of the answer.
const NAMES: usize = 500;
/// Of the mailbox in one part of the answer: a message at the least.
const PAGE: PageLimits = PageLimits { entries: 500, bytes: 64 * 1024 };

pub(in crate::control) struct ExportUser;

/// Some of what is kept. What stands further up comes first: the account, then its lists, then its mailbox.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Piece {
    /// In the first part. Its password is not in it, and no hash of it: who has that can try passwords.
    #[serde(default)]
    pub(in crate::control) account: Option<User>,
    /// Logins on the contact list.
    #[serde(default)]
    pub(in crate::control) contacts: Vec<String>,
    /// Logins whom it has blocked.
    #[serde(default)]
    pub(in crate::control) blocks: Vec<String>,
    /// With the account: what differs for it from how long messages are kept.
    #[serde(default)]
    pub(in crate::control) retention: Option<Rules>,
    /// Entries of the mailbox, in order.
    #[serde(default)]
    pub(in crate::control) messages: Vec<Kept>,
}

/// A message in the mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Kept {
    /// Its number in the mailbox.
    pub(in crate::control) number: u64,
    /// Whether it came to this account; else it has sent it.
    pub(in crate::control) received: bool,
    pub(in crate::control) from: String,
    pub(in crate::control) to: String,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub(in crate::control) sent_at: i64,
    pub(in crate::control) text: String,
    /// Whether this account has got it.
    pub(in crate::control) delivered: bool,
}

impl Method for ExportUser {
    const NAME: &'static str = "ExportUser";
    const ABOUT: &'static str =
        "Tells all that is kept of one account but its password: the account, its lists, its mailbox.";
    type Parameters = Whose;
    type Reply = Piece;

    fn change(whose: &Whose) -> Option<String> {
        Some(format!("tell all that is kept of {:?}", whose.login))
    }
}

impl Streamed for ExportUser {
    async fn answer(desk: &Desk, _: Caller, whose: Whose, parts: Parts<Piece>) -> Result<Piece, Refused> {
        let store = &desk.core.store;
        let (id, login) = {
            let account = desk.account(&whose.login).await?;
            (account.id, account.login)
        };
        let gone = || Refused::NoSuchUser { login: whose.login.clone() };
        let profile = store.profile(login.clone()).await?.ok_or_else(gone)?;
        let retention = store.retention(login.clone()).await?.map(Rules::from);
        parts.send(&Piece { account: Some(User::of(profile, desk)), retention, ..Piece::default() }).await;
        let contacts: Vec<_> =
            store.get_contacts_list(id).await?.into_iter().map(|(_, login)| login.to_string()).collect();
        for some in contacts.chunks(NAMES) {
            parts.send(&Piece { contacts: some.to_vec(), ..Piece::default() }).await;
        }
        let blocks: Vec<_> = store.blocked_logins(id).await?.iter().map(ToString::to_string).collect();
        for some in blocks.chunks(NAMES) {
            parts.send(&Piece { blocks: some.to_vec(), ..Piece::default() }).await;
        }
        let mut after = Seq(0);
        loop {
            let cursor = store.cursor(id).await?;
            let page = store.mailbox_page(id, after, PAGE).await?;
            after = page.up_to;
            let messages = page.entries.into_iter().map(|entry| Kept {
                number: entry.seq.0,
                received: entry.incoming,
                from: entry.message.sender.to_string(),
                to: entry.message.recipient.to_string(),
                sent_at: entry.message.sent_at.0,
                text: entry.message.text.to_string(),
                delivered: entry.seq <= cursor,
            });
            let piece = Piece { messages: messages.collect(), ..Piece::default() };
            if !page.more {
                // Who was erased meanwhile has had nothing to tell any more.
                return store.profile(login).await?.map(|_| piece).ok_or_else(gone);
            }
            parts.send(&piece).await;
        }
    }
}
