//! Text of other people, made safe to show: nothing in it can move the cursor, colour the screen, answer for the
//! terminal, or make a line read in another order than it was written.

use std::borrow::Cow;
use std::fmt::Write;

/// Makes a text of several lines safe. Line feed, tab and CR LF (which becomes a line feed) stay what they are; other
/// control characters become their pictures (U+2400 and on) or `\u{…}`.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|character| is_dangerous(character) && !matches!(character, '\n' | '\t')) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(escape(&text.replace("\r\n", "\n"), |character| matches!(character, '\n' | '\t')))
}

/// Makes a text safe that belongs on one line: a name.
pub(crate) fn word(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_dangerous) { Cow::Owned(escape(text, |_| false)) } else { Cow::Borrowed(text) }
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            _ if !is_dangerous(character) || keep(character) => safe.push(character),
            '\0'..='\x1f' => safe.push(char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}')),
            '\x7f' => safe.push('\u{2421}'),
            _ => {
                // Writing to a string does not fail.
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(character));
            }
        }
    }
    safe
}

/// Control characters (C0, DEL, C1), the controls of the bidirectional algorithm (UAX #9), line and paragraph
/// separators, and annotation marks. Joiners stay: emoji and several scripts need them.
fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_drives_a_terminal_is_shown_instead() {
        assert_eq!(lines("\x1b[2Jboo\x07"), "␛[2Jboo␇");
        assert_eq!(lines("\u{9b}31mred\x7f"), "\\u{9b}31mred␡");
        assert_eq!(lines("over\rwritten"), "over␍written");
        assert_eq!(lines("abc\u{202e}fed\u{2066}x"), "abc\\u{202e}fed\\u{2066}x");
        assert_eq!(lines("NUL \0"), "NUL ␀");
    }

    #[test]
    fn what_people_write_stays() {
        for text in ["two\n\tlines", "zażółć", "👩‍👩‍👧", "שלום, دوست‌داشتنی", ""] {
            assert_eq!(lines(text), text);
        }
        assert_eq!(lines("from\r\nWindows\r\n"), "from\nWindows\n");
    }

    #[test]
    fn a_name_has_one_line() {
        assert_eq!(word("ann\n12:00 bob"), "ann␊12:00 bob");
        assert_eq!(word("ann\tbob"), "ann␉bob");
    }

    proptest! {
        #[test]
        fn nothing_dangerous_is_left(text in any::<String>()) {
            let has_control = |text: &str| text.chars().any(|c| is_dangerous(c) && !matches!(c, '\n' | '\t'));
            prop_assert!(!has_control(&lines(&text)));
            prop_assert!(!word(&text).chars().any(is_dangerous));
        }
    }
}
