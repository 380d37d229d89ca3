//! What somebody does with their own account: another password, its end, and what was written.

use crate::support::{Person, Server, Setup, packet};
use std::time::{SystemTime, UNIX_EPOCH};

#[track_caller]
fn ask(who: &mut Person, kind: u8, fields: &[&str], answer: &[u8]) {
    let fields: Vec<_> = fields.iter().map(|field| field.as_bytes()).collect();
    let request = who.request(kind, &fields);
    who.peer.ask(&request, answer);
}

#[test]
fn another_password_needs_the_old_one_and_ends_the_other_sessions() {
    let server = Server::start();
    let mut ann = server.person("ann");
    let mut elsewhere = Person::log_in(server.peer(), "ann");
    ask(&mut ann, 0x0a, &["secret of bob", "another secret"], &[0x0a, 1]);
    ask(&mut ann, 0x0a, &["", "another secret"], &[0x0a, 1]);
    for bad in ["", "short", "with\rCR in it"] {
        ask(&mut ann, 0x0a, &["secret of ann", bad], &[0x0a, 2]);
    }
    elsewhere.barrier();
    ask(&mut ann, 0x0a, &["secret of ann", "another secret"], &[0x0a, 0]);
    elsewhere.peer.closed();
    ann.barrier();
    server.peer().ask(b"\x01ann\rsecret of ann", &[1, 2]);
    let mut again = server.peer();
    again.log_in_with("ann", "another secret");
    let record = server.logged("password changed; other sessions end");
    assert_eq!((&record["login"], &record["sessions"]), (&"ann".into(), &1.into()));
}

#[test]
fn guessing_is_throttled_as_at_the_door() {
    let server = Setup::new().set("auth.account_failures=3").set("auth.account_refill=1d").start();
    let mut ann = server.person("ann");
    ask(&mut ann, 0x0a, &["guess one", "another secret"], &[0x0a, 1]);
    ask(&mut ann, 0x0b, &["guess two"], &[0x0b, 1]);
    server.peer().ask(b"\x01ann\rguess three", &[1, 2]);
    ask(&mut ann, 0x0a, &["secret of ann", "another secret"], &[0x0a, 3]);
    ask(&mut ann, 0x0b, &["secret of ann"], &[0x0b, 3]);
    server.peer().ask(b"\x01ann\rsecret of ann", &[1, 3]);
    ann.barrier();
}

#[test]
fn an_account_that_is_deleted_is_gone_with_its_sessions_and_its_login_stays_taken() {
    let server = Server::start();
    let mut bob = server.person("bob");
    let mut ann = bob.watches(&server, "ann");
    let mut elsewhere = Person::log_in(server.peer(), "ann");
    ann.write("bob", "farewell");
    bob.hears("ann", "farewell");
    ask(&mut ann, 0x0b, &["secret of bob"], &[0x0b, 1]);
    ask(&mut ann, 0x0b, &["not\ra password"], &[0x0b, 1]);
    ann.barrier();
    elsewhere.barrier();
    ask(&mut ann, 0x0b, &["secret of ann"], &[0x0b, 0]);
    elsewhere.peer.closed();
    bob.sees("ann", 0);
    assert_eq!(bob.contacts(), [3, 1]);
    // The connection stays, as after a log-out.
    ann.peer.ask(b"\x01ann\rsecret of ann", &[1, 1]);
    ann.peer.ask(b"\x00ann@example.org\rann\rsecret of ann", &[0, 4]);
    ann.key = ann.peer.log_in("bob");
    ann.barrier();
    bob.write("ann", "are you gone?");
    bob.barrier();
    server.logged("account deleted; what is left of it goes");
    // What she wrote stays with whom she wrote to.
    let request = bob.request(0x0c, &[b"", b"0", b"1"]);
    bob.peer.send(&request);
    let message = bob.peer.receive();
    assert!(message.starts_with(b"\x0c\0\r1\r") && message.ends_with(b"\rbob\rfarewell"), "{message:?}");
    bob.peer.expect(&[0x0c, 2]);
}

#[test]
fn two_sessions_that_delete_their_account_at_once_do_not_wait_for_each_other() {
    let server = Server::start();
    let mut sessions = [server.person("ann"), Person::log_in(server.peer(), "ann")];
    for session in &mut sessions {
        let request = session.request(0x0b, &[b"secret of ann"]);
        session.peer.send(&request);
    }
    let answers = sessions.map(|mut session| session.peer.receive_or_end());
    assert!(answers.contains(&Some(vec![0x0b, 0])), "{answers:?}");
    server.peer().ask(b"\x01ann\rsecret of ann", &[1, 1]);
}

/// A message of a history without its time, which lies between these two.
#[track_caller]
fn past(packet: &[u8], between: (u128, u128)) -> String {
    let text = str::from_utf8(packet).unwrap().strip_prefix("\x0c\0\r").expect("a message of a history");
    let (id, rest) = text.split_once('\r').unwrap();
    let (time, rest) = rest.split_once('\r').unwrap();
    let time: u128 = time.parse().unwrap();
    assert!(between.0 <= time && time <= between.1, "{time} is not in {between:?}");
    format!("{id} {rest}")
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

#[test]
fn a_history_comes_as_one_packet_for_each_message_and_one_for_its_end() {
    let server = Server::start();
    let begun = now();
    let (mut ann, mut bob, mut eve) = (server.person("ann"), server.person("bob"), server.person("eve"));
    ann.write("bob", "one");
    bob.hears("ann", "one");
    bob.write("ann", "two\r\nand\rmore");
    ann.hears("bob", "two\r\nand\rmore");
    eve.write("ann", "of somebody else");
    ann.hears("eve", "of somebody else");
    // Of him she hears no more; he does not find that out here either.
    ask(&mut ann, 8, &["bob"], &[8, 0]);
    bob.write("ann", "three");
    bob.barrier();
    let over = now();
    let read = |who: &mut Person, login: &str, before: &str, count: &str| {
        let request = who.request(0x0c, &[login.as_bytes(), before.as_bytes(), count.as_bytes()]);
        who.peer.send(&request);
        let mut all = Vec::new();
        loop {
            let packet = who.peer.receive();
            if packet[..2] != [0x0c, 0] {
                return (all, packet);
            }
            all.push(past(&packet, (begun, over)));
        }
    };
    let one = "1 ann\rbob\rone";
    let (two, other) = ("2 bob\rann\rtwo\r\nand\rmore", "3 eve\rann\rof somebody else");
    let all = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(read(&mut ann, "bob", "0", "9"), (all(&[one, two]), b"\x0c\x02".to_vec()));
    assert_eq!(read(&mut ann, "", "0", "100"), (all(&[one, two, other]), b"\x0c\x02".to_vec()));
    assert_eq!(read(&mut ann, "Bob", "0", "1"), (all(&[two]), b"\x0c\x01\r2".to_vec()));
    assert_eq!(read(&mut ann, "bob", "2", "1"), (all(&[one]), b"\x0c\x02".to_vec()));
    // At least one, and an end before the first.
    assert_eq!(read(&mut ann, "", "3", "0"), (all(&[two]), b"\x0c\x01\r2".to_vec()));
    assert_eq!(read(&mut ann, "", "1", "4294967295"), (vec![], b"\x0c\x02".to_vec()));
    assert_eq!(read(&mut bob, "ann", "0", "1"), (all(&["3 bob\rann\rthree"]), b"\x0c\x01\r3".to_vec()));
    assert_eq!(read(&mut eve, "bob", "0", "1"), (vec![], b"\x0c\x02".to_vec()));
    assert_eq!(read(&mut eve, "nobody", "0", "1"), (vec![], b"\x0c\x03".to_vec()));
    assert_eq!(read(&mut eve, "no login", "0", "1"), (vec![], b"\x0c\x03".to_vec()));
}

#[test]
fn a_long_history_is_read_page_by_page_and_leaves_room_for_news() {
    let server = Setup::new().for_a_crowd().set("connections.outbox_max=64KiB").locally().start();
    let mut ann = Person::sign_up(server.local_peer(), "ann");
    let text = |number: usize| format!("{number} {}", "x".repeat(1000));
    for number in 0..300 {
        ann.write("ann", text(number));
        ann.hears("ann", text(number));
    }
    let mut bob = server.person("bob");
    assert_eq!(ann.add("bob"), 1);
    let (mut before, mut next, mut pages) = ("0".to_owned(), 300, 0);
    loop {
        let request = ann.request(0x0c, &[b"ann", before.as_bytes(), b"100"]);
        ann.peer.send(&request);
        // Somebody comes and goes while the page waits.
        if pages == 0 {
            bob.log_out();
        }
        let mut page = Vec::new();
        let end = loop {
            let packet = ann.peer.receive();
            match packet[..2] {
                [0x0c, 0] => page.push(packet),
                [5, _] => assert_eq!(packet, b"\x05bob\r\0"),
                _ => break packet,
            }
        };
        assert!((page.len() > 5 || end == [0x0c, 2]) && page.len() < 20, "{} in a page", page.len());
        for packet in page.iter().rev() {
            next -= 1;
            assert!(packet.ends_with(text(next).as_bytes()));
        }
        pages += 1;
        match end.strip_prefix(b"\x0c\x01\r") {
            Some(older) => before = str::from_utf8(older).unwrap().to_owned(),
            None => break assert_eq!(end, [0x0c, 2]),
        }
    }
    assert_eq!(next, 0);
    ann.barrier();
}

#[test]
fn what_is_no_request_about_an_account_closes_the_connection() {
    let server = Server::start();
    let requests = [
        (0x0a, &["secret of ann"][..], "too short for a request of type 0x0a"),
        (0x0c, &["bob", "0"], "too short for a request of type 0x0c"),
        (0x0c, &["bob", "", "1"], "no number where one belongs in a request of type 0x0c"),
        (0x0c, &["bob", "0", "many"], "no number where one belongs in a request of type 0x0c"),
    ];
    for (number, (kind, fields, reason)) in requests.into_iter().enumerate() {
        let mut ann = server.person(&format!("ann{number}"));
        let fields: Vec<_> = fields.iter().map(|field| field.as_bytes()).collect();
        let request = ann.request(kind, &fields);
        ann.peer.send(&request);
        ann.peer.closed();
        server.logged(reason);
    }
    // Whoever has no session has no account either.
    let mut stranger = server.peer();
    stranger.send(&[&[0x0b, 1, 2, 3, 4][..], b"\rsecret of ann"].concat());
    stranger.closed();
    server.logged("the request needs a session");
    server.peer().ask(&packet(0, &["x@example.org", "bob", "secret of bob"]), &[0, 0]);
}
