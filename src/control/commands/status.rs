//! `messengerctl status`: how the daemon is, or what can be known without it.

use super::door::House;
use super::{print, print_json};
use crate::control::ClientError;
use crate::control::local::Local;
use crate::control::methods::Nothing;
use crate::control::methods::get_status::GetStatus;
use crate::control::methods::get_totals::{GetTotals, Totals};
use crate::control::status::{Latency, Process, Status};
use crate::domain::exit::Exit;
use crate::host::journal::Chain;
use crate::terminal::table::Table;
use serde_json::json;
use std::fmt::Write as _;
use std::time::Duration;

/// Of this program.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn run(json: bool, house: &House) -> Result<Exit, ClientError> {
    match house.door.open() {
        Ok(mut client) => {
            let status = client.call::<GetStatus>(&Nothing {})?;
            if json {
                print_json(&json!({ "running": true, "messengerctl": VERSION, "status": status }))?;
            } else {
                print(&show(&status))?;
            }
            Ok(Exit::Ok)
        }
        Err(ClientError::Nobody { .. }) => {
            let known = Local::open(&house.sources)
                .map_err(ClientError::from)
                .and_then(|local| local.call::<GetTotals>(Nothing {}));
            if json {
                let error = known.as_ref().err().map(|error| Chain(error).to_string());
                print_json(&json!({
                    "running": false, "messengerctl": VERSION, "database": known.ok(), "error": error,
                }))?;
            } else {
                print(&show_stopped(known.map_err(|error| Chain(&error).to_string())))?;
            }
            Ok(Exit::NotRunning)
        }
        Err(error) => Err(error),
    }
}

fn show_stopped(known: Result<Totals, String>) -> String {
    let known = match known {
        Ok(Totals { accounts, messages, bytes }) => {
            format!(
                "  database  {}, {}, {}\n",
                many(accounts, "account", "accounts"),
                many(messages, "message", "messages"),
                size(bytes)
            )
        }
        Err(error) => format!("  database  {error}\n"),
    };
    format!("messengerd is not running: nobody listens at its control socket\n{known}")
}

/// For people.
fn show(status: &Status) -> String {
    let mut text = format!("messengerd {} is running, for {}\n", status.version, lasting(status.uptime_seconds));
    if let Some(hint) = hint(&status.version) {
        text += &hint;
    }
    let mut line = |name: &str, said: String| _ = writeln!(text, "  {name:<11}  {said}");
    line("online", online(status));
    for one in &status.connections {
        let (open, most) = (number(one.open), number(one.most));
        line("connections", format!("{open} of {most} ({}), {} accepted", one.protocol, number(one.accepted)));
    }
    let (accepted, delivered) = (number(status.messages_accepted), number(status.messages_delivered));
    line("messages", format!("{accepted} accepted, {delivered} delivered"));
    if let Some(waiting) = &status.waiting {
        let (entries, mailboxes) = (number(waiting.entries), many(waiting.mailboxes, "mailbox", "mailboxes"));
        line("waiting", format!("{entries} in {mailboxes}, {} in the fullest", number(waiting.longest)));
    }
    if let Some(Process { cpu_seconds, memory_bytes, threads, open_descriptors, max_descriptors }) = &status.process {
        let (memory, descriptors) = (size(*memory_bytes), number(*open_descriptors));
        let most = number(*max_descriptors);
        line(
            "process",
            format!("{memory}, {threads} threads, {descriptors} of {most} descriptors, {cpu_seconds:.1} s of CPU time"),
        );
    }
    text.push('\n');
    text += &latencies(&status.latencies);
    text.push('\n');
    let mut queues = Table::new(&["QUEUE", "WAITING", "MOST"], &[1, 2]);
    for queue in &status.queues {
        queues.row([queue.name.clone(), number(queue.waiting), number(queue.most)]);
    }
    text += &queues.show();
    let mut refused = Table::new(&["REFUSED", "REASON", "TIMES"], &[2]);
    let mut some = false;
    for refusal in status.refused.iter().filter(|refusal| refusal.count > 0) {
        refused.row([refusal.what.clone(), refusal.reason.clone(), number(refusal.count)]);
        some = true;
    }
    if some {
        text.push('\n');
        text += &refused.show();
    }
    text
}

/// Who is here.
pub(super) fn online(status: &Status) -> String {
    format!("{}, {}", many(status.accounts_online, "account", "accounts"), many(status.sessions, "session", "sessions"))
}

/// So many of something.
pub(super) fn many(count: u64, one: &str, more: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { more })
}

/// Whoever upgrades may have forgotten the other half.
pub(super) fn hint(version: &str) -> Option<String> {
    (version != VERSION).then(|| {
        format!("  messengerctl is {VERSION}: after an upgrade, systemctl restart messengerd (connections stay open)\n")
    })
}

fn latencies(latencies: &[Latency]) -> String {
    let mut table = Table::new(&["LATENCY", "TIMES", "HALF", "99 %"], &[1, 2, 3]);
    for latency in latencies {
        table.row([latency.name.clone(), number(latency.count), took(latency.p50_seconds), took(latency.p99_seconds)]);
    }
    table.show()
}

/// Days, hours and minutes; seconds only at the beginning.
pub(super) fn lasting(seconds: u64) -> String {
    let rounded = if seconds < 3_600 { seconds } else { seconds / 60 * 60 };
    humantime::format_duration(Duration::from_secs(rounded)).to_string()
}

/// A time, with as many digits as say something.
pub(super) fn took(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds < 0.001 => format!("{:.0} µs", seconds * 1e6),
        Some(seconds) if seconds < 0.01 => format!("{:.1} ms", seconds * 1e3),
        Some(seconds) if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        Some(seconds) => format!("{seconds:.1} s"),
    }
}

pub(super) fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).to_string()
}

/// With a comma before each three digits.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::control::status::{Connected, Queue, Refusal, Waiting};

    pub(in crate::control::commands) fn busy() -> Status {
        let latency = |name: &str, count, times: Option<(f64, f64)>| Latency {
            name: name.to_owned(),
            count,
            p50_seconds: times.map(|(half, _)| half),
            p99_seconds: times.map(|(_, most)| most),
        };
        let queue = |name: &str, waiting, most| Queue { name: name.to_owned(), waiting, most };
        let refusal = |what: &str, reason: &str, count| Refusal {
            what: what.to_owned(),
            reason: reason.to_owned(),
            protocol: None,
            count,
        };
        Status {
            version: VERSION.to_owned(),
            uptime_seconds: 3 * 86_400 + 7_384,
            accounts_online: 1_234,
            sessions: 1_300,
            connections: vec![Connected {
                protocol: "classic".to_owned(),
                open: 1_310,
                most: 10_000,
                accepted: 52_011,
                requests: 2_000_000,
            }],
            messages_accepted: 1_523_000,
            messages_delivered: 1_522_950,
            waiting: Some(Waiting { entries: 3_040, mailboxes: 27, longest: 800 }),
            latencies: vec![
                latency("write", 1_600_000, Some((0.001_24, 0.0131))),
                latency("commit", 90_210, Some((0.000_81, 0.0052))),
                latency("hashing", 0, None),
            ],
            queues: vec![queue("writer", 12, 1_024), queue("hashing", 0, 65)],
            refused: vec![refusal("log-in", "wrong_password", 31), refusal("write", "disk_full", 0)],
            process: Some(Process {
                cpu_seconds: 812.34,
                memory_bytes: 28_311_552,
                threads: 9,
                open_descriptors: 1_352,
                max_descriptors: 16_384,
            }),
        }
    }

    #[test]
    fn a_status_for_people() {
        insta::assert_snapshot!(show(&busy()).replace(VERSION, "[version]"));
    }

    #[test]
    fn another_version_and_nothing_known_are_said() {
        let odd = Status { version: "0.0.1".to_owned(), waiting: None, process: None, ..busy() };
        let shown = show(&odd);
        assert!(shown.contains(&format!("messengerctl is {VERSION}: after an upgrade")), "{shown}");
        assert!(!shown.contains("waiting  ") && !shown.contains("process"), "{shown}");
    }

    #[test]
    fn who_is_stopped_says_what_is_in_the_database() {
        insta::assert_snapshot!(show_stopped(Ok(Totals { accounts: 12, messages: 34_567, bytes: 1_048_576 })), @r"
        messengerd is not running: nobody listens at its control socket
          database  12 accounts, 34,567 messages, 1.0 MiB
        ");
        assert!(show_stopped(Err("there is none".to_owned())).ends_with("\n  database  there is none\n"));
    }

    #[test]
    fn numbers_times_and_lasting() {
        for (given, shown) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(given), shown);
        }
        for (given, shown) in [(0.000_05, "50 µs"), (0.001_24, "1.2 ms"), (0.0131, "13 ms"), (2.5, "2.5 s")] {
            assert_eq!(took(Some(given)), shown);
        }
        assert_eq!((lasting(59).as_str(), lasting(7_384).as_str()), ("59s", "2h 3m"));
    }
}
