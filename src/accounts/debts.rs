//! What failed log-ins have cost, for the next process.

use super::Accounts;
use super::throttle::Source;
use crate::domain::Login;
use crate::handover::state::{self, Debt, Debts};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
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

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(network) => Ipv6Addr::from_bits(u128::from(*network) << 64).fmt(f),
            Self::Local(user) => write!(f, "user {user}"),
        }
    }
}

impl Source {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("user ") {
            Some(user) => user.parse().ok().map(Self::Local),
            None => text.parse::<IpAddr>().ok().map(Self::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_what_it_says() {
        for source in [
            Source::V4([192, 0, 2, 7].into()),
            Source::V6(0x2001_0db8_0000_0001),
            Source::Local(1000),
            Source::Local(u32::MAX),
        ] {
            assert_eq!(Source::parse(&source.to_string()), Some(source));
        }
        assert_eq!(Source::V6(0x2001_0db8_0000_0001).to_string(), "2001:db8:0:1::");
        for nobody in ["", "user", "user -1", "user x", "192.0.2.7:80", "somebody"] {
            assert_eq!(Source::parse(nobody), None, "{nobody}");
        }
    }
}
