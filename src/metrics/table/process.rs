//! Metrics of the process, and which daemon it is.

use super::super::metric::{Kind, Metric, Sample, Unit, Value, real, whole};
use crate::figures::Report;

#[expect(clippy::cast_precision_loss, reason = "a moment of this millennium, to the millisecond, is exact")]
fn started_at(report: &Report) -> f64 {
    report.daemon.started_at as f64 / 1e3
}

/// See the module.
pub(super) const PROCESS: &[Metric] = &[
    Metric {
        name: "messengerd_build",
        kind: Kind::Info,
        unit: Unit::None,
        labels: &["version"],
        help: "Which messengerd this is.",
        alarm: "",
        read: |report| vec![Sample { labels: vec![("version", report.daemon.version)], value: Value::Whole(1) }],
    },
    Metric {
        name: "messengerd_start_time_seconds",
        kind: Kind::Gauge,
        unit: Unit::Seconds,
        labels: &[],
        help: "When the daemon was started, in seconds since 1970.",
        alarm: "It changed, and nobody restarted the daemon: it crashed. `changes(…[1h]) > 3`: it keeps crashing.",
        read: |report| real(started_at(report)),
    },
    Metric {
        name: "process_cpu_seconds",
        kind: Kind::Counter,
        unit: Unit::Seconds,
        labels: &[],
        help: "CPU time that the process has used, in user and in system mode.",
        alarm: "",
        read: |report| report.process.map_or_else(Vec::new, |process| real(process.cpu.as_secs_f64())),
    },
    Metric {
        name: "process_resident_memory_bytes",
        kind: Kind::Gauge,
        unit: Unit::Bytes,
        labels: &[],
        help: "Memory that the process has.",
        alarm: "Near `MemoryHigh=` of the unit (512 MiB).",
        read: |report| report.process.map_or_else(Vec::new, |process| whole(process.resident_bytes)),
    },
    Metric {
        name: "process_virtual_memory_bytes",
        kind: Kind::Gauge,
        unit: Unit::Bytes,
        labels: &[],
        help: "Addresses that the process has.",
        alarm: "",
        read: |report| report.process.map_or_else(Vec::new, |process| whole(process.virtual_bytes)),
    },
    Metric {
        name: "process_threads",
        kind: Kind::Gauge,
        unit: Unit::None,
        labels: &[],
        help: "Threads of the process.",
        alarm: "",
        read: |report| report.process.map_or_else(Vec::new, |process| whole(process.threads)),
    },
    Metric {
        name: "process_open_fds",
        kind: Kind::Gauge,
        unit: Unit::None,
        labels: &[],
        help: "Descriptors that are open.",
        alarm: "More than 90 % of `process_max_fds`.",
        read: |report| report.process.map_or_else(Vec::new, |process| whole(process.open_descriptors)),
    },
    Metric {
        name: "process_max_fds",
        kind: Kind::Gauge,
        unit: Unit::None,
        labels: &[],
        help: "As many may be open (LimitNOFILE=).",
        alarm: "",
        read: |report| report.process.map_or_else(Vec::new, |process| whole(process.max_descriptors)),
    },
];
