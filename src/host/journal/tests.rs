//! What comes out, into a buffer. journald is told by `tests/host_process`.

use super::buffer::{Buffer, in_text};
use super::*;
use std::io;
use tracing::{debug, error, info, info_span, trace, warn};

fn without_time(line: &str) -> &str {
    let (time, rest) = line.split_once(' ').unwrap();
    humantime::parse_rfc3339(time).expect("a line begins with the time");
    rest
}

const FORGERY: &str = "ann\n2026-01-01T00:00:00.000Z  INFO root logged in\r\x1b[2J";

#[test]
fn a_line_has_time_level_message_and_fields() {
    let lines = in_text(Stream::Other, || info!(login = %"ann", port = 54321, "a peer logged in"));
    assert_eq!(lines.len(), 1);
    assert_eq!(without_time(&lines[0]), " INFO a peer logged in login=ann port=54321");
}

#[test]
fn a_stranger_can_forge_no_line() {
    let lines = in_text(Stream::Other, || {
        warn!(login = %FORGERY, "displayed");
        warn!(login = FORGERY, "as text");
        warn!(login = ?FORGERY, "for debugging");
        warn!("in the message: {FORGERY}");
        let error = io::Error::other(FORGERY);
        warn!(error = &error as &dyn std::error::Error, "as an error");
        info_span!("connection", peer = %FORGERY).in_scope(|| warn!("in a span"));
    });
    assert_eq!(lines.len(), 6, "{lines:#?}");
    for line in &lines {
        assert!(line.contains("WARN") && line.contains("ann\\"), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    let forged = r#"login="ann\n2026-01-01T00:00:00.000Z  INFO root logged in\r\u{1b}[2J""#;
    assert_eq!(without_time(&lines[0]), format!(" WARN displayed {forged}"));
}

#[test]
fn a_spans_fields_stand_before_the_records_own() {
    let lines = in_text(Stream::Other, || {
        let span = info_span!("connection", peer = "192.0.2.1:1", login = tracing::field::Empty);
        span.record("login", "ann");
        span.in_scope(|| info!(request = "add contact", "refused"));
    });
    assert_eq!(without_time(&lines[0]), r#" INFO refused peer=192.0.2.1:1 login=ann request="add contact""#);
}

#[test]
fn the_journals_stream_gets_priorities_and_no_time() {
    let lines = in_text(Stream::Journal, || {
        error!("e");
        warn!("w");
        info!("i");
    });
    assert_eq!(lines, ["<3>e", "<4>w", "<6>i"]);
}

#[test]
fn a_terminal_gets_colours_only_where_they_are_wanted() {
    let coloured = in_text(Stream::Terminal { colours: true }, || warn!(login = "ann", "w"));
    assert!(coloured[0].contains("\x1b[33m WARN\x1b[0m w login=ann"), "{coloured:?}");
    let plain = in_text(Stream::Terminal { colours: false }, || warn!(login = "ann", "w"));
    assert_eq!(without_time(&plain[0]), " WARN w login=ann");
}

#[test]
fn others_are_heard_from_warnings_on_and_by_name() {
    let lines = in_text(Stream::Other, || {
        debug!("ours, but below the level");
        info!(target: "other_crate::module", "too quiet");
        warn!(target: "other_crate::module", "loud enough");
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(without_time(&lines[0]), " WARN other_crate::module: loud enough");
}

#[test]
fn an_error_comes_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("the port is taken")]
    struct Taken(#[source] io::Error);
    let lines = in_text(Stream::Other, || {
        let error = Taken(io::Error::other("os error 98"));
        error!(error = &error as &dyn std::error::Error, "no listener");
    });
    assert_eq!(without_time(&lines[0]), r#"ERROR no listener error="the port is taken: os error 98""#);
}

#[test]
fn json_is_one_object_on_each_line_with_its_fields_flat() {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let subscriber = tracing_subscriber::registry().with(json(move || writer.clone()));
    tracing::subscriber::with_default(subscriber, || info!(login = %FORGERY, port = 54321, "a peer logged in"));
    let lines = buffer.lines();
    assert_eq!(lines.len(), 1);
    let record: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(record["level"], "INFO");
    assert_eq!(record["message"], "a peer logged in");
    assert_eq!(record["login"], FORGERY);
    assert_eq!(record["port"], 54321);
    humantime::parse_rfc3339(record["timestamp"].as_str().unwrap()).unwrap();
}

#[test]
fn the_level_changes_while_logging_goes_on() {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let (filter, handle) = reload::Layer::new(filter(LevelFilter::INFO));
    let subscriber = tracing_subscriber::registry().with(filter).with(text(Stream::Journal, move || writer.clone()));
    tracing::subscriber::with_default(subscriber, || {
        let control = LogControl(handle);
        debug!("before");
        control.set_level(LevelFilter::DEBUG);
        debug!("more");
        trace!("not that much");
        control.set_level(LevelFilter::ERROR);
        warn!("less");
        warn!(target: "other_crate", "less of others too");
        control.set_level(LevelFilter::OFF);
        error!("nothing");
    });
    assert_eq!(buffer.lines(), ["<7>more"]);
}
