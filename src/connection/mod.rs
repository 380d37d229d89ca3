//! One peer: a byte stream, a bounded outbox, a place in a mailbox.
//!
//! One task waits for all peers ([`Connections`]), and begins a turn for each of which something was heard (`serve.rs`):
//! requests are read and answered until there are no more. Whoever has something for the peer writes at once, or leaves
//! it in the outbox, where the [`Pacer`] finds it. So an idle connection has no task, no buffer and no timer.
//!
//! Classic has no framing, so the outbox sees to it that **packets never share a read**: one packet is written, and
//! the next no sooner than the peer's kernel has taken the first and a short gap has passed (`outbox.rs`).
//!
//! **Messages never overflow.** They are committed before they come here. What does not fit into the outbox stays in
//! the mailbox, and is read from there when the peer has caught up (`mail.rs`).
//!
//! Errors: whatever ends a connection is an [`End`]; one log record says why, and the peer sees its end of stream.
//!
//! Must not be here: SQL, passwords, what a request means. What a connection knows is plain data (its session, its
//! outbox, its place in the mailbox), so that it can be handed to the next process.
//!
//! Locks: `state` is never held across an await, and never while the sessions are asked anything.

mod activity;
mod connections;
mod end;
mod figures;
mod inbox;
mod kept;
mod mail;
mod outbox;
mod pacer;
mod serve;
mod strangers;
mod stream;
mod subscriber;

pub use connections::{Connections, Refused};
pub use end::End;
pub use figures::Figures;
pub use pacer::Pacer;
pub use stream::Stream;

use crate::config::{self, Live, Settings};
use crate::domain::{Peer, Seq, SessionKey};
use crate::handlers::{Core, Outcome, SessionChange};
use crate::handover::{Handover, Line};
use crate::limits::{Budget, Meter, Seat};
use crate::protocol::classic;
use crate::sessions::{Session, Subscriber};
use activity::Activity;
use connections::Place as TablePlace;
use inbox::Unread;
use mail::Mail;
use outbox::{Gaps, Outbox, Packet, Step};
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What all connections share.
pub struct Shared {
    /// The rooms below.
    pub core: Arc<Core>,
    /// The settings of this moment.
    pub settings: Live,
    /// All of them.
    pub connections: Connections,
    /// Comes back to connections whose peers are not ready.
    pub pacer: Pacer,
    /// Cancelled when the daemon stops: connections finish the request they are at, flush, and end.
    pub stop: CancellationToken,
    /// Cancelled when they have had as long for that as `process.stop_deadline` says: they end as they are.
    pub give_up: CancellationToken,
    /// Told when a connection or a session has come or gone.
    pub population_changed: Notify,
    /// What the next process is left, if systemd keeps it; else connections end with the daemon.
    pub handover: Option<Handover>,
    /// When the daemon stops: connections that go on in the next process.
    pub parked: Mutex<Vec<Arc<Connection>>>,
    /// What was counted of all this.
    pub counts: Figures,
}

impl Shared {
    /// With no connection yet.
    ///
    /// # Errors
    /// When the kernel has no more descriptors.
    pub fn new(core: Core, settings: Live, handover: Option<Handover>) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            core: Arc::new(core),
            connections: Connections::new(settings.get().connections.max)?,
            settings,
            pacer: Pacer::default(),
            stop: CancellationToken::new(),
            give_up: CancellationToken::new(),
            population_changed: Notify::new(),
            handover,
            parked: Mutex::default(),
            counts: Figures::default(),
        }))
    }
}

/// One peer.
pub struct Connection {
    stream: Stream,
    peer: Peer,
    shared: Arc<Shared>,
    /// In the roll of those that the next process can go on with.
    line: Option<Arc<Line>>,
    activity: Activity,
    place: TablePlace,
    /// Its place among those without a session; 0: it has one.
    ticket: AtomicU64,
    /// What it was asked for.
    requests: Meter,
    /// Whether it was said that it asks for too much.
    slowed: AtomicBool,
    seat: Seat,
    state: Mutex<State>,
    me: Weak<Self>,
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    outbox: Outbox,
    mail: Mail,
    /// When the pacer will come, if it will.
    paced: Option<Instant>,
    /// Set once, by whoever finds first that it is over.
    end: Option<Box<End>>,
    /// Nothing more is read from the mailbox: the connection is flushing.
    flushing: bool,
    /// Something was read that is not answered yet.
    answering: bool,
    /// What the process before had read of a request, or what this one leaves to the next.
    unread: Option<Box<Unread>>,
    /// As much of the outbox is counted among what waits in all of them.
    counted: usize,
}

/// The state in our hands. While it is, the connection's line says that it is unsettled; afterwards, what is true.
struct Held<'a> {
    figures: &'a Figures,
    line: Option<&'a Line>,
    state: MutexGuard<'a, State>,
}

impl Deref for Held<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let state = &mut *self.state;
        self.figures.outbox(&mut state.counted, state.outbox.waiting_bytes());
        if let Some(line) = self.line
            && !std::thread::panicking()
            && !state.answering
            && state.unread.is_none()
            && state.outbox.is_settled()
        {
            line.settle(state.outbox.written_up_to(state.mail.at()));
        }
    }
}

impl Connection {
    /// A connection without a session.
    #[must_use]
    pub fn new(stream: Stream, peer: Peer, seat: Seat, shared: Arc<Shared>) -> Arc<Self> {
        let line = shared.handover.as_ref().and_then(|handover| handover.enter(stream.cookie().ok()?)).map(Arc::new);
        let connection = Self::with(stream, peer, seat, shared, line, State::default());
        if let Some(line) = &connection.line {
            line.keep_soon(connection.as_descriptor());
        }
        connection
    }

    fn with(
        stream: Stream,
        peer: Peer,
        seat: Seat,
        shared: Arc<Shared>,
        line: Option<Arc<Line>>,
        state: State,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            stream,
            peer,
            shared,
            line,
            activity: Activity::default(),
            place: TablePlace::default(),
            ticket: AtomicU64::new(0),
            requests: Meter::default(),
            slowed: AtomicBool::new(false),
            seat,
            state: Mutex::new(state),
            me: me.clone(),
        })
    }

    fn lock(&self) -> Held<'_> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let line = self.line.as_deref();
        line.inspect(|line| line.unsettle());
        Held { figures: &self.shared.counts, line, state }
    }

    fn session_key(&self) -> Option<SessionKey> {
        self.lock().session.as_ref().map(|session| session.key)
    }

    /// Something was heard of the peer, or it is over: begins a turn, unless one is under way, which looks again then.
    fn rouse(&self, hung_up: bool) {
        if self.activity.rouse(hung_up)
            && let Some(me) = self.me.upgrade()
        {
            tokio::spawn(serve::turn(me));
        }
    }

    fn fail(&self, error: io::Error) {
        self.end(&mut self.lock(), End::Broken(error));
    }

    /// Ends the connection: the first reason counts. Its turn finds that, and it gets one.
    fn end(&self, state: &mut State, end: End) {
        if state.end.is_some() {
            return;
        }
        // A last look at what the peer has taken: it may have read and gone. Not after a failure, of which a UNIX
        // socket tells once: asked again, it seems to have passed on everything.
        if !matches!(end, End::Broken(_)) {
            let store = &self.shared.core.store;
            state.outbox.settle(&self.stream, |account, seq| {
                store.delivered(account, seq);
                self.shared.counts.delivered();
            });
        }
        // Mail that the peer has not taken will be sent anew, so its kernel must not get the rest of it later.
        if state.outbox.has_mail_under_way() {
            self.stream.abandon();
        }
        state.end = Some(Box::new(end));
        self.stream.shut_down();
        self.rouse(true);
    }

    /// Reads what there is; `None`: nothing, for now.
    ///
    /// # Errors
    /// The connection has failed, and is over: it has the reason already. Nobody may ask what was taken in between.
    fn try_read(&self, buffer: &mut [u8]) -> Result<Option<usize>, End> {
        let mut state = self.lock();
        match self.stream.try_read(buffer) {
            Ok(size) => {
                state.answering = true;
                Ok(Some(size))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => {
                self.end(&mut state, End::Broken(error));
                Err(End::ByPeer)
            }
        }
    }

    /// A request is about to be answered: for the session that this returns, if there is one.
    ///
    /// # Errors
    /// It is over, whatever the peer says now; the connection has the reason already.
    fn begin_answer(&self) -> Result<Option<Session>, End> {
        let mut state = self.lock();
        if state.end.is_some() {
            return Err(End::ByPeer);
        }
        state.outbox.hold_statuses();
        self.shared.connections.strangers.asked(self);
        Ok(state.session.clone())
    }

    /// Notes that something was asked for.
    fn spend(&self, now: Instant) {
        let [ours, all] = self.budgets();
        self.requests.spend(ours, now);
        self.seat.meter().spend(all, now);
    }

    /// How long the peer has to wait until it is read again, if it has asked for more than its share.
    fn debt(&self) -> Option<Duration> {
        let ([ours, all], now) = (self.budgets(), Instant::now());
        let (own, common) = (self.requests.wait(ours, now), self.seat.meter().wait(all, now));
        let wait = own.max(common)?;
        if !self.slowed.swap(true, Relaxed) {
            self.shared.counts.slowed();
            let key = if own.is_some() { "connections.requests" } else { "connections.source_requests" };
            tracing::warn!(peer = %self.peer, "the peer asks for more than {key} allows: it is read more slowly");
        }
        Some(wait)
    }

    /// Of this connection, and of all of its source.
    fn budgets(&self) -> [Budget; 2] {
        let connections = &self.shared.settings.get().connections;
        [Budget { burst: connections.requests, refill: connections.requests_refill }, of_a_source(connections)]
    }

    /// Takes up what came of a request, all at once: nothing that a new session is told comes before the reply that
    /// begins it, and no newer status before a reply with an older one.
    fn end_answer(&self, outcome: Outcome) {
        self.shared.counts.answered(&outcome.reply);
        let mut state = self.lock();
        let session_changes = !matches!(outcome.session, SessionChange::Keep);
        match outcome.session {
            SessionChange::Keep => {}
            SessionChange::Begin(session, delivered) => self.begin_session(&mut state, session, delivered),
            // Mail that waits stays in its mailbox.
            SessionChange::End => {
                drop(self.leave_session(&mut state));
                self.shared.connections.strangers.lost_session(self);
            }
        }
        let mut limit = self.shared.settings.get().connections.outbox_max;
        for bytes in classic::encode_ahead(&outcome.reply).chain(classic::encode_reply(&outcome.reply)) {
            self.enqueue(&mut state, Packet::reply(bytes), limit);
            // An answer goes whole or not at all; it is no longer than there is room for.
            limit = usize::MAX;
        }
        state.outbox.release_statuses();
        self.advance(&mut state);
        let session = state.session.clone().filter(|_| session_changes);
        drop(state);
        if session_changes {
            self.shared.population_changed.notify_one();
        }
        // Whoever ended it before it was here has told us in vain.
        if let Some(session) = session
            && let Some(why) = self.shared.core.sessions.dismissal(&session)
        {
            self.dismiss(session.key, why);
        }
    }

    /// Queues what can't wait elsewhere.
    fn enqueue(&self, state: &mut State, packet: Packet, limit: usize) {
        if state.outbox.push(packet, limit).is_err() {
            self.end(state, End::Overflow(limit));
        }
    }

    /// Writes what may be written now, and sees to it that the rest is.
    fn advance(&self, state: &mut State) {
        if state.end.is_some() {
            return;
        }
        let settings = self.shared.settings.get();
        let gaps = self.gaps(&settings);
        let store = &self.shared.core.store;
        let step = state.outbox.step(&self.stream, Instant::now(), gaps, |account, seq| {
            store.delivered(account, seq);
            self.shared.counts.delivered();
        });
        let reads_on = state.mail.is_behind() && state.session.is_some() && !state.flushing;
        match step {
            Ok(Step::Idle) if reads_on => mail::read_on(self, state),
            Ok(Step::Idle) => {}
            // Nothing hangs on it but the mailbox, which is read on when all is taken.
            Ok(Step::Unhurried(at)) => {
                if reads_on || state.flushing {
                    self.pace(state, at);
                }
            }
            Ok(Step::Again(at)) => self.pace(state, at),
            Ok(Step::Stalled) => self.end(state, End::Stalled(gaps.patience)),
            Err(error) => self.end(state, End::Broken(error)),
        }
    }

    fn gaps(&self, settings: &Settings) -> Gaps {
        Gaps {
            // A UNIX socket says when the peer itself has read, so there is nothing to wait for.
            between: if self.stream.is_unix() { Duration::ZERO } else { settings.classic.packet_gap },
            after_long: settings.classic.packet_gap,
            patience: settings.connections.user_timeout,
        }
    }

    fn pace(&self, state: &mut State, at: Instant) {
        if state.paced.is_none_or(|paced| at < paced) {
            state.paced = Some(at);
            self.shared.pacer.come_back(self.me.clone(), at);
        }
    }

    /// The pacer came back, as it was asked to for this moment.
    fn paced(&self, at: Instant) {
        let mut state = self.lock();
        // Not if it was asked to come sooner afterwards: each visit would ask for the next, and they would pile up.
        if state.paced == Some(at) {
            state.paced = None;
            self.advance(&mut state);
        }
    }

    /// A request came: with it, word of what the peer's kernel has taken.
    fn heard(&self) {
        let mut state = self.lock();
        self.advance(&mut state);
        let gaps = self.gaps(&self.shared.settings.get());
        state.outbox.heard(Instant::now(), gaps);
    }

    /// Takes up a session, in the place of the one before, if there was one. Its mailbox had been delivered up to a
    /// place when it was looked at; what has been written to this peer from behind that place is not sent again.
    fn begin_session(&self, state: &mut State, session: Session, delivered: Seq) {
        let written = state.outbox.written_up_to(state.mail.at());
        let before = self.leave_session(state).filter(|before| before.account == session.account);
        let under_way = state.outbox.mail_under_way(session.account);
        let at = [before.map(|_| written), under_way].into_iter().flatten().fold(delivered, Seq::max);
        state.mail = Mail::from(at);
        if let Some(line) = &self.line {
            line.set_session(Some((session.account, session.key)), at);
            line.keep_now(self.as_descriptor());
        }
        state.session = Some(session);
        self.shared.connections.strangers.left(self);
    }

    /// Forgets the session, if there is one, having noted how far its mailbox was delivered.
    fn leave_session(&self, state: &mut State) -> Option<Session> {
        let session = state.session.take()?;
        if !state.outbox.holds_mail() {
            self.shared.core.store.delivered(session.account, state.mail.at());
        }
        state.outbox.drop_events();
        if let Some(line) = &self.line
            && state.end.is_none()
        {
            line.set_session(None, Seq(0));
        }
        Some(session)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.shared.counts.outbox(&mut state.counted, 0);
    }
}

/// What all connections of a source may ask for together.
fn of_a_source(connections: &config::Connections) -> Budget {
    Budget { burst: connections.source_requests, refill: connections.source_requests_refill }
}

#[cfg(test)]
mod tests;
