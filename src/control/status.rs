//! How the daemon is, in the words of the interface: made of a [`Report`].

use crate::figures::{self, Counts, Distribution, Report};
use serde::{Deserialize, Serialize};
use zlink::introspect;

/// How things are at a moment. What is counted is counted from the start of the daemon.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Status {
    pub(in crate::control) version: String,
    pub(in crate::control) uptime_seconds: u64,
    pub(in crate::control) accounts_online: u64,
    pub(in crate::control) sessions: u64,
    pub(in crate::control) connections: Vec<Connected>,
    pub(in crate::control) messages_accepted: u64,
    pub(in crate::control) messages_delivered: u64,
    /// Nothing, where it could not be read.
    pub(in crate::control) waiting: Option<Waiting>,
    pub(in crate::control) latencies: Vec<Latency>,
    pub(in crate::control) queues: Vec<Queue>,
    pub(in crate::control) refused: Vec<Refusal>,
    /// Nothing, where it could not be read.
    pub(in crate::control) process: Option<Process>,
}

/// Connections of one protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Connected {
    pub(in crate::control) protocol: String,
    pub(in crate::control) open: u64,
    pub(in crate::control) most: u64,
    pub(in crate::control) accepted: u64,
    pub(in crate::control) requests: u64,
}

/// What waits in the mailboxes of those who are not online.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Waiting {
    pub(in crate::control) entries: u64,
    pub(in crate::control) mailboxes: u64,
    /// In the mailbox with most.
    pub(in crate::control) longest: u64,
}

/// How long something took: half of the times, and all but one in a hundred. Nothing, where it was not done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Latency {
    pub(in crate::control) name: String,
    pub(in crate::control) count: u64,
    pub(in crate::control) p50_seconds: Option<f64>,
    pub(in crate::control) p99_seconds: Option<f64>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Queue {
    pub(in crate::control) name: String,
    pub(in crate::control) waiting: u64,
    pub(in crate::control) most: u64,
}

/// How often something was refused, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Refusal {
    pub(in crate::control) what: String,
    pub(in crate::control) reason: String,
    pub(in crate::control) protocol: Option<String>,
    pub(in crate::control) count: u64,
}

/// The daemon's process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Process {
    pub(in crate::control) cpu_seconds: f64,
    pub(in crate::control) memory_bytes: u64,
    pub(in crate::control) threads: u64,
    pub(in crate::control) open_descriptors: u64,
    pub(in crate::control) max_descriptors: u64,
}

impl Status {
    /// Of this report. Latencies are those since an earlier one, if there is one, else since the start.
    pub(in crate::control) fn of(report: &Report, since: Option<&Report>) -> Self {
        Self {
            version: report.daemon.version.to_owned(),
            uptime_seconds: report.daemon.uptime.as_secs(),
            accounts_online: report.sessions.accounts,
            sessions: report.sessions.sessions,
            connections: report.connections.iter().map(Connected::from).collect(),
            messages_accepted: report.store.messages,
            messages_delivered: report.connections.iter().map(|one| one.delivered).sum(),
            waiting: report.backlog.map(|backlog| Waiting {
                entries: backlog.entries,
                mailboxes: backlog.mailboxes,
                longest: backlog.longest,
            }),
            latencies: latencies(report, since),
            queues: [
                ("writer", report.store.writer_queue),
                ("notifier", report.store.notifier_queue),
                ("hashing", report.accounts.hashing_queue),
            ]
            .map(|(name, queue)| Queue { name: name.to_owned(), waiting: queue.waiting, most: queue.most })
            .into(),
            refused: refused(report),
            process: report.process.map(|process| Process {
                cpu_seconds: process.cpu.as_secs_f64(),
                memory_bytes: process.resident_bytes,
                threads: process.threads,
                open_descriptors: process.open_descriptors,
                max_descriptors: process.max_descriptors,
            }),
        }
    }
}

impl From<&figures::Connections> for Connected {
    fn from(one: &figures::Connections) -> Self {
        Self {
            protocol: one.protocol.to_owned(),
            open: one.open,
            most: one.most,
            accepted: one.accepted,
            requests: one.requests.iter().map(|(_, count)| count).sum(),
        }
    }
}

fn latencies(report: &Report, since: Option<&Report>) -> Vec<Latency> {
    let latency = |name: &str, of: fn(&Report) -> &Distribution| {
        let now = of(report);
        let distribution = since.map_or_else(|| now.clone(), |since| now.since(of(since)));
        Latency {
            name: name.to_owned(),
            count: distribution.count(),
            p50_seconds: distribution.quantile(0.5),
            p99_seconds: distribution.quantile(0.99),
        }
    };
    vec![
        latency("write", |report| &report.store.writes),
        latency("commit", |report| &report.store.commits),
        latency("wait for commit", |report| &report.store.waits),
        latency("read", |report| &report.store.reads),
        latency("wait for read", |report| &report.store.read_waits),
        latency("hashing", |report| &report.accounts.hashing),
    ]
}

fn refused(report: &Report) -> Vec<Refusal> {
    let all = |what: &'static str, protocol: Option<&'static str>, counts: &Counts| {
        let refusal = move |(reason, count): &(&'static str, u64)| Refusal {
            what: what.to_owned(),
            reason: (*reason).to_owned(),
            protocol: protocol.map(str::to_owned),
            count: *count,
        };
        counts.iter().filter(|(reason, _)| *reason != "done").map(refusal).collect::<Vec<_>>()
    };
    let mut refused = Vec::new();
    for one in &report.connections {
        let protocol = Some(one.protocol);
        refused.extend(all("connection", protocol, &one.refused));
        refused.extend(all("slowed", protocol, &vec![("requests", one.slowed)]));
        refused.extend(all("log-in", protocol, &one.log_ins));
        refused.extend(all("sign-up", protocol, &one.sign_ups));
    }
    refused.extend(all("throttled", None, &report.accounts.throttled));
    refused.extend(all("message", None, &vec![("unknown_login", report.store.messages_to_nobody)]));
    refused.extend(all("write", None, &report.store.failures));
    refused
}
