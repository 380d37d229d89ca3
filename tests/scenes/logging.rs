//! What the log says, in each of its forms: who, from where, by which protocol, asking what, and what was wrong.

use crate::support::{Peer, Person, Scratch, Server, Setup, is_root, not_tried, tool};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::Arc;

/// Ann guesses wrong, logs in, writes to nobody, and asks for what there is not; then she is thrown out.
fn trouble(mut ann: Peer) {
    ann.sign_up("ann");
    ann.ask(b"\x01ann\rnot her password", &[1, 2]);
    let mut ann = Person::log_in(ann, "ann");
    ann.write("ghost", "not for the log");
    ann.barrier();
    ann.peer.send(b"\x77");
    ann.peer.closed();
}

fn assert_no_secret(log: &str) {
    for secret in ["not her password", "secret of ann", "not for the log", "$argon2"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn a_record_in_json_has_a_field_for_each_thing() {
    let server = Server::start();
    let ann = server.peer();
    let peer = ann.stream.local_addr().unwrap().to_string();
    trouble(ann);
    let with = |text, fields: &[(&str, &str)]| {
        let record = server.logged(text);
        for (name, value) in fields {
            assert_eq!(record[name], *value, "{name} of {record}");
        }
        assert!(record["timestamp"].is_string() && record["target"].as_str().unwrap().starts_with("messengerd"));
    };
    with(
        "log-in refused",
        &[
            ("level", "INFO"),
            ("login", "ann"),
            ("request", "log-in"),
            ("error", "WrongPassword"),
            ("peer", &peer),
            ("protocol", "classic"),
        ],
    );
    with(
        "nobody has that login",
        &[("level", "INFO"), ("login", "ann"), ("request", "message"), ("recipient", "ghost")],
    );
    let error = "unknown request type 0x77";
    with(
        "connection closed",
        &[("level", "WARN"), ("login", "ann"), ("peer", &peer), ("protocol", "classic"), ("error", error)],
    );
    let all = server.records().join("\n");
    assert!(all.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|record| record.is_object())));
    assert_no_secret(&all);
}

#[test]
fn the_most_talkative_level_has_no_secret_either() {
    let server = Setup::new().set("log.level=trace").start();
    let (ann, mut bob) = (server.peer(), server.person("bob"));
    bob.write("bob", "not for the log");
    bob.hears("bob", "not for the log");
    trouble(ann);
    server.logged("unknown request type 0x77");
    let all = server.records().join("\n");
    assert!(all.contains("connection accepted"), "that is said from debug on");
    assert_no_secret(&all);
    let [a, b, c, d] = bob.key;
    for key in [format!("{:?}", bob.key), format!("{a:02x}{b:02x}{c:02x}{d:02x}")] {
        assert!(!all.to_lowercase().contains(&key), "the key {key} is in the log");
    }
}

#[test]
fn a_record_in_text_is_one_line_with_the_fields_behind_the_message() {
    let server = Setup::new().locally().set("log.format=text").start();
    trouble(server.local_peer());
    let line = server.said("connection closed");
    let user = nix::unistd::getuid();
    let expected = format!(
        " WARN connection closed peer=local user {user} protocol=\"classic\" login=\"ann\" error=unknown request type 0x77"
    );
    assert_eq!(line.replace('"', ""), format!("{}{}", &line[..line.find(" WARN").unwrap()], expected.replace('"', "")));
    let all = server.records().join("\n");
    assert_no_secret(&all);
}

#[test]
fn where_the_journal_is_the_log_it_gets_fields_and_standard_error_nothing() {
    let mount = ["--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/run"];
    if !is_root() || !tool("unshare", "util-linux") || !Command::new("unshare").args(mount).status().unwrap().success()
    {
        return not_tried("no mount namespaces: not root, or a container without CAP_SYS_ADMIN");
    }
    let scratch = Arc::new(Scratch::new());
    let run = scratch.path("run");
    fs::create_dir_all(run.join("systemd/journal")).unwrap();
    let socket = run.join("systemd/journal/socket");
    let journald = UnixDatagram::bind(&socket).unwrap();
    fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    // In a /run of its own, where the journal's socket is ours, and with a standard error that is the journal's.
    let script = format!(
        "mount --bind {} /run\nexport JOURNAL_STREAM=$(stat --dereference --format=%d:%i /proc/self/fd/2)",
        run.display()
    );
    // Read all the time, as journald does: its queue is short, and who finds it full waits.
    let (hear, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(length) = journald.recv(&mut bytes) {
            if hear.send(fields(&bytes[..length])).is_err() {
                return;
            }
        }
    });
    let server = Setup::new()
        .on(&scratch)
        .locally()
        .leave("log.format")
        .after(&script)
        .by(&["unshare", "--mount", "--propagation", "private"])
        .start();
    trouble(server.local_peer());
    server.signal(nix::sys::signal::Signal::SIGTERM);
    server.notified("STOPPING=1");
    let mut records = Vec::new();
    let find = |records: &[BTreeMap<String, String>], message: &str| {
        records.iter().find(|record| record.get("MESSAGE").is_some_and(|found| found.contains(message))).cloned()
    };
    while find(&records, "stopped").is_none() {
        let record = heard.recv_timeout(crate::support::PATIENCE);
        records.push(record.unwrap_or_else(|error| panic!("{error} after {records:?}")));
    }
    let closed = json!(find(&records, "connection closed").unwrap());
    for (name, value) in [
        ("PRIORITY", "4"),
        ("LOGIN", "ann"),
        ("PROTOCOL", "classic"),
        ("PEER", "local user 0"),
        ("ERROR", "unknown request type 0x77"),
        ("SYSLOG_IDENTIFIER", "messengerd"),
    ] {
        assert_eq!(closed[name], value, "{name} of {closed}");
    }
    // Who reads the messages only, as journalctl shows them, is told all the same.
    let line = "connection closed peer=\"local user 0\" protocol=classic login=ann error=\"unknown request type 0x77\"";
    assert_eq!(closed["MESSAGE"], line);
    assert_eq!(find(&records, "log-in refused").unwrap()["REQUEST"], "log-in");
    assert!(find(&records, "listening on").is_some());
    assert_no_secret(&format!("{records:?}"));
    assert_eq!(server.records(), Vec::<String>::new(), "nothing is said twice");
}

/// A record in the journal's native protocol: `NAME=value\n`, or `NAME\n`, a length in 8 bytes, the value and `\n`.
fn fields(mut datagram: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while let Some(end) = datagram.iter().position(|byte| *byte == b'\n') {
        let line = str::from_utf8(&datagram[..end]).unwrap();
        datagram = &datagram[end + 1..];
        let (name, value) = if let Some((name, value)) = line.split_once('=') {
            (name, value.to_owned())
        } else {
            let (length, rest) = datagram.split_first_chunk().expect("a length");
            let (value, rest) = rest.split_at(usize::try_from(u64::from_le_bytes(*length)).unwrap());
            datagram = rest.strip_prefix(b"\n").expect("a value ends");
            (line, String::from_utf8(value.to_vec()).unwrap())
        };
        fields.insert(name.to_owned(), value);
    }
    fields
}
