//! The classic protocol, as far as the people of these scenes speak it: whatever they write to each other ends with a line
//! feed and has no other, so that a stream can be taken apart.

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    SignUp { email: String, login: String },
    LogIn { login: String },
    LogOut,
    Contacts,
    Add { login: String },
    Message { to: String, text: String },
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    SignedUp,
    LoggedIn {
        key: [u8; 4],
    },
    Contacts,
    Added,
    Message {
        from: String,
        text: String,
    },
    News,
    /// An answer that is not the good one.
    Refused(u8),
}

/// The password that everybody has.
pub(crate) fn password(login: &str) -> String {
    format!("secret of {login}")
}

fn fields(mut request: Vec<u8>, fields: &[&str]) -> Vec<u8> {
    request.extend_from_slice(fields.join("\r").as_bytes());
    request
}

pub(crate) fn sign_up(login: &str) -> Vec<u8> {
    fields(vec![0], &[&format!("{login}@example.org"), login, &password(login)])
}

pub(crate) fn log_in(login: &str) -> Vec<u8> {
    fields(vec![1], &[login, &password(login)])
}

/// A request of a session.
pub(crate) fn request(kind: u8, key: [u8; 4], arguments: &[&str]) -> Vec<u8> {
    let mut request = vec![kind];
    request.extend_from_slice(&key);
    for argument in arguments {
        request.push(b'\r');
        request.extend_from_slice(argument.as_bytes());
    }
    request
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is text")
}

/// Takes the first request out of what a client has sent. What has no end of its own, its client has sent whole, and
/// nothing behind it before it was answered.
pub(crate) fn next_request(bytes: &mut Vec<u8>) -> Option<Request> {
    let kind = *bytes.first()?;
    let end = match kind {
        0 | 1 | 4 => bytes.len(),
        2 | 3 => 5,
        6 => 1 + 4 + bytes.get(5..)?.iter().position(|byte| *byte == b'\n')? + 1,
        other => panic!("no request begins with {other}"),
    };
    if bytes.len() < end {
        return None;
    }
    let packet: Vec<u8> = bytes.drain(..end).collect();
    let of_session = |packet: &[u8]| text(&packet[6..]);
    Some(match kind {
        0 => {
            let fields = text(&packet[1..]);
            let mut fields = fields.split('\r').map(str::to_owned);
            Request::SignUp { email: fields.next().unwrap(), login: fields.next().unwrap() }
        }
        1 => Request::LogIn { login: text(&packet[1..]).split('\r').next().unwrap().to_owned() },
        2 => Request::LogOut,
        3 => Request::Contacts,
        4 => Request::Add { login: of_session(&packet) },
        _ => {
            let fields = of_session(&packet);
            let (to, text) = fields.split_once('\r').unwrap();
            Request::Message { to: to.to_owned(), text: text.to_owned() }
        }
    })
}

/// Takes the first packet out of what a server has sent.
pub(crate) fn next_packet(bytes: &mut Vec<u8>) -> Option<Packet> {
    let kind = *bytes.first()?;
    let find = |wanted: u8, from: usize| bytes.iter().skip(from).position(|byte| *byte == wanted).map(|at| from + at);
    let flag = *bytes.get(1)?;
    let (end, packet) = match (kind, flag) {
        (0, 0) => (2, Packet::SignedUp),
        (1, 0) => (7, Packet::LoggedIn { key: bytes.get(3..7)?.try_into().unwrap() }),
        (2, _) => {
            let (end, separator) = (find(b'\n', 1)? + 1, find(b'\r', 1)?);
            (end, Packet::Message { from: text(&bytes[1..separator]), text: text(&bytes[separator + 1..end]) })
        }
        (3, 0) => {
            // The next packet does not begin like another contact.
            let mut end = 2;
            while bytes.get(end) == Some(&b'\r') {
                end = find(b'\r', end + 1)? + 2;
            }
            (end, Packet::Contacts)
        }
        (3, _) => (2, Packet::Contacts),
        (4, 0) => (4, Packet::Added),
        (5, _) => (find(b'\r', 1)? + 2, Packet::News),
        (0 | 1 | 4, flag) => (2, Packet::Refused(flag)),
        (other, _) => panic!("no packet begins with {other}: {bytes:?}"),
    };
    if bytes.len() < end {
        return None;
    }
    bytes.drain(..end);
    Some(packet)
}
