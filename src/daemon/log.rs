//! The log as the configuration wants it, in the host's words.

use crate::config::{LogFormat, LogLevel};
use crate::host::journal::Format;
use tracing_subscriber::filter::LevelFilter;

pub(super) fn format(format: LogFormat) -> Format {
    match format {
        LogFormat::Auto => Format::Auto,
        LogFormat::Journal => Format::Journal,
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    }
}

pub(super) fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    }
}
