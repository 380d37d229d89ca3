//! The table: what each metric is called, what it says, and where it comes from.

mod house;
mod people;
mod process;

use super::Metric;

/// All of them, in the order in which they are told.
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    [people::PEOPLE, house::HOUSE, process::PROCESS].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Unit;

    #[test]
    fn names_are_openmetrics_names_that_stand_here_once_and_end_with_their_unit() {
        let mut seen = std::collections::HashSet::new();
        for metric in metrics() {
            let Metric { name, unit, help, .. } = metric;
            assert!(seen.insert(name), "{name} twice");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
            assert!(!["_total", "_count", "_sum", "_bucket", "_info"].iter().any(|end| name.ends_with(end)), "{name}");
            assert_eq!(*unit == Unit::Seconds, name.ends_with("_seconds"), "{name}");
            assert_eq!(*unit == Unit::Bytes, name.ends_with("_bytes"), "{name}");
            assert!(help.ends_with('.') && !help.contains('\n') && !help.contains("  "), "{name}: {help}");
        }
    }
}
