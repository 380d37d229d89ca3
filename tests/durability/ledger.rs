//! What people have asked for, and what they were told: from it follows what must be there, and what may be.
//!
//! It is kept from the bytes on the connections. Whoever gets an answer knows that all that they asked before on that
//! connection is done (docs/protocol-classic.md), and whoever reads a message takes it for sent.

use crate::packets::{Packet, Request, next_packet, next_request};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Index;

/// A connection, of whichever process.
pub(crate) type ConnectionId = usize;

/// Where a message stands among all that were asked for.
pub(crate) type Asked = usize;

/// One message. Its text begins with a number that is that of no other.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) text: String,
    /// It is known to be taken: to whoever wrote it, or to whoever has read it.
    pub(crate) is_told: bool,
}

/// All messages.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    all: Vec<Message>,
    /// By the number that their texts begin with.
    by_number: HashMap<u64, Asked>,
}

impl Messages {
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// The one with this text.
    pub(crate) fn find(&self, text: &str) -> Option<Asked> {
        let asked = *self.by_number.get(&number(text)?)?;
        (self.all[asked].text == text).then_some(asked)
    }

    fn add(&mut self, message: Message) -> Asked {
        let asked = self.all.len();
        let twice = self.by_number.insert(number(&message.text).expect("it has a number"), asked);
        assert_eq!(twice, None, "a number that was not there before");
        self.all.push(message);
        asked
    }

    fn tell(&mut self, text: &str) -> Asked {
        let asked = self.find(text).expect("somebody asked for it");
        self.all[asked].is_told = true;
        asked
    }
}

impl Index<Asked> for Messages {
    type Output = Message;

    fn index(&self, asked: Asked) -> &Message {
        &self.all[asked]
    }
}

fn number(text: &str) -> Option<u64> {
    text.split(' ').next()?.parse().ok()
}

#[derive(Debug, Default)]
struct Connection {
    heard: Vec<u8>,
    told: Vec<u8>,
    login: Option<String>,
    /// Asked for, and nothing says yet that it is done.
    open: Vec<Request>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    connections: HashMap<ConnectionId, Connection>,
    /// With the address that was given.
    pub(crate) accounts_asked: BTreeMap<String, String>,
    pub(crate) accounts_told: BTreeSet<String>,
    /// Whose list, and who is on it.
    pub(crate) contacts_asked: BTreeSet<(String, String)>,
    pub(crate) contacts_told: BTreeSet<(String, String)>,
    /// All messages, in the order in which they were asked for.
    pub(crate) messages: Messages,
    /// What each connection has sent, in order.
    pub(crate) sent: BTreeMap<ConnectionId, Vec<Asked>>,
    /// What came on each connection, in order, and to whom.
    pub(crate) shown: BTreeMap<ConnectionId, (String, Vec<Asked>)>,
}

impl Ledger {
    /// The server was sent this.
    pub(crate) fn heard(&mut self, id: ConnectionId, bytes: &[u8]) {
        let connection = self.connections.entry(id).or_default();
        connection.heard.extend_from_slice(bytes);
        while let Some(request) = next_request(&mut connection.heard) {
            match &request {
                Request::SignUp { email, login } => {
                    self.accounts_asked.insert(login.clone(), email.clone());
                }
                Request::Add { login } => {
                    let owner = connection.login.clone().expect("there is a session");
                    self.contacts_asked.insert((owner, login.clone()));
                }
                Request::Message { to, text } => {
                    let from = connection.login.clone().expect("there is a session");
                    let (to, text) = (to.clone(), text.clone());
                    let asked = self.messages.add(Message { from, to, text, is_told: false });
                    self.sent.entry(id).or_default().push(asked);
                }
                Request::LogIn { .. } | Request::LogOut | Request::Contacts => {}
            }
            connection.open.push(request);
        }
    }

    /// The server has sent this.
    pub(crate) fn told(&mut self, id: ConnectionId, bytes: &[u8]) {
        let connection = self.connections.entry(id).or_default();
        connection.told.extend_from_slice(bytes);
        while let Some(packet) = next_packet(&mut connection.told) {
            let answers = |request: &Request| match packet {
                Packet::SignedUp => matches!(request, Request::SignUp { .. }),
                Packet::LoggedIn { .. } => matches!(request, Request::LogIn { .. }),
                Packet::Contacts => matches!(request, Request::Contacts),
                Packet::Added => matches!(request, Request::Add { .. }),
                _ => false,
            };
            if let Packet::Message { text, .. } = &packet {
                let login = connection.login.clone().expect("there is a session");
                let asked = self.messages.tell(text);
                self.shown.entry(id).or_insert_with(|| (login, Vec::new())).1.push(asked);
                continue;
            }
            assert!(!matches!(packet, Packet::Refused(_)), "in these scenes nobody is refused: {packet:?}");
            if packet == Packet::News {
                continue;
            }
            let answered = connection.open.iter().position(answers).expect("what is answered was asked");
            for done in connection.open.drain(..=answered) {
                match done {
                    Request::SignUp { login, .. } => {
                        self.accounts_told.insert(login);
                    }
                    Request::LogIn { login } => connection.login = Some(login),
                    Request::Add { login } => {
                        let owner = connection.login.clone().expect("there is a session");
                        self.contacts_told.insert((owner, login));
                    }
                    Request::Message { text, .. } => {
                        self.messages.tell(&text);
                    }
                    Request::LogOut | Request::Contacts => {}
                }
            }
        }
    }

    /// How much people were told so far.
    pub(crate) fn promises(&self) -> usize {
        let messages = self.messages.all.iter().filter(|message| message.is_told).count();
        self.accounts_told.len() + self.contacts_told.len() + messages
    }
}
