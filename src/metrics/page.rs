//! The figures as `OpenMetrics` text (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).

use super::metric::{Kind, Metric, Sample, Unit, Value};
use super::table::metrics;
use crate::figures::Report;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{self, Registry};
use std::fmt;

/// What a page is, for whoever asks.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of a report.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Figures(report.clone())));
    let mut text = String::new();
    // Writing to a text does not fail.
    let _ = encode(&mut text, &registry);
    text
}

/// The library asks this at each writing: it keeps no figures itself, and nothing stays of it in between.
#[derive(Debug)]
struct Figures(Report);

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in metrics() {
            let samples = (metric.read)(&self.0);
            if samples.is_empty() {
                continue;
            }
            let (name, unit) = split(metric);
            let mut family = encoder.encode_descriptor(name, metric.help, unit.as_ref(), kind(metric.kind))?;
            for sample in &samples {
                if sample.labels.is_empty() {
                    write(&mut family, metric.kind, sample)?;
                } else if metric.kind == Kind::Info {
                    family.encode_info(&sample.labels)?;
                } else {
                    write(&mut family.encode_family(&sample.labels)?, metric.kind, sample)?;
                }
            }
        }
        Ok(())
    }
}

/// The library appends the unit to the name itself.
fn split(metric: &Metric) -> (&'static str, Option<registry::Unit>) {
    let (unit, suffix) = match metric.unit {
        Unit::None => return (metric.name, None),
        Unit::Bytes => (registry::Unit::Bytes, "_bytes"),
        Unit::Seconds => (registry::Unit::Seconds, "_seconds"),
    };
    (metric.name.strip_suffix(suffix).unwrap_or(metric.name), Some(unit))
}

fn kind(kind: Kind) -> MetricType {
    match kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Info => MetricType::Info,
    }
}

fn write(encoder: &mut MetricEncoder<'_>, kind: Kind, sample: &Sample) -> fmt::Result {
    match (&sample.value, kind) {
        (Value::Spread(distribution), _) => {
            let buckets: Vec<_> = distribution.buckets().collect();
            encoder.encode_histogram::<NoLabelSet>(distribution.sum(), distribution.count(), &buckets, None)
        }
        (Value::Whole(number), Kind::Counter) => encoder.encode_counter::<NoLabelSet, _, u64>(number, None),
        (Value::Real(number), Kind::Counter) => encoder.encode_counter::<NoLabelSet, _, f64>(number, None),
        (Value::Whole(number), _) => encoder.encode_gauge(number),
        (Value::Real(number), _) => encoder.encode_gauge(number),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::figures::{Accounts, Backlog, Connections, Daemon, Durations, Process, Queue, Sessions, Sizes, Store};
    use std::time::Duration;

    /// A server on which something of each kind has happened.
    pub(in crate::metrics) fn busy() -> Report {
        let durations = |millis: &[u64]| {
            let durations = Durations::default();
            for millis in millis {
                durations.record(Duration::from_millis(*millis));
            }
            durations.read()
        };
        let sizes = Sizes::default();
        for size in [1, 1, 3, 700, 2_000] {
            sizes.record(size);
        }
        Report {
            daemon: Daemon { version: "1.2.3", started_at: 1_795_779_641_250, uptime: Duration::from_hours(1) },
            process: Some(Process {
                cpu: Duration::from_millis(12_340),
                resident_bytes: 9_000_000,
                virtual_bytes: 90_000_000,
                threads: 9,
                open_descriptors: 42,
                max_descriptors: 16_384,
            }),
            connections: vec![Connections {
                protocol: "classic",
                open: 3,
                most: 10_000,
                accepted: 12,
                taken_up: 2,
                refused: vec![("full", 1), ("source_max", 0)],
                closed: vec![("by_peer", 8), ("broken", 1)],
                slowed: 1,
                requests: vec![("message", 500), ("log-in", 7)],
                log_ins: vec![("done", 5), ("wrong_password", 2)],
                sign_ups: vec![("done", 4)],
                delivered: 480,
                outbox_bytes: 1_234,
            }],
            sessions: Sessions { accounts: 2, sessions: 3 },
            accounts: Accounts {
                hashing: durations(&[20, 30]),
                hashing_queue: Queue { waiting: 1, most: 65 },
                throttled: vec![("account_failures", 2)],
            },
            store: Store {
                messages: 500,
                messages_to_nobody: 1,
                commits: durations(&[1, 2, 40_000]),
                batches: sizes.read(),
                waits: durations(&[]),
                writes: durations(&[3]),
                failures: vec![("disk_full", 1)],
                writer_queue: Queue { waiting: 5, most: 1_024 },
                notifier_queue: Queue { waiting: 0, most: 256 },
                read_waits: durations(&[0]),
                reads: durations(&[1]),
                unfiled: 6,
                filed: 994,
                filing: durations(&[4]),
                log_pages: 120,
            },
            backlog: Some(Backlog { mailboxes: 2, entries: 30, longest: 20 }),
        }
    }

    #[test]
    fn a_page_as_it_is_read() {
        insta::assert_snapshot!(page(&busy()));
    }

    /// Each sample that the text format allows, by a reader of our own: family, suffix, labels, number.
    #[test]
    fn every_line_is_one_of_openmetrics() {
        for report in [busy(), Report::default()] {
            let text = page(&report);
            assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
            let mut family = String::new();
            for line in text.lines().filter(|line| *line != "# EOF") {
                if let Some(rest) = line.strip_prefix("# HELP ") {
                    family = rest.split(' ').next().unwrap().to_owned();
                } else if let Some(rest) = line.strip_prefix("# ") {
                    let words: Vec<_> = rest.split(' ').collect();
                    assert!(["TYPE", "UNIT"].contains(&words[0]) && words[1] == family, "{line}");
                } else {
                    let (name, number) = line.rsplit_once(' ').unwrap();
                    let name = name.split('{').next().unwrap();
                    let suffix = name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{line} in {family}"));
                    assert!(["", "_total", "_bucket", "_sum", "_count", "_info"].contains(&suffix), "{line}");
                    assert!(number.parse::<f64>().is_ok(), "{line}");
                }
            }
        }
    }

    #[test]
    fn buckets_count_up_to_all_and_what_was_never_measured_is_there_with_nothing() {
        let text = page(&busy());
        for line in [
            "messengerd_store_commit_seconds_bucket{le=\"0.001\"} 1",
            "messengerd_store_commit_seconds_bucket{le=\"30.0\"} 2",
            "messengerd_store_commit_seconds_bucket{le=\"+Inf\"} 3",
            "messengerd_store_commit_seconds_count 3",
            "messengerd_store_commit_requests_sum 2705.0",
            "messengerd_store_wait_seconds_count 0",
            "messengerd_start_time_seconds 1795779641.25",
            "messengerd_connections_closed_total{protocol=\"classic\",reason=\"broken\"} 1",
            "messengerd_build_info{version=\"1.2.3\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        // What can't be told is not told.
        let unknown = page(&Report { backlog: None, process: None, ..busy() });
        assert!(!unknown.contains("mailbox_backlog") && !unknown.contains("process_"), "{unknown}");
    }
}
