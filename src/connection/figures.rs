//! What is counted of connections. All of them speak one protocol so far, so there is one set of figures.

use super::end::PROTOCOL;
use super::{End, Refused, Shared};
use crate::domain::Reply;
use crate::domain::reply::{LogInRefusal, SignUpRefusal};
use crate::figures::{self, Counter, Labelled, Level, Spread};

/// Requests, as [`handlers::needs`](crate::handlers::needs) names them: the one that comes most often first.
const REQUESTS: [&str; 13] = [
    "message",
    "log-in",
    "log-out",
    "get-contacts",
    "add-contact",
    "remove-contact",
    "block",
    "unblock",
    "get-history",
    "change-password",
    "delete-account",
    "sign-up",
    "other",
];
const REFUSALS: [&str; 3] = ["full", "source_max", "source_requests"];
const ENDS: [&str; 14] = [
    "by_peer",
    "stopped",
    "broken",
    "silent",
    "no_session",
    "made_room",
    "dismissed",
    "too_long",
    "no_request",
    "not_permitted",
    "failed",
    "overflow",
    "stalled",
    "other",
];
const LOG_INS: [&str; 5] = ["done", "unknown_login", "wrong_password", "try_later", "disabled"];
const SIGN_UPS: [&str; 6] = ["done", "bad_email", "bad_login", "bad_password", "login_taken", "closed"];

/// See the module.
#[derive(Debug)]
pub struct Figures {
    accepted: Counter,
    taken_up: Counter,
    refused: Labelled<{ REFUSALS.len() }>,
    closed: Labelled<{ ENDS.len() }>,
    slowed: Counter,
    pub(super) requests: Labelled<{ REQUESTS.len() }>,
    log_ins: Labelled<{ LOG_INS.len() }>,
    sign_ups: Labelled<{ SIGN_UPS.len() }>,
    delivered: Spread,
    outbox: Level,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            accepted: Counter::default(),
            taken_up: Counter::default(),
            refused: Labelled::of(REFUSALS),
            closed: Labelled::of(ENDS),
            slowed: Counter::default(),
            requests: Labelled::of(REQUESTS),
            log_ins: Labelled::of(LOG_INS),
            sign_ups: Labelled::of(SIGN_UPS),
            delivered: Spread::default(),
            outbox: Level::default(),
        }
    }
}

impl Figures {
    /// Somebody has connected, and was admitted or not.
    pub fn came(&self, admitted: &Result<(), Refused>) {
        match admitted {
            Ok(()) => self.accepted.add(1),
            Err(Refused::Full) => self.refused.count("full"),
            Err(Refused::FullOfThese) => self.refused.count("source_max"),
            Err(Refused::TooFast) => self.refused.count("source_requests"),
        }
    }

    pub(super) fn took_up(&self) {
        self.taken_up.add(1);
    }

    pub(super) fn slowed(&self) {
        self.slowed.add(1);
    }

    pub(super) fn asked(&self, request: &str) {
        self.requests.count(request);
    }

    pub(super) fn answered(&self, reply: &Reply) {
        match reply {
            Reply::LoggedIn(_) => self.log_ins.count("done"),
            Reply::LogInRefused(refusal) => self.log_ins.count(match refusal {
                LogInRefusal::UnknownLogin => "unknown_login",
                LogInRefusal::WrongPassword => "wrong_password",
                LogInRefusal::TryLater => "try_later",
                LogInRefusal::Disabled => "disabled",
            }),
            Reply::SignedUp => self.sign_ups.count("done"),
            Reply::SignUpRefused(refusal) => self.sign_ups.count(match refusal {
                SignUpRefusal::BadEmail => "bad_email",
                SignUpRefusal::BadLogin => "bad_login",
                SignUpRefusal::BadPassword => "bad_password",
                SignUpRefusal::LoginTaken => "login_taken",
                SignUpRefusal::Closed => "closed",
            }),
            _ => {}
        }
    }

    pub(super) fn delivered(&self) {
        self.delivered.add(1);
    }

    pub(super) fn closed(&self, end: Option<&End>) {
        self.closed.count(match end {
            None | Some(End::ByPeer) => "by_peer",
            Some(End::Stopped) => "stopped",
            Some(End::Broken(_)) => "broken",
            Some(End::Silent(_)) => "silent",
            Some(End::NoSession(_)) => "no_session",
            Some(End::MadeRoom) => "made_room",
            Some(End::Dismissed(_)) => "dismissed",
            Some(End::TooLong(_)) => "too_long",
            Some(End::NoRequest(_)) => "no_request",
            Some(End::Refused(_, error)) if error.is_peers_fault() => "not_permitted",
            Some(End::Refused(..) | End::Mailbox(_)) => "failed",
            Some(End::Overflow(_)) => "overflow",
            Some(End::Stalled(_)) => "stalled",
        });
    }

    /// An outbox of which `counted` is among what waits in all of them has `waiting` bytes now.
    pub(super) fn outbox(&self, counted: &mut usize, waiting: usize) {
        if *counted != waiting {
            self.outbox.change(*counted, waiting);
            *counted = waiting;
        }
    }
}

impl Shared {
    /// What was counted of the connections, by their protocols.
    #[must_use]
    pub fn figures(&self) -> Vec<figures::Connections> {
        let number = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        let counted = &self.counts;
        vec![figures::Connections {
            protocol: PROTOCOL,
            open: number(self.connections.len()),
            most: number(self.connections.max()),
            accepted: counted.accepted.get(),
            taken_up: counted.taken_up.get(),
            refused: counted.refused.read(),
            closed: counted.closed.read(),
            slowed: counted.slowed.get(),
            requests: counted.requests.read(),
            log_ins: counted.log_ins.read(),
            sign_ups: counted.sign_ups.read(),
            delivered: counted.delivered.get(),
            outbox_bytes: counted.outbox.get(),
        }]
    }
}
