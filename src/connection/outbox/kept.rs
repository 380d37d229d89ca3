//! An outbox for the next process, and back.

use super::{Kind, Outbox, Packet, UnderWay};
use crate::domain::{AccountId, Login, Seq};
use crate::handover::StateFault;
use crate::handover::state;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Instant;

impl Outbox {
    /// What is under way, and what waits and is not mail: that is read from its mailbox again.
    pub(in crate::connection) fn keep(&self) -> (Option<state::Packet>, Vec<state::Packet>) {
        let under_way = self.under_way.as_ref().map(|packet| state::Packet {
            bytes: packet.rest.to_vec(),
            kind: packet.kind.keep(),
            long: packet.long,
        });
        let waiting = self.waiting.iter().chain(&self.held).filter(|packet| !matches!(packet.kind, Kind::Mail(..)));
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
            None => None,
            Some(packet) => Some(UnderWay {
                untaken: packet.bytes.len(),
                rest: Bytes::from(packet.bytes),
                kind: Kind::restore(packet.kind)?,
                long: packet.long,
                progress: now,
                looks: 0,
            }),
        };
        let restore = |packet: state::Packet| match Kind::restore(packet.kind)? {
            Kind::Mail(..) => Err(StateFault::Odd("mail that does not wait in its mailbox")),
            kind => Ok(Packet { bytes: Bytes::from(packet.bytes), kind }),
        };
        let waiting = waiting.into_iter().map(restore).collect::<Result<VecDeque<_>, _>>()?;
        let other_cost = waiting.iter().map(Packet::cost).sum();
        Ok(Self { waiting, other_cost, under_way, ..Self::default() })
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
