//! What an orderly stop writes down about each connection.
//!
//! The form is CBOR (RFC 8949): maps with numbered fields, behind a head with version, length and checksum. **Within one
//! major version, fields are added and never changed**: an older reader passes over what it does not know, a newer one has
//! a default for what is not there. Whoever breaks that raises `MAJOR`, and connections then go by the roll.
//!
//! Without the roll a state is worth nothing: only the roll has the cookies that say which socket a line is about. So
//! after an upgrade to another form of the roll all connections are closed, however orderly the stop was.
//!
//! Whatever the bytes say, reading takes no more memory than a small multiple of [`MAX`].

use super::roll;
use crate::domain::{AccountId, Login, Seq, SessionKey};
use blake2::{Blake2s256, Digest};
use minicbor::decode::{Decoder, Error};
use minicbor::{Decode, Encode};

/// A state of another one is not read.
const MAJOR: u16 = 1;
/// Counts the additions.
const MINOR: u16 = 0;

const MAGIC: &[u8; 8] = b"msgstate";
/// Magic, versions, length, checksum.
const HEAD: usize = 8 + 2 + 2 + 8 + 32;

/// The longest state that is written or read, in bytes: 16 MiB.
pub const MAX: u64 = 16 << 20;
/// As much of it as connections may take, by their [`Connection::size`]; the other half is for debts. 10,000 connections
/// for whom nothing waits take 1.5 MB; the rest is for what waits. A connection that has no room is closed.
pub const ROOM: u64 = MAX / 2;
/// Debts of each kind.
pub const DEBTS: usize = 10_000;

/// What a connection takes at the most, but for what is of any length: [`Connection::size`].
const CONNECTION_SIZE: usize = 100;
/// What a packet takes at the most, but for what is of any length.
const PACKET_SIZE: usize = 40;
/// There is no room for more packets, of all connections.
const PACKETS: u64 = ROOM / PACKET_SIZE as u64;

/// Everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map, context_bound = "AsMut<Rest>")]
pub struct State {
    /// The roll's when this was written.
    #[n(0)]
    pub epoch: u64,
    /// Each connection that goes on.
    #[n(1)]
    #[cbor(decode_with = "each_connection")]
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
    #[cbor(default, decode_with = "each_debt")]
    pub logins: Vec<Debt>,
    /// By source: an IP address (of IPv6, the first of its /64), or `user` and a number.
    #[n(1)]
    #[cbor(default, decode_with = "each_debt")]
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
#[derive(Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map, context_bound = "AsMut<Rest>")]
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
    #[cbor(decode_with = "each_packet")]
    pub waiting: Vec<Packet>,
}

impl std::fmt::Debug for Connection {
    /// What people say, and keys, are in no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, session, unread, waiting, .. } = self;
        write!(f, "Connection(line {line}, {session:?}, {} bytes unread, {} waiting)", unread.len(), waiting.len())
    }
}

/// How many more packets there may be while a state is read. A list in memory takes many times what it takes in CBOR, so
/// its length counts besides [`MAX`].
#[derive(Debug)]
pub struct Rest {
    packets: u64,
}

impl Default for Rest {
    fn default() -> Self {
        Self { packets: PACKETS }
    }
}

impl AsMut<Self> for Rest {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

fn list<'b, Ctx, T: Decode<'b, Ctx>>(decoder: &mut Decoder<'b>, ctx: &mut Ctx, most: usize) -> Result<Vec<T>, Error> {
    let mut list = Vec::new();
    for item in decoder.array_iter_with(ctx)? {
        if list.len() == most {
            return Err(Error::message("a list is longer than any of ours"));
        }
        list.push(item?);
    }
    Ok(list)
}

fn each_connection<Ctx: AsMut<Rest>>(decoder: &mut Decoder<'_>, ctx: &mut Ctx) -> Result<Vec<Connection>, Error> {
    list(decoder, ctx, roll::LINES)
}

fn each_packet<Ctx: AsMut<Rest>>(decoder: &mut Decoder<'_>, ctx: &mut Ctx) -> Result<Vec<Packet>, Error> {
    let most = ctx.as_mut().packets;
    let packets = list(decoder, ctx, usize::try_from(most).unwrap_or(usize::MAX))?;
    ctx.as_mut().packets = most.saturating_sub(packets.len() as u64);
    Ok(packets)
}

fn each_debt<Ctx>(decoder: &mut Decoder<'_>, ctx: &mut Ctx) -> Result<Vec<Debt>, Error> {
    list(decoder, ctx, DEBTS)
}

/// The part of a state that says whether it is worth reading.
#[derive(Decode)]
#[cbor(map)]
struct Epoch {
    #[n(0)]
    epoch: u64,
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
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
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

impl std::fmt::Debug for Packet {
    /// It may be the one that gives a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packet({} bytes, {:?})", self.bytes.len(), self.kind)
    }
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
    /// As many bytes as it takes at the most.
    #[must_use]
    pub fn size(&self) -> u64 {
        let packets = self.waiting.iter().chain(&self.under_way).map(Packet::size);
        let login = self.session.as_ref().map_or(0, |session| session.login.len());
        (CONNECTION_SIZE + login + self.unread.len() + packets.sum::<usize>()) as u64
    }
}

impl Packet {
    fn size(&self) -> usize {
        let contact = if let Kind::Status(contact) = &self.kind { contact.len() } else { 0 };
        PACKET_SIZE + contact + self.bytes.len()
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
        let Ok(()) = minicbor::encode_with(self, &mut body, &mut Rest::default()).map_err(drop) else {
            return Vec::new();
        };
        Self::behind_head(&body)
    }

    /// A body with the head that belongs before it.
    pub(super) fn behind_head(body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&MAJOR.to_be_bytes());
        bytes.extend_from_slice(&MINOR.to_be_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_be_bytes());
        bytes.extend_from_slice(&Blake2s256::digest(body));
        bytes.extend_from_slice(body);
        bytes
    }

    /// From the process before.
    ///
    /// # Errors
    /// Whatever is not exactly as it should be.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateFault> {
        Self::decode_body(Self::body(bytes)?)
    }

    /// The same, if it is of this epoch. One of another is not even read.
    ///
    /// # Errors
    /// [`StateFault::OutOfDate`], and as above.
    pub fn decode_of(epoch: u64, bytes: &[u8]) -> Result<Self, StateFault> {
        let body = Self::body(bytes)?;
        let its: Epoch = minicbor::decode(body).map_err(|_| StateFault::Odd("no epoch"))?;
        if its.epoch == epoch { Self::decode_body(body) } else { Err(StateFault::OutOfDate) }
    }

    fn decode_body(body: &[u8]) -> Result<Self, StateFault> {
        minicbor::decode_with(body, &mut Rest::default())
            .map_err(|_| StateFault::Odd("something else than connections"))
    }

    /// What is behind a head that is as it should be.
    fn body(bytes: &[u8]) -> Result<&[u8], StateFault> {
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
        Ok(body)
    }
}

#[cfg(test)]
mod tests;
