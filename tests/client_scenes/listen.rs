//! What arrives, until somebody says stop.

use crate::stage::{Home, KEY, Peer, Running, Stage, without_time};
use nix::sys::signal::{Signal, kill};
use std::net::TcpStream;

/// Ann, who listens, as a line on standard error has said.
fn listening(home: &Home, stage: &Stage, arguments: &[&str]) -> (Running, Peer<TcpStream>) {
    let mut messenger = Running::start(home.ann(&stage.address(), arguments));
    let peer = stage.accept_ann();
    assert_eq!(messenger.error_line(), format!("messenger: listening as ann at {}", stage.address()));
    (messenger, peer)
}

#[test]
fn what_arrives_is_a_line_each_until_a_signal() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (home, stage) = (Home::new(), Stage::new());
        let (mut messenger, mut peer) = listening(&home, &stage, &["listen"]);
        peer.send(&[b"\x02bob\rhello"]);
        assert_eq!(without_time(&messenger.line()), "bob: hello");
        peer.send(&[b"\x05bob\r\x00"]);
        assert_eq!(without_time(&messenger.line()), "* bob is offline");
        kill(messenger.pid(), signal).unwrap();
        peer.expect(&[b"\x02", KEY]);
        peer.send(&[b"\x02bob\rwas under way"]);
        assert_eq!(without_time(&messenger.line()), "bob: was under way");
        peer.expect_end();
        drop(peer);
        assert_eq!(messenger.end(), (0, String::new(), String::new()), "{signal}");
    }
}

#[test]
fn what_others_wrote_cannot_drive_the_terminal() {
    let (home, stage) = (Home::new(), Stage::new());
    let (mut messenger, mut peer) = listening(&home, &stage, &["listen"]);
    peer.send(&[b"\x02bob\x1b[H\r\x1b]0;owned\x07one\r\n12:00 celina: two ", "\u{202e}".as_bytes()]);
    assert_eq!(without_time(&messenger.line()), "bob␛[H: ␛]0;owned␇one");
    assert_eq!(messenger.line(), "      12:00 celina: two \\u{202e}");
}

#[test]
fn scripts_get_the_exact_text() {
    let (home, stage) = (Home::new(), Stage::new());
    let (mut messenger, mut peer) = listening(&home, &stage, &["listen", "--json"]);
    peer.send(&[b"\x02bob\ra\r\nb\x1b\x00\xff"]);
    let object: serde_json::Value = serde_json::from_str(&messenger.line()).unwrap();
    assert_eq!(object["type"], "message");
    assert_eq!(object["from"], "bob");
    assert_eq!(object["text"], "a\r\nb\u{1b}\0\u{fffd}");
    object["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    peer.send(&[b"\x05bob\r\x01"]);
    assert_eq!(messenger.line(), "{\"type\":\"status\",\"login\":\"bob\",\"online\":true}");
}

#[test]
fn a_long_message_is_one_message() {
    let (home, stage) = (Home::new(), Stage::new());
    let (mut messenger, mut peer) = listening(&home, &stage, &["listen"]);
    let text = "x".repeat(200 * 1024);
    peer.send(&[b"\x02bob\r", text.as_bytes()]);
    assert_eq!(without_time(&messenger.line()), format!("bob: {text}"));
}

#[test]
fn a_server_that_ends_ends_it() {
    let (home, stage) = (Home::new(), Stage::new());
    let (mut messenger, mut peer) = listening(&home, &stage, &["listen"]);
    peer.send(&[b"\x02bob\rhello"]);
    drop(peer);
    assert_eq!(without_time(&messenger.line()), "bob: hello");
    let words = format!("messenger: {} closed the connection\n", stage.address());
    assert_eq!(messenger.end(), (69, String::new(), words));
}

#[test]
fn when_nobody_reads_any_more_the_rest_stays_at_the_server() {
    let (home, stage) = (Home::new(), Stage::new());
    let (mut messenger, mut peer) = listening(&home, &stage, &["listen"]);
    peer.send(&[b"\x02bob\rfirst"]);
    assert_eq!(without_time(&messenger.line()), "bob: first");
    messenger.out = None;
    // It logs out without having been sent anything; what is under way is shown where there is somebody.
    peer.expect(&[b"\x02", KEY]);
    peer.send(&[b"\x02bob\rsecond"]);
    assert_eq!(without_time(&messenger.error_line()), "bob: second");
    peer.expect_end();
    drop(peer);
    let (code, _, err) = messenger.end();
    assert_eq!(code, 74);
    assert!(err.starts_with("messenger: cannot write to standard output: Broken pipe"), "{err}");
}
