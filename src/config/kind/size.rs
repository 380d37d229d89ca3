//! Amounts of memory, in bytes.

use super::{Kind, Refusal, number, toml_text};
use bytesize::ByteSize;
use figment::value::Value;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

/// 1,024 bytes.
pub(in crate::config) const KIB: u64 = bytesize::KIB;
/// 1,024 KiB.
pub(in crate::config) const MIB: u64 = bytesize::MIB;
/// 1,024 MiB.
pub(in crate::config) const GIB: u64 = bytesize::GIB;

/// A number of bytes within limits.
pub(in crate::config) struct Size<T> {
    limits: RangeInclusive<u64>,
    held_in: PhantomData<T>,
}

/// A size from the first to the last of `limits`, both in bytes, held in a `T`.
pub(in crate::config) fn size<T>(limits: RangeInclusive<u64>) -> Size<T> {
    Size { limits, held_in: PhantomData }
}

/// Bytes in the largest unit that says them exactly: `64KiB`, or `1000` where none does.
pub(in crate::config) fn size_text(bytes: u64) -> String {
    let unit = [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")]
        .into_iter()
        .find(|(unit, _)| bytes != 0 && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| bytes.to_string(), |(unit, name)| format!("{}{name}", bytes / unit))
}

impl<T: Copy + TryFrom<u64> + TryInto<u64>> Kind for Size<T> {
    type Value = T;

    fn expected(&self) -> String {
        format!("a size from {} to {}", size_text(*self.limits.start()), size_text(*self.limits.end()))
    }

    fn read(&self, value: &Value) -> Result<T, Refusal> {
        let found = || toml_text(Some(value));
        let bytes = match value {
            Value::String(_, text) => match text.parse::<ByteSize>() {
                Ok(size) => i128::from(size.as_u64()),
                Err(_) => {
                    return Err(Refusal::Unit { found: found(), why: "the units are B, KiB, MiB and GiB".into() });
                }
            },
            Value::Num(_, number) => number::integer(*number).ok_or_else(|| Refusal::WrongType(found()))?,
            _ => return Err(Refusal::WrongType(found())),
        };
        match u64::try_from(bytes) {
            Ok(bytes) if bytes > *self.limits.end() => Err(Refusal::TooLarge(found())),
            Ok(bytes) if bytes >= *self.limits.start() => T::try_from(bytes).map_err(|_| Refusal::TooLarge(found())),
            Err(_) if bytes > 0 => Err(Refusal::TooLarge(found())),
            _ => Err(Refusal::TooSmall(found())),
        }
    }

    fn write(&self, value: &T) -> Option<Value> {
        let text = size_text((*value).try_into().ok()?);
        Some(text.parse::<u64>().map_or_else(|_| text.as_str().into(), Value::from))
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
    fn sizes_have_units_or_are_bytes() {
        let kind = size::<usize>(KIB..=16 * MIB);
        for (text, bytes) in
            [("64KiB", 65_536), ("64 KiB", 65_536), ("2kB", 2_000), ("1.5MiB", 1_572_864), ("2000", 2_000)]
        {
            assert_eq!(kind.read(&kind.parse_text(text)), Ok(bytes), "{text}");
        }
        assert_eq!(kind.read(&2_000.into()), Ok(2_000));
    }

    #[test]
    fn what_is_no_size_here() {
        let kind = size::<usize>(KIB..=16 * MIB);
        assert_eq!(refusal(&kind, "1023"), "1023 is too small");
        assert_eq!(refusal(&kind, "-5"), "-5 is too small");
        assert_eq!(refusal(&kind, "16777217"), "16777217 is too large");
        assert_eq!(refusal(&kind, "99999999EiB"), "\"99999999EiB\" is too large");
        assert_eq!(refusal(&kind, "64 buckets"), "\"64 buckets\" is not understood: the units are B, KiB, MiB and GiB");
        assert_eq!(kind.read(&true.into()), Err(Refusal::WrongType("true".into())));
    }

    #[test]
    fn a_size_is_written_in_the_largest_unit_that_is_exact() {
        for (bytes, text) in [(0, "0"), (1_000, "1000"), (65_536, "64KiB"), (19_922_944, "19MiB"), (4 * GIB, "4GiB")] {
            assert_eq!(size_text(bytes), text);
        }
    }
}
