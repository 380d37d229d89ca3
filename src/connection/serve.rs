//! A connection's turn: requests in their order, one after the other, until there are no more, or the end.

use super::end::{self, PROTOCOL};
use super::inbox::{Inbox, Rest};
use super::{Connection, End};
use crate::domain::AccountId;
use crate::handlers::{self, Caller};
use crate::handover::Line;
use crate::protocol::classic;
use crate::sessions::{Session, Sessions, Subscriber};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::coop::consume_budget;

/// How often one that has asked for too much looks whether the limits have changed.
const LIMITS_LOOK: Duration = Duration::from_secs(1);
/// How often a connection that flushes is looked at.
const FLUSH_LOOK: Duration = Duration::from_millis(2);

/// Answers what has come. If the peer or the daemon has ended the connection, that is seen to as well, and there is no
/// turn after this one.
pub(super) async fn turn(connection: Arc<Connection>) {
    let leaving = Leaving(&connection);
    match converse(&connection).await {
        None => std::mem::forget(leaving),
        // On the heap, as it comes once, and a turn is made for each packet.
        Some(end) => Box::pin(finish(&connection, end)).await,
    }
}

/// Takes a connection off the table when its last turn is over, also when that has hit a fault of ours.
struct Leaving<'a>(&'a Arc<Connection>);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let connection = self.0;
        if std::thread::panicking() {
            let (_, session) = conclude(connection, End::ByPeer);
            session.inspect(|session| connection.shared.core.sessions.sign_out(session));
        }
        connection.shared.connections.leave(connection);
    }
}

/// The end, if it came to that.
async fn converse(connection: &Arc<Connection>) -> Option<End> {
    loop {
        connection.activity.look();
        let stopping = connection.shared.stop.is_cancelled();
        // The process before may have left something.
        let unread = connection.lock().unread.take();
        match take_requests(connection, unread.map_or_else(Inbox::default, |unread| Inbox::of(*unread))).await {
            Err(end) => return Some(end),
            Ok(Rest::Closed) => return Some(End::ByPeer),
            Ok(Rest::Left) => return Some(End::Stopped),
            // What had come when the daemon was told to stop was taken too.
            Ok(_) if stopping => return Some(End::Stopped),
            Ok(_) if connection.activity.rest() => return None,
            Ok(_) => {}
        }
    }
}

/// Takes what has come, and answers it, request after request, until there is nothing to read. When the daemon stops, it
/// leaves what may be the beginning of a request to the next process, if that goes on with the connection.
async fn take_requests(connection: &Arc<Connection>, mut inbox: Inbox) -> Result<Rest, End> {
    loop {
        // Seldom, and on the heap for that.
        if connection.debt().is_some() && !Box::pin(pay_off(connection)).await {
            if connection.stays_open() {
                connection.lock().unread = Some(Box::new(inbox.into_unread()));
            }
            return Ok(Rest::Left);
        }
        let before = inbox.burst();
        let rest = inbox.read(connection)?;
        if inbox.burst() > before {
            connection.heard();
        }
        while let Some(request) = inbox.take_followed(connection.session_key()) {
            answer(connection, request).await?;
        }
        inbox.check_length(connection)?;
        let stays = rest != Rest::Closed && connection.stays_open();
        if stays && (rest == Rest::Unread || inbox.may_be_cut()) {
            connection.lock().unread = Some(Box::new(inbox.into_unread()));
            return Ok(Rest::Left);
        }
        if rest == Rest::Unread || (rest == Rest::Drained && inbox.wait_for_more(connection).await) {
            continue;
        }
        if let Some(request) = inbox.take_last() {
            answer(connection, request).await?;
        }
        connection.lock().answering = false;
        return Ok(rest);
    }
}

/// Waits until the peer may ask for more: what it has sent meanwhile stays in the network. False: the daemon stops.
async fn pay_off(connection: &Connection) -> bool {
    while let Some(wait) = connection.debt() {
        if connection.shared.stop.is_cancelled() {
            return false;
        }
        if connection.lock().end.is_some() {
            return true;
        }
        // Being told to stop is heard as well; a reload, which may have set other limits, is not.
        connection.activity.hear_within(wait.min(LIMITS_LOOK)).await;
    }
    true
}

async fn answer(connection: &Arc<Connection>, request: &[u8]) -> Result<(), End> {
    // Some requests wait for nothing; a peer that sends one after the other must not keep the thread for itself.
    consume_budget().await;
    let session = connection.begin_answer()?;
    connection.spend(Instant::now());
    let request = classic::decode(request).map_err(End::NoRequest)?;
    let subscriber: Arc<dyn Subscriber> = Arc::<Connection>::clone(connection);
    let caller = Caller { session: session.as_ref(), peer: connection.peer, protocol: PROTOCOL, subscriber };
    let (name, _) = handlers::needs(&request.request);
    connection.shared.counts.asked(name);
    let outcome = handlers::handle(&connection.shared.core, &caller, request.key, request.request)
        .await
        .map_err(|error| End::Refused(name, error))?;
    connection.end_answer(outcome);
    Ok(())
}

async fn finish(connection: &Arc<Connection>, end: End) {
    if let End::Stopped = end {
        if connection.stays_open() {
            // It is not over. Whoever stops the daemon takes it from there.
            connection.shared.parked.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(connection));
            return;
        }
        flush(connection).await;
    }
    let (end, session) = conclude(connection, end);
    if let Some(session) = &session {
        let sessions = &connection.shared.core.sessions;
        sessions.sign_out(session);
        if let Some(line) = &connection.line {
            stay_on_the_roll_until_told(Arc::clone(line), Arc::clone(sessions), session.account);
        }
    }
    connection.shared.counts.closed(end.as_ref());
    end::log(connection.peer, session.as_ref().map(|session| session.login.as_str()), end.as_ref());
}

/// If there is a crash before contacts have been told that somebody is gone, the next process tells them. The connection
/// does not wait for that: only its line does.
fn stay_on_the_roll_until_told(line: Arc<Line>, sessions: Arc<Sessions>, account: AccountId) {
    tokio::spawn(async move {
        sessions.told(account).await;
        drop(line);
    });
}

/// The end, by its first reason, and the session that ends with it.
fn conclude(connection: &Connection, end: End) -> (Option<End>, Option<Session>) {
    connection.shared.connections.strangers.left(connection);
    let mut state = connection.lock();
    connection.end(&mut state, end);
    // The reason is taken out for the log, and something stays in its place: whoever still comes finds it over.
    let end = state.end.replace(Box::new(End::ByPeer));
    (end.map(|end| *end), connection.leave_session(&mut state))
}

/// Until all that waits has been taken; that is the end then, lest something comes in between that is sent, but not
/// waited for. The daemon's deadline ends it sooner.
async fn flush(connection: &Connection) {
    loop {
        {
            let mut state = connection.lock();
            state.flushing = true;
            connection.advance(&mut state);
            // Of what was written nothing more is taken then, and nobody waits for it.
            if let Some(error) = connection.stream.failure() {
                connection.end(&mut state, End::Broken(error));
            }
            if state.outbox.is_empty() || connection.shared.give_up.is_cancelled() {
                connection.end(&mut state, End::Stopped);
            }
            if state.end.is_some() {
                return;
            }
        }
        tokio::time::sleep(FLUSH_LOOK).await;
    }
}
