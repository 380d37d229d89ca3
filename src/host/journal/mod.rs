//! Where log records go: to journald with their fields, to a terminal as lines for people, or as JSON.
//!
//! Records are made with `tracing`. Fields have the names `login`, `peer`, `protocol`, `request`, `error`; `audit = 1` marks
//! what an administrator ordered. What a stranger sent goes into a field (`%login`), never into the message, and a
//! password, a key or a message's text into none. An error goes with its causes: `error = %Chain(&error)`.
//!
//! Errors: [`LogError`], from [`start`] only. A record that can't be written is lost in silence.
//!
//! Must not be here: what to log.

#[cfg(any(test, fuzzing))]
mod buffer;
mod chain;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod stream;
mod text;
mod whole;

pub use chain::Chain;

use stream::Stream;
use text::{Text, TextFields};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};
use whole::Whole;

/// Our name in the journal, and the crate whose records have the configured level.
const NAME: &str = "messengerd";

/// How records look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// [`Journal`](Self::Journal) where standard error is the journal's (`JOURNAL_STREAM`), else [`Text`](Self::Text).
    #[default]
    Auto,
    /// To journald by its native protocol, each field as a field of the journal: `journalctl LOGIN=ann`. The fields stand
    /// in MESSAGE as well, as in [`Text`](Self::Text). Where there is no journald: a warning, and that.
    Journal,
    /// One line on standard error: coloured on a terminal (unless `NO_COLOR` is set), with the level as a prefix that
    /// journald understands when it reads the stream (sd-daemon(3)), with the time otherwise.
    Text,
    /// One JSON object on each line of standard error: `timestamp`, `level`, `message`, `target`, and the fields.
    Json,
}

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Logging is set up once in a process.
    #[error("logging has been started already")]
    AlreadyStarted,
}

/// Changes what is logged, while it goes on.
#[derive(Debug, Clone)]
pub struct LogControl(reload::Handle<Targets, Registry>);

impl LogControl {
    /// From now on, our own records at this level and above; those of other crates never below warnings.
    pub fn set_level(&self, level: LevelFilter) {
        // The subscriber is global and is never dropped, so the handle can't be left alone.
        if let Err(error) = self.0.reload(filter(level)) {
            tracing::warn!(%error, "the level of logging can't be changed");
        }
    }
}

/// Whether there is a journal to write to, whatever standard error is.
#[must_use]
pub fn is_there() -> bool {
    journald().is_ok()
}

/// Starts logging for the whole process. First thing of all, so that nothing is lost.
///
/// # Errors
/// [`LogError::AlreadyStarted`] at the second call.
pub fn start(format: Format, level: LevelFilter) -> Result<LogControl, LogError> {
    let stream = Stream::of_standard_error();
    let wants_journal = match format {
        Format::Auto => matches!(stream, Stream::Journal),
        Format::Journal => true,
        Format::Text | Format::Json => false,
    };
    let (journald, missing) = match wants_journal.then(journald) {
        Some(Ok(layer)) => (Some(layer), None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    let (filter, handle) = reload::Layer::new(filter(level));
    let registry = tracing_subscriber::registry().with(filter);
    let started = match (journald, format) {
        (Some(layer), _) => registry.with(Whole(layer)).try_init(),
        (None, Format::Json) => registry.with(json(std::io::stderr)).try_init(),
        (None, _) => registry.with(text(stream, std::io::stderr)).try_init(),
    };
    started.map_err(|_| LogError::AlreadyStarted)?;
    if let Some(error) = missing {
        tracing::warn!(%error, "journald can't be reached, so records go to standard error");
    }
    Ok(LogControl(handle))
}

fn filter(level: LevelFilter) -> Targets {
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_target(NAME, level)
}

/// Levels as syslog(3) has them: what a program says in passing is "info", not "notice".
fn journald() -> std::io::Result<tracing_journald::Layer> {
    let priorities =
        PriorityMappings { info: Priority::Informational, debug: Priority::Debug, ..PriorityMappings::default() };
    Ok(tracing_journald::layer()?
        .with_syslog_identifier(NAME.to_owned())
        .with_field_prefix(None)
        .with_priority_mappings(priorities))
}

fn text<S, W>(stream: Stream, writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .event_format(Text::for_stream(stream))
        .fmt_fields(TextFields)
        .with_ansi(stream == Stream::Terminal { colours: true })
        .log_internal_errors(false)
        .with_writer(writer)
}

fn json<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .log_internal_errors(false)
        .with_writer(writer)
}

#[cfg(test)]
mod tests;
