//! What failed log-ins have cost, for the next process.

use super::Accounts;
use crate::domain::{Login, Source};
use crate::handover::state::{self, Debt, Debts};
use std::time::Duration;

/// As many of each kind are left to the next process: those who owe most.
const MOST: usize = state::DEBTS;
/// Nobody owes for longer than that, whatever a state says.
const LONGEST: Duration = Duration::from_hours(24);

impl Accounts {
    /// What is owed by now.
    #[must_use]
    pub fn debts(&self) -> Debts {
        let debt = |who: String, rest: Duration| Debt {
            who,
            milliseconds: u64::try_from(rest.as_millis()).unwrap_or(u64::MAX),
        };
        let logins = self.by_login.debts(MOST).into_iter().map(|(login, rest)| debt(login.as_str().to_owned(), rest));
        let sources = self.by_source.debts(MOST).into_iter().map(|(source, rest)| debt(source.to_string(), rest));
        Debts { logins: logins.collect(), sources: sources.collect() }
    }

    /// Goes on with what was owed in a process before this one. Who is nobody is passed over.
    pub fn owe(&self, debts: &Debts) {
        let rest = |debt: &Debt| Duration::from_millis(debt.milliseconds).min(LONGEST);
        for debt in debts.logins.iter().take(MOST) {
            if let Ok(login) = Login::parse(&debt.who) {
                self.by_login.owe(login, rest(debt));
            }
        }
        for debt in debts.sources.iter().take(MOST) {
            if let Some(source) = Source::parse(&debt.who) {
                self.by_source.owe(source, rest(debt));
            }
        }
    }
}
