//! Requests, both ways.

use super::{SEPARATOR, kind};
use crate::domain::request::Text;
use crate::domain::{Request, Secret, Seq, SessionKey};
use memchr::memchr;
use zeroize::Zeroizing;

/// A request, and the key it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The key in the packet; none for sign-up and log-in, which have no place for one.
    pub key: Option<SessionKey>,
    /// What is asked.
    pub request: Request,
}

/// Why bytes are no request. The connection closes on each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The type byte is none of ours.
    #[error("unknown request type {0:#04x}")]
    UnknownType(u8),
    /// The packet ends before its fields do.
    #[error("the packet is too short for a request of type {0:#04x}")]
    Short(u8),
    /// There is more behind the last field.
    #[error("the packet is too long for a request of type {0:#04x}")]
    Trailing(u8),
    /// No bytes at all.
    #[error("the packet is empty")]
    Empty,
    /// Four bytes that are no key: one of them is the separator.
    #[error("the packet has no session key where one belongs")]
    NoKey,
    /// What stands for a number is none: decimal digits, without zeros before them.
    #[error("the packet has no number where one belongs in a request of type {0:#04x}")]
    NoNumber(u8),
}

/// Reads one request. The last field of a packet may hold CR, all others end at the first one; bytes that are not
/// UTF-8 become U+FFFD, as in the original.
///
/// # Errors
/// [`Fault`] says what is wrong; nothing was done.
pub fn decode(packet: &[u8]) -> Result<Decoded, Fault> {
    let (&kind, rest) = packet.split_first().ok_or(Fault::Empty)?;
    let short = Fault::Short(kind);
    let (key, request) = match kind {
        kind::SIGN_UP => {
            let (email, rest) = field(rest).ok_or(short)?;
            let (login, password) = field(rest).ok_or(short)?;
            (None, Request::SignUp { email: text(email), login: text(login), password: secret(password) })
        }
        kind::LOG_IN => {
            let (login, password) = field(rest).ok_or(short)?;
            (None, Request::LogIn { login: text(login), password: secret(password) })
        }
        kind::LOG_OUT | kind::GET_CONTACTS => {
            let (key, rest) = key(rest).ok_or(short)??;
            if !rest.is_empty() {
                return Err(Fault::Trailing(kind));
            }
            (Some(key), if kind == kind::LOG_OUT { Request::LogOut } else { Request::GetContacts })
        }
        kind::ADD_CONTACT | kind::REMOVE_CONTACT | kind::BLOCK | kind::UNBLOCK => {
            let (key, login) = keyed_field(rest).ok_or(short)??;
            let login = text(login);
            let request = match kind {
                kind::ADD_CONTACT => Request::AddContact { login },
                kind::REMOVE_CONTACT => Request::RemoveContact { login },
                kind::BLOCK => Request::Block { login },
                _ => Request::Unblock { login },
            };
            (Some(key), request)
        }
        kind::CHANGE_PASSWORD => {
            let (key, rest) = keyed_field(rest).ok_or(short)??;
            let (old, new) = field(rest).ok_or(short)?;
            (Some(key), Request::ChangePassword { old: secret(old), new: secret(new) })
        }
        kind::DELETE_ACCOUNT => {
            let (key, password) = keyed_field(rest).ok_or(short)??;
            (Some(key), Request::DeleteAccount { password: secret(password) })
        }
        kind::HISTORY => {
            let (key, rest) = keyed_field(rest).ok_or(short)??;
            let (login, rest) = field(rest).ok_or(short)?;
            let (before, count) = field(rest).ok_or(short)?;
            let no_number = Fault::NoNumber(kind);
            let before = Seq(number(before).ok_or(no_number)?);
            let count = number(count).and_then(|count| u32::try_from(count).ok()).ok_or(no_number)?;
            (Some(key), Request::GetHistory { login: text(login), before, count })
        }
        kind::MESSAGE => {
            let (key, rest) = keyed_field(rest).ok_or(short)??;
            let (recipient, body) = field(rest).ok_or(short)?;
            (Some(key), Request::SendMessage { recipient: text(recipient), text: Text(text(body).into()) })
        }
        unknown => return Err(Fault::UnknownType(unknown)),
    };
    Ok(Decoded { key, request })
}

/// Writes one request, for our client; it is wiped when it is dropped. `key` is left out where the packet has no place for it.
///
/// # Panics
/// Never on what a person types; a field that holds CR and is not the last would end early at the server, so callers
/// check logins and addresses first.
#[must_use]
pub fn encode(request: &Request, key: Option<SessionKey>) -> Zeroizing<Vec<u8>> {
    // Room for all of it, so that it does not grow and leave a copy behind.
    let fields = match request {
        Request::SignUp { email, login, password } => email.len() + login.len() + password.expose().len(),
        Request::LogIn { login, password } => login.len() + password.expose().len(),
        Request::LogOut | Request::GetContacts => 0,
        Request::AddContact { login }
        | Request::RemoveContact { login }
        | Request::Block { login }
        | Request::Unblock { login }
        | Request::GetHistory { login, .. } => login.len(),
        Request::ChangePassword { old, new } => old.expose().len() + new.expose().len(),
        Request::DeleteAccount { password } => password.expose().len(),
        Request::SendMessage { recipient, text } => recipient.len() + text.0.len(),
    };
    let mut packet = Zeroizing::new(Vec::with_capacity(1 + SessionKey::LEN + 2 + fields));
    let mut start = |kind, fields: &[&str]| {
        packet.push(kind);
        if let Some(key) = key {
            packet.extend_from_slice(&key.bytes());
        }
        if !fields.is_empty() {
            packet.push(SEPARATOR);
            join(&mut packet, fields);
        }
    };
    match request {
        Request::SignUp { email, login, password } => {
            packet.push(kind::SIGN_UP);
            join(&mut packet, &[email, login, password.expose()]);
        }
        Request::LogIn { login, password } => {
            packet.push(kind::LOG_IN);
            join(&mut packet, &[login, password.expose()]);
        }
        Request::LogOut => start(kind::LOG_OUT, &[]),
        Request::GetContacts => start(kind::GET_CONTACTS, &[]),
        Request::AddContact { login } => start(kind::ADD_CONTACT, &[login]),
        Request::RemoveContact { login } => start(kind::REMOVE_CONTACT, &[login]),
        Request::Block { login } => start(kind::BLOCK, &[login]),
        Request::Unblock { login } => start(kind::UNBLOCK, &[login]),
        Request::ChangePassword { old, new } => start(kind::CHANGE_PASSWORD, &[old.expose(), new.expose()]),
        Request::DeleteAccount { password } => start(kind::DELETE_ACCOUNT, &[password.expose()]),
        Request::GetHistory { login, before, count } => {
            start(kind::HISTORY, &[login, &before.to_string(), &count.to_string()]);
        }
        Request::SendMessage { recipient, text } => start(kind::MESSAGE, &[recipient, &text.0]),
    }
    packet
}

fn join(packet: &mut Vec<u8>, fields: &[&str]) {
    for (number, field) in fields.iter().enumerate() {
        if number > 0 {
            packet.push(SEPARATOR);
        }
        packet.extend_from_slice(field.as_bytes());
    }
}

/// The bytes up to the first separator, and those behind it.
fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr(SEPARATOR, bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// A key, and what is behind it; `None` when there are too few bytes.
fn key(bytes: &[u8]) -> Option<Result<(SessionKey, &[u8]), Fault>> {
    let (key, rest) = bytes.split_first_chunk::<{ SessionKey::LEN }>()?;
    Some(SessionKey::new(*key).map(|key| (key, rest)).ok_or(Fault::NoKey))
}

/// A key, the separator, and what is behind it.
fn keyed_field(bytes: &[u8]) -> Option<Result<(SessionKey, &[u8]), Fault>> {
    match key(bytes)? {
        Ok((key, [SEPARATOR, rest @ ..])) => Some(Ok((key, rest))),
        Ok(_) => None,
        Err(fault) => Some(Err(fault)),
    }
}

/// A number in decimal digits, in the one way in which it can be written.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    let canonical = matches!(bytes, [b'0'] | [b'1'..=b'9', ..]) && bytes.iter().all(u8::is_ascii_digit);
    // As far as SQLite counts.
    let number = str::from_utf8(bytes).ok().filter(|_| canonical)?.parse::<i64>().ok()?;
    u64::try_from(number).ok()
}

fn text(bytes: &[u8]) -> String {
    // What is UTF-8 as it stands is looked at in larger steps.
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes).into_owned(), str::to_owned)
}

/// The same text, of which no copy is left behind: the room is there before it is written.
fn secret(bytes: &[u8]) -> Secret {
    // At the most, each byte is one that becomes U+FFFD.
    let mut text = String::with_capacity(bytes.len() * char::REPLACEMENT_CHARACTER.len_utf8());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: [u8; 4] = [1, 2, 3, 4];

    fn request(packet: &[u8]) -> Request {
        decode(packet).unwrap().request
    }

    #[test]
    fn a_message_may_hold_anything_behind_its_second_separator() {
        let text = "line\r\nline\rNUL \0, 👋, שלום";
        let mut packet = b"\x06\x01\x02\x03\x04\rbob\r".to_vec();
        packet.extend_from_slice(text.as_bytes());
        let decoded = decode(&packet).unwrap();
        assert_eq!(decoded.key, SessionKey::new(KEY));
        assert_eq!(decoded.request, Request::SendMessage { recipient: "bob".into(), text: Text(text.into()) });
    }

    #[test]
    fn an_old_password_ends_at_the_first_separator_and_a_new_one_does_not() {
        let secret = |text: &str| Secret::new(text.to_owned());
        assert_eq!(
            request(b"\x0a\x01\x02\x03\x04\rold one\rnew\rone"),
            Request::ChangePassword { old: secret("old one"), new: secret("new\rone") }
        );
        assert_eq!(request(b"\x0b\x01\x02\x03\x04\rold one"), Request::DeleteAccount { password: secret("old one") });
        assert_eq!(
            request(b"\x0c\x01\x02\x03\x04\r\r9223372036854775807\r100"),
            Request::GetHistory { login: String::new(), before: Seq(i64::MAX.unsigned_abs()), count: 100 }
        );
    }

    #[test]
    fn what_is_not_utf8_becomes_the_replacement_character() {
        let packet = b"\x06\x01\x02\x03\x04\rbob\rab\xff\xc3(c";
        assert_eq!(
            request(packet),
            Request::SendMessage { recipient: "bob".into(), text: Text("ab\u{fffd}\u{fffd}(c".into()) }
        );
    }

    #[test]
    fn what_is_no_request() {
        for (packet, fault) in [
            (&b""[..], Fault::Empty),
            (b"\x77what", Fault::UnknownType(0x77)),
            (b"\x05bob\r\x01", Fault::UnknownType(5)),
            (b"\x00ann@example.org\rann", Fault::Short(0)),
            (b"\x01ann", Fault::Short(1)),
            (b"\x02\x01\x02\x03", Fault::Short(2)),
            (b"\x03\x01\x02\x03", Fault::Short(3)),
            (b"\x03\x01\x02\x03\x04\r", Fault::Trailing(3)),
            (b"\x04\x01\x02\x03\x04", Fault::Short(4)),
            (b"\x04\x01\x02\x03\x04bob", Fault::Short(4)),
            (b"\x06\x01\x02\x03\x04\rbob", Fault::Short(6)),
            (b"\x07\x01\x02\x03\x04", Fault::Short(7)),
            (b"\x07\x01\x02\x03\x04bob", Fault::Short(7)),
            (b"\x08\x01\x02\x03\x04", Fault::Short(8)),
            (b"\x09\x01\x02\x03\r\rbob", Fault::NoKey),
            (b"\x0a\x01\x02\x03\x04\rold", Fault::Short(10)),
            (b"\x0b\x01\x02\x03\x04", Fault::Short(11)),
            (b"\x0c\x01\x02\x03\x04\rbob\r0", Fault::Short(12)),
            (b"\x0c\x01\x02\x03\x04\rbob\r\r1", Fault::NoNumber(12)),
            (b"\x0c\x01\x02\x03\x04\rbob\r0\r", Fault::NoNumber(12)),
            (b"\x0c\x01\x02\x03\x04\rbob\r01\r1", Fault::NoNumber(12)),
            (b"\x0c\x01\x02\x03\x04\rbob\r-1\r1", Fault::NoNumber(12)),
            (b"\x0c\x01\x02\x03\x04\rbob\r0\r+1", Fault::NoNumber(12)),
            (b"\x0c\x01\x02\x03\x04\rbob\r0\r1\r", Fault::NoNumber(12)),
            (b"\x0c\x01\x02\x03\x04\rbob\r9223372036854775808\r1", Fault::NoNumber(12)),
            (b"\x0c\x01\x02\x03\x04\rbob\r0\r4294967296", Fault::NoNumber(12)),
            (b"\x06\x01\r\x03\x04\rbob\rhi", Fault::NoKey),
        ] {
            assert_eq!(decode(packet), Err(fault), "{packet:?}");
        }
    }

    fn field_text() -> impl Strategy<Value = String> {
        "[^\r]{0,20}"
    }

    fn any_request() -> impl Strategy<Value = Request> {
        prop_oneof![
            (field_text(), field_text(), any::<String>()).prop_map(|(email, login, password)| Request::SignUp {
                email,
                login,
                password: Secret::new(password)
            }),
            (field_text(), any::<String>())
                .prop_map(|(login, password)| Request::LogIn { login, password: Secret::new(password) }),
            Just(Request::LogOut),
            Just(Request::GetContacts),
            any::<String>().prop_map(|login| Request::AddContact { login }),
            any::<String>().prop_map(|login| Request::RemoveContact { login }),
            any::<String>().prop_map(|login| Request::Block { login }),
            any::<String>().prop_map(|login| Request::Unblock { login }),
            (field_text(), any::<String>())
                .prop_map(|(old, new)| Request::ChangePassword { old: Secret::new(old), new: Secret::new(new) }),
            any::<String>().prop_map(|password| Request::DeleteAccount { password: Secret::new(password) }),
            (field_text(), 0..=i64::MAX.unsigned_abs(), any::<u32>())
                .prop_map(|(login, before, count)| { Request::GetHistory { login, before: Seq(before), count } }),
            (field_text(), any::<String>())
                .prop_map(|(recipient, text)| Request::SendMessage { recipient, text: Text(text.into()) }),
        ]
    }

    proptest! {
        #[test]
        fn a_secret_is_the_text_that_it_would_be_elsewhere(bytes in any::<Vec<u8>>()) {
            let secret = secret(&bytes);
            prop_assert_eq!(secret.expose(), text(&bytes));
        }

        #[test]
        fn what_is_written_is_read(request in any_request(), key in any::<[u8; 4]>()) {
            let key = SessionKey::new(key.map(|byte| if byte == b'\r' { 0 } else { byte }));
            let keyed = !matches!(request, Request::SignUp { .. } | Request::LogIn { .. });
            let decoded = decode(&encode(&request, key)).unwrap();
            prop_assert_eq!(decoded, Decoded { key: key.filter(|_| keyed), request });
        }

        #[test]
        fn no_bytes_panic(packet in any::<Vec<u8>>()) {
            let _ = decode(&packet);
        }
    }
}
