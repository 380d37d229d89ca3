//! Values between TOML, plain text and figment.

use super::number::integer;
use figment::value::{Dict, Empty, Tag, Value};
use std::fmt::Write as _;
use toml::de::DeValue;

/// A value of TOML as one of figment. Of tables and dates only the type is kept, because no key holds one.
pub(in crate::config) fn value_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        // What is beyond these limits is beyond those of every key.
        DeValue::Integer(integer) => {
            Value::from(
                i128::from_str_radix(integer.as_str(), integer.radix())
                    .unwrap_or(if integer.as_str().starts_with('-') { i128::MIN } else { i128::MAX }),
            )
        }
        DeValue::Float(float) => {
            float.as_str().parse::<f64>().map_or_else(|_| Value::from(float.as_str()), Value::from)
        }
        DeValue::Boolean(truth) => Value::from(*truth),
        DeValue::Datetime(_) => Value::Empty(Tag::Default, Empty::Unit),
        DeValue::Array(items) => items.iter().map(|item| value_of(item.get_ref())).collect::<Vec<_>>().into(),
        DeValue::Table(_) => Value::from(Dict::new()),
    }
}

/// A value as it would stand in a TOML file; none is an empty text, which means unset.
pub(in crate::config) fn toml_text(value: Option<&Value>) -> String {
    match value {
        None => "\"\"".to_owned(),
        Some(Value::String(_, text)) => quoted(text),
        Some(Value::Char(_, character)) => quoted(&character.to_string()),
        Some(Value::Bool(_, truth)) => truth.to_string(),
        Some(Value::Num(_, number)) => integer(*number)
            .map(|integer| integer.to_string())
            .or_else(|| number.to_f64().map(|float| float.to_string()))
            .unwrap_or_default(),
        Some(Value::Array(_, items)) => {
            let items: Vec<_> = items.iter().map(|item| toml_text(Some(item))).collect();
            format!("[{}]", items.join(", "))
        }
        Some(Value::Dict(..)) => "a table".to_owned(),
        // Only a date or time of TOML is kept as an empty value: no key holds one.
        Some(Value::Empty(..)) => "a date or time".to_owned(),
    }
}

/// A value as it would stand in an environment variable or after `--set`.
pub(in crate::config) fn plain_text(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(_, text)) => text.clone(),
        Some(Value::Array(_, items)) => items.iter().map(|item| plain_text(Some(item))).collect::<Vec<_>>().join(","),
        other => toml_text(other),
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => _ = write!(quoted, "\\u{:04X}", u32::from(character)),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_quotes_and_control_characters_is_still_a_string_of_toml() {
        let text = "a \"b\" \\ \r\n\u{7f}";
        let quoted = quoted(text);
        let parsed = toml::de::DeValue::parse(&quoted).unwrap();
        assert_eq!(parsed.get_ref().as_str(), Some(text));
    }

    #[test]
    fn every_value_of_toml_has_a_text() {
        for text in ["\"a\"", "1", "-1", "1.5", "true", "[\"a\", [1, 2]]"] {
            assert_eq!(toml_text(Some(&value_of(DeValue::parse(text).unwrap().get_ref()))), text);
        }
        let shown = |text| toml_text(Some(&value_of(DeValue::parse(text).unwrap().get_ref())));
        assert_eq!(shown("{ a = 1 }"), "a table");
        assert_eq!(shown("2026-01-01"), "a date or time");
        assert_eq!(shown("0x10"), "16");
        assert_eq!(shown(&"9".repeat(100)), i128::MAX.to_string());
    }
}
