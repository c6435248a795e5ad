//! The text behind a JSON string.

use std::borrow::Cow;

use memchr::memchr;

/// What stands for a character that is none.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// The text of a JSON string, given without its quotes. A lone surrogate reads as U+FFFD.
#[must_use]
pub fn unescape(mut raw: &str) -> Cow<'_, str> {
    if memchr(b'\\', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    while let Some(at) = memchr(b'\\', raw.as_bytes()) {
        text.push_str(&raw[..at]);
        raw = &raw[at + 1..];
        // The grammar knows no other escapes.
        let (character, length) = escaped(raw).unwrap_or((REPLACEMENT, 0));
        text.push(character);
        raw = &raw[length..];
    }
    text.push_str(raw);
    Cow::Owned(text)
}

/// The character that an escape stands for, given from behind its backslash, and how many bytes it took.
/// `None` for what the grammar does not know.
#[inline]
pub(super) fn escaped(escape: &str) -> Option<(char, usize)> {
    Some(match escape.as_bytes().first()? {
        b'u' => return unit(escape),
        b'n' => ('\n', 1),
        b't' => ('\t', 1),
        b'r' => ('\r', 1),
        b'b' => ('\u{8}', 1),
        b'f' => ('\u{c}', 1),
        b'"' => ('"', 1),
        b'\\' => ('\\', 1),
        b'/' => ('/', 1),
        _ => return None,
    })
}

/// The character of `uXXXX`, or of two of them that make a pair, and how many bytes it took.
fn unit(escape: &str) -> Option<(char, usize)> {
    let first = hex4(escape.as_bytes().get(1..5))?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Some((character, 5));
    }
    let second = escape.as_bytes()[5..].strip_prefix(b"\\u").and_then(|rest| hex4(rest.get(..4)));
    let pair = second.and_then(|second| char::decode_utf16([first, second]).next()?.ok());
    Some(pair.map_or((REPLACEMENT, 5), |character| (character, 11)))
}

/// Four hexadecimal digits.
#[must_use]
#[inline]
pub fn hex4(digits: Option<&[u8]>) -> Option<u16> {
    let digits: &[u8; 4] = digits?.try_into().ok()?;
    digits.iter().try_fold(0_u16, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some((value << 4) | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: &str) {
        assert_eq!(unescape(raw), expected);
    }

    #[test]
    fn every_escape_reads_as_its_character() {
        check(r#"a\"\\\/\b\f\n\r\t\u00e9b"#, "a\"\\/\u{8}\u{c}\n\r\t\u{e9}b");
        check(r"\ud83d\ude00", "\u{1f600}");
        check(r"\\u0041", r"\u0041");
    }

    #[test]
    fn a_lone_surrogate_reads_as_a_replacement() {
        check(r"a\ud800b", "a\u{fffd}b");
        check(r"\ude00\ud83d", "\u{fffd}\u{fffd}");
        check(r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}");
    }
}
