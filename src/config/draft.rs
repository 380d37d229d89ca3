//! A configuration in the making: every setting and every fault found so far, and how they become one whole.

use super::fault::{Fault, Faults, Problem};
use super::key::{self, Key, keys};
use super::loaded::{Entry, Loaded};
use super::origin::Origin;
use super::rules;
use super::settings::{SECTIONS, Settings};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider, util};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What has been read so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The files that were read, faulty or not.
    pub(super) files: Vec<PathBuf>,
    /// Settings without fault; later ones win.
    settings: Vec<Setting>,
    faults: Vec<Fault>,
    /// Keys that have a fault somewhere, or whose name was probably meant by an unknown one. Rules about them would
    /// speak of values that nobody wants.
    doubtful: BTreeSet<&'static str>,
    /// Whether settings may be missing because a file could not be read as a whole.
    torn: bool,
}

/// One value in one place. Each is a provider of its own, because figment knows a name for each provider but no
/// line for each value.
#[derive(Debug)]
struct Setting {
    key: &'static Key,
    value: Value,
    origin: Origin,
}

impl Provider for Setting {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let nested = util::nest(self.key.path, self.value.clone());
        Ok(Profile::Default.collect(nested.into_dict().unwrap_or_default()))
    }
}

impl Draft {
    /// Takes a value for what may be a key.
    pub(super) fn set(&mut self, path: &str, value: Value, origin: Origin) {
        match key::find(path) {
            Some(key) => self.set_key(key, value, origin),
            None => self.unknown(path, &origin),
        }
    }

    /// Takes a value for a key, if the key takes it.
    pub(super) fn set_key(&mut self, key: &'static Key, value: Value, origin: Origin) {
        match (key.assign)(&mut Settings::default(), &value) {
            Ok(()) => self.settings.push(Setting { key, value, origin }),
            Err(refusal) => {
                self.doubtful.insert(key.path);
                let example = origin.setting(key, (key.example)().as_ref());
                let remedy = format!("expected {}, for example {example}", key.expected());
                self.fault(origin.to_string(), Some(key.path.to_owned()), refusal.into(), remedy);
            }
        }
    }

    /// Notes a name that is none of ours, with what was probably meant.
    pub(super) fn unknown(&mut self, path: &str, origin: &Origin) {
        let nearest = key::nearest(path);
        self.doubtful.extend(nearest.map(|key| key.path));
        let section = path.split_once('.').and_then(|(section, _)| key::find_section(section));
        let remedy = match (nearest, section) {
            (Some(key), _) => format!("did you mean {}?", origin.name(key)),
            (None, Some(section)) => {
                let names: Vec<_> = section.keys.iter().map(|key| key.name).collect();
                format!("the keys of [{}] are {}", section.name, names.join(", "))
            }
            (None, None) => {
                let names: Vec<_> = SECTIONS.iter().map(|section| section.name).collect();
                format!("the sections are {}; \"messengerctl config example\" shows every key", names.join(", "))
            }
        };
        match origin {
            Origin::Environment { .. } => self.fault(origin.to_string(), None, Problem::UnknownVariable, remedy),
            _ => self.fault(origin.to_string(), Some(path.to_owned()), Problem::UnknownKey, remedy),
        }
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, place: String, key: Option<String>, problem: Problem, remedy: String) {
        self.torn |= matches!(problem, Problem::Unreadable(_) | Problem::NotText | Problem::Syntax(_));
        self.faults.push(Fault { place, key, problem, remedy });
    }

    /// Merges what was set over the defaults, and checks what must go together.
    pub(super) fn settle(mut self) -> Result<Loaded, Faults> {
        let merged = self.settings.iter().fold(Figment::new(), Figment::merge);
        let mut settings = Settings::default();
        let mut entries = Vec::new();
        for key in keys() {
            let mut origin = None;
            if let Ok(value) = merged.find_value(key.path) {
                origin = merged.get_metadata(value.tag()).map(|metadata| metadata.name.to_string());
                if let Err(refusal) = (key.assign)(&mut settings, &value) {
                    let remedy = format!("expected {}", key.expected());
                    let place = origin.clone().unwrap_or_default();
                    self.faults.push(Fault { place, key: Some(key.path.to_owned()), problem: refusal.into(), remedy });
                }
            }
            entries.push(Entry::new(key, (key.value)(&settings), origin));
        }
        if !self.torn {
            self.faults.extend(rules::broken(&settings, &entries, &self.doubtful));
        }
        match Faults::of(self.faults) {
            Some(faults) => Err(faults),
            None => Ok(Loaded::new(settings, self.files, entries)),
        }
    }
}
