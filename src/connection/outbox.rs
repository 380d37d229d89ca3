//! What waits for a peer, and when it may go.
//!
//! One packet is under way at a time. It was taken when the kernel has none of its bytes left unacknowledged
//! (`SIOCOUTQ`, tcp(7)): a TCP peer's kernel has them then, a UNIX peer has read them. The next may follow
//! [`Gaps::between`] after the first was written, so that a peer that reads once for each packet gets them one by
//! one. A peer that has sent a request after a reply has most likely read that, and waits for [`AWAKE`] only. One that
//! has sent a request after some other packet does not wait, if it is a [program](PROGRAM): it answers what it has read.
//!
//! A packet of more than one segment comes to the peer in pieces, and its last one shows only by the pause behind it:
//! so behind such a packet the whole gap begins when it was taken.
//!
//! While a request is being answered, news of contacts' status is held back: the answer may hold a status too, and the
//! peer must hear the newer one last.
//!
//! Plain data and a clock that is handed in; the socket is a [`Link`].

use crate::domain::{AccountId, Seq};
use crate::protocol::classic;
use bytes::Buf;
use packet::Kind;
pub(super) use packet::Packet;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

/// The gap for a peer that has sent a request since a reply was taken. Whoever asks one thing after the other has read
/// it; if not, its reader was woken before the request was on its way to us, and needs as long as a thread takes to be
/// scheduled. Of a packet that nobody asked for, a single request says nothing: people write when they like.
const AWAKE: Duration = Duration::from_micros(300);
/// A peer that was sent so many packets unasked, one after the other, and has each time sent a request within the gap, is
/// no person: it writes because it has read.
const PROGRAM: u8 = 8;
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

/// See the module. Small while nothing waits: most are, most of the time.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: Option<Box<Queue>>,
    under_way: UnderWay,
    last: Option<Last>,
    /// Set by a packet of several segments.
    pause_until: Option<Instant>,
    /// What waits is the next process's to write.
    closing: bool,
    /// News of status waits until a request has been answered.
    holding: bool,
    /// Packets in a row that nobody had asked for and that a request followed within the gap; [`PROGRAM`] at the most.
    followed: u8,
}

/// What waits. There is none when nothing does.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Packet>,
    /// Status packets that wait until a request has been answered.
    held: Vec<Packet>,
    /// Cost of what waits and is mail.
    mail_cost: usize,
    /// Cost of what waits and is not.
    other_cost: usize,
}

#[derive(Debug, Default)]
enum UnderWay {
    #[default]
    Nothing,
    /// The link did not take all of it.
    HalfWritten(Box<HalfWritten>),
    /// The peer has not taken all of it, as far as we know.
    Untaken(Untaken),
}

#[derive(Debug)]
struct HalfWritten {
    packet: Packet,
    long: bool,
    wait: Wait,
}

#[derive(Debug)]
struct Untaken {
    mail: Option<(AccountId, Seq)>,
    long: bool,
    wait: Wait,
}

/// How a packet under way is looked after.
#[derive(Debug, Clone, Copy)]
struct Wait {
    /// When the link or the peer last took something of it.
    progress: Instant,
    untaken: usize,
    looks: u8,
}

/// The packet before.
#[derive(Debug)]
struct Last {
    written: Instant,
    is_reply: bool,
    /// Nothing from the peer was left unread then: what is read from now on came later.
    drained: bool,
    request: Request,
}

/// Whether the peer has sent a request since it had taken a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Awaited,
    AtOnce,
    Late,
}

impl Queue {
    fn cost(&mut self, kind: &Kind) -> &mut usize {
        if matches!(kind, Kind::Mail(..)) { &mut self.mail_cost } else { &mut self.other_cost }
    }

    fn drop_stale(&mut self, kind: &Kind) {
        let waiting = self.waiting.iter().position(|packet| packet.kind == *kind);
        let held = self.held.iter().position(|packet| packet.kind == *kind);
        let stale = waiting.and_then(|at| self.waiting.remove(at)).or(held.map(|at| self.held.remove(at)));
        if let Some(stale) = stale {
            *self.cost(&stale.kind) -= stale.cost();
        }
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.held.is_empty()
    }
}

impl Outbox {
    /// Queues a packet, if no more than `limit` bytes wait then. Mail has one half of that and all else the other, so
    /// that neither is in the other's way; in an empty half, a single packet may be longer. A status takes the place
    /// of an older one about the same contact.
    pub(super) fn push(&mut self, packet: Packet, limit: usize) -> Result<(), Full> {
        let queue = self.queue.get_or_insert_default();
        let is_status = matches!(packet.kind, Kind::Status(_));
        if is_status {
            queue.drop_stale(&packet.kind);
        }
        let cost = queue.cost(&packet.kind);
        if *cost > 0 && *cost + packet.cost() > limit / 2 {
            return Err(Full);
        }
        *cost += packet.cost();
        if is_status && self.holding {
            queue.held.push(packet);
        } else {
            queue.waiting.push_back(packet);
        }
        Ok(())
    }

    /// From now on until [`Outbox::release_statuses`], news of status goes behind what else is queued.
    pub(super) fn hold_statuses(&mut self) {
        self.holding = true;
    }

    pub(super) fn release_statuses(&mut self) {
        self.holding = false;
        if let Some(queue) = &mut self.queue {
            queue.waiting.extend(queue.held.drain(..));
        }
    }

    /// Drops what waits for a session; replies stay, and so does what is half written.
    pub(super) fn drop_events(&mut self) {
        if let Some(queue) = &mut self.queue {
            queue.held.clear();
            queue.waiting.retain(|packet| packet.kind == Kind::Reply);
            queue.mail_cost = 0;
            queue.other_cost = queue.waiting.iter().map(Packet::cost).sum();
        }
        self.drop_empty_queue();
    }

    fn drop_empty_queue(&mut self) {
        self.queue.take_if(|queue| queue.is_empty());
    }

    /// From now on no other packet is begun.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    fn waiting(&self) -> impl Iterator<Item = &Packet> {
        self.queue.iter().flat_map(|queue| &queue.waiting)
    }

    /// What waits and is not begun to be written.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.mail_cost + queue.other_cost)
    }

    fn nothing_waits(&self) -> bool {
        self.waiting().next().is_none()
    }

    /// Whether nothing waits and nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.nothing_waits() && matches!(self.under_way, UnderWay::Nothing)
    }

    fn whose_mail_is_under_way(&self) -> Option<(AccountId, Seq)> {
        match &self.under_way {
            UnderWay::Nothing => None,
            UnderWay::HalfWritten(half) => half.packet.kind.mail(),
            UnderWay::Untaken(packet) => packet.mail,
        }
    }

    /// The entry of that account's mailbox that the peer is just being sent.
    pub(super) fn mail_under_way(&self, account: AccountId) -> Option<Seq> {
        self.whose_mail_is_under_way().filter(|(whose, _)| *whose == account).map(|(_, seq)| seq)
    }

    /// Whether mail has been written, or begun to be, that was not taken.
    pub(super) fn has_mail_under_way(&self) -> bool {
        self.whose_mail_is_under_way().is_some()
    }

    /// How far mail has been written, taken or not, if `newest` was queued last.
    pub(super) fn written_up_to(&self, newest: Seq) -> Seq {
        let waits = self.waiting().find_map(|packet| packet.kind.mail());
        waits.map_or(newest, |(_, seq)| Seq(seq.0.saturating_sub(1)))
    }

    /// Whether all has been written that does not wait in a mailbox as well, and written to the end.
    pub(super) fn is_settled(&self) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.other_cost == 0)
            && !matches!(self.under_way, UnderWay::HalfWritten(_))
    }

    /// Whether mail is in here that was not taken.
    pub(super) fn holds_mail(&self) -> bool {
        self.has_mail_under_way() || self.waiting().any(|packet| packet.kind.mail().is_some())
    }

    /// A request came from the peer.
    pub(super) fn heard(&mut self, now: Instant, gaps: Gaps) {
        if let (UnderWay::Nothing, Some(last)) = (&self.under_way, &mut self.last)
            && last.request == Request::Awaited
            && last.drained
        {
            let at_once = now < last.written + gaps.between;
            last.request = if at_once { Request::AtOnce } else { Request::Late };
            self.followed = PROGRAM.min(self.followed + u8::from(at_once && !last.is_reply));
        }
    }

    /// How long after the packet before the next may follow, by what is known of whether it was read.
    fn gap_behind(&self, last: &Last, gaps: Gaps) -> Duration {
        let has_asked = last.request != Request::Awaited;
        if has_asked && last.is_reply {
            gaps.between.min(AWAKE)
        } else if has_asked && self.followed == PROGRAM {
            Duration::ZERO
        } else {
            gaps.between
        }
    }

    /// Finds out whether the packet under way was taken, and writes nothing: for a connection that has ended.
    pub(super) fn settle(&mut self, link: &impl Link, taken: impl FnOnce(AccountId, Seq)) {
        if let UnderWay::Untaken(packet) = &self.under_way
            && link.untaken().is_ok_and(|bytes| bytes == 0)
        {
            if let Some((account, seq)) = packet.mail {
                taken(account, seq);
            }
            self.under_way = UnderWay::Nothing;
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
            let nothing_waits = self.nothing_waits();
            match &mut self.under_way {
                UnderWay::Nothing => {}
                UnderWay::HalfWritten(half) => {
                    let drained = is_drained(link, &half.packet.kind, self.followed);
                    let HalfWritten { packet, wait, long } = &mut **half;
                    match link.try_write(&packet.bytes) {
                        Ok(written) => {
                            packet.bytes.advance(written);
                            wait.progress = now;
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            return Ok(wait.look_again(now, gaps).unwrap_or(Step::Stalled));
                        }
                        Err(error) => return Err(error),
                    }
                    if packet.bytes.is_empty() {
                        let (kind, long, wait) = (packet.kind.clone(), *long, *wait);
                        self.written(&kind, long, wait, drained);
                    }
                    continue;
                }
                UnderWay::Untaken(packet) => {
                    if nothing_waits && self.last.as_ref().is_some_and(|last| last.written == now) {
                        // Just written: too early to ask.
                        return Ok(packet.just_written(now, gaps));
                    }
                    let untaken = link.untaken()?;
                    if untaken > 0 {
                        packet.wait.is_left(untaken, now);
                        let hurried = !nothing_waits || packet.mail.is_some();
                        return Ok(match packet.wait.look_again(now, gaps) {
                            None => Step::Stalled,
                            Some(Step::Again(at)) if !hurried => Step::Unhurried(at),
                            Some(step) => step,
                        });
                    }
                    if let Some((account, seq)) = packet.mail {
                        taken(account, seq);
                    }
                    self.pause_until = packet.long.then(|| now + gaps.after_long);
                    self.under_way = UnderWay::Nothing;
                }
            }
            if nothing_waits || self.closing {
                return Ok(Step::Idle);
            }
            if let Some(until) = self.pause_until.filter(|until| now < *until) {
                return Ok(Step::Again(until));
            }
            if let Some(last) = &self.last {
                let gap = self.gap_behind(last, gaps);
                if now < last.written + gap {
                    return Ok(Step::Again(last.written + gap));
                }
            }
            if let Some(packet) = self.next() {
                self.write(link, now, packet)?;
            }
        }
    }

    fn next(&mut self) -> Option<Packet> {
        let queue = self.queue.as_mut()?;
        let packet = queue.waiting.pop_front()?;
        *queue.cost(&packet.kind) -= packet.cost();
        self.drop_empty_queue();
        Some(packet)
    }

    fn write(&mut self, link: &impl Link, now: Instant, mut packet: Packet) -> io::Result<()> {
        let long = classic::may_be_cut(packet.bytes.len());
        let drained = is_drained(link, &packet.kind, self.followed);
        let wait = Wait { progress: now, untaken: packet.bytes.len(), looks: 0 };
        let outcome = match link.try_write(&packet.bytes) {
            Ok(written) if written == packet.bytes.len() => {
                self.written(&packet.kind, long, wait, drained);
                return Ok(());
            }
            Ok(written) => {
                packet.bytes.advance(written);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            // It stays in our hands: mail that can't be written must not seem to have been taken.
            Err(error) => Err(error),
        };
        self.under_way = UnderWay::HalfWritten(Box::new(HalfWritten { packet, long, wait }));
        outcome
    }

    /// The last byte of a packet was written just now.
    fn written(&mut self, kind: &Kind, long: bool, wait: Wait, drained: bool) {
        if self.last.as_ref().is_some_and(|last| !last.is_reply && last.request != Request::AtOnce) {
            self.followed = 0;
        }
        let is_reply = *kind == Kind::Reply;
        self.last = Some(Last { written: wait.progress, is_reply, drained, request: Request::Awaited });
        self.under_way = UnderWay::Untaken(Untaken { mail: kind.mail(), long, wait });
    }
}

/// Whether what the peer sends from now on is all that there will be to read. To be asked before a packet is written: a
/// quick peer answers before a write returns.
fn is_drained(link: &impl Link, kind: &Kind, followed: u8) -> bool {
    // Asking costs a system call, and is worth it where something hangs on it.
    let matters = *kind == Kind::Reply || followed + 1 >= PROGRAM;
    !matters || !link.has_unread()
}

impl Untaken {
    fn just_written(&self, now: Instant, gaps: Gaps) -> Step {
        let at = now + gaps.between.max(Duration::from_millis(1));
        if self.mail.is_some() { Step::Again(at) } else { Step::Unhurried(at) }
    }
}

impl Wait {
    fn is_left(&mut self, untaken: usize, now: Instant) {
        if untaken < self.untaken {
            self.progress = now;
        }
        self.untaken = untaken;
    }

    /// Looks at longer and longer intervals; `None` when it has been too long.
    fn look_again(&mut self, now: Instant, gaps: Gaps) -> Option<Step> {
        if now.saturating_duration_since(self.progress) >= gaps.patience {
            return None;
        }
        let interval = gaps.between.max(Duration::from_millis(1)) * (1 << self.looks.min(8));
        self.looks = self.looks.saturating_add(1);
        Some(Step::Again(now + interval.min(SELDOM).min(gaps.patience)))
    }
}

mod kept;
mod packet;

#[cfg(test)]
mod tests;
