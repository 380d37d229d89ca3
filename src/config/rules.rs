//! What must hold between two keys.

use super::fault::{Fault, Problem};
use super::kind::KIB;
use super::loaded::Entry;
use super::settings::Settings;
use std::collections::BTreeSet;

/// The first key must be large enough for the second.
struct Rule {
    large: &'static str,
    small: &'static str,
    holds: fn(&Settings) -> bool,
    what: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        large: "auth.argon2_memory",
        small: "auth.argon2_lanes",
        holds: |settings| settings.auth.argon2_memory >= 8 * KIB * u64::from(settings.auth.argon2_lanes),
        what: "auth.argon2_memory must be at least 8KiB for each of auth.argon2_lanes",
    },
    Rule {
        large: "connections.outbox_max",
        small: "classic.request_max",
        holds: |settings| settings.connections.outbox_max >= settings.classic.request_max,
        what: "connections.outbox_max must be at least classic.request_max",
    },
];

/// The rules that the effective values break, apart from those about a doubtful key.
pub(super) fn broken(settings: &Settings, entries: &[Entry], doubtful: &BTreeSet<&'static str>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for rule in RULES {
        if doubtful.contains(rule.large) || doubtful.contains(rule.small) || (rule.holds)(settings) {
            continue;
        }
        let parties: Vec<_> = [rule.large, rule.small]
            .into_iter()
            .filter_map(|path| entries.iter().find(|entry| entry.path() == path))
            .collect();
        // The defaults go together, so one of the two was set somewhere: that is the place to go to.
        let Some(culprit) = parties.iter().find(|entry| !entry.is_default()).or(parties.first()) else { continue };
        let now: Vec<_> = parties
            .iter()
            .map(|entry| format!("{} = {} ({})", entry.path(), entry.value_text(), entry.origin()))
            .collect();
        faults.push(Fault {
            place: culprit.origin().to_owned(),
            key: Some(culprit.path().to_owned()),
            problem: Problem::Rule(rule.what),
            remedy: format!("raise the first or lower the second: {}", now.join(", ")),
        });
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::key;

    #[test]
    fn the_defaults_break_no_rule() {
        assert!(RULES.iter().all(|rule| (rule.holds)(&Settings::default())));
    }

    #[test]
    fn rules_speak_of_keys_that_exist() {
        for rule in RULES {
            assert!(key::find(rule.large).is_some(), "{}", rule.large);
            assert!(key::find(rule.small).is_some(), "{}", rule.small);
        }
    }
}
