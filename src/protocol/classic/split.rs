//! Where a request ends, as far as bytes can tell.
//!
//! The protocol has no framing: a request is what came with one read. Two things break that on a real network.
//!
//! - A long request comes in several segments. [`may_be_cut`] says when that is possible, and the connection then
//!   waits for a pause before it takes what came.
//! - Two requests written in quick succession come in one read (Nagle's algorithm on the peer's side, or a busy
//!   server on ours). The original took them for one: the second became text of the first. All requests of a session
//!   carry its key, four random bytes that only this peer knows, so [`first_request`] finds the seam.

use super::{SEPARATOR, kind};
use crate::domain::SessionKey;
use memchr::memmem;

/// A request of up to so many bytes comes in one segment on every network (RFC 9293, section 3.7.1: at least 536
/// bytes, less 24 for options).
pub const ONE_SEGMENT: usize = 512;

/// Whether bytes that came in one go, so many of them, may end in the middle of a request.
#[must_use]
pub fn may_be_cut(burst: usize) -> bool {
    burst > ONE_SEGMENT
}

/// How many of these bytes are the first request: all of them, unless the session's own key shows where it ends.
///
/// Log-out and get contacts end behind the key. All others, whose last field may hold anything, end where the next request
/// of this session begins: with its type, the key, and what must follow there.
#[must_use]
pub fn first_request(bytes: &[u8], key: Option<SessionKey>) -> usize {
    let Some(key) = key else { return bytes.len() };
    let key = key.bytes();
    if let Some(end) = end_of_bare(bytes, key) {
        return end;
    }
    // The first request's own key stands at 1, so the next one's stands at 3 at the earliest.
    let mut from = 3;
    while let Some(found) = bytes.get(from..).and_then(|rest| memmem::find(rest, &key)) {
        let at = from + found;
        let bare = bare_requests(&bytes[at - 1..], key);
        if is_seam(&bytes[at - 1..], bare, key) {
            return at - 1;
        }
        // Those behind the first of the bare ones lead to the same place.
        from = at + bare.max(1);
    }
    bytes.len()
}

/// Where a request that is nothing but type and key ends.
fn end_of_bare(bytes: &[u8], key: [u8; SessionKey::LEN]) -> Option<usize> {
    let (kind, rest) = bytes.split_first()?;
    (matches!(*kind, kind::LOG_OUT | kind::GET_CONTACTS) && rest.starts_with(&key)).then_some(1 + SessionKey::LEN)
}

/// How many bytes are requests that are nothing but type and key, one after the other.
fn bare_requests(bytes: &[u8], key: [u8; SessionKey::LEN]) -> usize {
    let mut size = 0;
    while let Some(end) = end_of_bare(&bytes[size..], key) {
        size += end;
    }
    size
}

/// Whether a request of this session begins here, with so many bytes of bare requests.
fn is_seam(bytes: &[u8], bare: usize, key: [u8; SessionKey::LEN]) -> bool {
    match &bytes[bare..] {
        // Behind a log-out, a log-in or sign-up may follow, which carry no key.
        [] | [kind::SIGN_UP | kind::LOG_IN, ..] => bare > 0,
        [kind::ADD_CONTACT | kind::MESSAGE..=kind::HISTORY, rest @ ..] => {
            rest.strip_prefix(&key).is_some_and(|rest| rest.first() == Some(&SEPARATOR))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::request::Text;
    use crate::domain::{Request, Secret, Seq};
    use crate::protocol::classic::request::{decode, encode};
    use proptest::prelude::*;

    fn key() -> SessionKey {
        SessionKey::new([0, 6, 6, 0]).unwrap()
    }

    /// All requests that stand in these bytes.
    fn all(mut bytes: &[u8]) -> Vec<Request> {
        let mut requests = Vec::new();
        while !bytes.is_empty() {
            let (first, rest) = bytes.split_at(first_request(bytes, Some(key())));
            requests.push(decode(first).unwrap().request);
            bytes = rest;
        }
        requests
    }

    fn any_keyed_request() -> impl Strategy<Value = Request> {
        prop_oneof![
            Just(Request::GetContacts),
            "[a-z]{1,9}".prop_map(|login| Request::AddContact { login }),
            "[a-z]{1,9}".prop_map(|login| Request::RemoveContact { login }),
            "[a-z]{1,9}".prop_map(|login| Request::Block { login }),
            "[a-z]{1,9}".prop_map(|login| Request::Unblock { login }),
            ("[a-z ]{1,20}", "[a-z ]{1,20}")
                .prop_map(|(old, new)| Request::ChangePassword { old: Secret::new(old), new: Secret::new(new) }),
            "[a-z ]{1,20}".prop_map(|password| Request::DeleteAccount { password: Secret::new(password) }),
            ("[a-z]{0,9}", 0..1000u64, any::<u32>()).prop_map(|(login, before, count)| Request::GetHistory {
                login,
                before: Seq(before),
                count
            }),
            ("[a-z]{1,9}", "[^\u{6}]{0,40}")
                .prop_map(|(recipient, text)| Request::SendMessage { recipient, text: Text(text.into()) }),
        ]
    }

    proptest! {
        #[test]
        fn requests_that_came_together_are_taken_apart(
            requests in prop::collection::vec(any_keyed_request(), 1..8)
        ) {
            let bytes: Vec<u8> = requests.iter().flat_map(|request| encode(request, Some(key())).to_vec()).collect();
            prop_assert_eq!(all(&bytes), requests);
        }

        #[test]
        fn some_request_is_taken_from_any_bytes(bytes in prop::collection::vec(0u8..8, 1..64)) {
            let taken = first_request(&bytes, Some(key()));
            prop_assert!((1..=bytes.len()).contains(&taken));
        }
    }

    #[test]
    fn behind_a_log_out_there_may_be_a_log_in() {
        let bytes = b"\x06\x00\x06\x06\x00\rbob\rbye\x02\x00\x06\x06\x00\x01ann\rsecret of ann";
        let message = first_request(bytes, Some(key()));
        assert_eq!(&bytes[message..], b"\x02\x00\x06\x06\x00\x01ann\rsecret of ann");
        assert_eq!(first_request(&bytes[message..], Some(key())), 5);
    }

    #[test]
    fn a_text_that_quotes_the_key_a_great_many_times_is_left_whole_and_costs_no_stack() {
        let mut message = b"\x06\x00\x06\x06\x00\rbob\r".to_vec();
        message.extend(b"\x03\x00\x06\x06\x00".repeat(1_000_000));
        message.push(b'.');
        assert_eq!(first_request(&message, Some(key())), message.len());
    }

    #[test]
    fn a_text_with_bytes_like_a_seam_but_another_key_is_left_whole() {
        let message = b"\x06\x00\x06\x06\x00\rbob\rlook: \x06\x09\x09\x09\x09\rann\rhi";
        assert_eq!(first_request(message, Some(key())), message.len());
        assert_eq!(first_request(message, None), message.len());
    }
}
