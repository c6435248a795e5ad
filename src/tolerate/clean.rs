//! A body as text, with what no store can hold replaced.

use std::borrow::Cow;

use memchr::{memchr_iter, memmem};

use crate::fingerprint::hex4;

const BOM: &[u8] = "\u{feff}".as_bytes();

/// A body as text, with what no store can hold replaced by U+FFFD.
#[derive(Debug)]
pub struct Cleaned<'a> {
    /// The body without its byte order mark, U+0000 and lone surrogates.
    pub text: Cow<'a, str>,
    /// How many characters were replaced.
    pub replaced: u64,
}

/// Makes a body into text. Control characters that stand bare inside strings are escaped, which loses
/// nothing and is not counted.
#[must_use]
pub fn clean(mut body: &[u8]) -> Cleaned<'_> {
    while let Some(rest) = body.strip_prefix(BOM) {
        body = rest;
    }
    let (text, invalid) = match std::str::from_utf8(body) {
        Ok(text) => (Cow::Borrowed(text), 0),
        Err(_) => {
            let chunks = body.utf8_chunks();
            let invalid = chunks.filter(|chunk| !chunk.invalid().is_empty()).count();
            (String::from_utf8_lossy(body), invalid as u64)
        }
    };
    let (text, zeros, escaped) = if has_controls(text.as_bytes()) {
        let zeros = memchr_iter(0, text.as_bytes()).count() as u64;
        let text = if zeros > 0 { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { text };
        let escaped = escape_controls(&text);
        (text, zeros, escaped)
    } else {
        (text, 0, None)
    };
    let text = escaped.map_or(text, Cow::Owned);
    let (repaired, repairs) = repair(&text);
    let text = repaired.map_or(text, Cow::Owned);
    Cleaned { text, replaced: invalid + zeros + repairs }
}

fn is_control(byte: u8) -> bool {
    byte < b' '
}

fn has_controls(text: &[u8]) -> bool {
    // Without a branch for a byte, and so many bytes at a time.
    text.chunks(1024).any(|chunk| chunk.iter().fold(false, |found, byte| found | is_control(*byte)))
}

/// The text with the control characters inside its strings escaped, as JSON's grammar demands: else
/// one careless row would cost its whole page. `None` when there are none.
fn escape_controls(text: &str) -> Option<String> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let mut out = String::new();
    let (mut copied, mut is_inside, mut is_escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_inside && is_control(byte) => {
                out.push_str(&text[copied..at]);
                // A backslash before it cannot be meant; doubled, it stands for itself.
                out.push_str(if is_escaped { "\\" } else { "" });
                out.push_str(&format!("\\u{byte:04x}"));
                copied = at + 1;
                is_escaped = false;
            }
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_inside,
            b'"' => is_inside = !is_inside,
            _ => {}
        }
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&text[copied..]);
    Some(out)
}

/// The text without `\u0000` and lone surrogates; `None` when it had none.
fn repair(text: &str) -> (Option<String>, u64) {
    let bytes = text.as_bytes();
    let escape = memmem::Finder::new(b"\\u");
    let mut out = String::new();
    let (mut copied, mut at, mut replaced) = (0, 0, 0);
    while let Some(found) = escape.find(&bytes[at..]) {
        at += found;
        let Sight { is_sound, length } = sight(bytes, at);
        if !is_sound {
            out.push_str(&text[copied..at]);
            out.push_str("\\ufffd");
            copied = at + length;
            replaced += 1;
        }
        at += length;
    }
    if replaced == 0 {
        return (None, 0);
    }
    out.push_str(&text[copied..]);
    (Some(out), replaced)
}

/// What an escape by number is.
struct Sight {
    /// Whether a store can hold it: no `\u0000`, no half of a pair.
    is_sound: bool,
    length: usize,
}

/// Looks at the `\u` that stands at `at`.
fn sight(bytes: &[u8], at: usize) -> Sight {
    let backslashes = bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
    let digits = &bytes[at + 2..];
    let (is_sound, length) = match hex4(digits.get(..4)) {
        // The backslash is itself escaped.
        _ if backslashes % 2 == 1 => (true, 2),
        Some(0xd800..=0xdbff) if is_low(&digits[4..]) => (true, 12),
        Some(0 | 0xd800..=0xdfff) => (false, 6),
        Some(_) => (true, 6),
        None => (true, 2),
    };
    Sight { is_sound, length }
}

/// Whether the second half of a surrogate pair stands here.
fn is_low(bytes: &[u8]) -> bool {
    let digits = bytes.strip_prefix(b"\\u");
    let unit = digits.and_then(|digits| hex4(digits.get(..4)));
    matches!(unit, Some(0xdc00..=0xdfff))
}
