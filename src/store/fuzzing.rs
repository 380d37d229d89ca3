//! Sequences of steps, for [`crate::fuzzing`].
//!
//! Errors: a claim that does not hold is a panic.

use super::model::{Both, LOGINS, Step};
use crate::fuzzing::Choices;

/// As many steps as are taken at the most: what is longer shows little that is new.
const STEPS: usize = 64;

/// Bytes are steps; each is answered as the model says, and the store holds what the model does.
pub(crate) fn steps(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut both = Both::new();
        for step in std::iter::from_fn(|| step(&mut choices)).take(STEPS) {
            // What has moved in the store is what may differ; the rest is seen at the end.
            let moved = matches!(step, Step::File | Step::Stop | Step::Crash);
            let (before, crash) = (both.model.cursors(), matches!(step, Step::Crash));
            both.take(step).await;
            if moved {
                both.compare().await;
            }
            let after = both.model.cursors();
            assert!(crash || before.iter().all(|(account, cursor)| after[account] >= *cursor), "it went back");
        }
        both.compare().await;
        both.store.stop().await.expect("the last cursors are written");
    });
}

fn step(choices: &mut Choices<'_>) -> Option<Step> {
    let kind = choices.next()?;
    let mut number = || choices.next().unwrap_or_default();
    // The highest came later: kept inputs have few of them.
    Some(match if kind < 240 { kind % 12 } else { kind } {
        0 => Step::AddUser { login: usize::from(number()) % LOGINS.len() },
        1 => Step::AddContact { owner: number().into(), login: usize::from(number()) % LOGINS.len() },
        2..=5 => {
            let sender = Some(usize::from(number())).filter(|sender| *sender < 250);
            let recipient = usize::from(number()) % LOGINS.len();
            Step::AddMessage { sender, recipient, text: choices.text() }
        }
        6 => {
            let account = number().into();
            let beyond_head = number().cast_signed();
            Step::Delivered { account, beyond_head: if beyond_head == i8::MAX { i64::MAX } else { beyond_head.into() } }
        }
        7 => Step::WriteCursors,
        8 => Step::File,
        9 => Step::Page {
            account: number().into(),
            after: number().into(),
            limits: (number().into(), usize::from(number()) * 8),
        },
        10 => Step::Stop,
        242..=243 => Step::History {
            account: number().into(),
            with: Some(usize::from(number())).filter(|with| *with < 200).map(|with| with % LOGINS.len()),
            before: number().into(),
            limits: (number().into(), usize::from(number()) * 64),
        },
        240..=241 => Step::RemoveContact { owner: number().into(), login: usize::from(number()) % LOGINS.len() },
        244..=249 => Step::Block { owner: number().into(), login: usize::from(number()) % LOGINS.len() },
        250..=255 => Step::Unblock { owner: number().into(), login: usize::from(number()) % LOGINS.len() },
        _ => Step::Crash,
    })
}
