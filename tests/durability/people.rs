//! People who sign up, chat, add contacts, and log in and out.

use crate::packets::{Packet, log_in, next_packet, request, sign_up};
use crate::random::Random;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);

/// Who is told what went over a connection: its number, and the bytes.
pub(crate) trait Witness: Sync {
    /// Before it is written.
    fn asks(&self, connection: usize, bytes: &[u8]);
    /// After it was read.
    fn is_told(&self, connection: usize, bytes: &[u8]);
}

/// Where nobody has to be told.
impl Witness for () {
    fn asks(&self, _: usize, _: &[u8]) {}
    fn is_told(&self, _: usize, _: &[u8]) {}
}

/// Who lives there. Logins and texts are never given twice.
#[derive(Debug, Default)]
pub(crate) struct Town {
    signed_up: Mutex<Vec<String>>,
    numbers: AtomicUsize,
    connections: AtomicUsize,
}

impl Town {
    fn people(&self) -> Vec<String> {
        self.signed_up.lock().unwrap().clone()
    }

    /// How much was written so far.
    pub(crate) fn so_far(&self) -> usize {
        self.numbers.load(Relaxed)
    }

    /// A life on one connection, and on those that follow it. It ends after so many deeds, or with the server.
    pub(crate) fn live(&self, address: SocketAddr, seed: u64, deeds: usize, witness: &dyn Witness) -> io::Result<()> {
        let mut random = Random::new(seed);
        let mut left = deeds;
        while left > 0 {
            let mut person = Person::arrive(self, address, witness, &mut random)?;
            let stay = left.min(1 + random.below(40));
            let stayed = person.stay(stay, &mut random);
            person.depart();
            stayed?;
            left -= stay;
        }
        Ok(())
    }
}

struct Person<'a> {
    town: &'a Town,
    witness: &'a dyn Witness,
    connection: usize,
    stream: TcpStream,
    bytes: Vec<u8>,
    login: String,
    key: [u8; 4],
}

impl<'a> Person<'a> {
    /// Somebody new, or somebody who is there already, perhaps on another connection.
    fn arrive(town: &'a Town, address: SocketAddr, witness: &'a dyn Witness, random: &mut Random) -> io::Result<Self> {
        let people = town.people();
        let is_new = people.len() < 3 || random.percent(30);
        let login = if is_new {
            format!("user-{}", town.numbers.fetch_add(1, Relaxed))
        } else {
            random.one_of(&people).clone()
        };
        let connection = town.connections.fetch_add(1, Relaxed);
        let stream = connect(address)?;
        let mut person = Person { town, witness, connection, stream, bytes: Vec::new(), login, key: [0; 4] };
        if is_new {
            person.ask(&sign_up(&person.login))?;
            person.town.signed_up.lock().unwrap().push(person.login.clone());
        }
        let Packet::LoggedIn { key } = person.ask(&log_in(&person.login))? else { panic!("another answer") };
        person.key = key;
        Ok(person)
    }

    /// So many deeds; then logs out, or just goes.
    fn stay(&mut self, deeds: usize, random: &mut Random) -> io::Result<()> {
        for _ in 0..deeds {
            match random.below(20) {
                0 => {
                    let people = self.town.people();
                    let contact: &String = random.one_of(&people);
                    self.add(contact)?;
                }
                1..10 => self.write(random)?,
                _ => {
                    for _ in 0..random.below(4) {
                        self.write(random)?;
                    }
                    self.barrier()?;
                }
            }
        }
        self.barrier()?;
        if random.percent(50) { self.say(&self.request(2, &[])) } else { Ok(()) }
    }

    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.witness.asks(self.connection, bytes);
        self.stream.write_all(bytes)
    }

    /// The answer; what else comes before it is read.
    fn ask(&mut self, bytes: &[u8]) -> io::Result<Packet> {
        self.say(bytes)?;
        loop {
            while let Some(packet) = next_packet(&mut self.bytes) {
                match packet {
                    Packet::Message { .. } | Packet::News => {}
                    Packet::Refused(flag) => panic!("{} is refused: {flag}", self.login),
                    answer => return Ok(answer),
                }
            }
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                size => {
                    self.witness.is_told(self.connection, &buffer[..size]);
                    self.bytes.extend_from_slice(&buffer[..size]);
                }
            }
        }
    }

    fn request(&self, kind: u8, arguments: &[&str]) -> Vec<u8> {
        request(kind, self.key, arguments)
    }

    fn add(&mut self, login: &str) -> io::Result<()> {
        self.ask(&self.request(4, &[login])).map(drop)
    }

    fn barrier(&mut self) -> io::Result<()> {
        self.ask(&self.request(3, &[])).map(drop)
    }

    /// To somebody, now and then to themselves; seldom something long, which does not fit into a page.
    fn write(&mut self, random: &mut Random) -> io::Result<()> {
        let to = random.one_of(&self.town.people()).clone();
        let length = if random.percent(12) { random.below(9000) } else { random.below(120) };
        let text = format!("{} {}\n", self.town.numbers.fetch_add(1, Relaxed), "x".repeat(length));
        self.say(&self.request(6, &[&to, &text]))
    }

    /// Reads what was sent until the server ends it.
    fn depart(mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let mut buffer = [0; 16 * 1024];
        while let Ok(size) = self.stream.read(&mut buffer)
            && size > 0
        {
            self.witness.is_told(self.connection, &buffer[..size]);
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
