//! What an administrator does with `messengerctl`, while the daemon runs and while it does not; and what people see of it.

use crate::support::{Person, Scratch, Server, Setup, is_root, not_tried, packet, password};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

/// A daemon that takes orders.
pub fn listening(settings: &[&str]) -> Server {
    let scratch = Arc::new(Scratch::new());
    let control = format!("listen.control={}", scratch.control().display());
    let setup = Setup::new().on(&scratch).set(&control);
    settings.iter().fold(setup, |setup, setting| setup.set(setting)).start()
}

/// What a command has said: its exit code, and both streams.
pub type Said = (Option<i32>, String, String);

/// `messengerctl`, as an administrator of this daemon calls it, whether or not it runs.
pub fn ctl(scratch: &Scratch, words: &[&str]) -> Said {
    said(command(scratch, words).output().unwrap())
}

pub fn said(Output { status, stdout, stderr }: Output) -> Said {
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

pub fn command(scratch: &Scratch, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_messengerctl"));
    command.args(words).arg("--socket").arg(scratch.control()).stdin(Stdio::null()).env("TZ", "UTC");
    let alone = ["session", "log", "reload", "top"].contains(&words[0]);
    if !alone {
        command.arg("--root").arg(scratch.path("root"));
        command.arg("--set").arg(format!("state.directory={}", scratch.state().display()));
    }
    command
}

/// It was done, and this was said of it.
pub fn done(scratch: &Scratch, words: &[&str]) -> String {
    let (code, out, err) = ctl(scratch, words);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{words:?}: {out}");
    out
}

/// A file with a password.
fn password_file(scratch: &Scratch, password: &str) -> String {
    let path = scratch.path("password");
    fs::write(&path, format!("{password}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

pub fn add(scratch: &Scratch, login: &str) {
    let file = password_file(scratch, &password(login));
    let email = format!("{login}@example.org");
    done(scratch, &["user", "add", login, "--email", &email, "--password-file", &file]);
}

#[test]
fn an_account_is_made_where_nobody_may_sign_up_and_its_owner_logs_in() {
    let server = listening(&["accounts.sign_up=closed"]);
    add(&server.scratch, "Ann");
    let ann = Person::log_in(server.peer(), "Ann");
    let shown = done(&server.scratch, &["user", "list"]);
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["LOGIN", "STATUS", "WAITING", "SINCE", "E-MAIL"]);
    assert_eq!((lines[1][0], lines[1][1], lines[1][2], lines[1][5]), ("ann", "online", "0", "Ann@example.org"));
    let shown: Value = serde_json::from_str(&done(&server.scratch, &["user", "show", "ann", "--json"])).unwrap();
    assert_eq!((&shown["user"]["online"], &shown["contacts"]), (&json!(true), &json!(0)));
    let record = server.logged(r#"ordered and done: make the account \"Ann\""#);
    assert_eq!((&record["audit"], &record["request"]), (&json!(1), &json!("AddUser")));
    drop(ann);
    // What can't be is refused, with what is wrong and a code.
    let file = password_file(&server.scratch, "short");
    for (login, email, code, words) in [
        ("ann", "ann@example.org", 65, "the login \"ann\" is taken"),
        ("b b", "bob@example.org", 65, "login"),
        ("bob", "nowhere", 65, "address"),
    ] {
        let long = password_file(&server.scratch, "a long enough password");
        let refused = ctl(&server.scratch, &["user", "add", login, "--email", email, "--password-file", &long]);
        assert_eq!(refused.0, Some(code), "{refused:?}");
        assert!(refused.2.contains(words), "{refused:?}");
    }
    fs::write(&file, "short\n").unwrap();
    let refused = ctl(&server.scratch, &["user", "add", "bob", "--email", "bob@example.org", "--password-file", &file]);
    assert_eq!(refused.0, Some(65));
    assert!(refused.2.contains("at least 8 characters (accounts.password_min_length)"), "{refused:?}");
    assert_eq!(ctl(&server.scratch, &["user", "show", "bob"]).0, Some(67));
}

#[test]
fn who_is_disabled_is_put_out_told_to_nobody_any_more_and_finds_all_as_it_was() {
    let server = listening(&[]);
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    bob.add("ann");
    assert_eq!(done(&server.scratch, &["user", "disable", "ann"]), "ann is disabled, and their session has ended\n");
    ann.peer.closed();
    bob.sees("ann", 0);
    server.peer().ask(&packet(1, &["ann", &password("ann")]), &[1, 4]);
    bob.write("ann", "for later");
    bob.barrier();
    assert_eq!(done(&server.scratch, &["user", "enable", "ann"]), "ann is enabled\n");
    Person::log_in(server.peer(), "ann").hears("bob", "for later");
    server.logged("the account was disabled");
}

#[test]
fn another_password_ends_what_the_old_one_had_begun() {
    let server = listening(&[]);
    let mut ann = server.person("ann");
    let file = password_file(&server.scratch, "something else entirely");
    let said = done(&server.scratch, &["user", "passwd", "ann", "--password-file", &file]);
    assert_eq!(said, "ann has another password, and their session has ended\n");
    ann.peer.closed();
    server.peer().ask(&packet(1, &["ann", &password("ann")]), &[1, 2]);
    server.peer().log_in_with("ann", "something else entirely");
    // The password itself went to nobody.
    let records = server.records().concat();
    assert!(records.contains("another password") && !records.contains("something else entirely"));
}

#[test]
fn sessions_are_shown_and_ended_one_by_one_or_all_of_somebody() {
    let server = listening(&[]);
    server.peer().sign_up("ann");
    let mut first = Person::log_in(server.peer(), "ann");
    let mut second = Person::log_in(server.peer(), "ann");
    let mut bob = server.person("bob");
    let sessions = || -> Vec<Value> {
        let shown = done(&server.scratch, &["session", "list", "--json"]);
        shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let held = sessions();
    assert_eq!(held.iter().map(|one| one["login"].as_str().unwrap()).collect::<Vec<_>>(), ["ann", "ann", "bob"]);
    assert!(held[0]["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    let number = held[0]["number"].to_string();
    assert_eq!(done(&server.scratch, &["session", "kill", "--number", &number]), "1 session has ended\n");
    first.peer.closed();
    second.barrier();
    assert_eq!(ctl(&server.scratch, &["session", "kill", "--number", &number]).0, Some(65));
    assert_eq!(done(&server.scratch, &["session", "kill", "ann"]), "1 session has ended\n");
    second.peer.closed();
    bob.barrier();
    assert_eq!(sessions().len(), 1);
    // Whoever was put out may come again.
    Person::log_in(server.peer(), "ann").barrier();
}

#[test]
fn an_invite_makes_as_many_accounts_as_it_says_and_no_more() {
    let server = listening(&["accounts.sign_up=invite"]);
    let sign_up = |login: &str, email: &str| {
        let mut peer = server.peer();
        peer.send(&packet(0, &[email, login, &password(login)]));
        peer.receive()
    };
    assert_eq!(sign_up("ann", "ann@example.org"), [0, 5]);
    assert_eq!(sign_up("ann", "ann@example.org ABCD-EFGH"), [0, 5]);
    let created: Value =
        serde_json::from_str(&done(&server.scratch, &["invite", "create", "--uses", "2", "--json"])).unwrap();
    let code = created["code"].as_str().unwrap();
    // In any case and without its dash as well, since people type it.
    assert_eq!(sign_up("ann", &format!("ann@example.org {}", code.to_lowercase())), [0, 0]);
    // A login that is taken costs nothing of it.
    assert_eq!(sign_up("ann", &format!("ann@example.org {code}")), [0, 4]);
    assert_eq!(sign_up("bob", &format!("bob@example.org {}", code.replace('-', ""))), [0, 0]);
    assert_eq!(sign_up("cat", &format!("cat@example.org {code}")), [0, 5]);
    let shown = done(&server.scratch, &["invite", "list"]);
    let line: Vec<_> = shown.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(line[..5], [code, "used", "up", "2", "2"]);
    let shown: Value = serde_json::from_str(&done(&server.scratch, &["user", "show", "ann", "--json"])).unwrap();
    assert_eq!(shown["user"]["email"], "ann@example.org");
    assert_eq!(shown["user"]["invite"], code.replace('-', ""));
    // One that was taken back makes none.
    let created: Value = serde_json::from_str(&done(&server.scratch, &["invite", "create", "--json"])).unwrap();
    let code = created["code"].as_str().unwrap();
    done(&server.scratch, &["invite", "revoke", code]);
    assert_eq!(sign_up("cat", &format!("cat@example.org {code}")), [0, 5]);
    assert_eq!(ctl(&server.scratch, &["invite", "revoke", code]).0, Some(65));
    // Nor does one whose time is over.
    let created: Value =
        serde_json::from_str(&done(&server.scratch, &["invite", "create", "--expires", "0s", "--json"])).unwrap();
    assert_eq!(created["good"], false);
    assert_eq!(sign_up("cat", &format!("cat@example.org {}", created["code"].as_str().unwrap())), [0, 5]);
}

#[test]
fn who_races_for_the_last_use_of_an_invite_finds_one_winner() {
    let server = listening(&["accounts.sign_up=invite", "auth.hashing_threads=4"]);
    let created: Value = serde_json::from_str(&done(&server.scratch, &["invite", "create", "--json"])).unwrap();
    let code = created["code"].as_str().unwrap();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|number| {
                let server = &server;
                scope.spawn(move || {
                    let mut peer = server.peer();
                    let login = format!("racer{number}");
                    peer.send(&packet(0, &[&format!("{login}@example.org {code}"), &login, "a long enough password"]));
                    peer.receive()
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| **answer == [0, 0]).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| **answer == [0, 5]).count(), 7, "{answers:?}");
}

#[test]
fn the_server_has_something_to_say_to_one_or_to_all_and_nobody_can_take_its_name() {
    let server = listening(&[]);
    let mut ann = server.person("ann");
    server.peer().sign_up("bob");
    assert_eq!(done(&server.scratch, &["message", "send", "--to", "ann", "to you"]), "1 message was written\n");
    ann.hears("system", "to you");
    assert_eq!(done(&server.scratch, &["message", "send", "--all", "a restart at ten"]), "2 messages were written\n");
    ann.hears("system", "a restart at ten");
    Person::log_in(server.peer(), "bob").hears("system", "a restart at ten");
    server.peer().ask(&packet(0, &["x@example.org", "SYSTEM", "a long enough password"]), &[0, 4]);
    server.peer().ask(&packet(1, &["system", "a long enough password"]), &[1, 2]);
    let refused = ctl(&server.scratch, &["message", "send", "--from", "ann", "--to", "bob", "I am not ann"]);
    assert_eq!(refused.0, Some(65));
    assert!(refused.2.contains("is a person"), "{refused:?}");
    assert_eq!(ctl(&server.scratch, &["message", "send", "--to", "nobody", "x"]).0, Some(67));
    // The journal says that it was ordered, and not what it said.
    server.logged("write 16 bytes to all as \\\"SYSTEM\\\"");
    assert!(!server.records().concat().contains("restart at ten"));
}

#[test]
fn contact_lists_are_made_for_people_who_find_them_when_they_log_in() {
    let server = listening(&[]);
    let mut ann = server.person("ann");
    let _bob = server.person("bob");
    done(&server.scratch, &["contacts", "add", "ann", "bob"]);
    assert_eq!(ann.contacts(), b"\x03\x00\rbob\r\x01");
    assert_eq!(done(&server.scratch, &["contacts", "list", "ann"]), "LOGIN  STATUS\nbob    online\n");
    assert_eq!(ctl(&server.scratch, &["contacts", "add", "ann", "nobody"]).0, Some(67));
    let remove = ["contacts", "remove", "ann", "bob"];
    assert_eq!(done(&server.scratch, &remove), "ann no longer has bob as a contact\n");
    assert_eq!(ann.contacts(), [3, 1]);
    assert_eq!(done(&server.scratch, &remove), "ann does not have bob as a contact\n");
    assert_eq!(ctl(&server.scratch, &["contacts", "remove", "ann", "nobody"]).0, Some(67));
}

#[test]
fn whom_an_administrator_makes_mutual_contacts_see_each_other_at_once() {
    let server = listening(&["contacts.policy=mutual"]);
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    assert_eq!(ann.add("bob"), 0);
    done(&server.scratch, &["contacts", "add", "bob", "ann"]);
    ann.sees("bob", 1);
    done(&server.scratch, &["contacts", "remove", "bob", "ann"]);
    ann.sees("bob", 0);
    // Of somebody who is not online there is nothing to tell.
    bob.log_out();
    server.logged("session ended");
    done(&server.scratch, &["contacts", "add", "bob", "ann"]);
    assert_eq!(ann.contacts(), b"\x03\0\rbob\r\0");
}

#[test]
fn what_a_reload_or_a_restart_would_change_is_shown_before_it_is_done() {
    let server = listening(&[]);
    let diff = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_messengerctl"))
            .args(["config", "diff"])
            .args(words)
            .arg("--socket")
            .arg(server.scratch.control())
            .arg("--root")
            .arg(server.scratch.path("root"))
            .output()
            .unwrap();
        said(output)
    };
    server.scratch.configure("[accounts]\npassword_min_length = 12\n[connections]\nmax = 77\n");
    let (code, out, _) = diff(&["--json"]);
    assert_eq!(code, Some(0));
    let changes: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |key: &str| changes.iter().find(|change| change["key"] == key).unwrap_or_else(|| panic!("{out}"));
    assert_eq!(
        (&of("accounts.password_min_length")["file"], &of("accounts.password_min_length")["taken"]),
        (&json!("12"), &json!("reload"))
    );
    assert_eq!((&of("connections.max")["file"], &of("connections.max")["taken"]), (&json!("77"), &json!("restart")));
    assert!(of("connections.max")["origin"].as_str().unwrap().ends_with("messengerd.toml:4"));
}

#[test]
fn the_journal_gets_more_as_long_as_it_is_wanted() {
    let server = listening(&[]);
    let seen =
        |server: &Server| server.records().iter().filter(|record| record.contains("connection accepted")).count();
    server.person("ann").barrier();
    let before = seen(&server);
    done(&server.scratch, &["log", "level", "warn"]);
    done(&server.scratch, &["log", "level", "debug"]);
    server.person("bob").barrier();
    assert!(seen(&server) > before);
    assert_eq!(ctl(&server.scratch, &["log", "level", "loud"]).0, Some(64));
}

#[test]
fn what_needs_no_daemon_is_done_without_one_and_it_says_so() {
    let server = listening(&[]);
    server.person("ann").barrier();
    let scratch = Arc::clone(&server.scratch);
    server.stop();
    let without = |words: &[&str]| {
        let (code, out, err) = ctl(&scratch, words);
        assert_eq!(code, Some(0), "{words:?}: {out}{err}");
        assert!(err.contains("working on the database without messengerd"), "{err}");
        out
    };
    let file = password_file(&scratch, &password("bob"));
    assert_eq!(
        without(&["user", "add", "bob", "--email", "bob@example.org", "--password-file", &file]),
        "the account bob was made\n"
    );
    let shown = without(&["user", "list"]);
    assert!(shown.contains("ann    -") && shown.contains("bob    -"), "{shown}");
    without(&["message", "send", "--all", "we are back"]);
    without(&["user", "disable", "ann"]);
    assert_eq!(ctl(&scratch, &["session", "list"]).0, Some(69));
    // The daemon finds all of it.
    let control = format!("listen.control={}", scratch.control().display());
    let server = Setup::new().on(&scratch).set(&control).start();
    Person::log_in(server.peer(), "bob").hears("system", "we are back");
    server.peer().ask(&packet(1, &["ann", &password("ann")]), &[1, 4]);
    // While it runs and does not listen there, nobody gets at its database.
    let elsewhere = ["user", "list", "--root", "/nowhere"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_messengerctl"));
    command.args(elsewhere).arg("--socket").arg(scratch.path("nothing"));
    command.arg("--set").arg(format!("state.directory={}", scratch.state().display()));
    let refused = said(command.output().unwrap());
    assert_eq!(refused.0, Some(75), "{refused:?}");
    assert!(refused.2.contains("another messengerd is running"), "{refused:?}");
}

/// Ends with 0 when it was answered, with 9 when the connection was closed.
const ASK_AND_SEE: &str = r#"
import socket, sys
door = socket.socket(socket.AF_UNIX)
door.connect(sys.argv[1])
try:
    door.sendall(b'{"method":"org.varlink.service.GetInfo"}\0')
    sys.exit(0 if door.recv(100) else 9)
except (ConnectionResetError, BrokenPipeError):
    sys.exit(9)
"#;

#[test]
fn who_is_not_of_the_group_is_refused_and_in_the_journal_though_the_socket_lets_all_in() {
    if !is_root() {
        return not_tried("only root can be somebody else");
    }
    let server = listening(&[]);
    let control = server.scratch.control();
    fs::set_permissions(&control, fs::Permissions::from_mode(0o666)).unwrap();
    let scratch = Arc::clone(&server.scratch);
    fs::set_permissions(scratch.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let as_somebody = |groups: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=61999", "--regid=61999", groups]);
        // Of programs that everybody may start: ours may be where only root gets.
        command.arg("/usr/bin/python3").arg("-c").arg(ASK_AND_SEE);
        command.arg(&control).stderr(Stdio::null()).status().unwrap().code()
    };
    assert_eq!(as_somebody("--clear-groups"), Some(9));
    let record = server.logged("control connection refused");
    assert_eq!(record["audit"], json!(1));
    assert!(record["peer"].as_str().unwrap().starts_with("local user 61999, process "), "{record}");
    let group = fs::metadata(&control).unwrap().gid();
    assert_eq!(as_somebody(&format!("--groups={group}")), Some(0));
}
