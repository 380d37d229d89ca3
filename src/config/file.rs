//! The layers of files: TOML, in which every key and every fault knows its line.

use super::draft::Draft;
use super::fault::Problem;
use super::key;
use super::kind::value_of;
use super::origin::Origin;
use super::settings::SECTIONS;
use super::sources::unreadable;
use super::syntax::{SyntaxFault, mend, position};
use figment::value::Value;
use std::fs;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Reads one file into the draft. What is wrong with a part of it does not keep the rest from being checked.
pub(super) fn read(path: &Path, draft: &mut Draft) {
    match fs::read(path) {
        Ok(bytes) => take(path, bytes, draft),
        Err(error) => unreadable(path, error, draft),
    }
}

/// Takes what stands in one file.
pub(super) fn take(path: &Path, bytes: Vec<u8>, draft: &mut Draft) {
    draft.files.push(path.to_owned());
    match String::from_utf8(bytes) {
        Ok(text) => parse(path, &text, draft),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let (line, column) = position(&String::from_utf8_lossy(error.as_bytes()), valid);
            let place = format!("{}:{line}:{column}", path.display());
            draft.fault(place, None, Problem::NotText, "save the file as UTF-8".to_owned());
        }
    }
}

/// What stands on a line of a file.
enum Finding {
    Syntax(SyntaxFault),
    NoSection { name: String },
    EmptySection { name: String },
    Setting { path: String, value: Value },
}

fn parse(path: &Path, text: &str, draft: &mut Draft) {
    let (text, faults) = mend(text);
    let (table, _) = DeTable::parse_recoverable(&text);
    let mut findings = settings(&text, table.get_ref());
    findings.extend(faults.into_iter().map(|fault| (fault.line, Finding::Syntax(fault))));
    findings.sort_by_key(|(line, _)| *line);

    for (line, finding) in findings {
        let origin = Origin::File { path: path.to_owned(), line };
        match finding {
            Finding::Syntax(SyntaxFault { column, message, remedy, .. }) => {
                draft.fault(format!("{origin}:{column}"), None, Problem::Syntax(message), remedy.to_owned());
            }
            Finding::NoSection { name } => {
                let remedy = format!("write [{name}] on a line of its own, and its keys below");
                draft.fault(origin.to_string(), Some(name), Problem::Section, remedy);
            }
            Finding::EmptySection { name } => {
                let names: Vec<_> = SECTIONS.iter().map(|section| section.name).collect();
                let remedy = format!("the sections are {}", names.join(", "));
                draft.fault(origin.to_string(), Some(name), Problem::UnknownSection, remedy);
            }
            Finding::Setting { path, value } => draft.set(&path, value, origin),
        }
    }
}

/// Every key of every section, each with its line.
fn settings(text: &str, table: &DeTable<'_>) -> Vec<(usize, Finding)> {
    let mut findings = Vec::new();
    for (name, section) in table {
        let (line, _) = position(text, name.span().start);
        let name = printable(name.get_ref());
        let known = key::find_section(&name).is_some();
        match section.get_ref() {
            DeValue::Table(keys) if keys.is_empty() && !known => findings.push((line, Finding::EmptySection { name })),
            DeValue::Table(keys) => findings.extend(keys.iter().map(|(key, value)| {
                let (line, _) = position(text, key.span().start);
                let path = format!("{name}.{}", printable(key.get_ref()));
                (line, Finding::Setting { path, value: value_of(value.get_ref()) })
            })),
            _ if known => findings.push((line, Finding::NoSection { name })),
            value => findings.push((line, Finding::Setting { path: name, value: value_of(value) })),
        }
    }
    findings
}

/// A name as it can be shown: what is in quotes can hold anything, even line ends.
fn printable(name: &str) -> String {
    name.escape_debug().to_string()
}
