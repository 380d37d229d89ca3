//! What the server sends, both ways.

use super::{SEPARATOR, kind};
use crate::domain::reply::{BlockRefusal, LogInRefusal, SignUpRefusal};
use crate::domain::{Event, Login, Reply, SessionKey, Status};
use bytes::{BufMut, Bytes, BytesMut};
use memchr::memchr;
use zeroize::Zeroizing;

const DONE: u8 = 0;

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
        Reply::LoggedOut | Reply::MessageTaken => None,
    }
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
    /// A contact came or went.
    ContactStatus {
        /// Who.
        login: String,
        /// Which of the two.
        status: Status,
    },
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
        fn no_bytes_panic(packet in any::<Vec<u8>>()) {
            let _ = decode(&packet);
        }
    }

    #[test]
    fn what_has_no_packet() {
        assert_eq!(encode_reply(&Reply::LoggedOut), None);
        assert_eq!(encode_reply(&Reply::MessageTaken), None);
    }
}
