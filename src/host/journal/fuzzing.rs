//! What strangers' words become in the log, for [`crate::fuzzing`].
//!
//! Errors: a claim that does not hold is a panic.

use super::buffer::in_text;
use super::stream::Stream;
use tracing::{info_span, warn};

/// A stranger's text in each place where it can stand: each record is one line that begins as records do and holds
/// nothing that drives a terminal; and each field, read back, is what was written, so that none is taken for two.
pub(crate) fn lines(bytes: &[u8]) {
    let text = &*String::from_utf8_lossy(bytes);
    let lines = in_text(Stream::Journal, || {
        warn!(login = %text, peer = text, "a record");
        info_span!("connection", login = %text).in_scope(|| warn!(peer = text, "a record"));
        warn!("{text}");
    });
    let [in_fields, in_span, in_message] = lines.as_slice() else { panic!("{lines:#?}") };
    for line in [in_fields, in_span] {
        let fields = line.strip_prefix("<4>a record").expect("it begins so");
        assert_eq!(read(fields), [("login".to_owned(), text.to_owned()), ("peer".to_owned(), text.to_owned())]);
    }
    assert!(in_message.starts_with("<4>"));
    for line in &lines {
        let turns = |char| matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!line.contains(|char: char| char.is_control() || turns(char)), "{line:?}");
    }
}

/// Each ` name=value` of a line.
fn read(line: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (name, behind) = rest.strip_prefix(' ').and_then(|rest| rest.split_once('=')).expect("a field");
        let (value, behind) = if let Some(quoted) = behind.strip_prefix('"') {
            unquote(quoted)
        } else {
            let (value, behind) = behind.split_at(behind.find(' ').unwrap_or(behind.len()));
            (value.to_owned(), behind)
        };
        fields.push((name.to_owned(), value));
        rest = behind;
    }
    fields
}

/// What stands up to the closing quote, and what is behind it.
fn unquote(quoted: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next().expect("a closing quote") {
            '"' => return (value, chars.as_str()),
            '\\' => value.push(match chars.next().expect("what is escaped") {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let (digits, behind) =
                        chars.as_str().strip_prefix('{').and_then(|rest| rest.split_once('}')).expect("a number");
                    chars = behind.chars();
                    u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).expect("a character")
                }
                char => char,
            }),
            char => value.push(char),
        }
    }
}
