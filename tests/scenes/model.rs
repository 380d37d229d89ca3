//! People who do whatever comes to their minds, and a model of their mailboxes: each gets each message, once, in order.

use crate::support::{Packet, Peer, Scratch, Server, Setup, Unhurried};
use proptest::prelude::*;
use std::ops::RangeInclusive;
use std::sync::Arc;

const LOGINS: [&str; 4] = ["ann", "bob", "cat", "dan"];
/// Connections; more than people, so that some are on several.
const PLACES: usize = 6;

#[derive(Debug, Clone)]
enum Action {
    /// Whoever is at this place writes so many messages to somebody.
    Write {
        place: usize,
        to: usize,
        many: usize,
    },
    /// Somebody logs in here, whoever was here before.
    LogIn {
        place: usize,
        who: usize,
    },
    LogOut {
        place: usize,
    },
    Disconnect {
        place: usize,
    },
    AddContact {
        place: usize,
        whom: usize,
    },
}

fn any_action() -> impl Strategy<Value = Action> {
    let (place, who) = (0..PLACES, 0..LOGINS.len());
    prop_oneof![
        8 => (place.clone(), who.clone(), 1..12_usize).prop_map(|(place, to, many)| Action::Write { place, to, many }),
        6 => (place.clone(), who.clone()).prop_map(|(place, who)| Action::LogIn { place, who }),
        1 => place.clone().prop_map(|place| Action::LogOut { place }),
        2 => place.clone().prop_map(|place| Action::Disconnect { place }),
        1 => (place, who).prop_map(|(place, whom)| Action::AddContact { place, whom }),
    ]
}

/// A session, as the person at that place knows it.
struct Session {
    who: usize,
    key: [u8; 4],
    /// The number of the message heard last is one of these.
    heard: RangeInclusive<usize>,
}

struct Place {
    peer: Peer,
    stream: Unhurried,
    session: Option<Session>,
}

/// The stage, and what must be true of it.
struct Model {
    server: Server,
    places: [Option<Place>; PLACES],
    /// How many messages each has been written; they are numbered, from 1.
    written: [usize; LOGINS.len()],
    /// Up to where each has read them, on connections that are no more.
    read: [usize; LOGINS.len()],
    /// Whose messages may not have been committed yet.
    writer: Option<usize>,
}

/// Those behind a UNIX socket read what counts as read, those behind TCP leave that to their kernel.
fn setup(scratch: &Arc<Scratch>) -> Setup {
    let listen = format!("listen.classic=127.0.0.1:0,{}", scratch.path("socket").display());
    let patient = Setup::new().set("auth.account_failures=100000").set("auth.source_failures=100000");
    patient.on(scratch).set(&listen).set("classic.packet_gap=0s")
}

impl Model {
    fn new() -> Self {
        let scratch = Arc::new(Scratch::new());
        let server = setup(&scratch).start();
        for login in LOGINS {
            server.peer().sign_up(login);
        }
        Self { server, places: Default::default(), written: [0; 4], read: [0; 4], writer: None }
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Write { place, to, many } => self.write(place, to, many),
            Action::LogIn { place, who } => self.log_in(place, who),
            Action::LogOut { place } => self.log_out(place),
            Action::Disconnect { place } => {
                self.catch_up(place);
                self.places[place] = None;
            }
            Action::AddContact { place, whom } => self.ask(place, LOGINS[whom], &Packet::ContactAdded),
        }
    }

    fn session(&self, place: usize) -> Option<&Session> {
        self.places[place].as_ref()?.session.as_ref()
    }

    /// A request of the session that is at this place.
    fn send(&mut self, place: usize, kind: u8, fields: &str) {
        let key = self.session(place).unwrap().key;
        let mut request = vec![kind];
        request.extend_from_slice(&key);
        request.push(b'\r');
        request.extend_from_slice(fields.as_bytes());
        self.places[place].as_mut().unwrap().peer.send(&request);
    }

    /// Reads at this place up to a packet that is no message; each message that comes before must be the next.
    fn read_up_to(&mut self, place: usize, is_last: impl Fn(&Packet) -> bool) -> Packet {
        loop {
            let here = self.places[place].as_mut().unwrap();
            let packet = here.stream.next().expect("a packet, but the connection was closed");
            if let Packet::Message { text, .. } = &packet {
                let session = here.session.as_mut().expect("no message comes without a session");
                let number: usize = text.parse().unwrap();
                let login = LOGINS[session.who];
                assert!(
                    number > 0 && session.heard.contains(&(number - 1)),
                    "{login} heard {number} after {:?}",
                    session.heard
                );
                assert!(number <= self.written[session.who], "nobody wrote {number} to {login}");
                session.heard = number..=number;
            }
            if is_last(&packet) {
                return packet;
            }
        }
    }

    /// Adds somebody as a contact, and waits for the answer.
    fn ask(&mut self, place: usize, login: &str, answer: &Packet) {
        if self.session(place).is_some() {
            self.send(place, 4, login);
            self.read_up_to(place, |packet| packet == answer);
        }
    }

    /// Waits until all is committed that was written at any other place than this: then it is known in which order.
    fn only_writer(&mut self, place: usize) {
        if let Some(before) = self.writer.replace(place)
            && before != place
        {
            self.ask(before, "ghost", &Packet::UnknownContact);
        }
    }

    fn write(&mut self, place: usize, to: usize, many: usize) {
        if self.session(place).is_none() {
            return;
        }
        self.only_writer(place);
        for _ in 0..many {
            self.written[to] += 1;
            let fields = format!("{}\r{}\n", LOGINS[to], self.written[to]);
            self.send(place, 6, &fields);
        }
    }

    /// Whoever is at this place reads all that there is: a note to oneself comes last.
    fn catch_up(&mut self, place: usize) {
        let Some(who) = self.session(place).map(|session| session.who) else { return };
        self.write(place, who, 1);
        let last = self.written[who].to_string();
        self.read_up_to(place, |packet| matches!(packet, Packet::Message { text, .. } if *text == last));
        self.read[who] = self.written[who];
        self.writer = None;
    }

    fn log_out(&mut self, place: usize) {
        self.catch_up(place);
        if let Some(session) = self.session(place) {
            let mut request = vec![2];
            request.extend_from_slice(&session.key);
            let here = self.places[place].as_mut().unwrap();
            here.peer.send(&request);
            here.session = None;
            self.fail_to_log_in(place);
        }
    }

    /// When this returns, the server has done what was asked before.
    fn fail_to_log_in(&mut self, place: usize) {
        self.places[place].as_mut().unwrap().peer.send(b"\x01ghost\rwrong guess");
        self.read_up_to(place, |packet| *packet == Packet::NotLetIn);
    }

    fn log_in(&mut self, place: usize, who: usize) {
        if self.session(place).is_some_and(|session| session.who != who) {
            self.catch_up(place);
        }
        // All is committed, so that it is known what may come.
        self.only_writer(place);
        self.ask(place, "ghost", &Packet::UnknownContact);
        self.writer = None;
        let elsewhere = (0..PLACES).any(|other| other != place && self.session(other).is_some_and(|s| s.who == who));
        let scratch = &self.server.scratch;
        let here = self.places[place].get_or_insert_with(|| {
            let peer = if place.is_multiple_of(2) {
                Peer::connect(self.server.address())
            } else {
                Peer::connect_unix(&scratch.path("socket"))
            };
            Place { stream: peer.unhurried(), peer, session: None }
        });
        here.peer.send(format!("\x01{0}\rsecret of {0}", LOGINS[who]).as_bytes());
        let Packet::LoggedIn(key) = self.read_up_to(place, |packet| matches!(packet, Packet::LoggedIn(_))) else {
            unreachable!("that is what was waited for")
        };
        let session = &mut self.places[place].as_mut().unwrap().session;
        // It begins where the account's sessions have been; the same login again, where this one is if that is further.
        let read = self.read[who];
        let (begins, ends) = match session {
            Some(session) if session.who == who => (read.max(*session.heard.start()), read.max(*session.heard.end())),
            _ => (read, read),
        };
        // What another session has taken by now is delivered too, and that may be anything.
        let ends = if elsewhere { self.written[who] } else { ends };
        *session = Some(Session { who, key, heard: begins..=ends });
    }

    /// Everybody reads all there is, and after a restart nothing is left.
    fn end(mut self) {
        (0..PLACES).for_each(|place| self.catch_up(place));
        self.all_in_turn();
        let Self { server, written, read, .. } = self;
        let server = setup(&server.stop()).start();
        Self { server, places: Default::default(), written, read, writer: None }.all_in_turn();
    }

    /// Nobody is here but the one who logs in, and who reads all there is.
    fn all_in_turn(&mut self) {
        self.places = Default::default();
        for who in 0..LOGINS.len() {
            self.log_in(0, who);
            self.catch_up(0);
            self.places[0] = None;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_people_do_each_gets_each_message_once_and_in_order(
        actions in prop::collection::vec(any_action(), 150)
    ) {
        let mut model = Model::new();
        for place in 0..PLACES {
            model.log_in(place, place % LOGINS.len());
        }
        for action in &actions {
            model.act(action);
        }
        model.end();
    }
}
