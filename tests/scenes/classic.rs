//! The classic protocol, row by row, byte for byte.

use crate::support::{Server, Setup};
use std::io::{Read, Write};
use std::net::Shutdown;

#[test]
fn ann_signs_up_once() {
    let server = Server::start();
    let mut ann = server.peer();
    ann.ask(b"\x00ann@example.org\rann\rsecret of ann", &[0, 0]);
    ann.ask(b"\x00other@example.org\rann\ranother one", &[0, 4]);
    ann.ask(b"\x00other@example.org\rANN\ranother one", &[0, 4]);
}

#[test]
fn what_is_wrong_with_a_sign_up_is_told_by_a_flag() {
    let server = Server::start();
    let mut ann = server.peer();
    ann.ask(b"\x00nowhere\rann\rsecret of ann", &[0, 1]);
    ann.ask(b"\x00ann@example.org\ra nn\rsecret of ann", &[0, 2]);
    ann.ask(b"\x00ann@example.org\ran@n\rsecret of ann", &[0, 2]);
    ann.ask(b"\x00ann@example.org\rann\rshort", &[0, 3]);
    ann.ask(b"\x00ann@example.org\rann\rwith\rCR in it", &[0, 3]);
    ann.ask(b"\x00ann@example.org\rann\rsecret of ann", &[0, 0]);
}

#[test]
fn a_closed_server_takes_no_sign_ups() {
    let server = Setup::new().set("accounts.sign_up=closed").start();
    server.peer().ask(b"\x00ann@example.org\rann\rsecret of ann", &[0, 5]);
}

#[test]
fn ann_logs_in_with_her_password_only() {
    let server = Server::start();
    let mut ann = server.peer();
    ann.ask(b"\x01ann\rsecret of ann", &[1, 1]);
    ann.sign_up("ann");
    ann.ask(b"\x01ann\rSecret of ann", &[1, 2]);
    ann.ask(b"\x01bob\rsecret of ann", &[1, 1]);
    ann.log_in("ann");
}

#[test]
fn contacts_are_listed_by_login_with_their_status() {
    let server = Server::start();
    let mut ann = server.person("ann");
    assert_eq!(ann.contacts(), [3, 1]);
    let mut zoe = server.person("zoe");
    server.peer().sign_up("ćelina");
    // When she sees Bob come, all that there was to tell has been told.
    let mut bob = zoe.watches(&server, "bob");
    let request = ann.request(4, &[b"ghost"]);
    ann.peer.ask(&request, &[4, 1]);
    let request = ann.request(4, &[b"not a login"]);
    ann.peer.ask(&request, &[4, 1]);
    assert_eq!(ann.add("zoe"), 1);
    assert_eq!(ann.add("ćelina"), 0);
    assert_eq!(ann.add("bob"), 1);
    assert_eq!(ann.contacts(), "\x03\0\rbob\r\x01\rzoe\r\x01\rćelina\r\0".as_bytes());
    // One-way: Bob has nobody on his list.
    assert_eq!(bob.contacts(), [3, 1]);
}

#[test]
fn text_of_any_kind_goes_through_as_it_is() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    for text in
        ["", "cześć, 你好 👋", "two\r\nlines\rand\r\nmore\r", "NUL \0 and all", "שלום \u{202e}abc", "\x06\x01\x02"]
    {
        ann.write("bob", text);
        bob.hears("ann", text);
    }
    ann.write("bob", b"caf\xe9 \xff");
    bob.hears("ann", "caf\u{fffd} \u{fffd}");
}

#[test]
fn ten_messages_sent_at_once_are_ten_reads() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    for number in 0..10 {
        ann.write("bob", format!("number {number}"));
    }
    for number in 0..10 {
        bob.hears("ann", format!("number {number}"));
    }
}

#[test]
fn pushes_and_replies_are_a_read_each() {
    let server = Server::start();
    let (mut ann, mut bob, mut cat) = (server.person("ann"), server.person("bob"), server.person("cat"));
    // Bob asks while messages for him are on their way: each packet is whole and alone, whatever their order.
    for number in 0..5 {
        ann.write("bob", format!("a{number}"));
        cat.write("bob", format!("c{number}"));
    }
    let request = bob.request(3, &[]);
    bob.peer.send(&request);
    let mut packets: Vec<_> = (0..11).map(|_| bob.peer.receive()).collect();
    packets.sort();
    let mut expected: Vec<Vec<u8>> =
        (0..5).flat_map(|n| [format!("\x02ann\ra{n}"), format!("\x02cat\rc{n}")]).map(String::into_bytes).collect();
    expected.push(vec![3, 1]);
    expected.sort();
    assert_eq!(packets, expected);
}

#[test]
fn a_message_of_sixty_kib_is_taken_whole_though_it_comes_in_pieces() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    let text: String = ('a'..='z').cycle().take(60 * 1024).collect();
    let request = ann.request(6, &[b"bob", text.as_bytes()]);
    // As segments of an Ethernet come, one after the other.
    for segment in request.chunks(1448) {
        ann.peer.send(segment);
    }
    let mut received = vec![0; 5 + text.len()];
    bob.peer.stream.read_exact(&mut received).unwrap();
    assert_eq!(&received[..5], b"\x02ann\r");
    assert!(received[5..] == *text.as_bytes());
}

#[test]
fn a_request_above_the_limit_closes_the_connection_and_nothing_of_it_is_done() {
    let server = Setup::new().set("classic.request_max=2KiB").start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    let fits = "x".repeat(2 * 1024 - "\x06KEY.\rbob\r".len());
    ann.write("bob", &fits);
    let mut received = vec![0; 5 + fits.len()];
    bob.peer.stream.read_exact(&mut received).unwrap();
    ann.write("bob", format!("{fits}x"));
    ann.peer.closed();
    let record = server.logged("classic.request_max");
    assert_eq!((&record["level"], &record["login"]), (&"WARN".into(), &"ann".into()));
    let mut cat = server.person("cat");
    cat.write("bob", "next");
    bob.hears("cat", "next");
}

#[test]
fn requests_that_share_a_read_are_taken_apart() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    let mut together = ann.request(6, &[b"bob", b"one\r\n"]);
    together.extend(ann.request(6, &[b"bob", b"two"]));
    together.extend(ann.request(3, &[]));
    together.extend(ann.request(6, &[b"bob", b"three"]));
    ann.peer.send(&together);
    bob.hears("ann", "one\r\n");
    bob.hears("ann", "two");
    bob.hears("ann", "three");
    ann.peer.expect(&[3, 1]);
}

#[test]
fn a_burst_of_messages_that_together_exceed_the_limit_is_taken_one_by_one() {
    let server = Setup::new().set("classic.request_max=2KiB").start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    let text = |number: u32| format!("{number} {}", "x".repeat(700));
    let burst: Vec<u8> = (0..50).flat_map(|number| ann.request(6, &[b"bob", text(number).as_bytes()])).collect();
    // Cut where segments would end.
    for segment in burst.chunks(1448) {
        ann.peer.send(segment);
    }
    for number in 0..50 {
        bob.hears("ann", text(number));
    }
}

#[test]
fn a_peer_that_sends_and_closes_at_once_has_sent() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    ann.write("bob", "bye");
    drop(ann);
    bob.hears("ann", "bye");
    let mut cat = server.person("cat");
    let request = cat.request(6, &[b"bob", b"half closed"]);
    cat.peer.stream.write_all(&request).unwrap();
    cat.peer.stream.shutdown(Shutdown::Write).unwrap();
    bob.hears("cat", "half closed");
    cat.peer.closed();
}

#[test]
fn what_is_no_request_closes_the_connection_with_one_record() {
    let server = Server::start();
    let ann = server.person("ann");
    let mut bob = server.person("bob");
    let no_key = [6, 0, 0, 0, 0, b'\r', b'b', b'o', b'b', b'\r', b'x'];
    let requests: [(&[u8], &str); 7] = [
        (b"\x77what", "unknown request type 0x77"),
        (b"\x05ann\r\x01", "unknown request type 0x05"),
        (b"\x01ann", "too short for a request of type 0x01"),
        (b"\x03\x01\x02", "too short for a request of type 0x03"),
        (b"\x03\x01\x02\x03\x04\x05", "too long for a request of type 0x03"),
        (b"\x06\x01\r\x03\x04\rbob\rx", "no session key"),
        (&no_key, "the request needs a session"),
    ];
    for (request, reason) in requests {
        let mut stranger = server.peer();
        stranger.send(request);
        stranger.closed();
        let record = server.logged(reason);
        assert_eq!((&record["level"], &record["message"]), (&"WARN".into(), &"connection closed".into()));
        assert_eq!(record["peer"], stranger.stream.local_addr().unwrap().to_string());
        assert_eq!(server.records().iter().filter(|record| record.contains(reason)).count(), 1);
    }
    // Somebody who has a session, with the key of somebody else's.
    let mut stranger = server.person("stranger");
    stranger.key = ann.key;
    stranger.write("bob", "from ann, in a way");
    stranger.peer.closed();
    server.logged("the session key is not this connection's");
    let mut cat = server.person("cat");
    cat.write("bob", "first of all");
    bob.hears("cat", "first of all");
}
