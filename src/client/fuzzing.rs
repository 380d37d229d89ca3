//! What a server sends, for [`crate::fuzzing`].
//!
//! Errors: a claim that does not hold is a panic.

use super::packets::{Outcome, Packets, Way};
use crate::protocol::classic::encode_reply;
use crate::protocol::classic::packet::{Packet, Past, decode};
use crate::terminal::sanitise;
use std::borrow::Cow;
use std::time::Duration;

/// One byte says up to which length packets come whole. Each read is a byte, of which the lowest bit says whether there was
/// a pause before it and the others how long it is, and its bytes. None stays behind, and none is made up.
pub(crate) fn packets(bytes: &[u8]) {
    let Some((whole, mut rest)) = bytes.split_first() else { return };
    let mut packets = Packets::new(Way { whole: usize::from(*whole), pause: Duration::from_millis(3) });
    let mut read_so_far = 0;
    let mut texts = 0;
    while let Some((head, behind)) = rest.split_first() {
        if head & 1 == 1 {
            texts += seen(packets.silence());
        }
        let (read, behind) = behind.split_at(usize::from(head >> 1).max(1).min(behind.len()));
        if !read.is_empty() {
            texts += seen(packets.read(read));
        }
        read_so_far += read.len();
        assert_eq!(packets.patience().is_none(), packets.len() == 0);
        assert!(packets.len() <= read_so_far);
        rest = behind;
    }
    texts += seen(packets.finish());
    assert_eq!(packets.len(), 0);
    // A byte that is no UTF-8 becomes three.
    assert!(texts <= 3 * read_so_far);
}

/// How much text came out.
fn seen(outcome: Outcome) -> usize {
    let text = |packet| match packet {
        Packet::Reply(reply) => {
            let written = encode_reply(&reply).expect("it came as a packet");
            assert_eq!(decode(&written), Ok(Packet::Reply(reply)));
            0
        }
        Packet::Message { sender, text } => {
            assert!(!sender.contains('\r'));
            sender.len() + text.len()
        }
        Packet::Past(Past { sender, recipient, text, .. }) => {
            assert!(!sender.contains('\r') && !recipient.contains('\r'));
            sender.len() + recipient.len() + text.len()
        }
        Packet::ContactStatus { login, .. } => {
            assert!(!login.contains('\r'));
            login.len()
        }
    };
    outcome.into_iter().flatten().map(text).sum()
}

/// Nothing is left that moves the cursor, ends a line that should not end, or turns the direction of writing; what has
/// nothing of it is shown as it is, and what is shown is not changed again.
pub(crate) fn sanitise(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let turns =
        |char| matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = |char| matches!(char, '\u{2028}' | '\u{2029}');
    let dangerous = |char: char| char.is_control() || turns(char) || breaks(char);
    for (show, keeps) in [(sanitise::word as fn(&str) -> Cow<'_, str>, ""), (sanitise::lines, "\n\t")] {
        let safe = show(&text);
        assert!(!safe.contains(|char| dangerous(char) && !keeps.contains(char)), "{safe:?}");
        assert_eq!(show(&safe), safe);
        if !text.contains(|char| dangerous(char) || matches!(char, '\u{fff9}'..='\u{fffb}')) {
            assert_eq!(safe, text);
        }
    }
}
