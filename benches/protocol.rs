//! The classic protocol: bytes to requests, and replies and events to bytes. No sockets, no clock.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use messengerd::domain::reply::{LogInRefusal, SignUpRefusal};
use messengerd::domain::request::Text;
use messengerd::domain::{Entry, Event, Message, Reply, Request, Secret, Seq, SessionKey, Status, UnixMillis};
use messengerd::protocol::classic;
use messengerd::protocol::classic::request;
use std::fmt;
use std::sync::Arc;
use support::words::{TEXT, login};

mod support {
    pub(crate) mod words;
}

fn main() {
    divan::main();
}

/// Something to measure with, under the name that is shown.
struct Named<T>(&'static str, T);

impl<T> fmt::Display for Named<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn key() -> SessionKey {
    SessionKey::new([171, 205, 239, 118]).expect("it is a key")
}

fn send(text: &str) -> Request {
    Request::SendMessage { recipient: login(1).as_str().to_owned(), text: Text(text.into()) }
}

fn requests() -> Vec<Named<Vec<u8>>> {
    let password = Secret::new("secret of everybody".to_owned());
    let (somebody, email) = (login(0).as_str().to_owned(), "somebody@example.org".to_owned());
    let keyed = |request: Request| request::encode(&request, Some(key())).to_vec();
    let sign_up = Request::SignUp { email, login: somebody.clone(), password: password.clone() };
    vec![
        Named("sign_up", request::encode(&sign_up, None).to_vec()),
        Named("log_in", request::encode(&Request::LogIn { login: somebody.clone(), password }, None).to_vec()),
        Named("log_out", keyed(Request::LogOut)),
        Named("get_contacts", keyed(Request::GetContacts)),
        Named("add_contact", keyed(Request::AddContact { login: somebody })),
        Named("message_of_64_bytes", keyed(send(TEXT))),
        Named("message_of_16_kib", keyed(send(&TEXT.repeat(256)))),
    ]
}

#[divan::bench(args = requests())]
fn decode_a_request(bencher: Bencher, Named(_, request): &Named<Vec<u8>>) {
    bencher
        .counter(ItemsCount::new(1_usize))
        .counter(BytesCount::new(request.len()))
        .bench(|| classic::decode(black_box(request)).expect("it is a request"));
}

/// Reads with so many messages in them, written by a peer that does not wait.
#[divan::bench(args = [1, 16, 128])]
fn take_a_read_of_messages_apart(bencher: Bencher, messages: usize) {
    let read = request::encode(&send(TEXT), Some(key())).repeat(messages);
    bencher.counter(ItemsCount::new(messages)).counter(BytesCount::new(read.len())).bench(|| {
        let (mut rest, mut taken) = (black_box(read.as_slice()), 0);
        while !rest.is_empty() {
            rest = &rest[classic::first_request(rest, black_box(Some(key())))..];
            taken += 1;
        }
        assert_eq!(taken, messages);
    });
}

/// The longest request there may be, in which nothing looks like the beginning of another.
#[divan::bench]
fn find_no_seam_in_64_kib(bencher: Bencher) {
    let read = request::encode(&send(&TEXT.repeat(1_000)), Some(key()));
    bencher
        .counter(ItemsCount::new(1_usize))
        .counter(BytesCount::new(read.len()))
        .bench(|| classic::first_request(black_box(&read), black_box(Some(key()))));
}

fn replies() -> Vec<Named<Reply>> {
    let contacts = |count| Reply::Contacts((0..count).map(|number| (login(number), Status::Online)).collect());
    vec![
        Named("signed_up", Reply::SignedUp),
        Named("sign_up_refused", Reply::SignUpRefused(SignUpRefusal::LoginTaken)),
        Named("logged_in", Reply::LoggedIn(key())),
        Named("log_in_refused", Reply::LogInRefused(LogInRefusal::WrongPassword)),
        Named("no_contacts", contacts(0)),
        Named("contacts_10", contacts(10)),
        Named("contacts_1000", contacts(1_000)),
        Named("contact_added", Reply::ContactAdded(Status::Online)),
        Named("unknown_contact", Reply::UnknownContact),
    ]
}

#[divan::bench(args = replies())]
fn encode_a_reply(bencher: Bencher, Named(_, reply): &Named<Reply>) {
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench(|| classic::encode_reply(black_box(reply)).expect("there is a packet for it"));
}

fn events() -> Vec<Named<Event>> {
    let mail = |incoming| {
        let (sender, recipient, sent_at) = (login(0), login(1), UnixMillis(0));
        let message = Message { sender, recipient, sent_at, text: TEXT.into() };
        Event::Mail(Entry { seq: Seq(1), incoming, message: Arc::new(message) })
    };
    vec![
        Named("message_of_64_bytes", mail(true)),
        Named("own_copy_of_a_message", mail(false)),
        Named("status_of_a_contact", Event::ContactStatus(login(0), Status::Online)),
    ]
}

#[divan::bench(args = events())]
fn encode_an_event(bencher: Bencher, Named(_, event): &Named<Event>) {
    bencher.counter(ItemsCount::new(1_usize)).bench(|| classic::encode_event(black_box(event)));
}
