//! Connections, and the people on them. One read is one packet: that is the protocol's promise, and each scene holds
//! the daemon to it.

use super::PATIENCE;
use messengerd::host::socket_queue::unacknowledged_bytes;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

/// A connection, and what a client does with it: one write for each request, one read of 4096 bytes for each packet.
pub struct Peer {
    pub stream: TcpStream,
}

impl Peer {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }

    /// Over a UNIX socket. `TcpStream` of std does with any stream socket what a scene asks of it.
    pub fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream: OwnedFd::from(stream).into() }
    }

    /// When this returns, the server's kernel has all that was sent.
    pub fn has_arrived(&self) {
        let deadline = Instant::now() + PATIENCE;
        while unacknowledged_bytes(self.stream.as_fd()).unwrap() > 0 {
            assert!(Instant::now() < deadline, "the server's kernel does not take it");
            std::thread::yield_now();
        }
    }

    pub fn send(&mut self, packet: &[u8]) {
        self.stream.write_all(packet).unwrap();
    }

    /// What the next read brings.
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                // A machine that was paused and goes on.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read.map(|size| buffer[..size].to_vec()),
            }
        }
    }

    /// The next packet.
    #[track_caller]
    pub fn receive(&mut self) -> Vec<u8> {
        let packet = self.read().expect("a packet, but none came");
        assert!(!packet.is_empty(), "a packet, but the connection was closed");
        packet
    }

    /// Messages that say numbers, as [`Person::number`] writes them, until there are enough or the server has closed.
    /// For scenes about what comes and not how: it minds no packet that shares a read, as those do that came while
    /// nobody read.
    #[track_caller]
    pub fn numbers(&mut self, enough: usize) -> Vec<(String, u32)> {
        let mut bytes = Vec::new();
        loop {
            let numbers = numbers(&bytes);
            if numbers.len() >= enough {
                return numbers;
            }
            match self.read() {
                Ok(more) if !more.is_empty() => bytes.extend(more),
                Ok(_) => return numbers,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return numbers,
                Err(error) => panic!("{enough} numbers or the end, but {error} after {numbers:?}"),
            }
        }
    }

    /// The next packet, or `None` when the server has ended.
    #[track_caller]
    pub fn receive_or_end(&mut self) -> Option<Vec<u8>> {
        match self.read() {
            Ok(packet) => Some(packet).filter(|packet| !packet.is_empty()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("a packet or the end, but {error}"),
        }
    }

    /// The next packet is this one.
    #[track_caller]
    pub fn expect(&mut self, packet: &[u8]) {
        let received = self.receive();
        assert_eq!(received, packet, "{:?} instead of {:?}", lossy(&received), lossy(packet));
    }

    #[track_caller]
    pub fn ask(&mut self, request: &[u8], answer: &[u8]) {
        self.send(request);
        self.expect(answer);
    }

    /// The server closes, and nothing comes before.
    #[track_caller]
    pub fn closed(&mut self) {
        match self.read() {
            Ok(packet) => assert!(packet.is_empty(), "the end, but {:?} came", lossy(&packet)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the end, but {error}"),
        }
    }

    #[track_caller]
    pub fn sign_up(&mut self, login: &str) {
        self.ask(&packet(0, &[&format!("{login}@example.org"), login, &password(login)]), &[0, 0]);
    }

    /// The key of a new session. Reads no further than the answer: behind it may come what waits in the mailbox, and
    /// on a busy machine that is there before this is read.
    #[track_caller]
    pub fn log_in(&mut self, login: &str) -> [u8; 4] {
        self.log_in_with(login, &password(login))
    }

    /// The same with another password.
    #[track_caller]
    pub fn log_in_with(&mut self, login: &str, password: &str) -> [u8; 4] {
        self.send(&packet(1, &[login, password]));
        let (mut answer, mut key) = ([0; 2], [0; 5]);
        self.stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [1, 0], "{login} is not let in");
        self.stream.read_exact(&mut key).unwrap();
        assert_eq!(key[0], b'\r');
        [key[1], key[2], key[3], key[4]]
    }
}

fn lossy(packet: &[u8]) -> String {
    String::from_utf8_lossy(packet).into_owned()
}

/// The password that everybody in the scenes has.
pub fn password(login: &str) -> String {
    format!("secret of {login}")
}

/// Each message's sender and number; a message that has not come whole is left out.
fn numbers(bytes: &[u8]) -> Vec<(String, u32)> {
    let packets = bytes.split(|byte| *byte == 2).skip(1);
    packets
        .filter_map(|packet| {
            let (sender, number) = str::from_utf8(packet).unwrap().split_once('\r')?;
            Some((sender.to_owned(), number.strip_suffix('.')?.parse().unwrap()))
        })
        .collect()
}

/// A packet of fields, separated by CR.
pub fn packet(kind: u8, fields: &[&str]) -> Vec<u8> {
    let mut packet = vec![kind];
    packet.extend_from_slice(fields.join("\r").as_bytes());
    packet
}

/// Somebody with a session.
pub struct Person {
    pub peer: Peer,
    pub login: String,
    pub key: [u8; 4],
}

impl Person {
    #[track_caller]
    pub fn sign_up(mut peer: Peer, login: &str) -> Self {
        peer.sign_up(login);
        Self::log_in(peer, login)
    }

    #[track_caller]
    pub fn log_in(mut peer: Peer, login: &str) -> Self {
        let key = peer.log_in(login);
        Self { peer, login: login.to_owned(), key }
    }

    /// A request with this session's key; fields follow a separator each.
    pub fn request(&self, kind: u8, fields: &[&[u8]]) -> Vec<u8> {
        let mut packet = vec![kind];
        packet.extend_from_slice(&self.key);
        for field in fields {
            packet.push(b'\r');
            packet.extend_from_slice(field);
        }
        packet
    }

    pub fn log_out(&mut self) {
        let request = self.request(2, &[]);
        self.peer.send(&request);
    }

    /// The answer to "get contacts", with the two bytes that say what it is.
    #[track_caller]
    pub fn contacts(&mut self) -> Vec<u8> {
        let request = self.request(3, &[]);
        self.peer.send(&request);
        self.peer.receive()
    }

    /// When this returns, the server has done all that was asked before on this connection.
    #[track_caller]
    pub fn barrier(&mut self) {
        assert_eq!(self.contacts()[0], 3, "to {}", self.login);
    }

    /// Adds somebody who exists; returns their status.
    #[track_caller]
    pub fn add(&mut self, login: &str) -> u8 {
        let request = self.request(4, &[login.as_bytes()]);
        self.peer.send(&request);
        match self.peer.receive()[..] {
            [4, 0, b'\r', status] => status,
            ref refusal => panic!("{} could not add {login}: {refusal:?}", self.login),
        }
    }

    pub fn write(&mut self, to: &str, text: impl AsRef<[u8]>) {
        let request = self.request(6, &[to.as_bytes(), text.as_ref()]);
        self.peer.send(&request);
    }

    /// A request that writes a number, for [`Peer::numbers`].
    pub fn number(&self, to: &str, number: u32) -> Vec<u8> {
        self.request(6, &[to.as_bytes(), format!("{number}.").as_bytes()])
    }

    /// The next packet is a message.
    #[track_caller]
    pub fn hears(&mut self, from: &str, text: impl AsRef<[u8]>) {
        let mut packet = packet(2, &[from, ""]);
        packet.extend_from_slice(text.as_ref());
        self.peer.expect(&packet);
    }

    /// A message that is longer than a read.
    #[track_caller]
    pub fn hears_long(&mut self, from: &str, text: &str) {
        let mut received = vec![0; from.len() + 2 + text.len()];
        self.peer.stream.read_exact(&mut received).unwrap();
        let mut expected = packet(2, &[from, ""]);
        expected.extend_from_slice(text.as_bytes());
        assert!(received == expected, "another message of {from}'s: {:?}...", lossy(&received[..64]));
    }

    /// The next packet says that a contact came (1) or went (0).
    #[track_caller]
    pub fn sees(&mut self, login: &str, status: u8) {
        let mut packet = packet(5, &[login, ""]);
        packet.push(status);
        self.peer.expect(&packet);
    }
}
