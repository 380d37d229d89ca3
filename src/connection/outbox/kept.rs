//! An outbox for the next process, and back.

use super::{HalfWritten, Kind, Outbox, Packet, Queue, UnderWay, Untaken, Wait};
use crate::domain::{AccountId, Login, Seq};
use crate::handover::StateFault;
use crate::handover::state;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Instant;

impl Outbox {
    /// What is under way, and what waits and is not mail: that is read from its mailbox again.
    pub(in crate::connection) fn keep(&self) -> (Option<state::Packet>, Vec<state::Packet>) {
        let under_way = match &self.under_way {
            UnderWay::Nothing => None,
            UnderWay::HalfWritten(half) => Some(state::Packet {
                bytes: half.packet.bytes.to_vec(),
                kind: half.packet.kind.keep(),
                long: half.long,
            }),
            UnderWay::Untaken(packet) => {
                let kind = packet.mail.map_or(state::Kind::Reply, |(account, seq)| state::Kind::mail(account, seq));
                Some(state::Packet { bytes: Vec::new(), kind, long: packet.long })
            }
        };
        let held = self.queue.iter().flat_map(|queue| &queue.held);
        let waiting = self.waiting().chain(held).filter(|packet| packet.kind.mail().is_none());
        let waiting =
            waiting.map(|packet| state::Packet { bytes: packet.bytes.to_vec(), kind: packet.kind.keep(), long: false });
        (under_way, waiting.collect())
    }

    /// # Errors
    /// When it holds what no outbox does.
    pub(in crate::connection) fn restore(
        under_way: Option<state::Packet>,
        waiting: Vec<state::Packet>,
        now: Instant,
    ) -> Result<Self, StateFault> {
        let under_way = match under_way {
            None => UnderWay::Nothing,
            Some(packet) => {
                let (kind, long) = (Kind::restore(packet.kind)?, packet.long);
                let wait = Wait { progress: now, untaken: packet.bytes.len(), looks: 0 };
                if packet.bytes.is_empty() {
                    UnderWay::Untaken(Untaken { mail: kind.mail(), long, wait })
                } else {
                    let packet = Packet { bytes: Bytes::from(packet.bytes), kind };
                    UnderWay::HalfWritten(Box::new(HalfWritten { packet, long, wait }))
                }
            }
        };
        let restore = |packet: state::Packet| match Kind::restore(packet.kind)? {
            Kind::Mail(..) => Err(StateFault::Odd("mail that does not wait in its mailbox")),
            kind => Ok(Packet { bytes: Bytes::from(packet.bytes), kind }),
        };
        let waiting = waiting.into_iter().map(restore).collect::<Result<VecDeque<_>, _>>()?;
        let other_cost = waiting.iter().map(Packet::cost).sum();
        let queue = Queue { waiting, other_cost, ..Queue::default() };
        let queue = Some(Box::new(queue)).filter(|queue| !queue.is_empty());
        Ok(Self { queue, under_way, ..Self::default() })
    }
}

impl Kind {
    fn keep(&self) -> state::Kind {
        match self {
            Self::Reply => state::Kind::Reply,
            Self::Status(contact) => state::Kind::Status(contact.as_str().to_owned()),
            Self::Mail(account, seq) => state::Kind::mail(*account, *seq),
        }
    }

    fn restore(kind: state::Kind) -> Result<Self, StateFault> {
        Ok(match kind {
            state::Kind::Reply => Self::Reply,
            state::Kind::Status(contact) => {
                Self::Status(Login::parse(&contact).map_err(|_| StateFault::Odd("a contact that is none"))?)
            }
            state::Kind::Mail(account, seq) => Self::Mail(AccountId(account), Seq(seq)),
        })
    }
}
