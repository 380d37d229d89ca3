//! What goes wrong: one line for a person, one code for a script.

use crate::stage::{Home, Running, Stage};
use nix::pty::openpty;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn nobody_answers() {
    let (home, nowhere) = (Home::new(), Stage::nowhere());
    let words = format!("messenger: no server answers at {nowhere}: Connection refused; is messengerd running?\n");
    assert_eq!(Running::start(home.ann(&nowhere, &["contacts"])).end(), (69, String::new(), words));
    let (code, _, err) = Running::start(home.ann("/nowhere/classic.sock", &["contacts"])).end();
    assert_eq!(code, 69);
    assert!(err.contains("/nowhere/classic.sock: No such file or directory"), "{err}");
}

#[test]
fn each_refusal_of_a_log_in_has_its_words_and_its_code() {
    let (home, stage) = (Home::new(), Stage::new());
    for (flag, code, words) in [
        (1, 67, "nobody has the login ann"),
        (2, 77, "wrong password"),
        (3, 75, "the server asks to try again later"),
        (4, 77, "the account ann is disabled"),
    ] {
        let messenger = Running::start(home.ann(&stage.address(), &["login"]));
        let mut peer = stage.accept();
        peer.expect(&[b"\x01ann\rcorrect horse"]);
        peer.send(&[&[1, flag]]);
        assert_eq!(messenger.end(), (code, String::new(), format!("messenger: {words}\n")));
    }
    assert!(!home.config().exists(), "what was refused is not remembered");
}

#[test]
fn a_server_that_talks_rubbish() {
    let (home, stage) = (Home::new(), Stage::new());
    for (bytes, words) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], "the server sent something that is no packet of the classic protocol"),
        (b"\x04\x01", "the server answered something that was not asked"),
    ] {
        let messenger = Running::start(home.ann(&stage.address(), &["contacts"]));
        let mut peer = stage.accept();
        peer.expect(&[b"\x01ann\rcorrect horse"]);
        peer.send(&[bytes]);
        assert_eq!(messenger.end(), (76, String::new(), format!("messenger: {words}\n")));
    }
}

#[test]
fn a_server_that_says_nothing() {
    let (home, stage) = (Home::new(), Stage::new());
    let messenger = Running::start(home.ann(&stage.address(), &["contacts", "--timeout", "100ms"]));
    let _peer = stage.accept();
    let words = format!("messenger: {} did not answer within 100ms\n", stage.address());
    assert_eq!(messenger.end(), (69, String::new(), words));
}

#[test]
fn a_server_that_closes_at_once() {
    let (home, stage) = (Home::new(), Stage::new());
    let messenger = Running::start(home.ann(&stage.address(), &["contacts"]));
    let mut peer = stage.accept();
    peer.expect(&[b"\x01ann\rcorrect horse"]);
    drop(peer);
    let words = format!("messenger: {} closed the connection\n", stage.address());
    assert_eq!(messenger.end(), (69, String::new(), words));
}

#[test]
fn a_command_line_that_is_none() {
    let home = Home::new();
    for arguments in [&[][..], &["frob"], &["send"], &["contacts", "--timeout", "soon"], &["chat", "bob", "hello"]] {
        let (code, out, err) = Running::start(home.bare(arguments)).end();
        assert_eq!((code, out.as_str()), (64, ""), "{arguments:?}");
        assert!(err.contains("Usage: messenger") || err.contains("--timeout"), "{err}");
    }
    let (code, out, err) = Running::start(home.bare(&["--help"])).end();
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("messenger chat bob"), "{out}");
    let (code, _, err) = Running::start(home.bare(&["contacts"])).end();
    assert!(code == 64 && err.contains("messenger login NAME"), "{err}");
    let (code, _, err) = Running::start(home.bare(&["contacts", "--server", "a:b"])).end();
    assert!(code == 64 && err.contains("\"a:b\" is no server"), "{err}");
    let (code, _, err) = Running::start(home.ann(&Stage::nowhere(), &["chat", "bob"])).end();
    assert!(code == 64 && err.contains("chat needs a terminal"), "{err}");
}

#[test]
fn without_a_terminal_and_a_file_there_is_no_password() {
    let home = Home::new();
    let mut command = Command::new("setsid");
    home.dress(&mut command);
    let output = command
        .args(["--wait", env!("CARGO_BIN_EXE_messenger"), "contacts", "--login", "ann"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "messenger: Password: there is no terminal to ask on; give --password-file FILE\n"
    );
}

#[test]
fn a_password_file_that_others_can_read_gets_a_warning_and_one_without_a_password_is_refused() {
    let home = Home::new();
    std::fs::set_permissions(home.password_file(), PermissionsExt::from_mode(0o644)).unwrap();
    let (_, _, err) = Running::start(home.ann(&Stage::nowhere(), &["contacts"])).end();
    let file = home.password_file().display().to_string();
    assert!(err.starts_with(&format!("warning: others can read {file}; run: chmod 600 {file}\n")), "{err}");

    std::fs::write(home.password_file(), "\n").unwrap();
    let (code, _, err) = Running::start(home.ann(&Stage::nowhere(), &["contacts"])).end();
    assert!(code == 65 && err.ends_with("has no password in its first line\n"), "{err}");

    std::fs::remove_file(home.password_file()).unwrap();
    let (code, _, err) = Running::start(home.ann(&Stage::nowhere(), &["contacts"])).end();
    assert_eq!((code, err), (66, format!("messenger: password file {file}: No such file or directory\n")));
}

#[test]
fn a_damaged_memory_is_named_with_its_remedy() {
    let home = Home::new();
    std::fs::create_dir_all(home.config().parent().unwrap()).unwrap();
    std::fs::write(home.config(), "sever = \"ship\"\n").unwrap();
    let (code, _, err) = Running::start(home.bare(&["contacts"])).end();
    assert_eq!(code, 78);
    assert!(err.contains("config.toml: unknown field `sever`") && err.contains("log in again"), "{err}");
}

/// Types at a terminal of the program's own what it asks for, and reads what the terminal shows.
fn typed(home: &Home, arguments: &[&str], dialogue: &[(&str, &str)]) -> (i32, String) {
    let pty = openpty(None, None).unwrap();
    let mut command = Command::new("setsid");
    home.dress(&mut command);
    command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_messenger")]).args(arguments);
    let slave = || std::process::Stdio::from(pty.slave.try_clone().unwrap());
    let mut child = command.stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap();
    drop(command);
    drop(pty.slave);
    let mut terminal = File::from(pty.master);
    let mut shown = Vec::new();
    for (question, answer) in dialogue {
        let mut byte = [0];
        while !shown.ends_with(question.as_bytes()) {
            terminal.read_exact(&mut byte).unwrap();
            shown.push(byte[0]);
        }
        // The question is written before the echo is switched off; the program throws nothing away that is typed.
        terminal.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
    // The end of a terminal whose other side is closed is an error on Linux.
    let _ = terminal.read_to_end(&mut shown);
    (child.wait().unwrap().code().unwrap(), String::from_utf8(shown).unwrap())
}

#[test]
fn at_a_terminal_everything_is_asked_for() {
    let (home, stage) = (Home::new(), Stage::new());
    let address = stage.address();
    let server = std::thread::spawn(move || {
        let mut peer = stage.accept();
        peer.expect(&[b"\x00ann@example.org\rann\rcorrect horse"]);
        peer.send(&[b"\x00\x00"]);
        peer.expect_end();
    });
    let dialogue = [
        ("Login: ", "ann"),
        ("E-mail address: ", "ann@example.org"),
        ("Password: ", "correct horse"),
        ("The same again: ", "correct horse"),
    ];
    let (code, shown) = typed(&home, &["signup", "--server", &address], &dialogue);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("ann has an account"), "{shown}");
    server.join().unwrap();
}

#[test]
fn two_passwords_that_differ_make_no_account() {
    let home = Home::new();
    let arguments = ["signup", "ann", "--email", "ann@example.org", "--server", &Stage::nowhere()];
    let dialogue = [("Password: ", "correct horse"), ("The same again: ", "correct house")];
    let (code, shown) = typed(&home, &arguments, &dialogue);
    assert_eq!(code, 65, "{shown}");
    assert!(shown.contains("the two passwords differ"), "{shown}");
}
