//! Where the server's packets begin and end.
//!
//! The protocol has no framing: one packet is one read. Two things blur that.
//!
//! - A long packet comes in several segments. On the way they are at most a round trip apart, and a server that keeps
//!   packets apart lets the next one follow later than that. So a pause ends a packet; and when a segment was late
//!   all the same (it was lost, and sent again), it does not begin as a packet does, and is put where it belongs if
//!   it comes within [`HOLD`].
//! - Packets that came faster than they were read are in one read. All but a message say themselves where they end,
//!   so they are taken apart. What follows a message without a pause cannot be told from its text, and stays text:
//!   else anybody could write a text that holds "a message of somebody else", at the place where a segment ends.

use crate::domain::SessionKey;
use crate::protocol::classic::kind;
use crate::protocol::classic::packet::{NoPacket, Packet, decode};
use std::mem;
use std::time::Duration;

/// How long a late segment is waited for. Only long messages are held so long, and only when nothing follows them.
const HOLD: Duration = Duration::from_millis(250);

/// What a connection does to packets on their way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// A packet of up to so many bytes comes whole.
    pub(super) whole: usize,
    /// So long a pause ends a longer one.
    pub(super) pause: Duration,
}

/// Puts what was read together, and takes it apart.
#[derive(Debug)]
pub(super) struct Packets {
    way: Way,
    gathered: Vec<u8>,
    /// There was a pause behind what was gathered.
    paused: bool,
}

/// What came of a step, in order.
pub(super) type Outcome = Result<Vec<Packet>, NoPacket>;

impl Packets {
    /// Nothing has been read.
    pub(super) fn new(way: Way) -> Self {
        Self { way, gathered: Vec::new(), paused: false }
    }

    /// How long to wait for more before [`Packets::silence`]; `None` when nothing is gathered.
    pub(super) fn patience(&self) -> Option<Duration> {
        match (self.gathered.is_empty(), self.paused) {
            (true, _) => None,
            (false, false) => Some(self.way.pause),
            (false, true) => Some(HOLD),
        }
    }

    /// How many bytes are gathered.
    pub(super) fn len(&self) -> usize {
        self.gathered.len()
    }

    /// Takes what one read brought: at most one finished packet comes of it, and what is in the read itself.
    ///
    /// # Errors
    /// When what is finished now is no packet.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Outcome {
        let mut done = Vec::new();
        if self.paused && begins_packet(bytes) {
            done = self.finish()?;
        }
        self.paused = false;
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() <= self.way.whole {
            done.extend(self.finish()?);
        }
        Ok(done)
    }

    /// Nothing came for [`Packets::patience`].
    ///
    /// # Errors
    /// When what is finished now is no packet.
    pub(super) fn silence(&mut self) -> Outcome {
        let complete = take_apart(&self.gathered)
            .is_ok_and(|packets| !matches!(packets.last(), Some(Packet::Message { .. } | Packet::Past(_))));
        if complete || self.paused {
            return self.finish();
        }
        self.paused = true;
        Ok(Vec::new())
    }

    /// Nothing will come any more.
    ///
    /// # Errors
    /// When what is finished now is no packet.
    pub(super) fn finish(&mut self) -> Outcome {
        self.paused = false;
        let gathered = mem::take(&mut self.gathered);
        if gathered.is_empty() { Ok(Vec::new()) } else { take_apart(&gathered) }
    }
}

/// Whether bytes may be the beginning of a packet: the types are control characters that no text has; or they are some
/// that a text may have, with a flag behind them that is none of its.
fn begins_packet(bytes: &[u8]) -> bool {
    matches!(bytes, [0..=5, ..] | [kind::REMOVE_CONTACT..=kind::HISTORY, 0..=5, ..])
}

/// The packets of one read.
fn take_apart(mut bytes: &[u8]) -> Outcome {
    let mut packets = Vec::new();
    loop {
        if let Ok(last) = decode(bytes) {
            packets.push(last);
            return Ok(packets);
        }
        let (first, rest) = own_length(bytes).and_then(|length| bytes.split_at_checked(length)).ok_or(NoPacket)?;
        packets.push(decode(first)?);
        bytes = rest;
    }
}

/// How long the first packet is, by its own word; a message has none, and neither has one of a history.
fn own_length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [1, 0, ..] => Some(3 + SessionKey::LEN),
        [4, 0, ..] => Some(4),
        [3, 0, ..] => {
            let mut length = 2;
            while bytes.get(length) == Some(&b'\r') {
                length = status_end(bytes, length + 1)?;
            }
            Some(length)
        }
        [kind::HISTORY, 0, ..] => None,
        [kind::HISTORY, 1, b'\r', digits @ ..] => {
            Some(3 + digits.iter().take_while(|byte| byte.is_ascii_digit()).count())
        }
        [0 | 1 | 3 | 4 | kind::REMOVE_CONTACT..=kind::HISTORY, _, ..] => Some(2),
        [5, ..] => status_end(bytes, 1),
        _ => None,
    }
}

/// The end of a login, a separator and a status that begin at `start`.
fn status_end(bytes: &[u8], start: usize) -> Option<usize> {
    Some(start + memchr::memchr(b'\r', bytes.get(start..)?)? + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::reply::{BlockRefusal, PasswordRefusal};
    use crate::domain::{History, Login, Reply, Seq, Status};
    use proptest::prelude::*;

    const PAUSE: Duration = Duration::from_millis(3);

    fn packets() -> Packets {
        Packets::new(Way { whole: 512, pause: PAUSE })
    }

    fn message(text: &str) -> Packet {
        Packet::Message { sender: "bob".to_owned(), text: text.to_owned() }
    }

    fn bytes(text: &str) -> Vec<u8> {
        format!("\x02bob\r{text}").into_bytes()
    }

    #[test]
    fn a_short_packet_is_there_at_once() {
        assert_eq!(packets().read(&bytes("hello")), Ok(vec![message("hello")]));
    }

    #[test]
    fn a_long_message_comes_in_segments_and_is_whole_after_silence() {
        let mut packets = packets();
        let text = "x".repeat(3000);
        for segment in bytes(&text).chunks(1448) {
            assert_eq!(packets.read(segment), Ok(vec![]));
        }
        assert_eq!((packets.patience(), packets.silence()), (Some(PAUSE), Ok(vec![])));
        assert_eq!((packets.patience(), packets.silence()), (Some(HOLD), Ok(vec![message(&text)])));
        assert_eq!(packets.patience(), None);
    }

    #[test]
    fn the_next_packet_ends_a_long_message_after_a_pause() {
        let mut packets = packets();
        let text = "x".repeat(1000);
        packets.read(&bytes(&text)).unwrap();
        packets.silence().unwrap();
        assert_eq!(packets.read(&bytes("short")), Ok(vec![message(&text), message("short")]));
    }

    #[test]
    fn a_late_segment_is_put_where_it_belongs() {
        let mut packets = packets();
        let text = "x".repeat(2000);
        let whole = bytes(&text);
        packets.read(&whole[..1448]).unwrap();
        packets.silence().unwrap();
        assert_eq!(packets.read(&whole[1448..]), Ok(vec![]));
        packets.silence().unwrap();
        assert_eq!(packets.silence(), Ok(vec![message(&text)]));
    }

    #[test]
    fn a_long_contact_list_needs_no_more_than_a_pause() {
        let mut packets = packets();
        let contacts: Vec<_> =
            (0..200).map(|n| (Login::parse(&format!("person{n}")).unwrap(), Status::Online)).collect();
        let reply = Reply::Contacts(contacts);
        let list = crate::protocol::classic::encode_reply(&reply).unwrap();
        assert_eq!(packets.read(&list[..1448]), Ok(vec![]));
        assert_eq!(packets.read(&list[1448..]), Ok(vec![]));
        assert_eq!(packets.silence(), Ok(vec![Packet::Reply(reply)]));
    }

    #[test]
    fn what_says_itself_where_it_ends_is_taken_apart() {
        let key = SessionKey::new([2, 2, 2, 2]).unwrap();
        let bob = Login::parse("bob").unwrap();
        let read =
            b"\x01\x00\r\x02\x02\x02\x02\x05bob\r\x01\x03\x00\rbob\r\x01\x04\x00\r\x00\x04\x01\x07\x00\x08\x02\x0a\x03\x0b\x00\x0c\x01\r17\x0c\x02\x00\x00\x02bob\rhi";
        assert_eq!(
            packets().read(read),
            Ok(vec![
                Packet::Reply(Reply::LoggedIn(key)),
                Packet::ContactStatus { login: "bob".to_owned(), status: Status::Online },
                Packet::Reply(Reply::Contacts(vec![(bob, Status::Online)])),
                Packet::Reply(Reply::ContactAdded(Status::Offline)),
                Packet::Reply(Reply::UnknownContact),
                Packet::Reply(Reply::ContactRemoved),
                Packet::Reply(Reply::BlockRefused(BlockRefusal::TooMany)),
                Packet::Reply(Reply::PasswordNotChanged(PasswordRefusal::TryLater)),
                Packet::Reply(Reply::AccountDeleted),
                Packet::Reply(Reply::History(History { entries: Vec::new(), older: Some(Seq(17)) })),
                Packet::Reply(Reply::History(History { entries: Vec::new(), older: None })),
                Packet::Reply(Reply::SignedUp),
                message("hi"),
            ])
        );
    }

    #[test]
    fn nobody_can_write_a_message_of_somebody_else() {
        assert_eq!(packets().read(&bytes("hi\x02celina\rI owe you")), Ok(vec![message("hi\x02celina\rI owe you")]));
    }

    #[test]
    fn a_late_segment_that_begins_like_some_of_our_packets_is_text_all_the_same() {
        for begin in ["\n", "\t", "\x0c", "\nand more", "\t\tand more", "\x0c\n"] {
            let mut packets = packets();
            let (first, late) = ("x".repeat(1000), format!("{begin}{}", "y".repeat(100)));
            packets.read(&bytes(&first)).unwrap();
            packets.silence().unwrap();
            assert_eq!(packets.read(late.as_bytes()), Ok(vec![]));
            packets.silence().unwrap();
            assert_eq!(packets.silence(), Ok(vec![message(&format!("{first}{late}"))]));
        }
    }

    #[test]
    fn rubbish_is_rubbish_also_at_the_end() {
        assert_eq!(packets().read(b"HTTP/1.1"), Err(NoPacket));
        let mut packets = packets();
        packets.read(&b"y".repeat(1000)).unwrap();
        packets.silence().unwrap();
        assert_eq!(packets.silence(), Err(NoPacket));
        assert_eq!(packets.finish(), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_none_stay(reads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..700), 0..6)) {
            let mut packets = packets();
            for read in reads {
                let _ = packets.read(&read);
                let _ = packets.silence();
            }
            let _ = packets.finish();
            prop_assert_eq!(packets.len(), 0);
        }
    }
}
