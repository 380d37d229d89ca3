//! What programs that collect metrics get, and that nothing which comes by their door is in anybody's way.

use crate::support::{Person, Scratch, Server, Setup, until};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

const GET: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A daemon that shows its metrics on a UNIX socket.
fn showing(setup: Setup) -> Server {
    let scratch = Arc::new(Scratch::new());
    let socket = scratch.path("metrics");
    setup.on(&scratch).set(&format!("listen.metrics=[\"{}\"]", socket.display())).start()
}

fn connect(server: &Server) -> UnixStream {
    UnixStream::connect(server.scratch.path("metrics")).unwrap()
}

fn ask(mut stream: impl Read + Write, request: &[u8]) -> String {
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// All metrics there are.
fn scrape(server: &Server) -> String {
    let answer = ask(connect(server), GET);
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
        "{head}"
    );
    assert!(page.ends_with("# EOF\n"), "{page}");
    page.to_owned()
}

/// One of the numbers.
#[track_caller]
fn number(page: &str, sample: &str) -> f64 {
    let found = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {sample} in\n{page}")).parse().unwrap()
}

#[test]
fn what_people_do_is_in_the_numbers() {
    // All layers of the sandbox: what is read at each scrape was opened before.
    let server = showing(Setup::new().set("sandbox.require=true"));
    let (mut ann, bob) = (server.person("ann"), server.person("bob"));
    drop(bob);
    server.peer().ask(b"\x01ann\rwrong guess", &[1, 2]);
    for text in ["one", "two", "three"] {
        ann.write("bob", text);
    }
    ann.write("nobody", "is anybody there?");
    ann.barrier();
    let page = until("the numbers", || {
        let page = scrape(&server);
        let closed = number(&page, "messengerd_connections_closed_total{protocol=\"classic\",reason=\"by_peer\"}");
        (closed >= 2.0).then_some(page)
    });
    for (sample, expected) in [
        ("messengerd_sessions", 1.0),
        ("messengerd_accounts_online", 1.0),
        ("messengerd_connections{protocol=\"classic\"}", 1.0),
        ("messengerd_connections_max{protocol=\"classic\"}", 10_000.0),
        ("messengerd_sign_ups_total{protocol=\"classic\",outcome=\"done\"}", 2.0),
        ("messengerd_log_ins_total{protocol=\"classic\",outcome=\"done\"}", 2.0),
        ("messengerd_log_ins_total{protocol=\"classic\",outcome=\"wrong_password\"}", 1.0),
        ("messengerd_requests_total{protocol=\"classic\",request=\"message\"}", 4.0),
        ("messengerd_messages_accepted_total", 3.0),
        ("messengerd_messages_to_nobody_total", 1.0),
        ("messengerd_messages_delivered_total{protocol=\"classic\"}", 0.0),
        ("messengerd_hashing_seconds_count", 5.0),
        ("messengerd_queue_length{queue=\"hashing\"}", 0.0),
        ("messengerd_queue_max{queue=\"hashing\"}", 65.0),
        ("messengerd_store_failures_total{reason=\"disk_full\"}", 0.0),
    ] {
        assert!((number(&page, sample) - expected).abs() < f64::EPSILON, "{sample} is not {expected} in\n{page}");
    }
    assert!(number(&page, "messengerd_store_commit_seconds_count") > 0.0);
    assert!(number(&page, "messengerd_store_read_seconds_count") > 0.0);
    assert!(number(&page, "process_resident_memory_bytes") > 1e6);
    assert!(number(&page, "process_open_fds") > 10.0);
    assert!(page.contains("messengerd_build_info{version="));
    // Nobody's login, and nothing of what they write.
    assert!(["ann", "bob", "nobody", "anybody"].iter().all(|word| !page.contains(&format!("\"{word}"))), "{page}");
}

#[test]
fn what_waits_in_mailboxes_is_told_and_what_was_taken_is_not() {
    let server = showing(Setup::new());
    let (mut ann, bob) = (server.person("ann"), server.person("bob"));
    assert_eq!(ann.add("bob"), 1);
    drop(bob);
    ann.sees("bob", 0);
    for text in ["one", "two", "three"] {
        ann.write("bob", text);
    }
    ann.barrier();
    let page = scrape(&server);
    for (sample, expected) in [("entries", 3.0), ("mailboxes", 1.0), ("longest", 3.0)] {
        let sample = format!("messengerd_mailbox_backlog_{sample}");
        assert!((number(&page, &sample) - expected).abs() < f64::EPSILON, "{sample} in\n{page}");
    }
    let mut bob = Person::log_in(server.peer(), "bob");
    for text in ["one", "two", "three"] {
        bob.hears("ann", text);
    }
    until("word of what was taken", || {
        let delivered = number(&scrape(&server), "messengerd_messages_delivered_total{protocol=\"classic\"}");
        (delivered >= 3.0).then_some(())
    });
}

#[test]
fn systemd_passes_a_socket_of_its_own_unix_or_tcp() {
    let (metrics, classic) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = metrics.local_addr().unwrap();
    let server =
        Setup::new().hand_over([metrics.into(), classic.into()], "LISTEN_FDS=2 LISTEN_FDNAMES=metrics:classic").start();
    assert_eq!(server.logged(&format!("metrics are at {address}"))["source"], "systemd");
    let answer = ask(TcpStream::connect(address).unwrap(), GET);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("# EOF\n"), "{answer}");
    server.person("ann").barrier();
}

#[test]
fn a_socket_of_our_own_is_for_the_group_as_well_and_for_nobody_else() {
    let server = showing(Setup::new());
    let mode = std::fs::metadata(server.scratch.path("metrics")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    // By hand, nothing is shown that nobody asked for.
    let silent = Server::start();
    assert!(!Path::new(&silent.scratch.path("metrics")).exists());
}

#[test]
fn garbage_silence_and_crowds_are_in_nobodys_way() {
    let server = showing(Setup::new());
    let mut ann = server.person("ann");
    assert!(ask(connect(&server), b"\x16\x03\x01\x02\x00\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert!(ask(connect(&server), b"GET /etc/passwd HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    // Endless: it is told so as soon as it is too long, and what it still has to say is not read.
    let mut endless = connect(&server);
    let written = (0..1024).take_while(|_| endless.write_all(&[b'x'; 1024]).is_ok()).count();
    assert!(written < 1024);
    // As many as there may be say nothing; one more is closed at once.
    let silent: Vec<_> = (0..messengerd::metrics::CONNECTIONS).map(|_| connect(&server)).collect();
    let mut one_more = connect(&server);
    assert!(matches!(one_more.read(&mut [0; 1]), Ok(0) | Err(_)));
    ann.barrier();
    drop(silent);
    until("a place", || {
        let mut stream = connect(&server);
        let mut answer = String::new();
        let outcome = stream.write_all(GET).and_then(|()| stream.read_to_string(&mut answer));
        outcome.is_ok_and(|_| answer.ends_with("# EOF\n")).then_some(())
    });
}
