//! What waits for a peer, and when it may go.
//!
//! One packet is under way at a time. It was taken when the kernel has none of its bytes left unacknowledged
//! (`SIOCOUTQ`, tcp(7)): a TCP peer's kernel has them then, a UNIX peer has read them. The next may follow
//! [`Gaps::between`] after the first was written, so that a peer that reads once for each packet gets them one by
//! one. A peer that has sent a request after a reply has most likely read that, and waits for [`AWAKE`] only.
//!
//! A packet of more than one segment comes to the peer in pieces, and its last one shows only by the pause behind it:
//! so behind such a packet the whole gap begins when it was taken.
//!
//! While a request is being answered, news of contacts' status is held back: the answer may hold a status too, and the
//! peer must hear the newer one last.
//!
//! Plain data and a clock that is handed in; the socket is a [`Link`].

use crate::domain::{AccountId, Login, Seq};
use crate::protocol::classic;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

/// The gap for a peer that has sent a request since a reply was taken. Whoever asks one thing after the other has read
/// it; if not, its reader was woken before the request was on its way to us, and needs as long as a thread takes to be
/// scheduled. Of a packet that nobody asked for, a request says nothing: people write when they like.
const AWAKE: Duration = Duration::from_micros(300);
/// How often an untaken packet is looked after, at the seldomest.
const SELDOM: Duration = Duration::from_millis(250);

/// What an outbox needs of a socket.
pub(super) trait Link {
    /// Writes what goes without waiting.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Bytes that were written and not yet taken.
    fn untaken(&self) -> io::Result<usize>;
    /// Whether the peer has sent something that was not read yet.
    fn has_unread(&self) -> bool;
}

/// The delays that the configuration sets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gaps {
    /// From one packet to the next.
    pub(super) between: Duration,
    /// From the taking of a packet of several segments to the next.
    pub(super) after_long: Duration,
    /// For how long the peer may take nothing.
    pub(super) patience: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Reply,
    Status(Login),
    Mail(AccountId, Seq),
}

/// One packet: one write, one read.
#[derive(Debug, Clone)]
pub(super) struct Packet {
    bytes: Bytes,
    kind: Kind,
}

/// What a packet takes beside its bytes, in round numbers: itself, and what its parts have on the heap.
const OVERHEAD: usize = 128;

impl Packet {
    /// What it counts for. A status counts its bytes only: of those there is one for each contact at the most, and
    /// many come at once when a server has been restarted.
    fn cost(&self) -> usize {
        self.bytes.len() + if matches!(self.kind, Kind::Status(_)) { 0 } else { OVERHEAD }
    }

    pub(super) fn reply(bytes: Bytes) -> Self {
        Self { bytes, kind: Kind::Reply }
    }

    /// Worthless once there is a newer one about the same contact.
    pub(super) fn status(bytes: Bytes, contact: Login) -> Self {
        Self { bytes, kind: Kind::Status(contact) }
    }

    /// When it is taken, the mailbox has been delivered up to `seq`.
    pub(super) fn mail(bytes: Bytes, account: AccountId, seq: Seq) -> Self {
        Self { bytes, kind: Kind::Mail(account, seq) }
    }
}

/// There is no room for a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All was taken, and nothing waits.
    Idle,
    /// Nothing waits, and nobody needs to know when the last packet is taken; if somebody does, look then.
    Unhurried(Instant),
    /// Something waits; look then.
    Again(Instant),
    /// Nothing was taken for longer than we have patience.
    Stalled,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Packet>,
    /// What waits is the next process's to write.
    closing: bool,
    /// Status packets that wait until a request has been answered.
    held: Vec<Packet>,
    holding: bool,
    /// Cost of what waits and is mail.
    mail_cost: usize,
    /// Cost of what waits and is not.
    other_cost: usize,
    under_way: Option<UnderWay>,
    last: Option<Last>,
    /// Set by a packet of several segments.
    pause_until: Option<Instant>,
}

#[derive(Debug)]
struct UnderWay {
    rest: Bytes,
    kind: Kind,
    long: bool,
    /// When the link or the peer last took something of it.
    progress: Instant,
    untaken: usize,
    looks: u32,
}

/// The packet before.
#[derive(Debug)]
struct Last {
    written: Instant,
    is_reply: bool,
    /// Nothing from the peer was left unread then: what is read from now on came later.
    drained: bool,
    awake: bool,
}

impl Outbox {
    /// Queues a packet, if no more than `limit` bytes wait then. Mail has one half of that and all else the other, so
    /// that neither is in the other's way; in an empty half, a single packet may be longer. A status takes the place
    /// of an older one about the same contact.
    pub(super) fn push(&mut self, packet: Packet, limit: usize) -> Result<(), Full> {
        let is_status = matches!(packet.kind, Kind::Status(_));
        if is_status {
            self.drop_stale(&packet.kind);
        }
        let cost = self.cost(&packet.kind);
        if *cost > 0 && *cost + packet.cost() > limit / 2 {
            return Err(Full);
        }
        *cost += packet.cost();
        if is_status && self.holding {
            self.held.push(packet);
        } else {
            self.waiting.push_back(packet);
        }
        Ok(())
    }

    fn drop_stale(&mut self, kind: &Kind) {
        let waiting = self.waiting.iter().position(|packet| packet.kind == *kind);
        let held = self.held.iter().position(|packet| packet.kind == *kind);
        let stale = waiting.and_then(|at| self.waiting.remove(at)).or(held.map(|at| self.held.remove(at)));
        if let Some(stale) = stale {
            *self.cost(&stale.kind) -= stale.cost();
        }
    }

    fn cost(&mut self, kind: &Kind) -> &mut usize {
        if matches!(kind, Kind::Mail(..)) { &mut self.mail_cost } else { &mut self.other_cost }
    }

    /// From now on until [`Outbox::release_statuses`], news of status goes behind what else is queued.
    pub(super) fn hold_statuses(&mut self) {
        self.holding = true;
    }

    pub(super) fn release_statuses(&mut self) {
        self.holding = false;
        self.waiting.extend(self.held.drain(..));
    }

    /// Drops what waits for a session; replies stay, and so does what is half written.
    pub(super) fn drop_events(&mut self) {
        self.held.clear();
        self.waiting.retain(|packet| packet.kind == Kind::Reply);
        self.mail_cost = 0;
        self.other_cost = self.waiting.iter().map(Packet::cost).sum();
    }

    /// From now on no other packet is begun.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// Whether nothing waits and nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_none()
    }

    /// The entry of that account's mailbox that the peer is just being sent.
    pub(super) fn mail_under_way(&self, account: AccountId) -> Option<Seq> {
        match self.under_way.as_ref()?.kind {
            Kind::Mail(whose, seq) if whose == account => Some(seq),
            _ => None,
        }
    }

    /// Whether mail has been written, or begun to be, that was not taken.
    pub(super) fn has_mail_under_way(&self) -> bool {
        self.under_way.as_ref().is_some_and(UnderWay::is_mail)
    }

    /// How far mail has been written, taken or not, if `newest` was queued last.
    pub(super) fn written_up_to(&self, newest: Seq) -> Seq {
        let waits = |packet: &Packet| match packet.kind {
            Kind::Mail(_, seq) => Some(Seq(seq.0.saturating_sub(1))),
            _ => None,
        };
        self.waiting.iter().find_map(waits).unwrap_or(newest)
    }

    /// Whether all has been written that does not wait in a mailbox as well, and written to the end.
    pub(super) fn is_settled(&self) -> bool {
        self.other_cost == 0 && self.under_way.as_ref().is_none_or(|packet| packet.rest.is_empty())
    }

    /// Whether mail is in here that was not taken.
    pub(super) fn holds_mail(&self) -> bool {
        let waiting = self.waiting.iter().map(|packet| &packet.kind);
        waiting.chain(self.under_way.iter().map(|packet| &packet.kind)).any(|kind| matches!(kind, Kind::Mail(..)))
    }

    /// A request came from the peer. If that was sent after it had taken a reply, it is awake.
    pub(super) fn heard(&mut self) {
        if self.under_way.is_none()
            && let Some(last) = &mut self.last
        {
            last.awake |= last.is_reply && last.drained;
        }
    }

    /// Finds out whether the packet under way was taken, and writes nothing: for a connection that has ended.
    pub(super) fn settle(&mut self, link: &impl Link, taken: impl FnOnce(AccountId, Seq)) {
        if let Some(packet) = &self.under_way
            && packet.rest.is_empty()
            && link.untaken().is_ok_and(|bytes| bytes == 0)
        {
            if let Kind::Mail(account, seq) = packet.kind {
                taken(account, seq);
            }
            self.under_way = None;
        }
    }

    /// Goes as far as it goes without waiting. `taken` hears of mail that the peer's kernel has.
    pub(super) fn step(
        &mut self,
        link: &impl Link,
        now: Instant,
        gaps: Gaps,
        mut taken: impl FnMut(AccountId, Seq),
    ) -> io::Result<Step> {
        loop {
            if let Some(packet) = &mut self.under_way {
                if !packet.rest.is_empty() {
                    match link.try_write(&packet.rest) {
                        Ok(written) => {
                            packet.rest.advance(written);
                            packet.progress = now;
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            return Ok(packet.look_again(now, gaps).unwrap_or(Step::Stalled));
                        }
                        Err(error) => return Err(error),
                    }
                    if packet.rest.is_empty() {
                        let (is_reply, drained) = (packet.kind == Kind::Reply, !link.has_unread());
                        self.last = Some(Last { written: now, is_reply, drained, awake: false });
                    }
                    continue;
                }
                if self.last.as_ref().is_some_and(|last| last.written == now) && self.waiting.is_empty() {
                    // Just written: too early to ask.
                    return Ok(packet.just_written(now, gaps));
                }
                let untaken = link.untaken()?;
                if untaken > 0 {
                    if untaken < packet.untaken {
                        packet.progress = now;
                    }
                    packet.untaken = untaken;
                    let hurried = !self.waiting.is_empty() || packet.is_mail();
                    return Ok(match packet.look_again(now, gaps) {
                        None => Step::Stalled,
                        Some(Step::Again(at)) if !hurried => Step::Unhurried(at),
                        Some(step) => step,
                    });
                }
                if let Kind::Mail(account, seq) = packet.kind {
                    taken(account, seq);
                }
                self.pause_until = packet.long.then(|| now + gaps.after_long);
                self.under_way = None;
            }
            if self.waiting.is_empty() || self.closing {
                return Ok(Step::Idle);
            }
            if let Some(until) = self.pause_until.filter(|until| now < *until) {
                return Ok(Step::Again(until));
            }
            if let Some(last) = &self.last {
                let gap = if last.awake { gaps.between.min(AWAKE) } else { gaps.between };
                if now < last.written + gap {
                    return Ok(Step::Again(last.written + gap));
                }
            }
            if let Some(packet) = self.waiting.pop_front() {
                *self.cost(&packet.kind) -= packet.cost();
                let Packet { bytes, kind } = packet;
                let (untaken, long) = (bytes.len(), classic::may_be_cut(bytes.len()));
                self.under_way = Some(UnderWay { rest: bytes, kind, long, progress: now, untaken, looks: 0 });
            }
        }
    }
}

impl UnderWay {
    fn is_mail(&self) -> bool {
        matches!(self.kind, Kind::Mail(..))
    }

    fn just_written(&self, now: Instant, gaps: Gaps) -> Step {
        let at = now + gaps.between.max(Duration::from_millis(1));
        if self.is_mail() { Step::Again(at) } else { Step::Unhurried(at) }
    }

    /// Looks at longer and longer intervals; `None` when it has been too long.
    fn look_again(&mut self, now: Instant, gaps: Gaps) -> Option<Step> {
        if now.saturating_duration_since(self.progress) >= gaps.patience {
            return None;
        }
        let interval = gaps.between.max(Duration::from_millis(1)) * (1 << self.looks.min(8));
        self.looks += 1;
        Some(Step::Again(now + interval.min(SELDOM).min(gaps.patience)))
    }
}

mod kept;

#[cfg(test)]
mod tests;
