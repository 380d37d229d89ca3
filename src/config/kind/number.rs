//! Whole numbers.

use super::{Kind, Refusal, toml_text};
use figment::value::{Num, Value};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// A whole number within limits.
pub(in crate::config) struct Whole<T>(RangeInclusive<T>);

/// A whole number from the first to the last of `limits`.
pub(in crate::config) fn whole<T>(limits: RangeInclusive<T>) -> Whole<T> {
    Whole(limits)
}

/// The number without a fraction, whichever type figment keeps it in.
pub(super) fn integer(number: Num) -> Option<i128> {
    number.to_i128().or_else(|| number.to_u128().and_then(|unsigned| i128::try_from(unsigned).ok()))
}

impl<T> Kind for Whole<T>
where
    T: Copy + Display + PartialOrd + TryFrom<i128> + Into<Value>,
{
    type Value = T;

    fn expected(&self) -> String {
        format!("a whole number from {} to {}", self.0.start(), self.0.end())
    }

    fn read(&self, value: &Value) -> Result<T, Refusal> {
        let found = || toml_text(Some(value));
        let number = value.to_num().and_then(integer).ok_or_else(|| Refusal::WrongType(found()))?;
        match T::try_from(number) {
            Ok(number) if number > *self.0.end() => Err(Refusal::TooLarge(found())),
            Ok(number) if number < *self.0.start() => Err(Refusal::TooSmall(found())),
            Ok(number) => Ok(number),
            Err(_) if number < 0 => Err(Refusal::TooSmall(found())),
            Err(_) => Err(Refusal::TooLarge(found())),
        }
    }

    fn write(&self, value: &T) -> Option<Value> {
        Some((*value).into())
    }

    fn parse_text(&self, text: &str) -> Value {
        text.parse::<i128>().map_or_else(|_| text.into(), Value::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::kind::tests::refusal;

    #[test]
    fn both_limits_belong_to_the_numbers_allowed() {
        let kind = whole(1_u32..=64);
        assert_eq!(kind.read(&1.into()), Ok(1));
        assert_eq!(kind.read(&64_i128.into()), Ok(64));
        assert_eq!(refusal(&kind, "0"), "0 is too small");
        assert_eq!(refusal(&kind, "65"), "65 is too large");
        assert_eq!(refusal(&kind, "-1"), "-1 is too small");
        assert_eq!(refusal(&kind, "99999999999999999999"), "99999999999999999999 is too large");
    }

    #[test]
    fn what_is_no_whole_number() {
        let kind = whole(0_usize..=64);
        assert_eq!(refusal(&kind, "two"), "\"two\" is of the wrong type");
        assert_eq!(refusal(&kind, ""), "\"\" is of the wrong type");
        assert_eq!(kind.read(&1.5.into()), Err(Refusal::WrongType("1.5".into())));
        assert_eq!(kind.read(&true.into()), Err(Refusal::WrongType("true".into())));
        assert_eq!(kind.read(&"2".into()), Err(Refusal::WrongType("\"2\"".into())));
    }
}
