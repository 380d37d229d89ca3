//! `messengerctl retention`: how long mailboxes keep messages.

use super::door::House;
use super::{print, print_json};
use crate::control::ClientError;
use crate::control::methods::run_retention::{Gone, How, RunRetention};
use crate::control::methods::set_retention::{Differing, SetRetention};
use crate::control::methods::show_retention::{Retention, Rules, ShowRetention, Whose};
use crate::terminal::progress::Progress;
use crate::terminal::table::Table;
use std::time::Duration;

const DAY: u64 = 24 * 60 * 60 * 1000;

/// What there is to do with retention.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show what holds: for all, or for one account
    Show {
        /// Whose; otherwise what the configuration says
        #[arg(add = super::names::logins())]
        login: Option<String>,
        /// As JSON. Ages are milliseconds; 0 is no limit
        #[arg(long)]
        json: bool,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
    /// Say what differs from the configuration for one account
    ///
    /// What is not named stays as it was.
    Set {
        /// Whose
        #[arg(add = super::names::logins())]
        login: String,
        /// What differs.
        #[command(flatten)]
        own: Own,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
    /// Let the configuration hold for an account again
    Clear {
        /// Whose
        #[arg(add = super::names::logins())]
        login: String,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
    /// Let go now of what mailboxes keep no longer
    ///
    /// The daemon does so by itself every retention.interval.
    Run {
        /// Only say how much it would be
        #[arg(long)]
        dry_run: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Whom to ask.
        #[command(flatten)]
        house: House,
    },
}

/// What differs for one account.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub struct Own {
    /// Keep what was delivered so long ("90days"); "0s" is for ever
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub delivered_age: Option<u64>,
    /// Keep so many messages that were delivered; 0 is all
    #[arg(long, value_name = "COUNT")]
    pub delivered_count: Option<u64>,
    /// Keep what was not delivered so long; "0s" is for ever
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub undelivered_age: Option<u64>,
    /// Keep so many messages that were not delivered; 0 is all
    #[arg(long, value_name = "COUNT")]
    pub undelivered_count: Option<u64>,
}

/// In milliseconds.
fn age(text: &str) -> Result<u64, String> {
    let age = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    u64::try_from(age.as_millis()).map_err(|_| "too long".to_owned())
}

pub(super) fn run(command: Command) -> Result<(), ClientError> {
    match command {
        Command::Show { login, json, house } => {
            let shown = house.open()?.call::<ShowRetention>(Whose { login })?;
            if json { print_json(&shown) } else { print(&show(&shown)) }
        }
        Command::Set { login, own, house } => {
            let Own { delivered_age, delivered_count, undelivered_age, undelivered_count } = own;
            let own = Rules { delivered_age, delivered_count, undelivered_age, undelivered_count };
            let set = house.open()?.call::<SetRetention>(Differing { login, own, forget: false })?;
            print(&show(&set))
        }
        Command::Clear { login, house } => {
            let differing = Differing { login: login.clone(), own: Rules::default(), forget: true };
            house.open()?.call::<SetRetention>(differing)?;
            print(&format!("for {login} the configuration holds\n"))
        }
        Command::Run { dry_run, json, house } => {
            let (mut last, progress) = (Gone::default(), Progress::of("letting go"));
            house.open()?.stream::<RunRetention, ClientError>(How { only_look: dry_run }, |part| {
                progress.at(part.mailboxes, part.of);
                last = part;
                Ok(true)
            })?;
            drop(progress);
            if json { print_json(&last) } else { print(&tell(&last)) }
        }
    }
}

fn show(Retention { configured, own }: &Retention) -> String {
    let mut table = Table::new(&["KEY", "KEEPS", "SAID BY"], &[]);
    let ages = |rules: &Rules| [("delivered_age", rules.delivered_age), ("undelivered_age", rules.undelivered_age)];
    let counts =
        |rules: &Rules| [("delivered_count", rules.delivered_count), ("undelivered_count", rules.undelivered_count)];
    let mut row = |key: &str, configured: Option<u64>, own: Option<u64>, words: &dyn Fn(u64) -> String| {
        let by = if own.is_some() { "the account" } else { "the configuration" };
        let keeps = match own.or(configured).unwrap_or_default() {
            0 => "all".to_owned(),
            limit => words(limit),
        };
        table.row([key.to_owned(), keeps, by.to_owned()]);
    };
    for ((key, configured), (_, own)) in ages(configured).into_iter().zip(ages(own)) {
        row(key, configured, own, &in_words);
    }
    for ((key, configured), (_, own)) in counts(configured).into_iter().zip(counts(own)) {
        row(key, configured, own, &|count| format!("the newest {count}"));
    }
    table.show()
}

/// Milliseconds as people say them: in days, if they are whole days.
fn in_words(age: u64) -> String {
    match (age / DAY, age % DAY) {
        (1, 0) => "1 day".to_owned(),
        (days, 0) => format!("{days} days"),
        _ => humantime::format_duration(Duration::from_millis(age)).to_string(),
    }
}

fn tell(gone: &Gone) -> String {
    let Gone { mailboxes, delivered, undelivered, messages, given_back, .. } = gone;
    let entries = format!("{delivered} delivered and {undelivered} not delivered entries of {mailboxes} mailboxes");
    match messages {
        None => format!("{entries} would go\n"),
        Some(messages) => {
            let given_back = if *given_back == 0 {
                String::new()
            } else {
                format!("; the database is {} KiB smaller", given_back / 1024)
            };
            format!("{entries} are gone, and {messages} messages that nobody else has{given_back}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_is_said_with_who_says_it() {
        let configured = Rules {
            delivered_age: Some(90 * DAY),
            delivered_count: Some(0),
            undelivered_age: Some(0),
            undelivered_count: Some(0),
        };
        let own = Rules { delivered_age: Some(0), undelivered_count: Some(100), ..Rules::default() };
        let shown = show(&Retention { configured, own: Rules::default() }) + &show(&Retention { configured, own });
        insta::assert_snapshot!(shown, @r"
        KEY                KEEPS    SAID BY
        delivered_age      90 days  the configuration
        undelivered_age    all      the configuration
        delivered_count    all      the configuration
        undelivered_count  all      the configuration
        KEY                KEEPS           SAID BY
        delivered_age      all             the account
        undelivered_age    all             the configuration
        delivered_count    all             the configuration
        undelivered_count  the newest 100  the account
        ");
    }
}
