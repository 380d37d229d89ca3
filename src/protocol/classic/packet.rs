//! What the server sends, both ways.

use super::request::number;
use super::{SEPARATOR, kind};
use crate::domain::reply::{BlockRefusal, LogInRefusal, PasswordRefusal, SignUpRefusal};
use crate::domain::{Entry, Event, History, Login, Reply, Seq, SessionKey, Status, UnixMillis};
use bytes::{BufMut, Bytes, BytesMut};
use memchr::memchr;
use zeroize::Zeroizing;

const DONE: u8 = 0;
/// Flags of a history: a page ends, all ends, nobody has that login. A message has [`DONE`].
const MORE: u8 = 1;
const ALL: u8 = 2;
const NOBODY: u8 = 3;

/// Writes a reply; `None` where the protocol has no packet for it.
#[must_use]
pub fn encode_reply(reply: &Reply) -> Option<Bytes> {
    let flagged = |kind: u8, flag: u8| Some(Bytes::copy_from_slice(&[kind, flag]));
    match reply {
        Reply::SignedUp => flagged(kind::SIGN_UP, DONE),
        Reply::SignUpRefused(refusal) => flagged(kind::SIGN_UP, sign_up_flag(*refusal)),
        Reply::LoggedIn(key) => {
            let [a, b, c, d] = key.bytes();
            // Wiped when it has been written.
            Some(Bytes::from_owner(Zeroizing::new([kind::LOG_IN, DONE, SEPARATOR, a, b, c, d])))
        }
        Reply::LogInRefused(refusal) => flagged(kind::LOG_IN, log_in_flag(*refusal)),
        Reply::Contacts(contacts) if contacts.is_empty() => flagged(kind::GET_CONTACTS, 1),
        Reply::Contacts(contacts) => {
            let size = contacts.iter().map(|(login, _)| login.as_str().len() + 3).sum::<usize>();
            let mut packet = BytesMut::with_capacity(2 + size);
            packet.put_slice(&[kind::GET_CONTACTS, DONE]);
            for (login, status) in contacts {
                packet.put_u8(SEPARATOR);
                packet.put_slice(login.as_str().as_bytes());
                packet.put_slice(&[SEPARATOR, status_byte(*status)]);
            }
            Some(packet.freeze())
        }
        Reply::ContactAdded(status) => {
            Some(Bytes::copy_from_slice(&[kind::ADD_CONTACT, DONE, SEPARATOR, status_byte(*status)]))
        }
        Reply::UnknownContact => flagged(kind::ADD_CONTACT, 1),
        Reply::ContactRemoved => flagged(kind::REMOVE_CONTACT, DONE),
        Reply::NoSuchContact => flagged(kind::REMOVE_CONTACT, 1),
        Reply::Blocked => flagged(kind::BLOCK, DONE),
        Reply::BlockRefused(BlockRefusal::UnknownLogin) => flagged(kind::BLOCK, 1),
        Reply::BlockRefused(BlockRefusal::TooMany) => flagged(kind::BLOCK, 2),
        Reply::Unblocked => flagged(kind::UNBLOCK, DONE),
        Reply::WasNotBlocked => flagged(kind::UNBLOCK, 1),
        Reply::PasswordChanged => flagged(kind::CHANGE_PASSWORD, DONE),
        Reply::PasswordNotChanged(refusal) => flagged(kind::CHANGE_PASSWORD, password_flag(*refusal)),
        Reply::AccountDeleted => flagged(kind::DELETE_ACCOUNT, DONE),
        Reply::AccountNotDeleted(refusal) => flagged(kind::DELETE_ACCOUNT, password_flag(*refusal)),
        Reply::History(History { older: Some(before), .. }) => {
            let mut packet = vec![kind::HISTORY, MORE, SEPARATOR];
            packet.extend_from_slice(before.to_string().as_bytes());
            Some(packet.into())
        }
        Reply::History(History { older: None, .. }) => flagged(kind::HISTORY, ALL),
        Reply::UnknownPartner => flagged(kind::HISTORY, NOBODY),
        Reply::LoggedOut | Reply::MessageTaken => None,
    }
}

/// The packets of a reply that go before that of [`encode_reply`]: the messages of a history.
pub fn encode_ahead(reply: &Reply) -> impl Iterator<Item = Bytes> + '_ {
    let entries = if let Reply::History(history) = reply { history.entries.as_slice() } else { &[] };
    entries.iter().map(past)
}

fn past(entry: &Entry) -> Bytes {
    let message = &entry.message;
    let (id, time) = (entry.seq.to_string(), message.sent_at.0.max(0).to_string());
    let fields = [&id, &time, message.sender.as_str(), message.recipient.as_str(), &message.text];
    let mut packet = BytesMut::with_capacity(2 + fields.iter().map(|field| 1 + field.len()).sum::<usize>());
    packet.put_slice(&[kind::HISTORY, DONE]);
    for field in fields {
        packet.put_u8(SEPARATOR);
        packet.put_slice(field.as_bytes());
    }
    packet.freeze()
}

/// Writes an event; `None` where the protocol has no packet for it: the sender's copy of a message that went out.
#[must_use]
pub fn encode_event(event: &Event) -> Option<Bytes> {
    match event {
        Event::Mail(entry) if entry.incoming => {
            let message = &entry.message;
            Some(pushed(kind::PUSHED_MESSAGE, message.sender.as_str(), message.text.as_bytes()))
        }
        Event::Mail(_) => None,
        Event::ContactStatus(login, status) => {
            Some(pushed(kind::PUSHED_STATUS, login.as_str(), &[status_byte(*status)]))
        }
    }
}

fn pushed(kind: u8, login: &str, body: &[u8]) -> Bytes {
    let mut packet = BytesMut::with_capacity(2 + login.len() + body.len());
    packet.put_u8(kind);
    packet.put_slice(login.as_bytes());
    packet.put_u8(SEPARATOR);
    packet.put_slice(body);
    packet.freeze()
}

fn status_byte(status: Status) -> u8 {
    match status {
        Status::Offline => 0,
        Status::Online => 1,
    }
}

fn sign_up_flag(refusal: SignUpRefusal) -> u8 {
    match refusal {
        SignUpRefusal::BadEmail => 1,
        SignUpRefusal::BadLogin => 2,
        SignUpRefusal::BadPassword => 3,
        SignUpRefusal::LoginTaken => 4,
        SignUpRefusal::Closed => 5,
    }
}

fn log_in_flag(refusal: LogInRefusal) -> u8 {
    match refusal {
        LogInRefusal::UnknownLogin => 1,
        LogInRefusal::WrongPassword => 2,
        LogInRefusal::TryLater => 3,
        LogInRefusal::Disabled => 4,
    }
}

fn password_flag(refusal: PasswordRefusal) -> u8 {
    match refusal {
        PasswordRefusal::WrongPassword => 1,
        PasswordRefusal::BadPassword => 2,
        PasswordRefusal::TryLater => 3,
    }
}

fn password_refusal(flag: u8) -> Result<PasswordRefusal, NoPacket> {
    match flag {
        1 => Ok(PasswordRefusal::WrongPassword),
        2 => Ok(PasswordRefusal::BadPassword),
        3 => Ok(PasswordRefusal::TryLater),
        _ => Err(NoPacket),
    }
}

/// A packet of the server, as a client reads it. One read of a client brings one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// The answer to a request.
    Reply(Reply),
    /// Somebody wrote.
    Message {
        /// Who.
        sender: String,
        /// What.
        text: String,
    },
    /// A message of a history.
    Past(Past),
    /// A contact came or went.
    ContactStatus {
        /// Who.
        login: String,
        /// Which of the two.
        status: Status,
    },
}

/// A message of a history, as a client reads it.
#[derive(Clone, PartialEq, Eq)]
pub struct Past {
    /// Its place in the mailbox.
    pub id: Seq,
    /// When the server took it.
    pub sent_at: UnixMillis,
    /// Who wrote it.
    pub sender: String,
    /// To whom.
    pub recipient: String,
    /// What.
    pub text: String,
}

impl std::fmt::Debug for Past {
    /// Without the text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Past({}, {:?} to {:?}, {} bytes)", self.id, self.sender, self.recipient, self.text.len())
    }
}

/// The bytes are no packet of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server sent something that is no packet of the classic protocol")]
pub struct NoPacket;

/// Reads one packet of the server.
///
/// # Errors
/// [`NoPacket`] when the bytes are none.
pub fn decode(packet: &[u8]) -> Result<Packet, NoPacket> {
    let (&kind, rest) = packet.split_first().ok_or(NoPacket)?;
    let reply = match (kind, rest) {
        (kind::SIGN_UP, [DONE]) => Reply::SignedUp,
        (kind::SIGN_UP, [flag]) => Reply::SignUpRefused(match flag {
            1 => SignUpRefusal::BadEmail,
            2 => SignUpRefusal::BadLogin,
            3 => SignUpRefusal::BadPassword,
            4 => SignUpRefusal::LoginTaken,
            5 => SignUpRefusal::Closed,
            _ => return Err(NoPacket),
        }),
        (kind::LOG_IN, &[DONE, SEPARATOR, a, b, c, d]) => {
            Reply::LoggedIn(SessionKey::new([a, b, c, d]).ok_or(NoPacket)?)
        }
        (kind::LOG_IN, [flag]) => Reply::LogInRefused(match flag {
            1 => LogInRefusal::UnknownLogin,
            2 => LogInRefusal::WrongPassword,
            3 => LogInRefusal::TryLater,
            4 => LogInRefusal::Disabled,
            _ => return Err(NoPacket),
        }),
        (kind::GET_CONTACTS, [1]) => Reply::Contacts(Vec::new()),
        (kind::GET_CONTACTS, [DONE, rest @ ..]) => Reply::Contacts(contacts(rest)?),
        (kind::ADD_CONTACT, [1]) => Reply::UnknownContact,
        (kind::ADD_CONTACT, [DONE, SEPARATOR, status]) => Reply::ContactAdded(status_of(*status)?),
        (kind::REMOVE_CONTACT, [DONE]) => Reply::ContactRemoved,
        (kind::REMOVE_CONTACT, [1]) => Reply::NoSuchContact,
        (kind::BLOCK, [DONE]) => Reply::Blocked,
        (kind::BLOCK, [1]) => Reply::BlockRefused(BlockRefusal::UnknownLogin),
        (kind::BLOCK, [2]) => Reply::BlockRefused(BlockRefusal::TooMany),
        (kind::UNBLOCK, [DONE]) => Reply::Unblocked,
        (kind::UNBLOCK, [1]) => Reply::WasNotBlocked,
        (kind::CHANGE_PASSWORD, [DONE]) => Reply::PasswordChanged,
        (kind::CHANGE_PASSWORD, [flag]) => Reply::PasswordNotChanged(password_refusal(*flag)?),
        (kind::DELETE_ACCOUNT, [DONE]) => Reply::AccountDeleted,
        (kind::DELETE_ACCOUNT, [flag]) => Reply::AccountNotDeleted(password_refusal(*flag)?),
        (kind::HISTORY, [DONE, SEPARATOR, fields @ ..]) => return Ok(Packet::Past(past_of(fields)?)),
        (kind::HISTORY, [MORE, SEPARATOR, before @ ..]) => {
            Reply::History(History { entries: Vec::new(), older: Some(Seq(number(before).ok_or(NoPacket)?)) })
        }
        (kind::HISTORY, [ALL]) => Reply::History(History { entries: Vec::new(), older: None }),
        (kind::HISTORY, [NOBODY]) => Reply::UnknownPartner,
        (kind::PUSHED_MESSAGE, _) => {
            let (sender, text) = pushed_fields(rest)?;
            return Ok(Packet::Message { sender, text: String::from_utf8_lossy(text).into_owned() });
        }
        (kind::PUSHED_STATUS, _) => {
            let (login, body) = pushed_fields(rest)?;
            let &[status] = body else { return Err(NoPacket) };
            return Ok(Packet::ContactStatus { login, status: status_of(status)? });
        }
        _ => return Err(NoPacket),
    };
    Ok(Packet::Reply(reply))
}

fn past_of(bytes: &[u8]) -> Result<Past, NoPacket> {
    let mut fields = bytes.splitn(5, |byte| *byte == SEPARATOR);
    let mut next = || fields.next().ok_or(NoPacket);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let id = Seq(number(next()?).ok_or(NoPacket)?);
    let sent_at = number(next()?).and_then(|time| i64::try_from(time).ok()).ok_or(NoPacket)?;
    let (sender, recipient) = (text(next()?), text(next()?));
    Ok(Past { id, sent_at: UnixMillis(sent_at), sender, recipient, text: text(next()?) })
}

fn status_of(byte: u8) -> Result<Status, NoPacket> {
    match byte {
        0 => Ok(Status::Offline),
        1 => Ok(Status::Online),
        _ => Err(NoPacket),
    }
}

fn pushed_fields(bytes: &[u8]) -> Result<(String, &[u8]), NoPacket> {
    let end = memchr(SEPARATOR, bytes).ok_or(NoPacket)?;
    Ok((String::from_utf8_lossy(&bytes[..end]).into_owned(), &bytes[end + 1..]))
}

fn contacts(mut rest: &[u8]) -> Result<Vec<(Login, Status)>, NoPacket> {
    let mut contacts = Vec::new();
    while let Some((&SEPARATOR, entry)) = rest.split_first() {
        let (login, tail) = pushed_fields(entry)?;
        let (&status, tail) = tail.split_first().ok_or(NoPacket)?;
        contacts.push((Login::parse(&login).map_err(|_| NoPacket)?, status_of(status)?));
        rest = tail;
    }
    if rest.is_empty() { Ok(contacts) } else { Err(NoPacket) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Entry, Message, Seq, UnixMillis};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn login() -> impl Strategy<Value = Login> {
        "[a-ząćę界]{1,12}".prop_filter_map("a login", |text| Login::parse(&text).ok())
    }

    fn status() -> impl Strategy<Value = Status> {
        prop_oneof![Just(Status::Offline), Just(Status::Online)]
    }

    fn password_refusals() -> impl Strategy<Value = PasswordRefusal> {
        use PasswordRefusal as P;
        prop::sample::select(vec![P::WrongPassword, P::BadPassword, P::TryLater])
    }

    fn any_reply() -> impl Strategy<Value = Reply> {
        use LogInRefusal as L;
        use SignUpRefusal as S;
        prop_oneof![
            Just(Reply::SignedUp),
            prop::sample::select(vec![S::BadEmail, S::BadLogin, S::BadPassword, S::LoginTaken, S::Closed])
                .prop_map(Reply::SignUpRefused),
            any::<[u8; 4]>().prop_filter_map("a key", |key| SessionKey::new(key).map(Reply::LoggedIn)),
            prop::sample::select(vec![L::UnknownLogin, L::WrongPassword, L::TryLater, L::Disabled])
                .prop_map(Reply::LogInRefused),
            prop::collection::vec((login(), status()), 0..5).prop_map(Reply::Contacts),
            status().prop_map(Reply::ContactAdded),
            Just(Reply::UnknownContact),
            Just(Reply::ContactRemoved),
            Just(Reply::NoSuchContact),
            Just(Reply::Blocked),
            prop::sample::select(vec![BlockRefusal::UnknownLogin, BlockRefusal::TooMany]).prop_map(Reply::BlockRefused),
            Just(Reply::Unblocked),
            Just(Reply::PasswordChanged),
            Just(Reply::AccountDeleted),
            password_refusals().prop_map(Reply::PasswordNotChanged),
            password_refusals().prop_map(Reply::AccountNotDeleted),
            prop::option::of(0..=i64::MAX.unsigned_abs())
                .prop_map(|older| Reply::History(History { entries: Vec::new(), older: older.map(Seq) })),
            Just(Reply::UnknownPartner),
            Just(Reply::WasNotBlocked),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(reply in any_reply()) {
            let packet = encode_reply(&reply).unwrap();
            prop_assert_eq!(decode(&packet), Ok(Packet::Reply(reply)));
        }

        #[test]
        fn pushes_too(login in login(), text in any::<String>(), status in status()) {
            let message = Message {
                sender: login.clone(), recipient: login.clone(), sent_at: UnixMillis(0), text: text.clone().into(),
            };
            let mail = Event::Mail(Entry { seq: Seq(1), incoming: true, message: Arc::new(message) });
            let sender = login.as_str().to_owned();
            prop_assert_eq!(decode(&encode_event(&mail).unwrap()), Ok(Packet::Message { sender: sender.clone(), text }));
            let notice = encode_event(&Event::ContactStatus(login, status)).unwrap();
            prop_assert_eq!(decode(&notice), Ok(Packet::ContactStatus { login: sender, status }));
        }

        #[test]
        fn a_history_is_its_messages_and_its_end(
            login in login(), text in any::<String>(), id in 1..=i64::MAX.unsigned_abs(), time in 0..=i64::MAX
        ) {
            let message = Message {
                sender: login.clone(), recipient: login.clone(), sent_at: UnixMillis(time), text: text.clone().into(),
            };
            let entry = Entry { seq: Seq(id), incoming: true, message: Arc::new(message) };
            let reply = Reply::History(History { entries: vec![entry], older: None });
            let packets: Vec<_> = encode_ahead(&reply).collect();
            prop_assert_eq!(packets.len(), 1);
            let (sender, recipient) = (login.as_str().to_owned(), login.as_str().to_owned());
            let past = Past { id: Seq(id), sent_at: UnixMillis(time), sender, recipient, text };
            prop_assert_eq!(decode(&packets[0]), Ok(Packet::Past(past)));
            prop_assert_eq!(encode_reply(&reply).unwrap(), &[0x0c, 2][..]);
        }

        #[test]
        fn no_bytes_panic(packet in any::<Vec<u8>>()) {
            let _ = decode(&packet);
        }
    }

    /// The example of docs/protocol-classic.md.
    #[test]
    fn a_history_is_written_as_the_documentation_says() {
        let page = include_str!("../../../docs/protocol-classic.md");
        let begin = page.find("    0C 01 02 03 04 0D").expect("the example");
        let example: String = page[begin..]
            .lines()
            .take_while(|line| line.is_empty() || line.starts_with("    "))
            .fold(String::new(), |example, line| {
                example + line.split("   ").find(|part| !part.trim().is_empty()).unwrap_or_default() + " "
            });
        let documented: Vec<u8> =
            example.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("a byte")).collect();
        let key = SessionKey::new([1, 2, 3, 4]);
        let request = crate::domain::Request::GetHistory { login: "bob".into(), before: Seq(0), count: 2 };
        let entry = |id, time, sender: &str, recipient: &str, text: &str| {
            let (sender, recipient) = (Login::parse(sender).unwrap(), Login::parse(recipient).unwrap());
            let message = Message { sender, recipient, sent_at: UnixMillis(time), text: text.into() };
            Entry { seq: Seq(id), incoming: true, message: Arc::new(message) }
        };
        let entries =
            vec![entry(7, 1_782_900_120_000, "bob", "ann", "hi"), entry(9, 1_782_900_180_000, "ann", "bob", "hello")];
        let reply = Reply::History(History { entries, older: Some(Seq(7)) });
        let mut written = super::super::request::encode(&request, key).to_vec();
        written.extend(encode_ahead(&reply).chain(encode_reply(&reply)).flatten());
        assert_eq!(documented, written);
    }

    #[test]
    fn each_flag_of_ours_is_the_documented_one() {
        use PasswordRefusal as P;
        for (reply, packet) in [
            (Reply::ContactRemoved, [7, 0]),
            (Reply::NoSuchContact, [7, 1]),
            (Reply::Blocked, [8, 0]),
            (Reply::BlockRefused(BlockRefusal::UnknownLogin), [8, 1]),
            (Reply::BlockRefused(BlockRefusal::TooMany), [8, 2]),
            (Reply::Unblocked, [9, 0]),
            (Reply::WasNotBlocked, [9, 1]),
            (Reply::PasswordChanged, [10, 0]),
            (Reply::PasswordNotChanged(P::WrongPassword), [10, 1]),
            (Reply::PasswordNotChanged(P::BadPassword), [10, 2]),
            (Reply::PasswordNotChanged(P::TryLater), [10, 3]),
            (Reply::AccountDeleted, [11, 0]),
            (Reply::AccountNotDeleted(P::WrongPassword), [11, 1]),
            (Reply::AccountNotDeleted(P::TryLater), [11, 3]),
            (Reply::UnknownPartner, [12, 3]),
        ] {
            assert_eq!(encode_reply(&reply).unwrap(), &packet[..], "{reply:?}");
        }
    }

    #[test]
    fn what_has_no_packet() {
        assert_eq!(encode_reply(&Reply::LoggedOut), None);
        assert_eq!(encode_reply(&Reply::MessageTaken), None);
    }
}
