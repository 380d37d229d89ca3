//! Sending, and what comes meanwhile.

use crate::stage::{Home, KEY, Peer, Running, Stage, without_time};
use std::net::TcpStream;

/// Plays the server for one message that goes well.
fn take_message(stage: &Stage, text: &[u8]) {
    let mut peer = stage.accept_ann();
    peer.expect(&[b"\x06", KEY, b"\rbob\r", text]);
    confirm(&mut peer);
    peer.expect_leaving();
}

fn confirm(peer: &mut Peer<TcpStream>) {
    peer.expect_contacts_request();
    peer.send(&[b"\x03\x00\rbob\r\x01"]);
}

fn silent_success() -> (i32, String, String) {
    (0, String::new(), String::new())
}

#[test]
fn the_rest_of_the_line_is_sent() {
    let (home, stage) = (Home::new(), Stage::new());
    let messenger = Running::start(home.ann(&stage.address(), &["send", "bob", "how", "are", "you?"]));
    take_message(&stage, b"how are you?");
    assert_eq!(messenger.end(), silent_success());
}

#[test]
fn without_a_text_standard_input_is_sent_as_it_is() {
    let (home, stage) = (Home::new(), Stage::new());
    for (input, sent) in [
        (&b"two\nlines\n"[..], &b"two\nlines"[..]),
        (b"\r\n\x00 \xf0\x9f\x91\x8b", b"\r\n\x00 \xf0\x9f\x91\x8b"),
        (b"ab\xff", "ab\u{fffd}".as_bytes()),
    ] {
        let messenger = Running::fed(home.ann(&stage.address(), &["send", "bob"]), input);
        take_message(&stage, sent);
        assert_eq!(messenger.end(), silent_success());
    }
}

#[test]
fn the_password_may_be_the_first_line_of_the_same_input() {
    let (home, stage) = (Home::new(), Stage::new());
    let command = home.ann(&stage.address(), &["send", "bob", "--password-file", "-"]);
    let messenger = Running::fed(command, b"correct horse\nthe text\n");
    take_message(&stage, b"the text");
    assert_eq!(messenger.end(), silent_success());
}

#[test]
fn a_long_text_goes_out_whole() {
    let (home, stage) = (Home::new(), Stage::new());
    let text = "0123456789abcde\n".repeat(60 * 64);
    let messenger = Running::fed(home.ann(&stage.address(), &["send", "bob"]), text.as_bytes());
    take_message(&stage, text.trim_end().as_bytes());
    assert_eq!(messenger.end(), silent_success());
}

#[test]
fn nothing_is_not_sent() {
    let home = Home::new();
    let nothing = (65, String::new(), "messenger: there is nothing to send\n".to_owned());
    assert_eq!(Running::start(home.ann(&Stage::nowhere(), &["send", "bob"])).end(), nothing);
    assert_eq!(Running::start(home.ann(&Stage::nowhere(), &["send", "bob", ""])).end(), nothing);
}

#[test]
fn a_server_that_closes_before_its_word_may_not_have_the_message() {
    let (home, stage) = (Home::new(), Stage::new());
    let messenger = Running::start(home.ann(&stage.address(), &["send", "bob", "hello"]));
    let mut peer = stage.accept_ann();
    peer.expect(&[b"\x06", KEY, b"\rbob\rhello"]);
    peer.expect_contacts_request();
    drop(peer);
    let words = format!("messenger: {} closed the connection: the message may not have been stored\n", stage.address());
    assert_eq!(messenger.end(), (74, String::new(), words));
}

#[test]
fn somebody_who_is_no_contact_gets_the_message_and_the_sender_a_word() {
    let (home, stage) = (Home::new(), Stage::new());
    let messenger = Running::start(home.ann(&stage.address(), &["send", "celina", "hello"]));
    let mut peer = stage.accept_ann();
    peer.expect(&[b"\x06", KEY, b"\rcelina\rhello"]);
    confirm(&mut peer);
    peer.expect_leaving();
    let (code, _, err) = messenger.end();
    assert!(code == 0 && err.starts_with("messenger: celina is not on your contact list; "), "{err}");
}

#[test]
fn what_comes_meanwhile_is_shown_until_the_server_has_closed() {
    let (home, stage) = (Home::new(), Stage::new());
    let mut messenger = Running::start(home.ann(&stage.address(), &["send", "bob", "hello"]));
    let mut peer = stage.accept_ann();
    peer.expect(&[b"\x06", KEY, b"\rbob\rhello"]);
    peer.expect_contacts_request();
    peer.send(&[b"\x02celina\rbefore the reply"]);
    assert_eq!(messenger.error_line(), "messenger: these messages came meanwhile (messenger history has them too):");
    assert_eq!(without_time(&messenger.error_line()), "celina: before the reply");
    peer.send(&[b"\x03\x00\rbob\r\x01"]);
    peer.expect(&[b"\x02", KEY]);
    peer.send(&[b"\x02celina\rafter the log-out"]);
    assert_eq!(without_time(&messenger.error_line()), "celina: after the log-out");
    peer.expect_end();
    peer.send(&[b"\x02celina\rafter the end"]);
    drop(peer);
    assert_eq!(without_time(&messenger.error_line()), "celina: after the end");
    assert_eq!(messenger.end(), silent_success());
}
