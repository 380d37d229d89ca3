//! One who takes more than their share: of places, of time, of requests, of attempts. Others notice nothing.

use crate::support::{Peer, Person, Scratch, Server, Setup};
use nix::sys::signal::Signal;
use std::net::IpAddr;
use std::sync::Arc;

/// From another source than all others here.
fn elsewhere(server: &Server) -> Peer {
    Peer::connect_from(IpAddr::from([127, 0, 0, 2]), server.address())
}

/// When this returns, the server's kernel has it.
fn write_number(person: &mut Person, to: &str, number: u32) {
    let request = person.number(to, number);
    person.peer.send(&request);
    person.peer.has_arrived();
}

/// Writes numbers to Bob, until the server has had enough; how many.
fn write_until_slowed(server: &Server, person: &mut Person, key: &str) -> u32 {
    let told = format!("the peer asks for more than {key} allows: it is read more slowly");
    for number in 0..100_000 {
        if server.records().iter().any(|record| record.contains(&told)) {
            return number;
        }
        write_number(person, "bob", number);
    }
    panic!("{} is never read more slowly", person.login);
}

fn said_once(server: &Server, text: &str) {
    server.logged(text);
    assert_eq!(server.records().iter().filter(|record| record.contains(text)).count(), 1, "{text}");
}

#[test]
fn one_source_takes_its_own_places_and_no_others() {
    let server = Setup::new().set("connections.source_max=3").start();
    let ann = server.person("ann");
    let crowd = [server.peer(), server.peer()];
    for _ in 0..5 {
        server.peer().closed();
    }
    said_once(&server, "as many connections from there as connections.source_max allows");
    Person::sign_up(elsewhere(&server), "bob").barrier();
    // A place that is given back is there for the next.
    drop((ann, crowd));
    crate::support::until("a place gets free", || {
        let mut peer = server.peer();
        peer.send(b"\x01ghost\rwrong guess");
        peer.receive_or_end()
    });
}

#[test]
fn when_all_places_are_taken_whoever_has_no_session_for_longest_makes_room() {
    let server = Setup::new().set("connections.max=4").start();
    let mut ann = server.person("ann");
    let mut asked = server.peer();
    asked.ask(b"\x01ghost\rwrong guess", &[1, 1]);
    let (mut first, mut second) = (server.peer(), server.peer());
    first.has_arrived();
    // Those who have said nothing go first, in the order in which they came.
    let mut bob = server.person("bob");
    first.closed();
    let mut cat = server.person("cat");
    second.closed();
    // Then those who have asked for something.
    let mut dan = server.person("dan");
    asked.closed();
    server.logged("it made room for another: it had no session (connections.max)");
    // Whoever has a session stays, and there is no place any more.
    server.peer().closed();
    for person in [&mut ann, &mut bob, &mut cat, &mut dan] {
        person.barrier();
    }
}

#[test]
fn who_says_nothing_is_disconnected_and_who_has_a_session_may_be_silent() {
    let server = Setup::new().set("connections.first_request=200ms").start();
    let mut ann = server.person("ann");
    for _ in 0..3 {
        server.peer().closed();
    }
    server.logged("the peer said nothing for 200ms (connections.first_request)");
    ann.barrier();
}

#[test]
fn who_asks_and_asks_and_never_logs_in_is_disconnected() {
    let server = Setup::new().set("connections.log_in=300ms").start();
    let mut ann = server.person("ann");
    let mut stranger = server.peer();
    // Whatever it asks for, it has no longer for that.
    let mut answers = 0;
    loop {
        stranger.send(b"\x00no address\rsomebody\rsecret of somebody");
        match stranger.receive_or_end() {
            Some(answer) => assert_eq!(answer, [0, 1]),
            None => break,
        }
        answers += 1;
    }
    assert!(answers > 0);
    server.logged("the peer had no session for 300ms (connections.log_in)");
    ann.barrier();
    // Who has logged out is a stranger again, from then on.
    ann.log_out();
    ann.peer.closed();
}

/// A server with this configuration, which has been told nothing else.
fn configured(text: &str) -> Server {
    let scratch = Arc::new(Scratch::new());
    scratch.configure(text);
    Setup::new().set("classic.packet_gap=0s").on(&scratch).start()
}

#[test]
fn who_writes_too_much_is_read_more_slowly_and_nothing_is_lost() {
    let server = configured("[connections]\nrequests = 5\nrequests_refill = \"1h\"\n");
    // Signing up and logging in are requests, too.
    let mut bob = server.person("bob");
    let mut ann = server.person("ann");
    let written = write_until_slowed(&server, &mut ann, "connections.requests");
    for number in written..written + 10 {
        write_number(&mut ann, "bob", number);
    }
    server.scratch.configure("[connections]\nrequests_refill = \"0s\"\n");
    server.signal(Signal::SIGHUP);
    let heard = bob.peer.numbers(written as usize + 10);
    assert!(heard.into_iter().map(|(_, number)| number).eq(0..written + 10));
    said_once(&server, "than connections.requests allows");
}

#[test]
fn one_source_asks_for_its_own_share_and_others_for_theirs() {
    let server = configured("[connections]\nsource_requests = 8\nsource_requests_refill = \"1h\"\n");
    // A connection counts as well.
    let mut ann = server.person("ann");
    let (mut bob, mut cat) = (Person::sign_up(elsewhere(&server), "bob"), server.person("cat"));
    let written = write_until_slowed(&server, &mut ann, "connections.source_requests");
    // All of the source wait, and no more of it come.
    server.peer().closed();
    write_number(&mut cat, "bob", 77);
    Person::sign_up(elsewhere(&server), "dan").barrier();
    server.scratch.configure("[connections]\nsource_requests_refill = \"0s\"\n");
    server.signal(Signal::SIGHUP);
    let mut heard = bob.peer.numbers(written as usize + 1);
    heard.sort();
    assert!(
        heard.into_iter().eq((0..written).map(|number| ("ann".to_owned(), number)).chain([("cat".to_owned(), 77)]))
    );
    server.peer().ask(b"\x01ghost\rwrong guess", &[1, 1]);
}

#[test]
fn one_who_is_read_slowly_does_not_keep_the_daemon_from_stopping() {
    let server = configured("[connections]\nrequests = 3\nrequests_refill = \"1h\"\n");
    let mut ann = server.person("ann");
    write_until_slowed(&server, &mut ann, "connections.requests");
    server.stop();
}

#[test]
fn one_source_signs_up_so_often_and_all_together_so_often() {
    let server = Setup::new().set("accounts.source_sign_ups=2").set("accounts.sign_ups=3").start();
    let sign_up = |peer: &mut Peer, login: &str, code| {
        let request = format!("\0{login}@example.org\r{login}\rsecret of {login}");
        peer.ask(request.as_bytes(), &[0, code]);
    };
    let (mut here, mut there) = (server.peer(), elsewhere(&server));
    // What is no sign-up costs nothing.
    for _ in 0..5 {
        here.ask(b"\0no address\rann\rsecret of ann", &[0, 1]);
    }
    sign_up(&mut here, "ann", 0);
    // To find out that a login is taken costs as much as to have one.
    sign_up(&mut here, "ann", 4);
    sign_up(&mut server.peer(), "bob", 5);
    sign_up(&mut there, "bob", 0);
    // There is one more for that source, but none for all.
    sign_up(&mut there, "cat", 5);
    Person::log_in(here, "ann").barrier();
}

#[test]
fn one_source_logs_in_so_often_even_with_the_right_password() {
    let server = Setup::new().set("auth.source_log_ins=3").set("auth.source_log_ins_refill=1h").start();
    let mut ann = server.person("ann");
    let mut other = server.peer();
    other.log_in("ann");
    other.log_in("ann");
    other.ask(b"\x01ann\rsecret of ann", &[1, 3]);
    server.peer().ask(b"\x01ann\rsecret of ann", &[1, 3]);
    Person::log_in(elsewhere(&server), "ann").barrier();
    ann.barrier();
}

#[test]
fn a_contact_list_ends_at_its_limit_and_what_is_on_it_stays() {
    let server = Setup::new().set("accounts.contacts_max=2").start();
    let mut ann = server.person("ann");
    for login in ["bob", "cat", "dan"] {
        server.peer().sign_up(login);
    }
    assert_eq!((ann.add("bob"), ann.add("cat"), ann.add("bob")), (0, 0, 0));
    let request = ann.request(4, &[b"dan"]);
    ann.peer.ask(&request, &[4, 1]);
    let record = server.logged("the account has as many contacts as accounts.contacts_max allows");
    assert_eq!((record["level"].as_str(), record["login"].as_str()), (Some("WARN"), Some("ann")));
    assert_eq!(ann.add("cat"), 0);
}
