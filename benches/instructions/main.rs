//! Does one thing on the hot path a number of times, for `.ci/instructions` to count what that takes.
//!
//!     instructions                      # each operation, and how often it is to be done
//!     instructions OPERATION COUNT      # does it
//!
//! The script runs each operation N times and N / 10 times, and takes the difference: so start-up, the database's making
//! and log-ins count for nothing. Nothing in here goes by the clock, and nothing is done at the same time that could be done
//! one after the other, so that the count depends neither on the machine's speed nor on what else it does:
//!
//! - Messages go one by one: the next is written when the one before was read.
//! - The two rounds that wake after some milliseconds (the pacer, the keeper of cursors) do not go. What they cost for a
//!   message depends on how many messages fit between; `cargo bench` has them.
//! - The whole house is on one thread, beside the store's own. With more, who wakes whom is a matter of luck.
//! - Groups of messages are what they are said to be, see `support/groups.rs`.

use messengerd::domain::request::Text;
use messengerd::domain::{Entry, Event, Request, Seq, SessionKey, Status};
use messengerd::protocol::classic;
use messengerd::protocol::classic::request;
use messengerd::store::Store;
use std::hint::black_box;
use std::process::ExitCode;
use support::groups::{self, Groups};
use support::house::{House, Peer, Plan};
use support::people;
use support::words::{TEXT, login};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

#[path = "../support"]
mod support {
    pub(crate) mod groups;
    pub(crate) mod house;
    pub(crate) mod people;
    pub(crate) mod words;
}

/// Does something so many times.
type Operation = fn(usize);

/// What can be done, how often so that what differs from one run to the next does not show, and how. What differs is mostly
/// the allocator's: which thread gives back memory first, and how often it tidies up.
const OPERATIONS: [(&str, usize, Operation); 5] = [
    ("decode_message", 100_000, decode_message),
    ("encode_event", 100_000, encode_event),
    ("commit_message_in_group_of_64", 100 * GROUP, commit),
    ("deliver_message", 2_500, deliver),
    ("notify_watcher", 80_000, notify),
];

/// Messages in a commit.
const GROUP: usize = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [operation, count] = arguments.as_slice() else {
        for (name, count, _) in OPERATIONS {
            println!("{name} {count}");
        }
        return ExitCode::SUCCESS;
    };
    let found = OPERATIONS.iter().find(|(name, ..)| name == operation);
    let (Some((.., run)), Ok(count)) = (found, count.parse()) else {
        eprintln!("no such operation, or no such number: {operation} {count}");
        return ExitCode::FAILURE;
    };
    run(count);
    ExitCode::SUCCESS
}

fn decode_message(count: usize) {
    let key = SessionKey::new([171, 205, 239, 118]).expect("it is a key");
    let (recipient, text) = (login(1).as_str().to_owned(), Text(TEXT.into()));
    let packet = request::encode(&Request::SendMessage { recipient, text }, Some(key));
    for _ in 0..count {
        black_box(classic::decode(black_box(&packet)).expect("it is a request"));
    }
}

fn encode_event(count: usize) {
    let message = groups::message(&login(0), &login(1));
    let event = Event::Mail(Entry { seq: Seq(1), incoming: true, message });
    for _ in 0..count {
        black_box(classic::encode_event(black_box(&event)).expect("there is a packet for it"));
    }
}

/// As many messages as were asked for, in groups.
fn commit(count: usize) {
    let folder = tempfile::tempdir().expect("there is a folder for such things");
    let runtime = Builder::new_current_thread().build().expect("there are threads");
    runtime.block_on(async {
        let options = people::options(folder.path(), false, GROUP);
        let (store, committed) = Store::open(&options, &people::no_progress()).expect("it can be opened");
        let people = people::sign_up(&store, GROUP, "").await;
        let mut groups = Groups::hold(store, committed, &people[0], &people[1]).await;
        for _ in 0..count / GROUP {
            groups.commit(groups::round(&people)).await;
        }
        groups.end().await;
    });
}

/// A house on a thread of its own, with so many who have logged in and got a message each; what is done with it is done
/// on this thread.
fn with_house(people: usize, act: impl FnOnce(&House, &mut [Peer])) {
    // Without timers: there is nothing to wait for but sockets.
    let runtime = Builder::new_current_thread().enable_io().build().expect("there are threads");
    let handle = runtime.handle().clone();
    let (leave, left) = oneshot::channel::<()>();
    let thread = std::thread::spawn(move || runtime.block_on(left));
    let plan = Plan { people, sync_every_commit: false, clocks: false };
    let house = House::open(&handle, &std::env::temp_dir(), plan);
    let mut peers: Vec<Peer> = house.people.iter().map(|person| house.log_in(person)).collect();
    // By the second message at the latest they have looked through their mailboxes, and what comes next comes from memory.
    for _ in 0..4 {
        for (peer, person) in peers.iter_mut().zip(&house.people) {
            peer.write(&peer.message(&person.login));
            peer.read();
        }
    }
    let within = handle.enter();
    act(&house, &mut peers);
    drop(within);
    drop(house);
    drop(leave);
    // The runtime goes with its thread.
    let _ = thread.join();
}

/// Two write to each other in turn: whoever writes has read what the other wrote, and the other's request is over by
/// then. If one wrote all, its next request would sometimes come before the one before was over, and be part of its turn.
fn deliver(count: usize) {
    with_house(2, |house, peers| {
        let [ann, bob] = peers else { unreachable!("there are two") };
        let (to_ann, to_bob) = (bob.message(&house.people[0].login), ann.message(&house.people[1].login));
        for _ in 0..count / 2 {
            ann.write(&to_bob);
            black_box(bob.read());
            bob.write(&to_ann);
            black_box(ann.read());
        }
    });
}

fn notify(count: usize) {
    with_house(1, |house, peers| {
        let (watcher, peer) = (&house.people[0], &mut peers[0]);
        let statuses = [Status::Online, Status::Offline];
        let events = statuses.map(|status| Event::ContactStatus(login(1), status));
        for event in events.iter().cycle().take(count) {
            house.shared.core.sessions.notify(watcher.id, event);
            black_box(peer.read());
        }
    });
}
