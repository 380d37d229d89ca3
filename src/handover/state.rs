//! What an orderly stop writes down about each connection.
//!
//! The form is CBOR (RFC 8949): maps with numbered fields, behind a head with version, length and checksum. **Within one
//! major version, fields are added and never changed**: an older reader passes over what it does not know, a newer one has
//! a default for what is not there. Whoever breaks that raises `MAJOR`, and connections then go by the roll.

use crate::domain::{AccountId, Login, Seq, SessionKey};
use blake2::{Blake2s256, Digest};
use minicbor::{Decode, Encode};

/// A state of another one is not read.
const MAJOR: u16 = 1;
/// Counts the additions.
const MINOR: u16 = 0;

const MAGIC: &[u8; 8] = b"msgstate";
/// Magic, versions, length, checksum.
const HEAD: usize = 8 + 2 + 2 + 8 + 32;

/// The longest state that is written or read, in bytes. A connection that has no room in it is closed.
pub const MAX: u64 = 64 << 20;

/// Everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct State {
    /// The roll's when this was written.
    #[n(0)]
    pub epoch: u64,
    /// Each connection that goes on.
    #[n(1)]
    pub connections: Vec<Connection>,
    /// What failed log-ins have cost, so that a restart is no new budget.
    #[n(2)]
    #[cbor(default)]
    pub debts: Debts,
}

/// Who has to wait until a log-in may fail again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Debts {
    /// By login.
    #[n(0)]
    #[cbor(default)]
    pub logins: Vec<Debt>,
    /// By source: an IP address (of IPv6, the first of its /64), or `user` and a number.
    #[n(1)]
    #[cbor(default)]
    pub sources: Vec<Debt>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Debt {
    /// Who.
    #[n(0)]
    pub who: String,
    /// Until all is paid off, in milliseconds.
    #[n(1)]
    pub milliseconds: u64,
}

/// One connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Connection {
    /// Its line in the roll, which has its name in the store, its protocol, and its socket's cookie.
    #[n(0)]
    pub line: u32,
    /// Its session.
    #[n(1)]
    pub session: Option<Session>,
    /// Read, and not yet a whole request.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub unread: Vec<u8>,
    /// How much had come in one burst, of which that is the end.
    #[n(3)]
    pub burst: u64,
    /// How far its mail was written, or is being written just now.
    #[n(4)]
    pub written: u64,
    /// The packet that was written and not yet taken, as far as it was not written.
    #[n(5)]
    pub under_way: Option<Packet>,
    /// What is to be written after that. Mail is not among it: it waits in its mailbox.
    #[n(6)]
    pub waiting: Vec<Packet>,
}

/// A session.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Session {
    /// Whose.
    #[n(0)]
    pub account: i64,
    /// Their login.
    #[n(1)]
    pub login: String,
    /// What requests must carry.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub key: [u8; SessionKey::LEN],
}

impl std::fmt::Debug for Session {
    /// Keys are in no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({}, {})", self.account, self.login)
    }
}

/// A packet, or what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Packet {
    /// What is to be written.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    /// What it is.
    #[n(1)]
    pub kind: Kind,
    /// Whether the whole packet comes to the peer in several pieces.
    #[n(2)]
    pub long: bool,
}

/// What a packet is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Kind {
    /// An answer.
    #[n(0)]
    Reply,
    /// News of this contact.
    #[n(1)]
    Status(#[n(0)] String),
    /// An entry of this account's mailbox.
    #[n(2)]
    Mail(#[n(0)] i64, #[n(1)] u64),
}

/// A session in the house's words, if it can be one.
impl TryFrom<&Session> for crate::sessions::Session {
    type Error = StateFault;

    fn try_from(session: &Session) -> Result<Self, StateFault> {
        let login = Login::parse(&session.login).map_err(|_| StateFault::Odd("a login that is none"))?;
        let key = SessionKey::new(session.key).ok_or(StateFault::Odd("a key that is none"))?;
        Ok(Self { account: AccountId(session.account), login, key })
    }
}

impl From<&crate::sessions::Session> for Session {
    fn from(session: &crate::sessions::Session) -> Self {
        let crate::sessions::Session { account, login, key } = session;
        Self { account: account.0, login: login.as_str().to_owned(), key: key.bytes() }
    }
}

impl Connection {
    /// About as many bytes as it takes.
    #[must_use]
    pub fn size(&self) -> u64 {
        let packets = self.waiting.iter().chain(&self.under_way).map(|packet| packet.bytes.len() + 300);
        (self.unread.len() + packets.sum::<usize>() + 400) as u64
    }
}

impl Kind {
    /// Mail up to this place of an account's mailbox.
    #[must_use]
    pub fn mail(account: AccountId, seq: Seq) -> Self {
        Self::Mail(account.0, seq.0)
    }
}

/// Why a state is not believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateFault {
    /// It does not begin as a state does.
    #[error("it is no state")]
    NoState,
    /// It was written by a version that we don't understand.
    #[error("it has the form {0}.{1}, and this version reads {MAJOR}.x")]
    Version(u16, u16),
    /// Something is missing, or was changed.
    #[error("its length or its checksum is wrong")]
    Damaged,
    /// It holds what no state of ours does.
    #[error("it holds {0}")]
    Odd(&'static str),
    /// It is not of the last process.
    #[error("it is out of date")]
    OutOfDate,
}

impl State {
    /// For the next process.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        // A Vec takes everything.
        let Ok(()) = minicbor::encode(self, &mut body).map_err(drop) else { return Vec::new() };
        let mut bytes = Vec::with_capacity(HEAD + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&MAJOR.to_be_bytes());
        bytes.extend_from_slice(&MINOR.to_be_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_be_bytes());
        bytes.extend_from_slice(&Blake2s256::digest(&body));
        bytes.extend_from_slice(&body);
        bytes
    }

    /// From the process before.
    ///
    /// # Errors
    /// Whatever is not exactly as it should be.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateFault> {
        let (head, body) = bytes.split_at_checked(HEAD).ok_or(StateFault::NoState)?;
        let (magic, head) = head.split_at(8);
        if magic != MAGIC {
            return Err(StateFault::NoState);
        }
        let (versions, head) = head.split_at(4);
        let (major, minor) =
            (u16::from_be_bytes([versions[0], versions[1]]), u16::from_be_bytes([versions[2], versions[3]]));
        if major != MAJOR {
            return Err(StateFault::Version(major, minor));
        }
        let (length, checksum) = head.split_at(8);
        if length != (body.len() as u64).to_be_bytes() || checksum != Blake2s256::digest(body).as_slice() {
            return Err(StateFault::Damaged);
        }
        minicbor::decode(body).map_err(|_| StateFault::Odd("something else than connections"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet() -> impl Strategy<Value = Packet> {
        let kind = prop_oneof![
            Just(Kind::Reply),
            ".*".prop_map(Kind::Status),
            any::<(i64, u64)>().prop_map(|(account, seq)| Kind::Mail(account, seq))
        ];
        (any::<Vec<u8>>(), kind, any::<bool>()).prop_map(|(bytes, kind, long)| Packet { bytes, kind, long })
    }

    fn connection() -> impl Strategy<Value = Connection> {
        let session = any::<(i64, String, [u8; 4])>().prop_map(|(account, login, key)| Session { account, login, key });
        let waiting = prop::collection::vec(packet(), 0..4);
        let numbers = any::<(u32, u64, u64)>();
        (numbers, prop::option::of(session), any::<Vec<u8>>(), prop::option::of(packet()), waiting).prop_map(
            |((line, burst, written), session, unread, under_way, waiting)| Connection {
                line,
                session,
                unread,
                burst,
                written,
                under_way,
                waiting,
            },
        )
    }

    fn debts() -> impl Strategy<Value = Vec<Debt>> {
        let debt = any::<(String, u64)>().prop_map(|(who, milliseconds)| Debt { who, milliseconds });
        prop::collection::vec(debt, 0..3)
    }

    fn state() -> impl Strategy<Value = State> {
        (any::<u64>(), prop::collection::vec(connection(), 0..5), debts(), debts()).prop_map(
            |(epoch, connections, logins, sources)| State { epoch, connections, debts: Debts { logins, sources } },
        )
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(state in state()) {
            prop_assert_eq!(State::decode(&state.encode()), Ok(state));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            prop_assert!(State::decode(&bytes).is_err());
        }

        #[test]
        fn no_body_panics(body: Vec<u8>) {
            // Behind a head that is as it should be.
            let _ = State::decode(&with_head(MAJOR, MINOR, &body));
        }

        #[test]
        fn a_byte_that_was_changed_is_noticed(state in state(), at: prop::sample::Index, change in 1..=255_u8) {
            let mut bytes = state.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            // The minor version says nothing that a reader would have to heed.
            prop_assert!((10..12).contains(&at) || State::decode(&bytes).is_err());
        }

        #[test]
        fn a_piece_of_it_is_nothing(state in state(), end: prop::sample::Index) {
            let bytes = state.encode();
            prop_assert!(State::decode(&bytes[..end.index(bytes.len())]).is_err());
        }
    }

    fn with_head(major: u16, minor: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(major.to_be_bytes());
        bytes.extend(minor.to_be_bytes());
        bytes.extend((body.len() as u64).to_be_bytes());
        bytes.extend(Blake2s256::digest(body));
        bytes.extend(body);
        bytes
    }

    /// As the next minor version may write it.
    #[derive(Encode)]
    #[cbor(map)]
    struct LaterState {
        #[n(0)]
        epoch: u64,
        #[n(1)]
        connections: Vec<LaterConnection>,
        #[n(7)]
        news: Vec<String>,
    }

    #[derive(Encode)]
    #[cbor(map)]
    struct LaterConnection {
        #[n(0)]
        line: u32,
        #[n(2)]
        #[cbor(with = "minicbor::bytes")]
        unread: Vec<u8>,
        #[n(3)]
        burst: u64,
        #[n(4)]
        written: u64,
        #[n(6)]
        waiting: Vec<Packet>,
        #[n(9)]
        budget: (u64, u64),
    }

    #[test]
    fn a_later_minor_version_is_read_and_its_news_passed_over() {
        let later = LaterState {
            epoch: 3,
            connections: vec![LaterConnection {
                line: 17,
                unread: b"half".to_vec(),
                burst: 4,
                written: 9,
                waiting: Vec::new(),
                budget: (1, 2),
            }],
            news: vec!["from the future".into()],
        };
        let state = State::decode(&with_head(MAJOR, MINOR + 1, &minicbor::to_vec(later).unwrap())).unwrap();
        let connection =
            Connection { line: 17, unread: b"half".to_vec(), burst: 4, written: 9, ..Connection::default() };
        assert_eq!(state, State { epoch: 3, connections: vec![connection], debts: Debts::default() });
    }

    #[test]
    fn a_state_of_this_version_stays_readable() {
        // Written down once. If this fails, running daemons can't be upgraded without closing their connections.
        let written = include_bytes!("state-1.0.cbor");
        let state = State::decode(written).unwrap();
        assert_eq!(state, example());
    }

    fn example() -> State {
        let reply = Packet { bytes: vec![4, 0, b'\r', 1], kind: Kind::Reply, long: false };
        let status = Packet { bytes: b"\x05bob\r\x01".to_vec(), kind: Kind::Status("bob".into()), long: false };
        let mail = Packet { bytes: b"rest of a text".to_vec(), kind: Kind::Mail(7, 43), long: true };
        let session = Session { account: 7, login: "ann".into(), key: [1, 2, 3, 4] };
        let full = Connection {
            line: 1,
            session: Some(session),
            unread: b"\x06half a request".to_vec(),
            burst: 2000,
            written: 43,
            under_way: Some(mail),
            waiting: vec![reply, status],
        };
        let debts = |who: &str| vec![Debt { who: who.into(), milliseconds: 30_000 }];
        let debts = Debts { logins: debts("bob"), sources: debts("192.0.2.7") };
        State { epoch: 12, connections: vec![full, Connection { line: 25_000, ..Connection::default() }], debts }
    }

    #[test]
    fn other_versions_are_refused_by_name() {
        let body = minicbor::to_vec(State::default()).unwrap();
        assert_eq!(State::decode(&with_head(MAJOR + 1, 5, &body)), Err(StateFault::Version(MAJOR + 1, 5)));
    }
}
