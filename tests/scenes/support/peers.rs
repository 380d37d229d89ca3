//! Peers that are out of the ordinary: from another address, gone without a word, or in no hurry to read.

use super::{PATIENCE, Peer, Person, Server};
use socket2::{Domain, SockFilter, SockRef, Socket, Type};
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// A packet that was found in a stream by [`Unhurried`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// Of a text that ends with a line feed and has no other, and without that.
    Message {
        from: String,
        text: String,
    },
    Status {
        login: String,
        status: u8,
    },
    NoContacts,
    LoggedIn([u8; 4]),
    NotLetIn,
    ContactAdded,
    UnknownContact,
}

impl Packet {
    pub fn message(from: &str, text: &str) -> Self {
        Self::Message { from: from.to_owned(), text: text.to_owned() }
    }

    pub fn status(login: &str, status: u8) -> Self {
        Self::Status { login: login.to_owned(), status }
    }

    /// The first packet of these bytes, and how long it is, if it is whole.
    fn first(bytes: &[u8]) -> Option<(Self, usize)> {
        let find = |wanted| bytes.iter().position(|byte| *byte == wanted);
        let text = |from: usize, to: usize| String::from_utf8(bytes[from..to].to_vec()).unwrap();
        match bytes.first()? {
            1 if *bytes.get(1)? == 0 => Some((Self::LoggedIn(bytes.get(3..7)?.try_into().unwrap()), 7)),
            1 => Some((Self::NotLetIn, 2)),
            2 => {
                let (end, separator) = (find(b'\n')?, find(b'\r')?);
                Some((Self::Message { from: text(1, separator), text: text(separator + 1, end) }, end + 1))
            }
            3 => {
                assert_eq!(*bytes.get(1)?, 1, "a contact list has no end that could be found");
                Some((Self::NoContacts, 2))
            }
            4 if *bytes.get(1)? == 0 => bytes.get(3).map(|_| (Self::ContactAdded, 4)),
            4 => Some((Self::UnknownContact, 2)),
            5 => {
                let separator = find(b'\r')?;
                Some((Self::Status { login: text(1, separator), status: *bytes.get(separator + 1)? }, separator + 2))
            }
            other => panic!("no packet begins with {other:#04x}: {bytes:.100?}"),
        }
    }
}

/// A peer that is neither there nor gone.
pub struct Unplugged(Peer);

impl Drop for Unplugged {
    fn drop(&mut self) {
        // Its kernel says nothing at the end either, and remembers nothing.
        let _ = SockRef::from(&self.0.stream).set_linger(Some(Duration::ZERO));
    }
}

impl Peer {
    /// From this address of the loopback network.
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        socket.set_tcp_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream: socket.into() }
    }

    /// From now on nothing that is sent to it arrives, and nothing comes from it: no acknowledgement and no end. So
    /// does a machine whose plug was pulled.
    pub fn pull_the_plug(self) -> Unplugged {
        // bpf(4): "return 0" keeps nothing of any packet.
        const RETURN: u16 = 0x06;
        SockRef::from(&self.stream).attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)]).unwrap();
        Unplugged(self)
    }

    /// For reading what comes while nobody reads for a while, when packets may share reads.
    pub fn unhurried(&self) -> Unhurried {
        Unhurried { stream: self.stream.try_clone().unwrap(), bytes: Vec::new() }
    }
}

impl Person {
    /// Makes an account for somebody, has them as a contact, and sees them come.
    ///
    /// Whoever adds a contact that has come this very moment is told of it twice: by the answer, and behind that by
    /// the news, which is on its way. Here nothing is.
    #[track_caller]
    pub fn watches(&mut self, server: &Server, login: &str) -> Self {
        server.peer().sign_up(login);
        assert_eq!(self.add(login), 0);
        let person = Self::log_in(server.peer(), login);
        self.sees(login, 1);
        person
    }
}

/// Reads a stream, and finds the packets in it.
pub struct Unhurried {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Unhurried {
    /// The next packet; `None` when the server has closed. What is not whole by then is left out.
    #[track_caller]
    pub fn next(&mut self) -> Option<Packet> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            if let Some((packet, size)) = Packet::first(&self.bytes) {
                self.bytes.drain(..size);
                return Some(packet);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(size) => {
                    self.bytes.extend_from_slice(&buffer[..size]);
                    // tcp(7): what was read is acknowledged at once, and not some time later with something else. A
                    // UNIX socket has no such thing.
                    let _ = SockRef::from(&self.stream).set_tcp_quickack(true);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("a packet or the end, but {error}"),
            }
        }
    }

    /// All up to this one, which must come.
    #[track_caller]
    pub fn up_to(&mut self, last: impl Fn(&Packet) -> bool) -> Vec<Packet> {
        let mut packets = Vec::new();
        loop {
            let packet = self.next().expect("more packets, but the connection was closed");
            let found = last(&packet);
            packets.push(packet);
            if found {
                return packets;
            }
        }
    }
}
