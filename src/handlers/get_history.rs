//! A page of what the session's account has written to somebody, and they to it.

use super::{Core, HandlerError, Outcome};
use crate::domain::{Login, Reply, Seq};
use crate::sessions::Session;
use crate::store::PageLimits;

/// Messages in a page, at the most.
const MOST: u32 = 100;
/// Bytes of a page, about. They wait in the peer's outbox, all at once, and must leave room for news of contacts.
const BYTES: usize = 16 * 1024;

pub(super) async fn handle(
    core: &Core,
    session: &Session,
    login: &str,
    before: Seq,
    count: u32,
) -> Result<Outcome, HandlerError> {
    let with = match login {
        "" => None,
        login => match Login::parse(login) {
            Ok(login) => Some(login),
            Err(_) => return Ok(Reply::UnknownPartner.into()),
        },
    };
    let before = if before == Seq(0) { Seq(u64::MAX) } else { before };
    let limits = PageLimits { entries: count.clamp(1, MOST), bytes: BYTES };
    let history = core.store.history(session.account, with, before, limits).await?;
    Ok(history.map_or(Reply::UnknownPartner, Reply::History).into())
}
