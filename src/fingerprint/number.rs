//! A JSON number as sign, significant digits and exponent. Never expanded: `1e999999999` costs as much
//! as `1`, and `1.0`, `1` and `10e-1` are the same number.

use xxhash_rust::xxh3::xxh3_128;

/// Most significant digits an f64 can need to be written exactly.
const DIGITS_F64_MAX: usize = 767;
/// Significant digits that any f64 is told apart by.
const DIGITS_F64_SURE: usize = 17;
/// Digits that fit a `u64`, whichever they are.
const DIGITS_SHORT_MAX: usize = 19;
/// An exponent no document means; what lies beyond is cut to it.
const EXPONENT_MAX: i64 = i64::MAX / 4;

/// A number in its one canonical form: `digits × 10^exponent`, no zero at either end of the digits.
#[derive(Debug, PartialEq, Eq)]
pub struct Number {
    is_negative: bool,
    digits: Digits,
    exponent: i64,
}

#[derive(Debug, PartialEq, Eq)]
enum Digits {
    /// Up to 19 digits.
    Short(u64, usize),
    /// More than 19 digits, as ASCII.
    Long(Vec<u8>),
}

impl Number {
    /// Reads a literal that JSON's grammar allows.
    #[must_use]
    #[inline]
    pub fn read(literal: &str) -> Self {
        let (is_negative, unsigned) = match literal.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, literal),
        };
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let fraction_length = i64::try_from(fraction.len()).unwrap_or(EXPONENT_MAX);
        let scale = exponent_of(exponent) - fraction_length;
        let (whole, fraction, zeros) = significant(whole, fraction);
        let count = whole.len() + fraction.len();
        if count == 0 {
            return Self { is_negative: false, digits: Digits::Short(0, 0), exponent: 0 };
        }
        let digits = if count <= DIGITS_SHORT_MAX {
            let all = whole.bytes().chain(fraction.bytes());
            let value = all.fold(0_u64, |value, digit| {
                value.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')))
            });
            Digits::Short(value, count)
        } else {
            Digits::Long([whole, fraction].concat().into_bytes())
        };
        Self { is_negative, digits, exponent: scale + zeros }
    }

    /// The canonical hash.
    #[must_use]
    #[inline]
    pub fn hash(&self) -> u128 {
        // Sign and exponent stand in the hashed bytes: a seed would cancel out against them, for XXH3
        // mixes both into the same bits of a short input.
        let mut tail = [0; 9];
        tail[..8].copy_from_slice(&self.exponent.to_le_bytes());
        tail[8] = u8::from(self.is_negative);
        match &self.digits {
            Digits::Short(value, _) => {
                let mut bytes = [0; 17];
                bytes[..8].copy_from_slice(&value.to_le_bytes());
                bytes[8..].copy_from_slice(&tail);
                xxh3_128(&bytes)
            }
            Digits::Long(digits) => xxh3_128(&[digits, &tail[..]].concat()),
        }
    }

    /// Whether every store can hold it as a number: a whole number within i64, or one that f64 does not
    /// mangle. Not so: overflow, underflow to zero, whole numbers beyond i64 with more than 17
    /// significant digits, and more digits than any f64 has. Fractions may have more digits than f64
    /// keeps. Decided by value alone, never by spelling.
    #[must_use]
    #[inline]
    pub fn is_storable(&self, literal: &str) -> bool {
        let count = self.digits.count();
        // The value is 0.DIGITS × 10^point.
        let point = self.exponent.saturating_add(i64::try_from(count).unwrap_or(EXPONENT_MAX));
        if count == 0 {
            return true;
        }
        if count > DIGITS_F64_MAX || !(-330..=309).contains(&point) {
            return false;
        }
        if self.exponent >= 0 && count > DIGITS_F64_SURE {
            return self.is_i64();
        }
        // Near either edge the parser decides; elsewhere it need not be asked.
        (-300..=300).contains(&point)
            || literal.parse::<f64>().is_ok_and(|value| value.is_finite() && value != 0.0)
    }

    #[inline]
    fn is_i64(&self) -> bool {
        let Digits::Short(value, _) = self.digits else {
            return false;
        };
        let limit = i64::MAX.unsigned_abs() + u64::from(self.is_negative);
        u32::try_from(self.exponent)
            .ok()
            .and_then(|exponent| 10_u64.checked_pow(exponent))
            .and_then(|power| value.checked_mul(power))
            .is_some_and(|value| value <= limit)
    }
}

impl Digits {
    fn count(&self) -> usize {
        match self {
            Self::Short(_, count) => *count,
            Self::Long(digits) => digits.len(),
        }
    }
}

/// The digits without the zeros at both ends, and how many were cut at the right end.
#[inline]
fn significant<'n>(whole: &'n str, fraction: &'n str) -> (&'n str, &'n str, i64) {
    let before = whole.len() + fraction.len();
    let fraction = fraction.trim_end_matches('0');
    let whole = if fraction.is_empty() { whole.trim_end_matches('0') } else { whole };
    let zeros = before - whole.len() - fraction.len();
    let whole = whole.trim_start_matches('0');
    let fraction = if whole.is_empty() { fraction.trim_start_matches('0') } else { fraction };
    (whole, fraction, i64::try_from(zeros).unwrap_or(EXPONENT_MAX))
}

fn exponent_of(text: &str) -> i64 {
    let (is_negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let size = digits.bytes().fold(0_i64, |size, digit| {
        size.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0'))).min(EXPONENT_MAX)
    });
    if is_negative { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn storable(literal: &str) -> bool {
        Number::read(literal).is_storable(literal)
    }

    #[test]
    fn spelling_does_not_matter() {
        for other in ["1.0", "10e-1", "0.1E+1", "1e0", "0.001e3", "1000e-3"] {
            assert_eq!(Number::read("1"), Number::read(other), "{other}");
        }
        for zero in ["-0", "0.000", "0e99", "-0.0e-5"] {
            assert_eq!(Number::read("0"), Number::read(zero), "{zero}");
        }
        let long = "12345678901234567890123";
        assert_eq!(Number::read(long), Number::read("1234567890123456789.0123e4"));
    }

    #[test]
    fn different_numbers_hash_differently() {
        let numbers = ["0", "1", "-1", "10", "0.1", "1e999999999", "1e999999998", "12345678901234567890123"];
        for (idx, one) in numbers.iter().enumerate() {
            for other in &numbers[..idx] {
                assert_ne!(Number::read(one).hash(), Number::read(other).hash(), "{one} {other}");
            }
        }
    }

    #[test]
    fn numbers_within_i64_and_f64_are_storable() {
        for literal in [
            "0",
            "-0",
            "9223372036854775807",
            "-9223372036854775808",
            "1e19",
            "10000000000000000000",
            "1.7976931348623157e308",
            "5e-324",
            "0.1234567890123456789012345678901234567890",
        ] {
            assert!(storable(literal), "{literal}");
        }
    }

    #[test]
    fn numbers_outside_i64_and_f64_are_not() {
        let endless = format!("0.{}", "1".repeat(20_000));
        for literal in [
            "9223372036854775808",
            "-9223372036854775809",
            "12345678901234567890",
            "1e400",
            "-1e400",
            "1.8e308",
            "1e-400",
            "1e99999999999999999999999999",
            "1e-99999999999999999999999999",
            &endless,
        ] {
            assert!(!storable(literal), "{literal}");
        }
    }
}
