//! A mailbox, read backwards.

use super::*;
use crate::domain::History;

fn texts(history: &History) -> Vec<&str> {
    history.entries.iter().map(|entry| &*entry.message.text).collect()
}

async fn page(store: &Store, of: &Person, with: Option<&Person>, before: Seq, most: u32) -> History {
    let limits = PageLimits { entries: most, bytes: usize::MAX };
    store.history(of.id, with.map(|with| with.login.clone()), before, limits).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_lead_back_to_the_first_message_whether_or_not_it_is_filed() {
    let (_directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    for number in 0..7 {
        assert!(ann.writes(&store, &bob, &number.to_string()).await.unwrap());
        if number == 3 {
            store.writer.file().await;
        }
    }
    for whose in [&ann, &bob] {
        let newest = page(&store, whose, None, Seq(u64::MAX), 3).await;
        assert_eq!((texts(&newest), newest.older), (vec!["4", "5", "6"], Some(Seq(5))));
        let next = page(&store, whose, None, Seq(5), 3).await;
        assert_eq!((texts(&next), next.older), (vec!["1", "2", "3"], Some(Seq(2))));
        let last = page(&store, whose, None, Seq(2), 3).await;
        assert_eq!((texts(&last), last.older), (vec!["0"], None));
        assert_eq!(page(&store, whose, None, Seq(1), 3).await, History { entries: vec![], older: None });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_rarely_met_is_looked_for_in_steps() {
    let (_directory, store, mut committed) = open_new();
    tokio::spawn(async move { while committed.recv().await.is_some() {} });
    let (ann, bob) = ann_and_bob(&store).await;
    let eve = Person::sign_up(&store, "eve").await;
    assert!(eve.writes(&store, &ann, "long ago").await.unwrap());
    let many: Vec<_> = (0..5000).map(|_| store.add_message(bob.draft(&ann.login, "hi"))).collect();
    for written in many {
        assert!(written.await.unwrap());
    }
    for filed in [false, true] {
        if filed {
            store.writer.file().await;
        }
        let (mut before, mut steps) = (Seq(u64::MAX), 0);
        let found = loop {
            let history = page(&store, &ann, Some(&eve), before, 10).await;
            match history.older {
                None => break history,
                Some(older) => {
                    assert!(history.entries.is_empty() && older < before);
                    (before, steps) = (older, steps + 1);
                }
            }
        };
        assert_eq!((texts(&found), steps), (vec!["long ago"], 2), "filed: {filed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_holds_so_many_bytes_and_at_least_one_message() {
    let (_directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    for length in [10_000, 3_000, 3_000] {
        assert!(ann.writes(&store, &bob, &"x".repeat(length)).await.unwrap());
    }
    let limits = PageLimits { entries: 100, bytes: 7_000 };
    for (before, lengths, older) in [(u64::MAX, vec![3_000, 3_000], Some(2)), (2, vec![10_000], None)] {
        let history = store.history(ann.id, Some(bob.login.clone()), Seq(before), limits).await.unwrap().unwrap();
        let found: Vec<_> = history.entries.iter().map(|entry| entry.message.text.len()).collect();
        assert_eq!((found, history.older), (lengths, older.map(Seq)));
    }
}
