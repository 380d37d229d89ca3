//! docs/metrics.md tells each metric that there is, from the same table; what is in packaging/examples names none that is
//! not. `MESSENGERD_WRITE=1 cargo test --test metrics` writes the page's table.

use messengerd::metrics::{Kind, Metric, Unit, metrics};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- written by tests/metrics.rs -->\n";
const END: &str = "<!-- end -->\n";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// As it is written in a query: with what its kind appends.
fn shown(metric: &Metric) -> String {
    match metric.kind {
        Kind::Counter => format!("{}_total", metric.name),
        Kind::Info => format!("{}_info", metric.name),
        Kind::Gauge | Kind::Histogram => metric.name.to_owned(),
    }
}

fn table() -> String {
    let mut table = String::from(
        "| metric | type | unit | labels | what it says | what to alarm on |\n|---|---|---|---|---|---|\n",
    );
    for metric in metrics() {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        };
        let unit = match metric.unit {
            Unit::None => "",
            Unit::Bytes => "bytes",
            Unit::Seconds => "seconds",
        };
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, labels) = (shown(metric), labels.join(" "));
        writeln!(table, "| `{name}` | {kind} | {unit} | {labels} | {} | {} |", metric.help, metric.alarm).unwrap();
    }
    table
}

#[test]
fn the_page_tells_each_metric_that_there_is() {
    let page = read("docs/metrics.md");
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
    let (told, after) = rest.split_once(END).expect("the place ends");
    if std::env::var_os("MESSENGERD_WRITE").is_some() {
        fs::write(path("docs/metrics.md"), [before, BEGIN, &table(), END, after].concat()).unwrap();
        return;
    }
    assert_eq!(told, table(), "stale: MESSENGERD_WRITE=1 cargo test --test metrics");
}

/// Each name of ours that a text has, with the labels that are selected or summed by.
fn named(text: &str) -> Vec<(String, BTreeSet<String>)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in text.match_indices("messengerd_").chain(text.match_indices("process_")) {
        if text[..at].ends_with(is_word) {
            continue;
        }
        let rest = &text[at..];
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let labels = rest[end..].strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(inside, _)| inside);
        let keys = labels.unwrap_or_default().split(',').filter_map(|pair| pair.split(['=', '!']).next());
        let keys = keys.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        found.push((rest[..end].to_owned(), keys.collect()));
    }
    found
}

/// Each name that a query may have, and its labels.
fn samples() -> BTreeMap<String, &'static [&'static str]> {
    let of = |metric: &'static Metric| {
        let names: Vec<String> = match metric.kind {
            Kind::Histogram => ["_bucket", "_sum", "_count"].map(|end| format!("{}{end}", metric.name)).into(),
            _ => vec![shown(metric)],
        };
        names.into_iter().map(|name| (name, metric.labels))
    };
    metrics().flat_map(of).collect()
}

fn check(name: &str, text: &str, at_least: usize) {
    let (samples, named) = (samples(), named(text));
    assert!(named.len() >= at_least, "{name}: the scan finds no metrics any more: {named:?}");
    for (metric, labels) in named {
        let known = samples.get(&metric).unwrap_or_else(|| panic!("{name} names {metric}, which does not exist"));
        for label in labels {
            let own = ["le", "job", "instance"].contains(&label.as_str());
            assert!(own || known.contains(&label.as_str()), "{name}: {metric} has no label {label}");
        }
    }
}

#[test]
fn the_rules_and_the_dashboard_name_metrics_and_labels_that_exist() {
    check("the rules", &read("packaging/examples/prometheus-rules.yml"), 12);
    let text = read("packaging/examples/grafana-dashboard.json");
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "an id twice: {panel}");
        assert!(panel["title"].is_string() && panel["gridPos"].is_object(), "{panel}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            check(panel["title"].as_str().unwrap(), target["expr"].as_str().unwrap(), 1);
        }
    }
    assert!(panels.len() > 8);
}

/// As far as it goes without Prometheus: `promtool check rules` says the rest.
#[test]
fn each_rule_has_what_a_rule_needs() {
    let rules = read("packaging/examples/prometheus-rules.yml");
    let alerts: Vec<&str> = rules.split("      - alert: ").skip(1).collect();
    assert!(alerts.len() > 6);
    for alert in alerts {
        for key in ["        expr: ", "        for: ", "        labels:", "          severity: ", "          summary: "]
        {
            assert_eq!(alert.matches(&format!("\n{key}")).count(), 1, "{key} in {alert}");
        }
        let quotes = alert.matches('(').count();
        assert_eq!(quotes, alert.matches(')').count(), "{alert}");
    }
    assert!(!rules.contains('\t'));
}
