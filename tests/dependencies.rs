//! docs/dependencies.md names each direct dependency, with the features that Cargo.toml switches on, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use toml::{Table, Value};

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What the page is to say of one dependency's features.
fn features(dependency: &Value) -> String {
    let without = dependency.get("default-features").and_then(Value::as_bool) == Some(false);
    let named = dependency.get("features").and_then(Value::as_array).into_iter().flatten();
    let named: Vec<_> = named.map(|feature| format!("`{}`", feature.as_str().unwrap())).collect();
    match (without, named.is_empty()) {
        (false, true) => "default".to_owned(),
        (false, false) => named.join(" "),
        (true, true) => "no default".to_owned(),
        (true, false) => format!("no default, {}", named.join(" ")),
    }
}

/// The rows of the table under a heading: name, and the other cells.
fn table(heading: &str) -> BTreeMap<String, Vec<String>> {
    let page = file("docs/dependencies.md");
    let part = page.split(&format!("\n## {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = part.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = rows.map(|row| row.split(" | ").map(str::to_owned).collect::<Vec<_>>());
    let mut found = BTreeMap::new();
    for cells in cells.filter(|cells| cells[0] != "crate") {
        assert!(cells.len() == 7 && cells.iter().all(|cell| !cell.is_empty()), "something is missing: {cells:?}");
        let before = found.insert(cells[0].clone(), cells[1..].to_vec());
        assert!(before.is_none(), "{} stands there twice", cells[0]);
    }
    found
}

fn hold(heading: &str, section: &str) {
    let manifest: Table = file("Cargo.toml").parse().unwrap();
    let dependencies = manifest[section].as_table().unwrap();
    let told = table(heading);
    let (told_of, there): (BTreeSet<_>, BTreeSet<_>) = (told.keys().collect(), dependencies.keys().collect());
    assert_eq!(told_of, there, "on the left what docs/dependencies.md tells, on the right [{section}]");
    for (name, dependency) in dependencies {
        assert_eq!(told[name][1], features(dependency), "features of {name}");
    }
}

#[test]
fn what_the_programs_are_built_from_is_told_and_nothing_else() {
    hold("In the programs", "dependencies");
}

#[test]
fn what_tests_and_benchmarks_use_is_told_and_nothing_else() {
    hold("In tests and benchmarks only", "dev-dependencies");
}

#[test]
fn no_dependency_comes_from_elsewhere_or_in_whatever_version() {
    let manifest: Table = file("Cargo.toml").parse().unwrap();
    for section in ["dependencies", "dev-dependencies"] {
        for (name, dependency) in manifest[section].as_table().unwrap() {
            let version = dependency.as_str().or_else(|| dependency.get("version")?.as_str());
            assert!(version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit())), "{name}");
            assert!(dependency.get("git").is_none() && dependency.get("path").is_none(), "{name}");
        }
    }
    assert!(!manifest.contains_key("build-dependencies"), "docs/dependencies.md tells of none");
    assert!(!manifest.contains_key("patch"), "what is patched is not what was reviewed");
}
