//! Names of users and groups, and paths; both may be unset, which is written as an empty text.

use super::{Kind, Refusal, toml_text};
use figment::value::Value;
use std::path::{Path, PathBuf};

/// The name of a user or group, or nothing.
pub(in crate::config) struct Name(&'static str);

/// The name of a user or group, or nothing; `example` is shown where one is missing.
pub(in crate::config) fn name(example: &'static str) -> Name {
    Name(example)
}

impl Kind for Name {
    type Value = Option<String>;

    fn expected(&self) -> String {
        "a name of at most 255 bytes, or an empty text for none".to_owned()
    }

    fn example(&self) -> Option<Value> {
        Some(self.0.into())
    }

    fn read(&self, value: &Value) -> Result<Self::Value, Refusal> {
        let found = || toml_text(Some(value));
        let text = value.as_str().ok_or_else(|| Refusal::WrongType(found()))?;
        if text.len() > 255 {
            return Err(Refusal::TooLarge(found()));
        }
        // What passwd(5) and group(5) cannot hold: their own separator, line ends, and spaces at the least.
        if text.contains(|c: char| c == ':' || c == '/' || c.is_whitespace() || c.is_control()) {
            return Err(Refusal::Form { found: found(), why: "is no name of a user or group" });
        }
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn write(&self, value: &Self::Value) -> Option<Value> {
        value.as_deref().map(Value::from)
    }
}

/// A path from the root on, or nothing.
pub(in crate::config) struct AbsolutePath(&'static str);

/// A path from the root on, or nothing; `example` is shown where one is missing.
pub(in crate::config) fn absolute_path(example: &'static str) -> AbsolutePath {
    AbsolutePath(example)
}

impl Kind for AbsolutePath {
    type Value = Option<PathBuf>;

    fn expected(&self) -> String {
        "an absolute path, or an empty text for none".to_owned()
    }

    fn example(&self) -> Option<Value> {
        Some(self.0.into())
    }

    fn read(&self, value: &Value) -> Result<Self::Value, Refusal> {
        let found = || toml_text(Some(value));
        let text = value.as_str().ok_or_else(|| Refusal::WrongType(found()))?;
        if text.is_empty() {
            return Ok(None);
        }
        if !Path::new(text).is_absolute() {
            return Err(Refusal::Form { found: found(), why: "is no absolute path" });
        }
        if text.contains('\0') {
            return Err(Refusal::Form { found: found(), why: "holds a NUL" });
        }
        Ok(Some(text.into()))
    }

    fn write(&self, value: &Self::Value) -> Option<Value> {
        value.as_deref().map(|path| path.to_string_lossy().as_ref().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::kind::tests::refusal;

    #[test]
    fn an_empty_text_means_unset() {
        assert_eq!(name("a").read(&"".into()), Ok(None));
        assert_eq!(absolute_path("/a").read(&"".into()), Ok(None));
        assert_eq!(name("a").write(&None), None);
    }

    #[test]
    fn a_number_in_the_environment_is_a_name_all_the_same() {
        let kind = name("messengerd");
        assert_eq!(kind.read(&kind.parse_text("1000")), Ok(Some("1000".into())));
    }

    #[test]
    fn what_is_no_name_and_no_path() {
        assert_eq!(refusal(&name("a"), "a:b"), "\"a:b\" is no name of a user or group");
        assert_eq!(refusal(&name("a"), "a b"), "\"a b\" is no name of a user or group");
        assert_eq!(refusal(&absolute_path("/a"), "state"), "\"state\" is no absolute path");
        assert_eq!(absolute_path("/a").read(&1.into()), Err(Refusal::WrongType("1".into())));
    }
}
