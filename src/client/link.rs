//! The connection: packets out with one write each, packets in through a thread of their own.
//!
//! That thread does nothing but read, so that packets which the server sent one by one do not end up in one read
//! because somebody's terminal was slow. Where a packet ends is the business of [`packets`](super::packets).

use super::address::ServerAddress;
use super::packets::{Outcome, Packets, Way};
use crate::protocol::classic::packet::{NoPacket, Packet};
use crate::protocol::classic::split::ONE_SEGMENT;
use crate::terminal::plain;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::SigSet;
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// More than the longest packet of a server with default settings, so that one read takes one whole.
const READ_BYTES: usize = 128 * 1024;
/// The longest packet that is taken. Only a contact list of more than fifty thousand names comes near.
const MAX_PACKET: usize = 16 * 1024 * 1024;
/// How much longer than a round trip a pause must be to end a packet that came over TCP: less than the gap that our
/// server leaves (`classic.packet_gap`, 10 ms).
const TCP_PAUSE: Duration = Duration::from_millis(3);
/// The same for a UNIX socket. There a server knows when a packet was read, and may send the next one at once.
const UNIX_PAUSE: Duration = Duration::from_micros(300);
/// What is written at once to a UNIX socket is in one buffer of the kernel up to this length, and is read whole.
const UNIX_WHOLE: usize = 32 * 1024;
/// A server that is gone without a word is noticed after some minutes.
const KEEPALIVE: Duration = Duration::from_mins(1);

/// One connection to a server.
#[derive(Debug)]
pub(super) struct Link {
    socket: Socket,
    server: ServerAddress,
    /// How long the connecting took: a round trip, more or less.
    round_trip: Duration,
    incoming: Receiver<Result<Packet, LinkError>>,
    /// Readable when something was put into `incoming`.
    bell: UnixStream,
}

/// Why bytes do not go to and fro.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The name service has no address for the host.
    #[error("no address is known for {server}: {source}")]
    Unresolved { server: ServerAddress, source: io::Error },
    /// No connection came about.
    #[error("no server answers at {server}: {}; is messengerd running?", plain(.source))]
    NoServer { server: ServerAddress, source: io::Error },
    /// The server ended the connection.
    #[error("{server} closed the connection")]
    Closed { server: ServerAddress },
    /// The connection broke.
    #[error("the connection to {server} broke: {}", plain(.source))]
    Broken { server: ServerAddress, source: io::Error },
    /// No answer within the time that was given.
    #[error("{server} did not answer within {}", humantime::format_duration(*.timeout))]
    Silent { server: ServerAddress, timeout: Duration },
    /// More bytes without a pause than any packet has.
    #[error("{server} sent more than {MAX_PACKET} bytes without a pause")]
    Endless { server: ServerAddress },
    /// The server sent something that is no packet.
    #[error(transparent)]
    Rubbish(#[from] NoPacket),
}

impl Link {
    /// Connects, to the first of the host's addresses that answers.
    ///
    /// # Errors
    /// [`LinkError::Unresolved`], or [`LinkError::NoServer`] with what the last address said. Each address gets
    /// `timeout`.
    pub(super) fn open(server: &ServerAddress, timeout: Duration) -> Result<Self, LinkError> {
        let socket = match server {
            ServerAddress::Unix(path) => {
                SockAddr::unix(path).and_then(|address| connect(Domain::UNIX, None, &address, timeout))
            }
            ServerAddress::Tcp { host, port } => {
                let addresses = (host.as_str(), *port)
                    .to_socket_addrs()
                    .map_err(|source| LinkError::Unresolved { server: server.clone(), source })?;
                let mut outcome = Err(io::Error::new(ErrorKind::AddrNotAvailable, "the host has no address"));
                for address in addresses {
                    outcome = connect(Domain::for_address(address), Some(Protocol::TCP), &address.into(), timeout);
                    if outcome.is_ok() {
                        break;
                    }
                }
                outcome
            }
        };
        let no_server = |source| LinkError::NoServer { server: server.clone(), source };
        let (socket, round_trip) = socket.map_err(no_server)?;
        let (bell, ringing) = UnixStream::pair().map_err(no_server)?;
        for end in [&bell, &ringing] {
            end.set_nonblocking(true).map_err(no_server)?;
        }
        let (put, incoming) = channel();
        let reader = Reader { socket: socket.try_clone().map_err(no_server)?, server: server.clone(), put, ringing };
        let way = match server {
            ServerAddress::Tcp { .. } => Way { whole: ONE_SEGMENT, pause: round_trip + TCP_PAUSE },
            ServerAddress::Unix(_) => Way { whole: UNIX_WHOLE, pause: UNIX_PAUSE },
        };
        std::thread::spawn(move || reader.run(Packets::new(way)));
        Ok(Self { socket, server: server.clone(), round_trip, incoming, bell })
    }

    /// Which server this is.
    pub(super) fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// How long the connecting took.
    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// Writes one packet, with one write as long as the kernel has room for it.
    ///
    /// # Errors
    /// [`LinkError::Broken`], or [`LinkError::Closed`] when the server has gone.
    pub(super) fn send(&mut self, packet: &[u8]) -> Result<(), LinkError> {
        (&self.socket).write_all(packet).map_err(|source| failed(&self.server, source))
    }

    /// The next packet; `None` when none came within `wait`.
    ///
    /// # Errors
    /// [`LinkError::Closed`] at the end, [`LinkError::Broken`], [`LinkError::Endless`], [`LinkError::Rubbish`].
    pub(super) fn receive(&mut self, wait: Duration) -> Result<Option<Packet>, LinkError> {
        match self.incoming.recv_timeout(wait) {
            Ok(outcome) => outcome.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(LinkError::Closed { server: self.server.clone() }),
        }
    }

    /// Stops the bell. To be called before all that has come is taken.
    pub(super) fn answer_bell(&mut self) {
        let mut rings = [0; 64];
        while self.bell.read(&mut rings).is_ok_and(|count| count == rings.len()) {}
    }

    /// Says that nothing more will be sent. The server closes then; what it sent before can still be read.
    pub(super) fn finish(&mut self) {
        // It fails when the server has closed already, and then there is nothing to say.
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}

impl Drop for Link {
    /// Ends the reading thread as well.
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// The thread that reads.
struct Reader {
    socket: Socket,
    server: ServerAddress,
    put: Sender<Result<Packet, LinkError>>,
    ringing: UnixStream,
}

impl Reader {
    fn run(mut self, mut packets: Packets) {
        // Signals are for the thread that decides what to do about them.
        let _ = SigSet::all().thread_block();
        let mut buffer = vec![0; READ_BYTES];
        let end = loop {
            let outcome = match self.read(&mut buffer, packets.patience()) {
                Ok(0) => break LinkError::Closed { server: self.server.clone() },
                Ok(count) => packets.read(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::TimedOut => packets.silence(),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => break failed(&self.server, error),
            };
            if packets.len() > MAX_PACKET {
                break LinkError::Endless { server: self.server.clone() };
            }
            self.put(outcome);
        };
        self.put(packets.finish());
        self.put_one(Err(end));
    }

    /// Reads, or waits in vain: [`ErrorKind::TimedOut`]. A socket's own timeout would count in ticks of the kernel,
    /// which are longer than the gap between two packets.
    fn read(&mut self, buffer: &mut [u8], patience: Option<Duration>) -> io::Result<usize> {
        let mut polled = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut polled, patience.map(TimeSpec::from_duration), None) {
            Ok(0) => Err(ErrorKind::TimedOut.into()),
            Ok(_) => self.socket.read(buffer),
            Err(errno) => Err(errno.into()),
        }
    }

    fn put(&mut self, outcome: Outcome) {
        match outcome {
            Ok(packets) => packets.into_iter().for_each(|packet| self.put_one(Ok(packet))),
            Err(rubbish) => self.put_one(Err(rubbish.into())),
        }
    }

    fn put_one(&mut self, incoming: Result<Packet, LinkError>) {
        // When nobody receives any more, the connection is being closed. A bell that is full rings already.
        let _ = self.put.send(incoming);
        let _ = self.ringing.write(b"!");
    }
}

fn failed(server: &ServerAddress, source: io::Error) -> LinkError {
    let server = server.clone();
    match source.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => LinkError::Closed { server },
        _ => LinkError::Broken { server, source },
    }
}

impl AsFd for Link {
    /// Readable when a packet has come, or the end.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// A connection, and how long connecting took.
fn connect(
    domain: Domain,
    protocol: Option<Protocol>,
    to: &SockAddr,
    timeout: Duration,
) -> io::Result<(Socket, Duration)> {
    let socket = Socket::new(domain, Type::STREAM, protocol)?;
    let begun = Instant::now();
    socket.connect_timeout(to, timeout)?;
    let round_trip = begun.elapsed();
    if protocol.is_some() {
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    }
    socket.set_write_timeout(Some(timeout))?;
    Ok((socket, round_trip))
}
