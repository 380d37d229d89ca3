//! What people who share a server need: contacts that go again.

use crate::support::Server;

#[test]
fn somebody_is_taken_off_the_list_and_no_longer_seen() {
    let server = Server::start();
    let mut ann = server.person("ann");
    let mut bob = ann.watches(&server, "bob");
    let mut eve = ann.watches(&server, "eve");
    for (login, answer) in [("Bob", 0), ("bob", 1), ("cid", 1), ("nobody at all", 1)] {
        let request = ann.request(7, &[login.as_bytes()]);
        ann.peer.ask(&request, &[7, answer]);
    }
    assert_eq!(ann.contacts(), b"\x03\0\reve\r\x01");
    bob.log_out();
    eve.log_out();
    // Of Bob, who went first, she hears nothing.
    ann.sees("eve", 0);
    // One-way: what others have on their lists stays.
    bob.key = bob.peer.log_in("bob");
    assert_eq!((bob.add("ann"), ann.add("bob")), (1, 1));
    let request = ann.request(7, &[b"bob"]);
    ann.peer.ask(&request, &[7, 0]);
    assert_eq!(bob.contacts(), b"\x03\0\rann\r\x01");
}

#[test]
fn what_came_with_another_request_in_one_read_is_taken_apart() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    assert_eq!(ann.add("bob"), 1);
    let mut together = ann.request(6, &[b"bob", b"farewell"]);
    together.extend(ann.request(7, &[b"bob"]));
    together.extend(ann.request(3, &[]));
    ann.peer.send(&together);
    ann.peer.expect(&[7, 0]);
    ann.peer.expect(&[3, 1]);
    bob.hears("ann", "farewell");
}
