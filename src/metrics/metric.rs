//! What a metric is, and how its samples come out of a report.

use crate::figures::{Connections, Counts, Distribution, Queue, Report};

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only goes up, from 0 at the start of the daemon.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many values fell below which bounds.
    Histogram,
    /// Always 1: the labels say it.
    Info,
}

/// What it is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    None,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name, without what its kind appends (`_total`, `_bucket`, `_sum`, `_count`, `_info`).
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What it is counted in; the name ends with it.
    pub unit: Unit,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
    /// What an administrator should be woken by, or look at; for the page about it.
    pub alarm: &'static str,
    /// Where it comes from. No sample: it can't be told.
    pub(super) read: fn(&Report) -> Vec<Sample>,
}

/// One number, or one histogram, of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) labels: Vec<(&'static str, &'static str)>,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Whole(u64),
    Real(f64),
    Spread(Distribution),
}

pub(super) fn whole(number: u64) -> Vec<Sample> {
    vec![Sample { labels: Vec::new(), value: Value::Whole(number) }]
}

pub(super) fn real(number: f64) -> Vec<Sample> {
    vec![Sample { labels: Vec::new(), value: Value::Real(number) }]
}

pub(super) fn spread(distribution: &Distribution) -> Vec<Sample> {
    vec![Sample { labels: Vec::new(), value: Value::Spread(distribution.clone()) }]
}

/// One for each of the counts.
pub(super) fn each(label: &'static str, counts: &Counts) -> Vec<Sample> {
    let sample =
        |(name, count): &(&'static str, u64)| Sample { labels: vec![(label, *name)], value: Value::Whole(*count) };
    counts.iter().map(sample).collect()
}

/// One for each protocol.
pub(super) fn by_protocol(report: &Report, read: impl Fn(&Connections) -> u64) -> Vec<Sample> {
    let sample =
        |one: &Connections| Sample { labels: vec![("protocol", one.protocol)], value: Value::Whole(read(one)) };
    report.connections.iter().map(sample).collect()
}

/// One for each protocol and each of its counts.
pub(super) fn by_protocol_and(
    report: &Report,
    label: &'static str,
    read: impl Fn(&Connections) -> &Counts,
) -> Vec<Sample> {
    let of = |one: &Connections| {
        let mut samples = each(label, read(one));
        for sample in &mut samples {
            sample.labels.insert(0, ("protocol", one.protocol));
        }
        samples
    };
    report.connections.iter().flat_map(of).collect()
}

/// One for each queue.
pub(super) fn queues(report: &Report, read: impl Fn(&Queue) -> u64) -> Vec<Sample> {
    let queues = [
        ("writer", report.store.writer_queue),
        ("notifier", report.store.notifier_queue),
        ("hashing", report.accounts.hashing_queue),
    ];
    queues
        .iter()
        .map(|(name, queue)| Sample { labels: vec![("queue", *name)], value: Value::Whole(read(queue)) })
        .collect()
}
