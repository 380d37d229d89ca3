//! The configuration as an administrator meets it: files below a root, the environment, flags, and what
//! `messengerctl` says about them.

use insta::assert_snapshot;
use messengerd::config::{self, Sources, keys, load_with};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The committed example.
const EXAMPLE: &str = include_str!("../config/messengerd.toml");

/// A root directory with configuration files, and the tool that looks at it.
struct Machine {
    root: TempDir,
    environment: Vec<(OsString, OsString)>,
}

/// What the tool said.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Machine {
    fn new() -> Self {
        Self { root: TempDir::new().unwrap(), environment: Vec::new() }
    }

    /// Puts a file below the root.
    fn with(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn with_directory(self, path: &str) -> Self {
        fs::create_dir_all(self.root.path().join(path)).unwrap();
        self
    }

    fn with_link(self, path: &str, to: &str) -> Self {
        symlink(to, self.root.path().join(path)).unwrap();
        self
    }

    fn with_variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs `messengerctl config ARGUMENTS --root ROOT`, with no variables of ours but those given.
    fn config(&self, arguments: &[&str]) -> Said {
        let mut command = messengerctl();
        command.arg("config").args(arguments).arg("--root").arg(self.root.path());
        command.envs(self.environment.iter().cloned());
        self.say(&command.output().unwrap())
    }

    /// Takes what was said, with the root's own path left out.
    fn say(&self, output: &Output) -> Said {
        let root = self.root.path().to_str().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(root, "");
        Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The faults that `config check` tells; there must be some.
    fn faults(&self, arguments: &[&str]) -> String {
        let said = self.config(&[&["check"], arguments].concat());
        assert_eq!((said.code, said.out.as_str()), (Some(78), ""), "{}", said.err);
        said.err
    }

    /// The line of `config show` about one key; there must be no faults.
    fn shown(&self, key: &str, arguments: &[&str]) -> String {
        let said = self.config(&[&["show"], arguments].concat());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        let line = said.out.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The tool, in an environment without our variables.
fn messengerctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_messengerctl"));
    command.env_clear();
    command
}

/// Loads one file in this process.
fn load_file(path: &Path) -> Result<config::Loaded, config::Faults> {
    load_with(&Sources { config: Some(path.to_owned()), ..Sources::default() }, [])
}

const MAIN: &str = "etc/messengerd/messengerd.toml";

#[test]
fn a_machine_without_any_file_has_the_defaults() {
    let said = Machine::new().config(&["check"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_snapshot!(said.out, @r#"
    configuration is fine: no files read
    "#);
    let loaded = load_with(&Sources { root: Some("/nowhere".into()), ..Sources::default() }, []).unwrap();
    assert_eq!(loaded.settings, config::Settings::default());
}

#[test]
fn later_layers_win_and_show_says_which() {
    let mut machine = Machine::new();
    assert_eq!(machine.shown("store.readers", &[]), "store.readers = 2 # default");

    machine = machine.with("usr/lib/messengerd/20-b.toml", "[store]\nreaders = 4\n");
    machine = machine.with("usr/lib/messengerd/10-a.toml", "[store]\nreaders = 3\n");
    assert_eq!(machine.shown("store.readers", &[]), "store.readers = 4 # /usr/lib/messengerd/20-b.toml:2");

    machine = machine.with(MAIN, "# ours\n\nstore.readers = 5\n");
    assert_eq!(machine.shown("store.readers", &[]), "store.readers = 5 # /etc/messengerd/messengerd.toml:3");

    machine = machine.with("etc/messengerd/conf.d/a.toml", "store = { readers = 6 }\n");
    assert_eq!(machine.shown("store.readers", &[]), "store.readers = 6 # /etc/messengerd/conf.d/a.toml:1");

    machine = machine.with_variable("MESSENGERD_STORE__READERS", "7");
    assert_eq!(machine.shown("store.readers", &[]), "store.readers = 7 # environment MESSENGERD_STORE__READERS");

    let flags = ["--set", "store.readers=8", "--set", "store.readers=9"];
    assert_eq!(machine.shown("store.readers", &flags), "store.readers = 9 # --set");
}

#[test]
fn check_names_the_files_in_the_order_in_which_they_were_read() {
    let machine = Machine::new()
        .with("etc/messengerd/conf.d/20.toml", "")
        .with("etc/messengerd/conf.d/10.toml", "")
        .with("etc/messengerd/conf.d/.#10.toml", "an editor's own [")
        .with("etc/messengerd/conf.d/10.toml.dpkg-old", "no longer ours [")
        .with(MAIN, "log.level = \"debug\"\n")
        .with("usr/lib/messengerd/vendor.toml", "");
    let said = machine.config(&["check"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_snapshot!(said.out, @r#"
    configuration is fine: 4 files read: /usr/lib/messengerd/vendor.toml, /etc/messengerd/messengerd.toml, /etc/messengerd/conf.d/10.toml, /etc/messengerd/conf.d/20.toml
    "#);
}

#[test]
fn a_file_asked_for_stands_alone_and_must_exist() {
    let machine = Machine::new().with(MAIN, "[store]\nreaders = 5\n").with("mine.toml", "[log]\nlevel = \"warn\"\n");
    let mine = machine.root.path().join("mine.toml");
    let mine = mine.to_str().unwrap();
    assert_eq!(machine.shown("store.readers", &["--config", mine]), "store.readers = 2 # default");
    assert_eq!(machine.shown("log.level", &["--config", mine]), "log.level = \"warn\" # /mine.toml:2");
    assert_snapshot!(machine.faults(&["--config", &format!("{mine}.not")]), @r#"
    /mine.toml.not: cannot be read: No such file or directory (os error 2)
        create it, or do not ask for it; a symbolic link must lead to a file
    "#);
}

#[test]
fn every_fault_of_every_layer_is_told_at_once() {
    let machine = Machine::new()
        .with("usr/lib/messengerd/vendor.toml", "[auth]\nhashing_queue = -1\n")
        .with(
            MAIN,
            "\
[auth]
hashing_thread = 2
argon2_memory = \"4 parsecs\"
account_refill = 30
hide_unknown_login = \"yes\"
source_refill = 5 minutes
source_failures = 0

[log]
level = \"loud\"
colour = true

[connections
keepalive_idle = \"1500ms\"
max = 2026-01-01

[connectoins]
outbox_max = \"1GiB\"

[tls]
",
        )
        .with("etc/messengerd/conf.d/10.toml", "process = \"root\"\nlisten.classic = [\"localhost:54321\"]\n")
        .with("etc/messengerd/conf.d/20.toml", "[state]\ndirectory = \"caf\u{e9}\"\n")
        .with("etc/messengerd/conf.d/30.toml", b"[process]\n# caf\xe9\n")
        .with("etc/messengerd/conf.d/40.toml", "[auth]\nhashing_queue = 10\nhashing_queue = 20\n")
        .with_variable("MESSENGERD_AUTH__HASHING_THREAD", "2")
        .with_variable("MESSENGERD_CLASSIC__PACKET_GAP", "5")
        .with_variable("MESSENGERD_PROCESS__USER", OsString::from_vec(b"caf\xe9".to_vec()))
        .with_variable("MESSENGERD_VERBOSE", "1");
    let flags = ["--set", "log.levle=debug", "--set", "debug", "--set", "store.batch_max=1000000"];
    assert_snapshot!(machine.faults(&flags), @r#"
    /usr/lib/messengerd/vendor.toml:2: auth.hashing_queue: -1 is too small
        expected a whole number from 0 to 100000, for example hashing_queue = 64
    /etc/messengerd/messengerd.toml:2: auth.hashing_thread: unknown key
        did you mean auth.hashing_threads?
    /etc/messengerd/messengerd.toml:3: auth.argon2_memory: "4 parsecs" is not understood: the units are B, KiB, MiB and GiB
        expected a size from 8KiB to 4GiB, for example argon2_memory = "19MiB"
    /etc/messengerd/messengerd.toml:4: auth.account_refill: 30 is not understood: a duration needs quotes and a unit
        expected a duration from 1ms to 1day, for example account_refill = "30s"
    /etc/messengerd/messengerd.toml:5: auth.hide_unknown_login: "yes" is of the wrong type
        expected true or false, for example hide_unknown_login = false
    /etc/messengerd/messengerd.toml:6:17: string values must be quoted, expected literal string
        write key = value, with texts in quotes
    /etc/messengerd/messengerd.toml:7: auth.source_failures: 0 is too small
        expected a whole number from 1 to 100000, for example source_failures = 30
    /etc/messengerd/messengerd.toml:10: log.level: "loud" is not one of the words
        expected "trace", "debug", "info", "warn" or "error", for example level = "info"
    /etc/messengerd/messengerd.toml:11: log.colour: unknown key
        the keys of [log] are level, format
    /etc/messengerd/messengerd.toml:13:13: unclosed table, expected `]`
        write [section] on a line of its own
    /etc/messengerd/messengerd.toml:14: connections.keepalive_idle: "1500ms" has a fraction of a second
        expected a duration in whole seconds from 1s to 9h, for example keepalive_idle = "1m"
    /etc/messengerd/messengerd.toml:15: connections.max: a date or time is of the wrong type
        expected a whole number from 1 to 1000000, for example max = 10000
    /etc/messengerd/messengerd.toml:18: connectoins.outbox_max: unknown key
        did you mean connections.outbox_max?
    /etc/messengerd/messengerd.toml:20: tls: unknown section
        the sections are listen, state, process, sandbox, log, accounts, contacts, retention, auth, connections, classic, store
    /etc/messengerd/conf.d/10.toml:1: process: is a section and has no value
        write [process] on a line of its own, and its keys below
    /etc/messengerd/conf.d/10.toml:2: listen.classic: "localhost:54321" is neither IP:PORT nor an absolute path
        expected a list of "IP:PORT" and absolute paths of UNIX sockets, for example classic = ["127.0.0.1:54321", "[::1]:54321"]
    /etc/messengerd/conf.d/20.toml:2: state.directory: "café" is no absolute path
        expected an absolute path, or an empty text for none, for example directory = "/var/lib/messengerd"
    /etc/messengerd/conf.d/30.toml:2:6: is not UTF-8 text
        save the file as UTF-8
    /etc/messengerd/conf.d/40.toml:3:1: duplicate key
        keep one of them
    environment MESSENGERD_AUTH__HASHING_THREAD: unknown variable
        did you mean MESSENGERD_AUTH__HASHING_THREADS?
    environment MESSENGERD_CLASSIC__PACKET_GAP: classic.packet_gap: "5" is not understood: time unit needed, for example 5sec or 5ms
        expected a duration from 0s to 1s, for example MESSENGERD_CLASSIC__PACKET_GAP=10ms
    environment MESSENGERD_PROCESS__USER: is not UTF-8 text
        write it in UTF-8, or unset it
    environment MESSENGERD_VERBOSE: unknown variable
        the sections are listen, state, process, sandbox, log, accounts, contacts, retention, auth, connections, classic, store; "messengerctl config example" shows every key
    --set: log.levle: unknown key
        did you mean log.level?
    --set: "debug" has no "="
        write --set section.key=value
    --set: store.batch_max: 1000000 is too large
        expected a whole number from 1 to 10000, for example --set store.batch_max=256
    "#);
}

#[test]
fn what_cannot_be_read_is_a_fault_and_the_rest_is_still_checked() {
    let machine = Machine::new()
        .with_directory(MAIN)
        .with("usr/lib/messengerd", "a file where a directory should be")
        .with_directory("etc/messengerd/conf.d/10.toml")
        .with_link("etc/messengerd/conf.d/20.toml", "nowhere")
        .with_link("etc/messengerd/conf.d/30.toml", "30.toml")
        .with("etc/messengerd/conf.d/40.toml", "[store]\nreaders = \"two\"\n");
    assert_snapshot!(machine.faults(&[]), @r#"
    /usr/lib/messengerd: cannot be read: Not a directory (os error 20)
        put a directory where a file is in the way, or remove it
    /etc/messengerd/messengerd.toml: cannot be read: Is a directory (os error 21)
        put a file in its place, or remove it
    /etc/messengerd/conf.d/10.toml: cannot be read: Is a directory (os error 21)
        put a file in its place, or remove it
    /etc/messengerd/conf.d/20.toml: cannot be read: No such file or directory (os error 2)
        create it, or do not ask for it; a symbolic link must lead to a file
    /etc/messengerd/conf.d/30.toml: cannot be read: Too many levels of symbolic links (os error 40)
        make it readable, or remove it
    /etc/messengerd/conf.d/40.toml:2: store.readers: "two" is of the wrong type
        expected a whole number from 1 to 64, for example readers = 2
    "#);
}

#[test]
fn a_file_masked_with_dev_null_is_empty() {
    let machine =
        Machine::new().with_directory("etc/messengerd/conf.d").with_link("etc/messengerd/conf.d/10.toml", "/dev/null");
    assert_eq!(machine.config(&["check"]).code, Some(0));
}

#[test]
fn a_wrong_value_is_a_fault_even_where_a_later_layer_sets_a_right_one() {
    let machine = Machine::new()
        .with(MAIN, "[store]\nreaders = 0\n")
        .with("etc/messengerd/conf.d/10.toml", "[store]\nreaders = 3\n");
    assert_snapshot!(machine.faults(&["--set", "store.readers=4"]), @r#"
    /etc/messengerd/messengerd.toml:2: store.readers: 0 is too small
        expected a whole number from 1 to 64, for example readers = 2
    "#);
}

#[test]
fn values_that_do_not_go_together_are_told_where_one_of_them_was_set() {
    let machine = Machine::new().with(MAIN, "[classic]\nrequest_max = \"1MiB\"\n");
    assert_snapshot!(machine.faults(&["--set", "auth.argon2_lanes=16", "--set", "auth.argon2_memory=100KiB"]), @r#"
    --set: auth.argon2_memory: auth.argon2_memory must be at least 8KiB for each of auth.argon2_lanes
        raise the first or lower the second: auth.argon2_memory = "100KiB" (--set), auth.argon2_lanes = 16 (--set)
    /etc/messengerd/messengerd.toml:2: classic.request_max: connections.outbox_max must be at least classic.request_max
        raise the first or lower the second: connections.outbox_max = "256KiB" (default), classic.request_max = "1MiB" (/etc/messengerd/messengerd.toml:2)
    "#);
}

#[test]
fn only_the_effective_values_must_go_together() {
    let machine = Machine::new()
        .with("usr/lib/messengerd/vendor.toml", "[classic]\nrequest_max = \"1MiB\"\n")
        .with(MAIN, "[connections]\noutbox_max = \"2MiB\"\n");
    assert_eq!(machine.config(&["check"]).code, Some(0));
}

#[test]
fn a_misspelt_key_is_not_blamed_a_second_time_for_what_it_would_have_set() {
    let machine = Machine::new().with(MAIN, "classic.request_max = \"1MiB\"\nconnections.outbox_mx = \"2MiB\"\n");
    assert_snapshot!(machine.faults(&[]), @r#"
    /etc/messengerd/messengerd.toml:2: connections.outbox_mx: unknown key
        did you mean connections.outbox_max?
    "#);
}

#[test]
fn lists_and_texts_from_environment_and_flags_mean_the_same_as_in_a_file() {
    let machine = Machine::new().with_variable("MESSENGERD_LISTEN__CLASSIC", "127.0.0.1:0, /run/classic");
    assert_eq!(
        machine.shown("listen.classic", &[]),
        "listen.classic = [\"127.0.0.1:0\", \"/run/classic\"] # environment MESSENGERD_LISTEN__CLASSIC"
    );
    assert_eq!(machine.shown("process.user", &["--set", "process.user=1000"]), "process.user = \"1000\" # --set");
    let machine = Machine::new().with(MAIN, "[process]\nuser = \"chat\"\n");
    assert_eq!(machine.shown("process.user", &["--set", "process.user="]), "process.user = \"\" # --set");
}

#[test]
fn what_show_prints_is_a_configuration_with_the_same_values() {
    let machine = Machine::new().with(MAIN, "[state]\ndirectory = \"/srv/a \\\"b\\\"\"\n[log]\nlevel = \"warn\"\n");
    let shown = machine.config(&["show"]).out;
    assert_eq!(shown.lines().count(), keys().count());
    let again = Machine::new().with("again.toml", &shown);
    let loaded = load_file(&again.root.path().join("again.toml")).unwrap();
    let root = Some(machine.root.path().to_owned());
    let original = load_with(&Sources { root, ..Sources::default() }, []).unwrap();
    assert_eq!(loaded.settings, original.settings);
}

#[test]
fn show_as_json_has_every_key_with_value_and_origin() {
    let machine = Machine::new().with(MAIN, "[auth]\nhashing_threads = 2\n");
    let said = machine.config(&["show", "--json"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let shown: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        shown["auth"]["hashing_threads"],
        serde_json::json!({ "value": 2, "origin": "/etc/messengerd/messengerd.toml:2" })
    );
    assert_eq!(shown["state"]["directory"], serde_json::json!({ "value": null, "origin": "default" }));
    assert_eq!(shown["classic"]["request_max"]["value"], "64KiB");
    let count: usize = shown.as_object().unwrap().values().map(|section| section.as_object().unwrap().len()).sum();
    assert_eq!(count, keys().count());
}

#[test]
fn a_faulty_configuration_is_not_shown() {
    let said = Machine::new().with(MAIN, "[auth]\nx = 1\n").config(&["show", "--json"]);
    assert_eq!((said.code, said.out.as_str()), (Some(78), ""));
}

#[test]
fn a_wrong_command_line_is_another_fault_than_a_wrong_configuration() {
    assert_eq!(messengerctl().args(["config", "chekc"]).output().unwrap().status.code(), Some(64));
    assert_eq!(messengerctl().output().unwrap().status.code(), Some(64));
    assert_eq!(messengerctl().arg("--help").output().unwrap().status.code(), Some(0));
}

#[test]
fn a_full_disk_behind_standard_output_is_told() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = messengerctl().args(["config", "example"]).stdout(Stdio::from(full)).output().unwrap();
    assert_eq!(output.status.code(), Some(74));
    assert!(!output.stderr.is_empty());
}

#[test]
fn the_committed_example_is_what_the_program_prints() {
    let output = messengerctl().args(["config", "example"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    let stale = printed.lines().zip(EXAMPLE.lines()).find(|(new, old)| new != old);
    assert!(
        printed == EXAMPLE,
        "config/messengerd.toml is stale, first at {stale:?}: renew it with \
         \"cargo run --bin messengerctl -- config example > config/messengerd.toml\""
    );
}

#[test]
fn the_committed_example_loads_as_it_stands_and_with_every_key_uncommented() {
    let machine = Machine::new().with("example.toml", EXAMPLE);
    let example = machine.root.path().join("example.toml");
    assert!(load_file(&example).unwrap().entries().all(config::Entry::is_default));

    let is_key = |line: &str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_alphabetic()));
    let uncommented: Vec<_> = EXAMPLE.lines().map(|line| if is_key(line) { &line[1..] } else { line }).collect();
    let machine = machine.with("example.toml", uncommented.join("\n"));
    let loaded = load_file(&example).unwrap_or_else(|faults| panic!("{faults}"));
    for entry in loaded.entries() {
        assert!(!entry.is_default(), "{} is missing from the example", entry.path());
    }
    assert_eq!(loaded.settings, config::Settings::default());
    drop(machine);
}

#[test]
fn every_key_takes_its_default_from_the_environment_and_from_a_flag() {
    let defaults = load_with(&Sources { root: Some("/nowhere".into()), ..Sources::default() }, []).unwrap();
    for key in keys() {
        let entry = defaults.entries().find(|entry| entry.path() == key.path).unwrap();
        let text = entry.value_text();
        let plain = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&text);
        let sources = Sources { root: Some("/nowhere".into()), ..Sources::default() };
        let loaded = load_with(&sources, [(key.variable().into(), plain.into())]).unwrap();
        assert_eq!(loaded.settings, defaults.settings, "{}", key.path);
        let sources = Sources { set: vec![format!("{}={plain}", key.path)], ..sources };
        assert_eq!(load_with(&sources, []).unwrap().settings, defaults.settings, "{}", key.path);
    }
}
