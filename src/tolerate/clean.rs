//! A body as text, with what no store can hold replaced.

use std::borrow::Cow;

use memchr::memchr2;

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
    let (repaired, repairs) = repair(&text);
    let text = repaired.map_or(text, Cow::Owned);
    let text = match escape_controls(&text) {
        Some(escaped) => Cow::Owned(escaped),
        None => text,
    };
    Cleaned { text, replaced: invalid + repairs }
}

/// The text with the control characters inside its strings escaped, as JSON's grammar demands: else
/// one careless row would cost its whole page. `None` when there are none.
fn escape_controls(text: &str) -> Option<String> {
    let is_control = |byte: &u8| *byte < b' ';
    if !text.trim_start().starts_with(['{', '[']) || !text.as_bytes().iter().any(is_control) {
        return None;
    }
    let mut out = String::new();
    let (mut copied, mut is_inside, mut is_escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_inside && is_control(&byte) => {
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

/// The text without U+0000 and lone surrogates; `None` when it had none.
fn repair(text: &str) -> (Option<String>, u64) {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut copied, mut at, mut replaced) = (0, 0, 0);
    while let Some(found) = memchr2(b'\\', 0, &bytes[at..]) {
        at += found;
        let (replacement, length) = match fault_at(&bytes[at..]) {
            Sight::Sound(length) => {
                at += length;
                continue;
            }
            Sight::Byte => ("\u{fffd}", 1),
            Sight::Escape => ("\\ufffd", 6),
        };
        out.push_str(&text[copied..at]);
        out.push_str(replacement);
        at += length;
        copied = at;
        replaced += 1;
    }
    if replaced == 0 {
        return (None, 0);
    }
    out.push_str(&text[copied..]);
    (Some(out), replaced)
}

/// What stands at a backslash or a zero byte.
enum Sight {
    /// Nothing wrong for so many bytes.
    Sound(usize),
    /// U+0000 itself.
    Byte,
    /// `\u0000` or half a pair.
    Escape,
}

fn fault_at(bytes: &[u8]) -> Sight {
    match bytes {
        [0, ..] => Sight::Byte,
        [b'\\', b'u', rest @ ..] => match hex4(rest.get(..4)) {
            Some(0) => Sight::Escape,
            Some(0xd800..=0xdbff) if is_low(&rest[4..]) => Sight::Sound(12),
            Some(0xd800..=0xdfff) => Sight::Escape,
            Some(_) => Sight::Sound(6),
            None => Sight::Sound(2),
        },
        [_, 0, ..] | [_] | [] => Sight::Sound(1),
        _ => Sight::Sound(2),
    }
}

/// Whether the second half of a surrogate pair stands here.
fn is_low(bytes: &[u8]) -> bool {
    let digits = bytes.strip_prefix(b"\\u");
    let unit = digits.and_then(|digits| hex4(digits.get(..4)));
    matches!(unit, Some(0xdc00..=0xdfff))
}
