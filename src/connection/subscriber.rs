//! What a connection does with what its session is told.

use super::mail::Place;
use super::outbox::Packet;
use super::{Connection, End};
use crate::domain::{AccountId, Event, Peer, SessionKey};
use crate::protocol::classic;
use crate::sessions::{Dismissal, Subscriber};

impl Subscriber for Connection {
    fn expect(&self, account: AccountId) {
        let _state = self.lock();
        if let Some(line) = &self.line {
            line.expect_session(account);
        }
    }

    fn settle(&self) {
        self.advance(&mut self.lock());
    }

    fn dismiss(&self, key: SessionKey, why: Dismissal) {
        let mut state = self.lock();
        if state.session.as_ref().is_some_and(|session| session.key == key) {
            self.end(&mut state, End::Dismissed(why));
        }
    }

    fn peer(&self) -> Peer {
        self.peer
    }

    fn notify(&self, account: AccountId, event: &Event) {
        let mut state = self.lock();
        if state.end.is_some() || state.session.as_ref().is_none_or(|session| session.account != account) {
            return;
        }
        let packet = match event {
            Event::Mail(entry) => match state.mail.place(entry.seq) {
                Place::Next => classic::encode_event(event).map(|bytes| Packet::mail(bytes, account, entry.seq)),
                Place::Elsewhere => {
                    self.advance(&mut state);
                    return;
                }
            },
            Event::ContactStatus(login, _) => {
                classic::encode_event(event).map(|bytes| Packet::status(bytes, login.clone()))
            }
        };
        match (packet, event) {
            (Some(packet), Event::Mail(entry)) => {
                let limit = self.shared.settings.get().connections.outbox_max;
                match state.outbox.push(packet, limit) {
                    Ok(()) => state.mail.queued(entry.seq),
                    Err(_) => state.mail.fall_behind(entry.seq),
                }
            }
            // The sender's own copy, for which classic has no packet: there is nothing to write that was not there before.
            (None, Event::Mail(entry)) => {
                state.mail.queued(entry.seq);
                return;
            }
            (Some(packet), Event::ContactStatus(..)) => {
                let limit = self.shared.settings.get().connections.outbox_max;
                self.enqueue(&mut state, packet, limit);
            }
            (None, Event::ContactStatus(..)) => {}
        }
        self.advance(&mut state);
    }
}
