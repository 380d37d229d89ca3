//! The store, on a real file below the build's own folder for such things: on the disk that the checkout is on.
//!
//! All through its public door, so a commit is measured with the way to the writer's thread and back, and a read with
//! that to a thread which may block.

use divan::Bencher;
use divan::counter::ItemsCount;
use messengerd::config::ContactsPolicy;
use messengerd::domain::Seq;
use messengerd::store::{Committed, PageLimits, Store};
use std::path::Path;
use support::groups::{self, Groups};
use support::people::{self, Person};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

mod support {
    pub(crate) mod groups;
    pub(crate) mod people;
    pub(crate) mod words;
}

fn main() {
    divan::main();
}

/// On how many contact lists somebody is who is well known.
const WATCHERS: usize = 1_000;

/// A store with people in it.
struct Stocked {
    runtime: Runtime,
    store: Store,
    committed: mpsc::Receiver<Vec<Committed>>,
    people: Vec<Person>,
    _folder: TempDir,
}

impl Stocked {
    fn with(people: usize, sync_every_commit: bool) -> Self {
        Self::with_batches(people, sync_every_commit, 256)
    }

    /// With so many requests in a commit at the most.
    fn with_batches(people: usize, sync_every_commit: bool, batch_max: usize) -> Self {
        let folder = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("it can be written to");
        let runtime = Builder::new_current_thread().build().expect("there are threads");
        let options = people::options(folder.path(), sync_every_commit, batch_max);
        let (store, committed) = Store::open(&options, &people::no_progress()).expect("it can be opened");
        let people = runtime.block_on(people::sign_up(&store, people, ""));
        Self { runtime, store, committed, people, _folder: folder }
    }

    fn close(self) {
        self.runtime.block_on(self.store.stop()).expect("it can be closed");
    }
}

/// The writer is never idle: it commits a group while the next one comes together. So a single run says little, and a
/// sample is ten.
fn commit_one_group(bencher: Bencher, messages: usize, sync_every_commit: bool) {
    let stocked = Stocked::with_batches(messages.max(2), sync_every_commit, messages);
    let Stocked { runtime, store, committed, people, _folder } = stocked;
    let mut groups = runtime.block_on(Groups::hold(store, committed, &people[0], &people[1]));
    bencher
        .counter(ItemsCount::new(messages))
        .bench_local(|| runtime.block_on(groups.commit(groups::round(&people).take(messages))));
    runtime.block_on(groups.end());
}

/// Each group waits for the disk.
#[divan::bench(args = [1, 16, 256], sample_size = 10, sample_count = 50)]
fn commit_one_group_of_messages_synchronous_full(bencher: Bencher, messages: usize) {
    commit_one_group(bencher, messages, true);
}

/// Each group is in the kernel's hands.
#[divan::bench(args = [1, 16, 256], sample_size = 10, sample_count = 50)]
fn commit_one_group_of_messages_synchronous_normal(bencher: Bencher, messages: usize) {
    commit_one_group(bencher, messages, false);
}

/// From a mailbox where a thousand wait.
#[divan::bench(args = [1, 128])]
fn read_a_page_of_messages(bencher: Bencher, entries: u32) {
    let mut stocked = Stocked::with(2, false);
    let Stocked { runtime, store, committed, people, .. } = &mut stocked;
    let (writer, reader) = (&people[0], &people[1]);
    for _ in 0..1_000 {
        assert!(runtime.block_on(store.add_message(groups::draft(writer, reader))).expect("it can be written"));
        while committed.try_recv().is_ok() {}
    }
    let limits = PageLimits { entries, bytes: usize::MAX };
    bencher.counter(ItemsCount::new(entries)).bench_local(|| {
        let page = runtime.block_on(store.mailbox_page(reader.id, Seq(400), limits)).expect("it can be read");
        assert!(page.entries.len() == entries as usize && page.more);
    });
    stocked.close();
}

/// The account behind the login, and where its mailbox stands.
#[divan::bench]
fn what_a_log_in_reads(bencher: Bencher) {
    let stocked = Stocked::with(1_000, false);
    let Stocked { runtime, store, people, .. } = &stocked;
    let mut comers = people.iter().cycle();
    bencher
        .counter(ItemsCount::new(1_usize))
        .with_inputs(|| comers.next().expect("there are some"))
        .bench_local_values(|comer| {
            runtime.block_on(async {
                let account = store.get_account(comer.login.clone()).await.expect("it can be read");
                let account = account.expect("it is there");
                store.cursor(account.id).await.expect("it can be read")
            })
        });
    stocked.close();
}

/// A new one each time, as a commit of its own.
fn add_a_contact(bencher: Bencher, sync_every_commit: bool) {
    let stocked = Stocked::with(100, sync_every_commit);
    let Stocked { runtime, store, people, .. } = &stocked;
    let mut pairs = people.iter().flat_map(|owner| people.iter().map(move |contact| (owner, contact))).cycle();
    bencher.counter(ItemsCount::new(1_usize)).with_inputs(|| pairs.next().expect("there are some")).bench_local_values(
        |(owner, contact)| {
            runtime
                .block_on(store.add_contact(owner.id, contact.login.clone(), usize::MAX, ContactsPolicy::Open))
                .expect("it can be written")
        },
    );
    stocked.close();
}

#[divan::bench]
fn add_a_contact_synchronous_full(bencher: Bencher) {
    add_a_contact(bencher, true);
}

#[divan::bench]
fn add_a_contact_synchronous_normal(bencher: Bencher) {
    add_a_contact(bencher, false);
}

/// Who is to be told when somebody comes or goes.
#[divan::bench]
fn get_users_with_contact_1000_watchers(bencher: Bencher) {
    let stocked = Stocked::with(WATCHERS + 1, false);
    let Stocked { runtime, store, people, .. } = &stocked;
    let (star, watchers) = people.split_last().expect("there are some");
    for watcher in watchers {
        let added = store.add_contact(watcher.id, star.login.clone(), usize::MAX, ContactsPolicy::Open);
        runtime.block_on(added).expect("it can be written").expect("she is there");
    }
    bencher.counter(ItemsCount::new(WATCHERS)).bench_local(|| {
        let found = runtime.block_on(store.get_users_with_contact(star.id)).expect("it can be read");
        assert_eq!(found.len(), WATCHERS);
    });
    stocked.close();
}
