//! One record, one line, whatever is in it.
//!
//! `tracing-subscriber` 0.3 writes line breaks in displayed values as they are, so a login with a line feed could forge
//! a record. Here every field is quoted where it could be misread, and no control character gets out.

use super::stream::Stream;
use std::error::Error;
use std::fmt::{self, Debug, Write};
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// `2026-01-31T12:00:00.000Z INFO a peer was refused peer=192.0.2.1:1234 request="log in"`.
#[derive(Debug)]
pub(super) struct Text {
    stream: Stream,
}

impl Text {
    pub(super) fn for_stream(stream: Stream) -> Self {
        Self { stream }
    }

    /// What comes before the message.
    fn write_head(&self, writer: &mut Writer<'_>, level: Level) -> fmt::Result {
        let (priority, colour) = match level {
            Level::ERROR => (3, "31"),
            Level::WARN => (4, "33"),
            Level::INFO => (6, "32"),
            _ => (7, "2"),
        };
        if self.stream == Stream::Journal {
            return write!(writer, "<{priority}>");
        }
        let now = humantime::format_rfc3339_millis(SystemTime::now());
        if writer.has_ansi_escapes() {
            write!(writer, "\x1b[2m{now}\x1b[0m \x1b[{colour}m{level:>5}\x1b[0m ")
        } else {
            write!(writer, "{now} {level:>5} ")
        }
    }
}

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        self.write_head(&mut writer, *metadata.level())?;
        let is_ours = metadata.target().split("::").next() == Some(super::NAME);
        if !is_ours {
            write!(writer, "{}: ", metadata.target())?;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        writer.write_str(&fields.message)?;
        for span in ctx.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            if let Some(of_span) = span.extensions().get::<FormattedFields<N>>() {
                writer.write_str(of_span)?;
            }
        }
        writer.write_str(&fields.others)?;
        writer.write_char('\n')
    }
}

/// Fields of a span: each ` name=value`, as in a record.
#[derive(Debug)]
pub(super) struct TextFields;

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut text = Fields::default();
        fields.record(&mut text);
        writer.write_str(&text.others)
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

/// The message of a record, and its fields.
#[derive(Debug, Default)]
pub(super) struct Fields {
    message: String,
    /// Each ` name=value`.
    others: String,
}

impl Fields {
    /// The message with the fields behind it, for one line.
    pub(super) fn line(self) -> String {
        self.message + &self.others
    }

    fn take(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.extend(value.chars().map(Escaped).map(|char| char.to_string()));
        } else {
            let others = &mut self.others;
            // Writing to a String can't fail.
            let _ = write!(others, " {}={}", field.name(), Value(value));
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.take(field, &super::Chain(value).to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, &format!("{value:?}"));
    }
}

/// A value that can't be taken for anything but one value: quoted, unless it is one plain word.
struct Value<'text>(&'text str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let misleads = |char: char| char.is_whitespace() || matches!(char, '"' | '=' | '\\') || is_invisible(char);
        if !self.0.is_empty() && !self.0.contains(misleads) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for char in self.0.chars() {
            match char {
                '"' | '\\' => write!(f, "\\{char}")?,
                _ => write!(f, "{}", Escaped(char))?,
            }
        }
        f.write_char('"')
    }
}

/// A character, or its escape where it would move the cursor, break the line or turn its direction.
struct Escaped(char);

impl fmt::Display for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_invisible(self.0) { write!(f, "{}", self.0.escape_default()) } else { f.write_char(self.0) }
    }
}

/// Control characters (C0, DEL, C1), the line and paragraph separators, and what changes the direction of writing.
fn is_invisible(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_word_stands_as_it_is() {
        for word in ["ann", "[::1]:54321", "żółw", "界", "a@b.example", "3.5ms"] {
            assert_eq!(Value(word).to_string(), word);
        }
    }

    #[test]
    fn what_could_be_misread_is_quoted() {
        for (value, shown) in [
            ("", r#""""#),
            ("two words", r#""two words""#),
            ("ann login=root", r#""ann login=root""#),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r"a\nb", r#""a\\nb""#),
            ("a\nb\r\tc", r#""a\nb\r\tc""#),
            ("\x1b[2J\x07\x7f\u{9b}31m", r#""\u{1b}[2J\u{7}\u{7f}\u{9b}31m""#),
            ("a\u{202e}b\u{2028}c", r#""a\u{202e}b\u{2028}c""#),
        ] {
            assert_eq!(Value(value).to_string(), shown);
        }
    }
}
