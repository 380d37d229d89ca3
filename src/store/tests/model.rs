//! Any sequence of requests, stops and crashes, against a model of a few lines.

use crate::store::model::{Both, LOGINS, Step};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<String>(),
        1 => Just(String::new()),
        1 => Just("\0".to_owned()),
        1 => Just("two\r\nlines\r".to_owned()),
        1 => Just("שלום 👩‍👩‍👧 \u{202e}\u{fffd}".to_owned()),
        1 => Just("\r\0🙂".repeat(10 * 1024)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let login = || 0..LOGINS.len();
    prop_oneof![
        3 => login().prop_map(|login| Step::AddUser { login }),
        2 => (any::<usize>(), login()).prop_map(|(owner, login)| Step::AddContact { owner, login }),
        1 => (any::<usize>(), login()).prop_map(|(owner, login)| Step::RemoveContact { owner, login }),
        3 => (any::<usize>(), login()).prop_map(|(owner, login)| Step::Block { owner, login }),
        1 => (any::<usize>(), login()).prop_map(|(owner, login)| Step::Unblock { owner, login }),
        12 => (proptest::option::weighted(0.95, any::<usize>()), login(), text())
            .prop_map(|(sender, recipient, text)| Step::AddMessage { sender, recipient, text }),
        4 => (any::<usize>(), prop_oneof![9 => -3..3_i64, 1 => Just(i64::MAX)])
            .prop_map(|(account, beyond_head)| Step::Delivered { account, beyond_head }),
        2 => Just(Step::WriteCursors),
        1 => Just(Step::File),
        2 => (0..4_u64, 0..4_u64)
            .prop_map(|(delivered, undelivered)| Step::Retain { delivered, undelivered }),
        4 => (any::<usize>(), 0..8_u64, (0..4_u32, prop_oneof![Just(0), Just(100), Just(usize::MAX)]))
            .prop_map(|(account, after, limits)| Step::Page { account, after, limits }),
        3 => (any::<usize>(), proptest::option::of(login()), 0..12_u64, (0..4_u32, prop_oneof![Just(700), Just(usize::MAX)]))
            .prop_map(|(account, with, before, limits)| Step::History { account, with, before, limits }),
        1 => Just(Step::Stop),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_store_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut both = Both::new();
            for step in steps {
                let (before, crash) = (both.model.cursors(), matches!(step, Step::Crash));
                both.take(step).await;
                both.compare().await;
                let after = both.model.cursors();
                prop_assert!(crash || before.iter().all(|(account, cursor)| after[account] >= *cursor), "it went back");
            }
            Ok(())
        })?;
    }
}
