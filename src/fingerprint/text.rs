//! The text behind a JSON string.

use std::borrow::Cow;

use memchr::memchr;

/// What stands for a character that is none.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// The text of a JSON string, given without its quotes. A lone surrogate reads as U+FFFD.
#[must_use]
pub fn unescape(raw: &str) -> Cow<'_, str> {
    if memchr(b'\\', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    unescape_into(raw, &mut text);
    Cow::Owned(text)
}

/// As [`unescape`], appended to `text`.
pub(super) fn unescape_into(mut raw: &str, text: &mut String) {
    while let Some(at) = memchr(b'\\', raw.as_bytes()) {
        text.push_str(&raw[..at]);
        let escape = &raw[at + 1..];
        let (character, length) = match escape.as_bytes().first() {
            Some(b'u') => unit(escape),
            Some(b'n') => ('\n', 1),
            Some(b't') => ('\t', 1),
            Some(b'r') => ('\r', 1),
            Some(b'b') => ('\u{8}', 1),
            Some(b'f') => ('\u{c}', 1),
            Some(b'"') => ('"', 1),
            Some(b'\\') => ('\\', 1),
            Some(b'/') => ('/', 1),
            // The grammar knows no other escape.
            _ => (REPLACEMENT, 0),
        };
        text.push(character);
        raw = &escape[length..];
    }
    text.push_str(raw);
}

/// The character of `uXXXX`, or of two of them that make a pair, and how many bytes it took.
fn unit(escape: &str) -> (char, usize) {
    let Some(first) = hex4(escape.as_bytes().get(1..5)) else {
        return (REPLACEMENT, 1);
    };
    if let Some(character) = char::from_u32(u32::from(first)) {
        return (character, 5);
    }
    let second = escape
        .get(5..)
        .filter(|rest| rest.starts_with("\\u"))
        .and_then(|rest| hex4(rest.as_bytes().get(2..6)));
    let pair = second.and_then(|second| char::decode_utf16([first, second]).next()?.ok());
    pair.map_or((REPLACEMENT, 5), |character| (character, 11))
}

/// Four hexadecimal digits.
#[must_use]
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
