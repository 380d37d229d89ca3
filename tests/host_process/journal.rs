//! Logging for a whole process, to a journald of our own: a datagram socket where journald has its, in a mount
//! namespace that only the child sees.

use super::{Named, Scene, child_of_shell, is_root, said};
use messengerd::host::journal::{Chain, Format, LogError, start};
use serde_json::{Map, Value, json};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use tracing::level_filters::LevelFilter;
use tracing::{debug, error, info, info_span, warn};

pub(crate) const SCENES: &[Named] = &[
    ("journal::journald_gets_fields_where_standard_error_is_its_stream", journald_gets_fields),
    ("journal::a_stream_that_is_not_the_journals_gets_lines", a_stream_that_is_not_the_journals),
    ("journal::without_journald_there_is_a_warning_and_lines", without_journald),
    ("journal::json_is_one_object_a_line", json_lines),
];

const JOURNALD: &str = "/run/systemd/journal/socket";
const FORGERY: &str = "ann\nPRIORITY=0\nMESSAGE=root logged in";

#[derive(Debug, thiserror::Error)]
#[error("binding failed")]
struct Binding(#[source] std::io::Error);

/// Logs in the format named by the first argument, with a journald if the second is `journald`. Says what journald got.
pub(crate) fn logging(arguments: &[String]) -> Value {
    let [format, journald] = arguments else { panic!("two arguments, not {arguments:?}") };
    let format = match format.as_str() {
        "auto" => Format::Auto,
        "journal" => Format::Journal,
        "json" => Format::Json,
        other => panic!("no format {other}"),
    };
    let journald = (journald == "journald").then(|| {
        fs::create_dir_all("/run/systemd/journal").unwrap();
        UnixDatagram::bind(JOURNALD).unwrap()
    });
    let control = start(format, LevelFilter::INFO).unwrap();
    assert!(matches!(start(Format::Text, LevelFilter::INFO), Err(LogError::AlreadyStarted)));

    info!(target: "messengerd::listener", login = %FORGERY, peer = "192.0.2.1:1234", "a peer logged in");
    let cause = Binding(std::io::Error::other("port taken"));
    info_span!(target: "messengerd", "connection", protocol = "classic")
        .in_scope(|| error!(target: "messengerd", request = "log in", error = %Chain(&cause), "it failed"));
    warn!(target: "messengerd", "take care");
    debug!(target: "messengerd", "not at this level");
    control.set_level(LevelFilter::DEBUG);
    debug!(target: "messengerd", "at this level");
    info!(target: "other_crate", "too quiet");
    // More than a datagram holds: journald gets it as a memory file then.
    info!(target: "messengerd", text = %"x".repeat(1 << 20), "long");
    journald.map_or(Value::Null, |socket| records(&socket))
}

/// All datagrams by now, in the journal's native protocol.
fn records(socket: &UnixDatagram) -> Value {
    socket.set_nonblocking(true).unwrap();
    let mut records = Vec::new();
    let mut bytes = vec![0; 1 << 16];
    loop {
        match socket.recv(&mut bytes) {
            Ok(length) => records.push(Value::Object(fields(&bytes[..length]))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return records.into(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// `NAME=value\n`, or `NAME\n`, a length in 8 bytes, the value and `\n`.
fn fields(mut datagram: &[u8]) -> Map<String, Value> {
    let mut fields = Map::new();
    while !datagram.is_empty() {
        let end = datagram.iter().position(|byte| *byte == b'\n').expect("a field ends");
        let line = std::str::from_utf8(&datagram[..end]).unwrap();
        datagram = &datagram[end + 1..];
        let (name, value) = if let Some((name, value)) = line.split_once('=') {
            (name, value.to_owned())
        } else {
            let (length, rest) = datagram.split_first_chunk().expect("a length");
            let (value, rest) = rest.split_at(usize::try_from(u64::from_le_bytes(*length)).unwrap());
            datagram = rest.strip_prefix(b"\n").expect("a value ends");
            (line, String::from_utf8(value.to_vec()).unwrap())
        };
        assert_eq!(fields.insert(name.to_owned(), value.into()), None, "{name} comes twice");
    }
    fields
}

/// What the child said, and its lines on standard error. With `believe`, `JOURNAL_STREAM` means that standard error.
fn log(format: &str, journald: &str, believe: bool) -> (Value, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stderr");
    let stderr = File::create(&path).unwrap();
    let found = stderr.metadata().unwrap();
    let inode = if believe { found.ino() } else { found.ino() + 1 };
    let mut command = child_of_shell("mount -t tmpfs tmpfs /run && exec \"$0\" \"$@\"", "logging");
    // The shell and its child see a /run of their own.
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh"]).args(arguments).args([format, journald]);
    command.env("JOURNAL_STREAM", format!("{}:{inode}", found.dev())).stderr(stderr);
    let output = command.output().expect("there is unshare, of util-linux");
    let lines = fs::read_to_string(&path).unwrap();
    assert!(output.status.success(), "{output:?}: {lines}");
    (said(&output.stdout, &output), lines.lines().map(str::to_owned).collect())
}

/// Why there can be no /run of our own, if so.
fn no_namespaces() -> Option<Scene> {
    let mount = ["--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/run"];
    let can = is_root() && Command::new("unshare").args(mount).output().is_ok_and(|output| output.status.success());
    (!can).then_some(Scene::NotHere("no mount namespaces: not root, or a container without CAP_SYS_ADMIN"))
}

fn journald_gets_fields() -> Scene {
    if let Some(not_here) = no_namespaces() {
        return not_here;
    }
    let (records, lines) = log("auto", "journald", true);
    assert_eq!(lines, Vec::<String>::new(), "nothing is said twice");
    let records = records.as_array().unwrap();
    // The first is empty: tracing-journald asks whether journald is there, which ignores it. The last is a memory file.
    let messages: Vec<&str> =
        records.iter().filter_map(|record| record.get("MESSAGE").map(|message| message.as_str().unwrap())).collect();
    let [login, failed, careful, here] = messages[..] else { panic!("{messages:?}") };
    // The message says all, on one line.
    assert!(login.starts_with(r#"a peer logged in login="ann\nPRIORITY=0"#), "{login}");
    assert!(!login.contains('\n'), "{login}");
    // (The protocol is a span's.)
    assert_eq!(failed, r#"it failed request="log in" error="binding failed: port taken""#);
    assert!(careful.starts_with("take care") && here.starts_with("at this level"), "{messages:?}");
    assert_eq!(records.len(), messages.len() + 2);
    assert_eq!((&records[0], records.last()), (&json!({}), Some(&json!({}))));

    let find = |message| records.iter().find(|record| record["MESSAGE"] == message).unwrap();
    let login = find(login);
    assert_eq!(login["LOGIN"], FORGERY, "a line break is no new field");
    assert_eq!(login["PRIORITY"], "6");
    assert_eq!(login["PEER"], "192.0.2.1:1234");
    assert_eq!(login["SYSLOG_IDENTIFIER"], "messengerd");
    assert_eq!(login["TARGET"], "messengerd::listener");
    let failed = find(failed);
    assert_eq!(failed["PRIORITY"], "3");
    assert_eq!(failed["PROTOCOL"], "classic");
    assert_eq!(failed["REQUEST"], "log in");
    assert_eq!(failed["ERROR"], "binding failed: port taken");
    assert_eq!(find(careful)["PRIORITY"], "4");
    assert_eq!(find(here)["PRIORITY"], "7");
    Scene::Played
}

fn a_stream_that_is_not_the_journals() -> Scene {
    if let Some(not_here) = no_namespaces() {
        return not_here;
    }
    let (records, lines) = log("auto", "journald", false);
    assert_eq!(records, json!([]), "journald is not asked");
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(lines[0].contains(r#" INFO a peer logged in login="ann\nPRIORITY=0"#), "{}", lines[0]);
    assert!(
        lines[1].ends_with(r#"ERROR it failed protocol=classic request="log in" error="binding failed: port taken""#)
    );
    Scene::Played
}

fn without_journald() -> Scene {
    if let Some(not_here) = no_namespaces() {
        return not_here;
    }
    for (format, believe, prefix) in [("auto", true, "<4>"), ("journal", false, "")] {
        let (_, lines) = log(format, "none", believe);
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert!(lines[0].starts_with(prefix), "{}", lines[0]);
        assert!(lines[0].contains("journald can't be reached"), "{}", lines[0]);
        assert!(lines[1].contains("a peer logged in"), "{}", lines[1]);
    }
    Scene::Played
}

fn json_lines() -> Scene {
    if let Some(not_here) = no_namespaces() {
        return not_here;
    }
    let (_, lines) = log("json", "journald", true);
    let records: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 5);
    assert_eq!(records[0]["login"], FORGERY);
    assert_eq!(records[0]["level"], "INFO");
    assert_eq!(records[1]["error"], "binding failed: port taken");
    assert_eq!(records[1]["span"]["protocol"], "classic");
    Scene::Played
}
