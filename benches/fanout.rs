//! From the sessions to the sockets: one notice to many, and one message from its sender's socket to its recipient's.
//!
//! Socket pairs of unix(7) stand for the network. Their kernel tells when a peer has read, so no packet waits for the gap
//! that TCP peers are left between two, and what is measured is work.

use divan::Bencher;
use divan::counter::ItemsCount;
use messengerd::domain::{Event, Status};
use messengerd::host::resources::raise_descriptor_limit;
use std::path::Path;
use support::house::{House, Peer, Plan};
use support::people::Person;
use tokio::runtime::{Builder, Runtime};

mod support {
    pub(crate) mod house;
    pub(crate) mod people;
    pub(crate) mod words;
}

fn main() {
    // Two for each watcher.
    raise_descriptor_limit().expect("limits can be raised");
    divan::main();
}

const WATCHERS: usize = 1_000;

/// As the daemon's: a thread for each CPU.
fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("there are threads")
}

fn open(runtime: &Runtime, sync_every_commit: bool, people: usize) -> House {
    let plan = Plan { people, sync_every_commit, clocks: true };
    House::open(runtime.handle(), Path::new(env!("CARGO_TARGET_TMPDIR")), plan)
}

/// Logs everybody in, and has each get a message, so that none is still looking into its mailbox.
fn log_in(house: &House, people: &[Person]) -> Vec<Peer> {
    let mut peers: Vec<Peer> = people.iter().map(|person| house.log_in(person)).collect();
    for (peer, person) in peers.iter_mut().zip(people) {
        peer.write(&peer.message(&person.login));
        peer.read();
    }
    peers
}

/// Somebody's watchers are told of a status, one after the other, and their sockets have it.
#[divan::bench(sample_size = 1)]
fn notify_1000_watchers_of_a_status(bencher: Bencher) {
    let runtime = runtime();
    let house = open(&runtime, false, WATCHERS + 1);
    let _within = runtime.enter();
    let (star, watchers) = house.people.split_last().expect("there are some");
    let mut peers = log_in(&house, watchers);
    let (mut told, mut status) = (false, Status::Offline);
    let next = || {
        // All have read what they were told before.
        if told {
            for peer in &mut peers {
                peer.read();
            }
        }
        told = true;
        status = if status == Status::Online { Status::Offline } else { Status::Online };
        Event::ContactStatus(star.login.clone(), status)
    };
    bencher.counter(ItemsCount::new(WATCHERS)).with_inputs(next).bench_local_refs(|event| {
        for watcher in watchers {
            house.shared.core.sessions.notify(watcher.id, event);
        }
    });
}

/// Sender's socket → connection → protocol → handler → store → notifier → sessions → recipient's socket, one message at
/// a time, so this is how long a message takes on an idle server, and not how many there can be.
fn deliver_one_message(bencher: Bencher, sync_every_commit: bool) {
    let runtime = runtime();
    let house = open(&runtime, sync_every_commit, 2);
    let mut peers = log_in(&house, &house.people);
    let [sender, recipient] = peers.as_mut_slice() else { unreachable!("there are two") };
    let message = sender.message(&house.people[1].login);
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        sender.write(&message);
        recipient.read().len()
    });
}

#[divan::bench]
fn deliver_one_message_end_to_end_synchronous_full(bencher: Bencher) {
    deliver_one_message(bencher, true);
}

#[divan::bench]
fn deliver_one_message_end_to_end_synchronous_normal(bencher: Bencher) {
    deliver_one_message(bencher, false);
}
