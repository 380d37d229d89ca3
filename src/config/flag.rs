//! The layer of the command line: `--set section.key=value`.

use super::draft::Draft;
use super::fault::Problem;
use super::key;
use super::origin::Origin;

/// Takes each flag in turn; of two for one key the later wins.
pub(super) fn read(flags: &[String], draft: &mut Draft) {
    for flag in flags {
        let Some((path, value)) = flag.split_once('=') else {
            let remedy = "write --set section.key=value".to_owned();
            draft.fault(Origin::Flag.to_string(), None, Problem::NoValue(flag.clone()), remedy);
            continue;
        };
        let (path, value) = (path.trim(), value.trim());
        match key::find(path) {
            Some(key) => draft.set_key(key, (key.parse_text)(value), Origin::Flag),
            None => draft.unknown(path, &Origin::Flag),
        }
    }
}
