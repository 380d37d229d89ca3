//! One word out of a few, and yes or no.

use super::{Kind, Refusal, toml_text};
use figment::value::Value;
use std::marker::PhantomData;

/// An enum whose variants have names in the configuration.
pub(in crate::config) trait Words: Copy + PartialEq + 'static {
    /// Each variant with its name, in the order in which they are listed to a reader.
    const ALL: &'static [(&'static str, Self)];
}

/// Declares an enum together with the names of its variants.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $variant_doc:literal])+ $variant:ident = $word:literal,)+ })+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $variant_doc])+ $variant,)+
        }

        impl $name {
            /// The name in the configuration.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl Words for $name {
            const ALL: &'static [(&'static str, Self)] = &[$(($word, Self::$variant),)+];
        }
    )+};
}

impl LogLevel {
    /// The level with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(word, _)| *word == name).map(|(_, level)| *level)
    }
}

words! {
    /// The least urgent records that are still logged.
    LogLevel {
        /// Every step, for those who work on messengerd itself.
        Trace = "trace",
        /// Every request and reply, without what they say.
        Debug = "debug",
        /// Who comes and goes, and what the daemon does.
        Info = "info",
        /// What an administrator may want to look at.
        Warn = "warn",
        /// What did not work.
        Error = "error",
    }

    /// What log records look like.
    LogFormat {
        /// The journal where systemd connects to it, text otherwise.
        Auto = "auto",
        /// systemd's journal, with fields.
        Journal = "journal",
        /// Lines for people.
        Text = "text",
        /// One JSON object on each line.
        Json = "json",
    }

    /// Who may make an account.
    SignUp {
        /// Everyone who can connect.
        Open = "open",
        /// Whoever has the code of an invite.
        Invite = "invite",
        /// Nobody.
        Closed = "closed",
    }

    /// Who sees whose status.
    ContactsPolicy {
        /// Whoever has somebody as a contact.
        Open = "open",
        /// Two who have each other as contacts.
        Mutual = "mutual",
    }

    /// What a commit waits for (`PRAGMA synchronous`).
    Synchronous {
        /// Until the disk has it: survives a power cut.
        Full = "full",
        /// Until the kernel has it: survives a crash of the daemon.
        Normal = "normal",
    }
}

/// One of the words of `T`.
pub(in crate::config) struct Choice<T>(PhantomData<T>);

/// One of the words of `T`.
pub(in crate::config) fn choice<T: Words>() -> Choice<T> {
    Choice(PhantomData)
}

impl<T: Words> Kind for Choice<T> {
    type Value = T;

    fn expected(&self) -> String {
        let words: Vec<_> = T::ALL.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        match words.split_last() {
            Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
            _ => words.concat(),
        }
    }

    fn read(&self, value: &Value) -> Result<T, Refusal> {
        let found = || toml_text(Some(value));
        let word = value.as_str().ok_or_else(|| Refusal::WrongType(found()))?;
        let known = T::ALL.iter().find(|(known, _)| *known == word);
        known.map(|(_, value)| *value).ok_or_else(|| Refusal::Form { found: found(), why: "is not one of the words" })
    }

    fn write(&self, value: &T) -> Option<Value> {
        T::ALL.iter().find(|(_, known)| known == value).map(|(word, _)| Value::from(*word))
    }
}

/// Yes or no.
pub(in crate::config) struct Switch;

/// `true` or `false`.
pub(in crate::config) fn switch() -> Switch {
    Switch
}

impl Kind for Switch {
    type Value = bool;

    fn expected(&self) -> String {
        "true or false".to_owned()
    }

    fn read(&self, value: &Value) -> Result<bool, Refusal> {
        value.to_bool().ok_or_else(|| Refusal::WrongType(toml_text(Some(value))))
    }

    fn write(&self, value: &bool) -> Option<Value> {
        Some((*value).into())
    }

    fn parse_text(&self, text: &str) -> Value {
        text.parse::<bool>().map_or_else(|_| text.into(), Value::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::kind::tests::refusal;

    #[test]
    fn every_word_is_read_back_as_what_wrote_it() {
        let kind = choice::<LogLevel>();
        for (word, level) in LogLevel::ALL {
            assert_eq!(kind.read(&(*word).into()), Ok(*level));
            assert_eq!(kind.write(level), Some((*word).into()));
            assert_eq!(level.as_str(), *word);
        }
        assert_eq!(kind.expected(), r#""trace", "debug", "info", "warn" or "error""#);
    }

    #[test]
    fn other_words_and_other_cases_are_refused() {
        assert_eq!(refusal(&choice::<Synchronous>(), "off"), "\"off\" is not one of the words");
        assert_eq!(refusal(&choice::<Synchronous>(), "FULL"), "\"FULL\" is not one of the words");
        assert_eq!(choice::<SignUp>().read(&true.into()), Err(Refusal::WrongType("true".into())));
    }

    #[test]
    fn a_switch_is_true_or_false_and_nothing_like_it() {
        assert_eq!(Switch.read(&Switch.parse_text("true")), Ok(true));
        assert_eq!(refusal(&Switch, "yes"), "\"yes\" is of the wrong type");
        assert_eq!(Switch.read(&1.into()), Err(Refusal::WrongType("1".into())));
    }
}
