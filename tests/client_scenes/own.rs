//! `passwd`, `delete` and `history`.

use crate::stage::{Home, KEY, Peer, Running, Stage};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

/// Ann gives this command; what follows her log-in is played by the scene.
fn ann(arguments: &[&str], play: impl FnOnce(Peer<TcpStream>)) -> (i32, String, String) {
    let (home, stage) = (Home::new(), Stage::new());
    let new = home.path("new");
    std::fs::write(&new, "another secret\n").unwrap();
    std::fs::set_permissions(&new, PermissionsExt::from_mode(0o600)).unwrap();
    let mut command = home.ann(&stage.address(), arguments);
    if arguments == ["passwd"] {
        command.arg("--new-password-file").arg(&new);
    }
    let messenger = Running::start(command);
    play(stage.accept_ann());
    messenger.end()
}

#[test]
fn a_password_is_changed() {
    let changed = |flag: u8| {
        ann(&["passwd"], |mut peer| {
            peer.expect(&[b"\x0a", KEY, b"\rcorrect horse\ranother secret"]);
            peer.send(&[&[0x0a, flag]]);
            peer.expect_leaving();
        })
    };
    assert_eq!(changed(0), (0, "ann has another password; other sessions have ended\n".to_owned(), String::new()));
    for (flag, code, words) in [
        (1, 77, "wrong password"),
        (2, 65, "the server does not take the new password; is it too short?"),
        (3, 75, "the server asks to try again later"),
    ] {
        assert_eq!(changed(flag), (code, String::new(), format!("messenger: {words}\n")));
    }
}

#[test]
fn an_account_is_deleted_when_that_is_meant() {
    let done = ann(&["delete", "--yes"], |mut peer| {
        peer.expect(&[b"\x0b", KEY, b"\rcorrect horse"]);
        peer.send(&[b"\x0b\x00"]);
        // There is nothing to log out from.
        peer.expect_end();
    });
    assert_eq!(done, (0, "the account ann is deleted\n".to_owned(), String::new()));
    let refused = ann(&["delete", "--yes"], |mut peer| {
        peer.expect(&[b"\x0b", KEY, b"\rcorrect horse"]);
        peer.send(&[b"\x0b\x03"]);
        peer.expect_leaving();
    });
    assert_eq!(refused, (75, String::new(), "messenger: the server asks to try again later\n".to_owned()));
    // Nobody was asked, and nothing was sent.
    let home = Home::new();
    let (code, _, err) = Running::start(home.ann(&Stage::nowhere(), &["delete"])).end();
    assert!(code == 64 && err.contains("give --yes"), "{code} {err}");
}

#[test]
fn a_history_is_shown_with_its_times_the_oldest_first() {
    let play = |mut peer: Peer<TcpStream>| {
        peer.expect(&[b"\x0c", KEY, b"\rbob\r0\r3"]);
        for text in ["8\r1782900120000\rbob\rann\rtwo\x1b\nlines", "9\r1782900180000\rann\rbob\rthree"] {
            peer.send(&[b"\x0c\x00\r", text.as_bytes()]);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        peer.send(&[b"\x0c\x01\r8"]);
        peer.expect(&[b"\x0c", KEY, b"\rbob\r8\r1"]);
        // Not one of the first steps back has what is looked for.
        peer.send(&[b"\x0c\x01\r5"]);
        peer.expect(&[b"\x0c", KEY, b"\rbob\r5\r1"]);
        peer.send(&[b"\x0c\x00\r2\r1782900060000\rann\rbob\rone"]);
        std::thread::sleep(std::time::Duration::from_millis(5));
        peer.send(&[b"\x0c\x01\r2"]);
        peer.expect_leaving();
    };
    let shown = "2026-07-01 10:01 ann to bob: one\n\
                 2026-07-01 10:02 bob to ann: two␛\n                 lines\n\
                 2026-07-01 10:03 ann to bob: three\n";
    let older = "messenger: there are older ones: --before 2\n";
    assert_eq!(ann(&["history", "Bob", "-n", "3"], play), (0, shown.to_owned(), older.to_owned()));
    let exact = "{\"id\":2,\"time\":\"2026-07-01T10:01:00.000Z\",\"from\":\"ann\",\"to\":\"bob\",\"text\":\"one\"}\n";
    let (code, out, err) = ann(&["history", "bob", "-n", "3", "--json"], play);
    assert!(code == 0 && out.starts_with(exact) && out.lines().count() == 3 && err.is_empty(), "{out}{err}");
}

#[test]
fn of_everybody_and_of_nobody() {
    let all = ann(&["history", "--before", "7"], |mut peer| {
        peer.expect(&[b"\x0c", KEY, b"\r\r7\r20"]);
        peer.send(&[b"\x0c\x02"]);
        peer.expect_leaving();
    });
    assert_eq!(all, (0, String::new(), String::new()));
    let nobody = ann(&["history", "bob"], |mut peer| {
        peer.expect(&[b"\x0c", KEY, b"\rbob\r0\r20"]);
        peer.send(&[b"\x0c\x03"]);
        peer.expect_leaving();
    });
    assert_eq!(nobody, (67, String::new(), "messenger: nobody has the login bob\n".to_owned()));
}
