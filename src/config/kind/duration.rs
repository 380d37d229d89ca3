//! Lengths of time.

use super::{Kind, Refusal, toml_text};
use figment::value::Value;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A length of time within limits.
pub(in crate::config) struct Span {
    limits: RangeInclusive<Duration>,
    whole_seconds: bool,
}

/// A duration from the first to the last of `limits`.
pub(in crate::config) fn duration(limits: RangeInclusive<Duration>) -> Span {
    Span { limits, whole_seconds: false }
}

/// The same, for what the kernel counts in seconds: a fraction would be lost without a word.
pub(in crate::config) fn whole_seconds(limits: RangeInclusive<Duration>) -> Span {
    Span { limits, whole_seconds: true }
}

fn text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

impl Kind for Span {
    type Value = Duration;

    fn expected(&self) -> String {
        let (start, end) = (text(*self.limits.start()), text(*self.limits.end()));
        let whole = if self.whole_seconds { " in whole seconds" } else { "" };
        format!("a duration{whole} from {start} to {end}")
    }

    fn read(&self, value: &Value) -> Result<Duration, Refusal> {
        let found = || toml_text(Some(value));
        let duration = match value {
            Value::String(_, text) => {
                humantime::parse_duration(text).map_err(|why| Refusal::Unit { found: found(), why: why.to_string() })?
            }
            Value::Num(..) => {
                return Err(Refusal::Unit { found: found(), why: "a duration needs quotes and a unit".into() });
            }
            _ => return Err(Refusal::WrongType(found())),
        };
        if duration < *self.limits.start() {
            Err(Refusal::TooSmall(found()))
        } else if duration > *self.limits.end() {
            Err(Refusal::TooLarge(found()))
        } else if self.whole_seconds && duration.subsec_nanos() != 0 {
            Err(Refusal::Form { found: found(), why: "has a fraction of a second" })
        } else {
            Ok(duration)
        }
    }

    fn write(&self, value: &Duration) -> Option<Value> {
        Some(text(*value).as_str().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::kind::tests::refusal;

    const LIMITS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

    #[test]
    fn durations_have_units_and_may_have_several() {
        let kind = duration(LIMITS);
        assert_eq!(kind.read(&"1m 30s".into()), Ok(Duration::from_secs(90)));
        assert_eq!(kind.read(&"1500ms".into()), Ok(Duration::from_millis(1_500)));
        assert_eq!(kind.read(&"1h".into()), Ok(Duration::from_hours(1)));
        assert_eq!(kind.write(&Duration::from_secs(90)), Some("1m 30s".into()));
    }

    #[test]
    fn what_is_no_duration_here() {
        let kind = duration(LIMITS);
        assert_eq!(refusal(&kind, "999ms"), "\"999ms\" is too small");
        assert_eq!(refusal(&kind, "1h 1s"), "\"1h 1s\" is too large");
        assert_eq!(refusal(&kind, "30"), "\"30\" is not understood: time unit needed, for example 30sec or 30ms");
        assert_eq!(refusal(&kind, "-30s"), "\"-30s\" is not understood: expected number at 0");
        assert_eq!(
            kind.read(&30.into()).unwrap_err().to_string(),
            "30 is not understood: a duration needs quotes and a unit"
        );
        assert_eq!(kind.read(&true.into()), Err(Refusal::WrongType("true".into())));
    }

    #[test]
    fn what_the_kernel_counts_in_seconds_has_no_fraction() {
        let kind = whole_seconds(LIMITS);
        assert_eq!(kind.read(&"2000ms".into()), Ok(Duration::from_secs(2)));
        assert_eq!(refusal(&kind, "1500ms"), "\"1500ms\" has a fraction of a second");
    }
}
