//! What strangers send, for [`crate::fuzzing`].
//!
//! Errors: a claim that does not hold is a panic.

use super::{decode, first_request, kind, request};
use crate::domain::SessionKey;

/// Where the fields of a packet begin: behind the type, and the key if there is one.
fn fields(packet: &[u8], key: Option<SessionKey>) -> &[u8] {
    &packet[1 + key.map_or(0, |_| SessionKey::LEN)..]
}

/// A packet is a request or a fault; and what was read, written again, is read as the same. Where all of it is UTF-8, it
/// is the same to the byte.
pub(crate) fn request(packet: &[u8]) {
    let Ok(decoded) = decode(packet) else { return };
    let written = request::encode(&decoded.request, decoded.key);
    assert_eq!(decode(&written).as_ref(), Ok(&decoded));
    assert_eq!(**written == *packet, str::from_utf8(fields(packet, decoded.key)).is_ok());
}

/// Four bytes of key, and what comes in a session with that key: all of it is in the requests, in its order; none begins
/// where none of this session can; and what is one request is not two when it is looked at again.
pub(crate) fn split(bytes: &[u8]) {
    let Some((key, mut rest)) = bytes.split_first_chunk() else { return };
    assert_eq!(first_request(rest, None), rest.len());
    let Some(key) = SessionKey::new(*key) else { return };
    let mut before: Option<&[u8]> = None;
    while !rest.is_empty() {
        let taken = first_request(rest, Some(key));
        assert!((1..=rest.len()).contains(&taken));
        let (first, behind) = rest.split_at(taken);
        assert_eq!(first_request(first, Some(key)), first.len());
        if let Some(before) = before {
            let is_bare = |request: &[u8]| {
                matches!(request.first(), Some(&(kind::LOG_OUT | kind::GET_CONTACTS))) && request[1..] == key.bytes()
            };
            let is_ours = (kind::LOG_OUT..=kind::HISTORY).contains(&first[0]) && first[1..].starts_with(&key.bytes());
            assert!(is_bare(before) || is_ours, "{first:?} behind {before:?}");
        }
        before = Some(first);
        rest = behind;
    }
}
