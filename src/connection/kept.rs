//! A connection for the next process, and back.

use super::inbox::Unread;
use super::outbox::Outbox;
use super::{Connection, End, Shared, State, Stream};
use crate::config::Settings;
use crate::domain::{AccountId, Peer, Seq};
use crate::handover::{Descriptor, Line, StateFault, state};
use crate::sessions::Session;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Weak};
use std::time::Instant;

impl Descriptor for Connection {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Connection {
    pub(super) fn as_descriptor(&self) -> Weak<dyn Descriptor> {
        let me: Weak<Self> = self.me.clone();
        me
    }

    /// Whether the daemon stops and this connection goes on in the next process.
    pub(super) fn stays_open(&self) -> bool {
        self.line.is_some() && self.shared.stop.is_cancelled()
    }

    /// Begins no other packet: what waits is left to the next process.
    pub fn write_no_more(&self) {
        let mut state = self.lock();
        state.flushing = true;
        state.outbox.close();
    }

    /// Whether mail was written that the peer has not taken by now.
    pub fn has_mail_under_way(&self) -> bool {
        let mut state = self.lock();
        self.advance(&mut state);
        state.end.is_none() && state.outbox.has_mail_under_way()
    }

    /// Everything about it, for the next process. Here, nothing happens to it any more.
    pub fn keep(&self) -> Option<state::Connection> {
        let mut state = self.lock();
        let line = self.line.as_ref()?;
        if state.end.is_some() {
            // It has failed since. The next process finds that out when it reads, and has the rest to tell.
            tracing::debug!(peer = %self.peer, "left to the next process as it is");
        }
        state.end = Some(Box::new(End::Stopped));
        line.leave_to_the_next();
        let mut unread = state.unread.take().map_or_else(Unread::default, |unread| *unread);
        let (under_way, waiting) = state.outbox.keep();
        Some(state::Connection {
            line: u32::try_from(line.index()).ok()?,
            session: state.session.as_ref().map(state::Session::from),
            unread: std::mem::take(&mut unread.bytes),
            burst: unread.burst as u64,
            written: state.outbox.written_up_to(state.mail.at()).0,
            under_way,
            waiting,
        })
    }

    /// A connection as the process before has left it. Its session has been going on.
    ///
    /// # Errors
    /// When its state can't be one, or no two sessions could have it. The connection is closed, and its session has to be
    /// [ended for its contacts](crate::sessions::Sessions::was_online).
    pub fn restore(
        stream: Stream,
        peer: Peer,
        shared: Arc<Shared>,
        line: Arc<Line>,
        kept: state::Connection,
    ) -> Result<Arc<Self>, StateFault> {
        check(&kept, &shared.settings.get())?;
        let session = kept.session.as_ref().map(Session::try_from).transpose()?;
        let outbox = Outbox::restore(kept.under_way, kept.waiting, Instant::now())?;
        let unread = Unread { bytes: kept.unread.into(), burst: usize::try_from(kept.burst).unwrap_or(usize::MAX) };
        let state = State {
            outbox,
            answering: !unread.bytes.is_empty(),
            unread: Some(unread).filter(|unread| !unread.bytes.is_empty()).map(Box::new),
            ..State::default()
        };
        let seat = shared.connections.sources.seat(peer.into());
        let connection = Self::with(stream, peer, seat, shared, Some(line), state);
        if let Some(line) = &connection.line {
            // If it is stored, that was enough.
            line.keep_now(connection.as_descriptor());
        }
        if let Some(session) = session {
            let subscriber = Arc::<Self>::clone(&connection);
            let sessions = &connection.shared.core.sessions;
            sessions.resume(&session, subscriber).map_err(|_| StateFault::Odd("a key that another session has"))?;
            connection.go_on(session, Seq(kept.written));
        }
        Ok(connection)
    }

    /// What is known of a connection whose process has crashed between two packets: mail was written up to a place, and
    /// the last of it may be under way.
    #[must_use]
    pub fn after_a_crash(line: u32, session: Option<&Session>, written: Seq) -> state::Connection {
        let mail = |account: AccountId| state::Packet {
            bytes: Vec::new(),
            kind: state::Kind::mail(account, written),
            long: true,
        };
        state::Connection {
            line,
            under_way: session.map(|session| mail(session.account)),
            session: session.map(state::Session::from),
            written: written.0,
            ..state::Connection::default()
        }
    }

    fn go_on(&self, session: Session, written: Seq) {
        let mut state = self.lock();
        state.mail = super::Mail::from(written);
        if let Some(line) = &self.line {
            line.set_session(Some((session.account, session.key)), written);
        }
        state.session = Some(session);
    }

    /// Writes what waits, now that everybody is there who may have something to add.
    pub fn wake(&self) {
        self.advance(&mut self.lock());
    }
}

/// No more than any process of ours would have kept.
fn check(kept: &state::Connection, settings: &Settings) -> Result<(), StateFault> {
    // A limit may have been lowered meanwhile, so there is some tolerance.
    let request_max = settings.classic.request_max.saturating_mul(2).saturating_add(64 * 1024);
    let outbox_max = settings.connections.outbox_max.saturating_mul(2).saturating_add(64 * 1024);
    let waiting: usize = kept.waiting.iter().chain(&kept.under_way).map(|packet| packet.bytes.len()).sum();
    if kept.unread.len() > request_max {
        return Err(StateFault::Odd("a request longer than any may be"));
    }
    if waiting > outbox_max.saturating_add(request_max) {
        return Err(StateFault::Odd("more packets than an outbox has room for"));
    }
    Ok(())
}
