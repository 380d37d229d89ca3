//! What to do about a file that is no TOML: name each such place, and keep the rest readable.
//!
//! The parser goes on after an error, but what it makes of the lines behind it is often not what was written there.
//! So each faulty statement is taken out, and the rest is parsed again.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// After so many faults in one file the rest of it is no longer mended: it is no TOML at all.
const MOST_FAULTS: usize = 20;

/// A place where a text is no TOML.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxFault {
    /// The line, from 1 on.
    pub(super) line: usize,
    /// The column in characters, from 1 on.
    pub(super) column: usize,
    /// What the parser says.
    pub(super) message: String,
    /// What to do about it.
    pub(super) remedy: &'static str,
}

/// Finds every fault of syntax, and returns the text without the statements that have one. Line numbers stay.
pub(super) fn mend(text: &str) -> (String, Vec<SyntaxFault>) {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut faults = Vec::new();
    loop {
        let text = lines.join("\n");
        let (table, errors) = DeTable::parse_recoverable(&text);
        let errors = errors.iter().map(|error| {
            let at = error.span().map_or(text.len(), |span| span.start);
            (at, error.message().replace('\n', "; "))
        });
        let (duplicate, mut broken): (Vec<_>, Vec<_>) =
            errors.partition(|(_, message)| message.starts_with("duplicate"));
        broken.sort_unstable();
        let Some((at, message)) = broken.into_iter().next() else {
            // Where a key stands twice the parser keeps the first, and loses nothing else.
            faults.extend(duplicate.into_iter().map(|(at, message)| {
                let (line, column) = position(&text, at);
                SyntaxFault { line, column, message, remedy: "keep one of them" }
            }));
            faults.sort_by_key(|fault| fault.line);
            return (text, faults);
        };

        let statement = statement(&text, table.get_ref(), at, &lines);
        let (mut line, mut column) = position(&text, at);
        let mut message = message;
        if line > statement.end {
            // The parser only stumbled over the next statement: it is this one that has no end.
            message = format!("the value has no end before line {}", statement.end + 1);
            line = statement.start + 1;
            column = lines[statement.start].chars().count() - lines[statement.start].trim_start().chars().count() + 1;
        }
        faults.push(SyntaxFault { line, column, message, remedy: remedy(&lines[statement.start]) });
        if faults.len() == MOST_FAULTS || lines[statement.clone()].iter().all(|line| line.trim().is_empty()) {
            faults.sort_by_key(|fault| fault.line);
            return (text, faults);
        }
        for line in &mut lines[statement] {
            *line =
                section_name(line).map(|name| format!("[{name}]")).filter(|mended| mended != line).unwrap_or_default();
        }
    }
}

/// Line and column of a byte, both from 1 on; columns count characters.
pub(super) fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn remedy(line: &str) -> &'static str {
    if line.trim_start().starts_with('[') {
        "write [section] on a line of its own"
    } else {
        "write key = value, with texts in quotes"
    }
}

/// The lines, counted from 0, of the statement to which the error at a byte belongs: from its key on, and not beyond
/// a line that begins like another statement, because a quote or bracket that was not closed takes in all the rest.
fn statement(text: &str, table: &DeTable<'_>, at: usize, lines: &[String]) -> Range<usize> {
    let line = |byte| position(text, byte).0 - 1;
    let around = spans(table).filter(|span| (span.start..=span.end).contains(&at)).max_by_key(|span| span.start);
    let start = around.as_ref().map_or(line(at), |span| line(span.start).min(line(at)));
    let last = around.map_or(line(at), |span| line(span.end).max(line(at)));
    let next = (start + 1..=last).find(|index| begins_statement(&lines[*index]));
    start..next.unwrap_or(last + 1)
}

/// From the key to the end of the value, for each key that is in no section and each in one.
fn spans(table: &DeTable<'_>) -> impl Iterator<Item = Range<usize>> {
    let whole = |key: &Spanned<_>, value: &Spanned<_>| key.span().start..value.span().end;
    table.iter().flat_map(move |(key, value)| match value.get_ref() {
        DeValue::Table(keys) => keys.iter().map(|(key, value)| whole(key, value)).collect::<Vec<_>>(),
        _ => vec![whole(key, value)],
    })
}

fn begins_statement(line: &str) -> bool {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let key = line.trim_start().trim_start_matches(bare);
    let is_key = key.len() < line.trim_start().len() && key.trim_start().starts_with('=');
    is_key || section_name(line).is_some()
}

/// The name of the section that a line begins, whatever else is wrong with it.
fn section_name(line: &str) -> Option<&str> {
    let name = line.trim_start().strip_prefix('[')?.trim_start_matches('[').trim_start();
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(name.len());
    (name.starts_with(|c: char| c.is_ascii_alphabetic())).then_some(&name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each fault as `line:column message`, then the text that is left.
    fn mended(text: &str) -> (Vec<String>, String) {
        let (rest, faults) = mend(text);
        let faults = faults.iter().map(|fault| format!("{}:{} {}", fault.line, fault.column, fault.message));
        (faults.collect(), rest)
    }

    #[test]
    fn a_text_without_fault_stays_as_it_is() {
        let text = "\u{feff}[a]\r\nb = [\r\n  1,\r\n]\r\n";
        assert_eq!(mended(text), (vec![], text.to_owned()));
    }

    #[test]
    fn a_line_without_equals_sign_does_not_hide_the_next() {
        let (faults, rest) = mended("[a]\nb 3\nc = 1\n");
        assert_eq!(faults, ["2:3 key with no value, expected `=`"]);
        assert_eq!(rest, "[a]\n\nc = 1\n");
    }

    #[test]
    fn a_section_that_is_not_closed_keeps_its_keys() {
        let (faults, rest) = mended("[a\nb = 1\n[c]\nd = 1\n");
        assert_eq!(faults, ["1:3 unclosed table, expected `]`"]);
        assert_eq!(rest, "[a]\nb = 1\n[c]\nd = 1\n");
    }

    #[test]
    fn a_list_that_is_not_closed_ends_before_the_next_key() {
        let (faults, rest) = mended("[a]\nb = [\n  1,\nc = 2\n[d]\ne = 3\n");
        assert_eq!(faults, ["2:1 the value has no end before line 4"]);
        assert_eq!(rest, "[a]\n\n\nc = 2\n[d]\ne = 3\n");
    }

    #[test]
    fn a_fault_within_a_list_of_several_lines_takes_the_whole_list() {
        let (faults, rest) = mended("[a]\nb = [\n  \"x\"\n  \"y\",\n]\nc = 2\n");
        assert_eq!(faults, ["4:3 missing comma between array elements, expected `,`"]);
        assert_eq!(rest, "[a]\n\n\n\n\nc = 2\n");
    }

    #[test]
    fn a_text_of_several_lines_that_is_not_closed_ends_before_the_next_key() {
        let (faults, rest) = mended("[a]\nb = \"\"\"\nc = 2\n");
        assert_eq!(faults, ["2:1 the value has no end before line 3"]);
        assert_eq!(rest, "[a]\n\nc = 2\n");
    }

    #[test]
    fn what_stands_twice_is_named_where_it_stands_again() {
        let (faults, _) = mended("[a]\nb = 1\nb = 2\n[c]\n[a]\nd = 1\n");
        assert_eq!(faults, ["3:1 duplicate key", "5:2 duplicate key"]);
    }

    #[test]
    fn what_is_no_toml_at_all_is_given_up_soon() {
        let (faults, _) = mended(&"what is this?\n".repeat(10_000));
        assert_eq!(faults.len(), MOST_FAULTS);
        for odd in ["\0", "[", "=", "\"\"\"", "[[", "a", "a = [[[[", "\r", "é", "[é]", "'''\n", "a=\"\\u12\"\n[b"] {
            let (_, faults) = mend(odd);
            assert!(!faults.is_empty(), "{odd:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_mended_without_panic(text in "(\\PC|[\\[\\]=\"'\n\r\t#.,a1{}]){0,200}") {
            let (rest, faults) = mend(&text);
            proptest::prop_assert_eq!(rest.matches('\n').count(), text.matches('\n').count());
            proptest::prop_assert!(faults.len() >= MOST_FAULTS || faults.is_empty() == DeTable::parse(&text).is_ok());
        }
    }
}
