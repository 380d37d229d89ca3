//! The house keeps its order: imports run downwards, and `unsafe` stays in one room. And what docs/security.md says of
//! the house is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the top of the house to its ground (`src/lib.rs` says why).
const ROOMS: [&str; 19] = [
    "daemon",
    "client",
    "listener",
    "connection",
    "protocol",
    "control",
    "metrics",
    "handlers",
    "notifier",
    "accounts",
    "handover",
    "sessions",
    "store",
    "config",
    "terminal",
    "limits",
    "figures",
    "host",
    "domain",
];

/// Rooms that know nothing of each other, whichever stands higher.
const STRANGERS: [(&str, &str); 7] = [
    ("protocol", "store"),
    ("control", "listener"),
    ("control", "connection"),
    ("control", "protocol"),
    ("metrics", "listener"),
    ("metrics", "connection"),
    ("metrics", "protocol"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Each file of a room, with its text.
fn files_of(room: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&root().join(room), &mut found);
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// A line without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// The rooms that a line of code names: `crate::store::…`, but not in comments and docs.
fn named(line: &str) -> impl Iterator<Item = &str> {
    code(line).split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn every_room_is_in_the_order_and_in_the_tour() {
    let tour = fs::read_to_string(root().join("lib.rs")).unwrap();
    let tour = tour.split_once("Imports run downwards").expect("the tour says how imports run").1;
    for entry in fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "bin" {
            assert!(ROOMS.contains(&name), "src/{name} has no place in the order");
            assert!(tour.contains(&format!("`{name}`")), "lib.rs does not say where src/{name} stands");
        }
    }
    let places: Vec<_> = ROOMS.iter().map(|room| tour.find(&format!("`{room}`"))).collect();
    assert!(places.is_sorted(), "lib.rs names the rooms in another order: {places:?}");
}

#[test]
fn imports_run_downwards() {
    let mut seen = 0;
    for (place, room) in ROOMS.iter().enumerate() {
        for (path, text) in files_of(room) {
            for (number, line) in text.lines().enumerate() {
                for other in named(line) {
                    let Some(below) = ROOMS.iter().position(|room| *room == other) else { continue };
                    seen += 1;
                    assert!(below >= place, "{}:{}: {room} imports {other} above it", path.display(), number + 1);
                    let strangers = STRANGERS.iter().any(|pair| [(*room, other), (other, *room)].contains(pair));
                    assert!(!strangers, "{}:{}: {room} and {other} meet", path.display(), number + 1);
                }
            }
        }
    }
    assert!(seen > 50, "the scan finds no imports any more");
}

#[test]
fn a_protocol_is_pure() {
    for (path, text) in files_of("protocol") {
        let code: String = text.lines().map(code).collect();
        for word in ["tokio", "std::net", "std::fs", "std::time", "Instant", "rusqlite", "tracing"] {
            assert!(!code.contains(word), "{} knows of {word}", path.display());
        }
    }
}

/// Deadlines, throttles and pauses go by a clock that nobody sets. That of the wall is for stamps that people read.
#[test]
fn the_clock_that_can_be_set_is_asked_for_stamps_only() {
    let mut asked = BTreeSet::new();
    for room in ROOMS {
        for (path, text) in files_of(room) {
            let is_asked = |line: &str| ["SystemTime::now", "CLOCK_REALTIME"].iter().any(|clock| line.contains(clock));
            if text.lines().map(code).any(is_asked) {
                asked.insert(path.strip_prefix(root()).unwrap().display().to_string());
            }
            // SQLite's own clock.
            let sql = ["CURRENT_TIME", "datetime(", "strftime(", "unixepoch("];
            assert!(
                room != "store" || !sql.iter().any(|clock| text.contains(clock)),
                "{} asks SQLite for the time",
                path.display()
            );
        }
    }
    // When an account was made and a message written; and each line of the log.
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), ["accounts/mod.rs", "host/journal/text.rs"]);
}

#[test]
fn only_the_store_speaks_sql() {
    for room in ROOMS.into_iter().filter(|room| *room != "store") {
        for (path, text) in files_of(room) {
            for line in text.lines().map(code) {
                assert!(!line.contains("rusqlite"), "{} speaks SQL", path.display());
            }
        }
    }
}

/// That the others have none is the compiler's business; this sees to it that it is asked.
#[test]
fn everywhere_but_in_the_host_unsafe_is_forbidden() {
    let tour = file("src/lib.rs");
    for room in ROOMS {
        let forbidden = tour.contains(&format!("\n#[forbid(unsafe_code)]\npub mod {room};\n"));
        assert_eq!(forbidden, room != "host", "src/lib.rs about {room}");
    }
    for entry in fs::read_dir(root().join("bin")).unwrap() {
        let path = entry.unwrap().path();
        assert!(fs::read_to_string(&path).unwrap().contains("\n#![forbid(unsafe_code)]\n"), "{}", path.display());
    }
    let manifest = file("Cargo.toml");
    for lint in ["unsafe_code", "undocumented_unsafe_blocks"] {
        assert!(manifest.contains(&format!("\n{lint} = \"deny\"\n")), "Cargo.toml does not deny {lint}");
    }
}

#[test]
fn every_room_opens_with_what_it_is_what_fails_and_what_must_not_be_in_it() {
    for room in ROOMS {
        let text = fs::read_to_string(root().join(room).join("mod.rs")).unwrap();
        let docs: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(docs.to_lowercase().contains("errors"), "src/{room}/mod.rs does not say what fails");
        assert!(
            docs.to_lowercase().contains("must not be here"),
            "src/{room}/mod.rs does not say what must not be in it"
        );
    }
}

#[test]
fn binaries_parse_arguments_and_make_one_call() {
    for entry in fs::read_dir(root().join("bin")).unwrap() {
        let path = entry.unwrap().path();
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 60, "{} has {lines} lines", path.display());
    }
}

/// A page or another file of the repository that is no source.
fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the tables of docs/security.md that have a column of this name, each with its cells and that column's.
fn rows(column: &str) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    let mut place = None;
    for line in file("docs/security.md").lines() {
        let Some(row) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else {
            if !line.starts_with("|---") {
                place = None;
            }
            continue;
        };
        let cells: Vec<String> = row.split(" | ").map(|cell| cell.trim().to_owned()).collect();
        match place {
            None => place = Some(cells.iter().position(|cell| cell == column)),
            Some(Some(place)) => found.push((cells.clone(), cells[place].clone())),
            Some(None) => {}
        }
    }
    found
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What the unit says of its service: each directive with its value, as often as it stands there.
fn directives() -> Vec<(String, String)> {
    let unit = file("systemd/messengerd.service");
    let service = unit.split_once("[Service]\n").expect("it is a service").1;
    let lines = service.lines().take_while(|line| !line.starts_with('['));
    let set = lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    set.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn every_test_that_the_page_about_security_names_is_there() {
    let mut seen = 0;
    for (cells, tests) in rows("test") {
        assert!(tests.contains('`') || tests.contains("not tested"), "neither a test nor a word about it: {cells:?}");
        for test in quoted(&tests) {
            let (path, name) = test.split_once(' ').unwrap_or_else(|| panic!("no file and name: {test}"));
            let path = if path.starts_with("src/") { path.to_owned() } else { format!("tests/{path}") };
            let text = file(&path);
            // libtest's tests and the scenes of systemd are functions, those of host_process have their names in a list.
            let forms = [format!("fn {name}("), format!("def {name}("), format!("::{name}\"")];
            assert!(forms.iter().any(|form| text.contains(form)), "{path} has no test {name}");
            seen += 1;
        }
    }
    assert!(seen > 50, "the scan finds no tests any more");
}

#[test]
fn the_page_about_security_tells_all_that_the_unit_confines() {
    // How it is started and reloaded, and what that may take.
    let others = ["Type", "ExecStart", "ExecReload", "TimeoutStartSec", "TimeoutStopSec", "Environment"];
    let there: BTreeSet<String> = directives().into_iter().map(|(name, _)| name).collect();
    let rows = rows("directives");
    let told: BTreeSet<String> =
        rows.iter().flat_map(|(_, cell)| quoted(cell)).map(|name| name.trim_end_matches('=').to_owned()).collect();
    let there: BTreeSet<String> = there.into_iter().filter(|name| !others.contains(&name.as_str())).collect();
    assert_eq!(told, there, "on the left what docs/security.md tells, on the right what the unit has");
}

#[test]
fn the_pages_count_the_units_system_calls_right() {
    let lists = directives().into_iter().filter(|(name, _)| name == "SystemCallFilter");
    let calls: BTreeSet<String> =
        lists.flat_map(|(_, value)| value.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    let (count, number) = (calls.len(), |page: &str, figure: String| {
        assert!(file(page).contains(&figure), "{page} does not say: {figure}");
    });
    number("docs/security.md", format!("{count} system calls by name"));
    number("docs/administration.md", format!("with those that systemd always adds | {count};"));
}
