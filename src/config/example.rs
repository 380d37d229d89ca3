//! The example file: every key, commented out, with its default and its documentation.

use super::key::Taken;
use super::settings::SECTIONS;
use std::fmt::Write as _;

const HEAD: &str = "\
# The configuration of messengerd: every key, with its default.
#
# Copy what you want to change to /etc/messengerd/messengerd.toml, or to a file /etc/messengerd/conf.d/NAME.toml, and
# remove the # before the key. Later wins: the defaults, /usr/lib/messengerd/*.toml, messengerd.toml, conf.d/*.toml in
# the order of their names, variables such as MESSENGERD_AUTH__HASHING_THREADS=2, flags such as
# --set auth.hashing_threads=2.
#
# (reload): taken by \"systemctl reload messengerd\". (restart): taken by \"systemctl restart messengerd\" only.
# Sizes have a unit (\"64KiB\", \"1MiB\") or are bytes; durations have one or several (\"500ms\", \"1m 30s\").
# An empty text leaves a key unset. \"messengerctl config check\" says all that is wrong, \"messengerctl config show\"
# what holds and where it was set.
#
# This file is made by \"messengerctl config example\".
";

/// The text of `config/messengerd.toml`. It loads without fault as it stands, and with every key uncommented.
#[must_use]
pub fn example() -> String {
    let mut text = HEAD.to_owned();
    for section in SECTIONS {
        text.push('\n');
        comment(&mut text, section.docs);
        _ = writeln!(text, "[{}]", section.name);
        for key in section.keys {
            text.push('\n');
            comment(&mut text, key.docs);
            let taken = match key.taken {
                Taken::Reload => "(reload)",
                Taken::Restart => "(restart)",
            };
            _ = writeln!(text, "# Takes {}. {taken}", key.expected());
            _ = writeln!(text, "#{} = {}", key.name, key.default_text());
        }
    }
    text
}

/// Adds lines of documentation; each begins with the space that follows `///`.
fn comment(text: &mut String, docs: &[&str]) {
    for line in docs {
        _ = writeln!(text, "#{line}");
    }
}
