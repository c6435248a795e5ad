//! JSON's grammar, read strictly and once: a string eight bytes at a time, containers of any depth
//! without recursion. What hashes and what takes bodies apart read through it.
//!
//! What is asked for at every byte or field says `#[inline]`: `.cargo/config.toml` keeps the rest of the
//! program from being copied about.

use std::ops::Range;

use super::text::escaped;
use super::walk::Fault;

/// Reads through a JSON text.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// What closes each container that [`Reader::value`] is in.
    open: Vec<u8>,
}

/// A string that was passed.
#[derive(Debug)]
pub(super) struct Quoted {
    /// What stands between the quotes.
    pub(super) range: Range<usize>,
    /// Where its last escaped character ends; its beginning, where it has none.
    pub(super) plain: usize,
}

impl Quoted {
    pub(super) fn is_escaped(&self) -> bool {
        self.plain > self.range.start
    }
}

impl<'a> Reader<'a> {
    /// Stands at the beginning of a text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, open: Vec::new() }
    }

    /// The byte where it stands.
    #[must_use]
    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    /// What it has passed from a byte on.
    #[must_use]
    #[inline]
    pub fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    /// The whole text.
    #[must_use]
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// What is to come.
    #[must_use]
    pub fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Passes over bytes that are known to be a value.
    pub fn pass(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Goes back to a byte where it stood.
    pub(super) fn back(&mut self, start: usize) {
        self.at = start;
    }

    /// The next byte that is no white space.
    ///
    /// # Errors
    /// The text ends.
    #[inline]
    pub fn peek(&mut self) -> Result<u8, Fault> {
        self.skip_space();
        self.bytes.get(self.at).copied().ok_or(Fault::Malformed)
    }

    /// Whether nothing follows but white space.
    ///
    /// # Errors
    /// Something does.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.skip_space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(Fault::Malformed) }
    }

    /// Passes over a value of any depth; its text.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn value(&mut self) -> Result<&'a str, Fault> {
        self.skip_space();
        let start = self.at;
        self.open.clear();
        loop {
            match self.peek()? {
                b'{' if !self.is_empty(b'}')? => {
                    self.open.push(b'}');
                    self.key()?;
                    continue;
                }
                b'[' if !self.is_empty(b']')? => {
                    self.open.push(b']');
                    continue;
                }
                b'{' | b'[' => {}
                b'"' => {
                    self.string(|_, _| ())?;
                }
                b'-' | b'0'..=b'9' => {
                    self.number()?;
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => return Err(Fault::Malformed),
            }
            loop {
                let Some(end) = self.open.last() else {
                    return Ok(self.since(start));
                };
                if !self.is_closed_by(*end)? {
                    break;
                }
                self.open.pop();
            }
            if self.open.last() == Some(&b'}') {
                self.key()?;
            }
        }
    }

    /// Passes over a key and its colon; the key without its quotes, as written.
    ///
    /// # Errors
    /// Something else stands here.
    pub fn key(&mut self) -> Result<&'a str, Fault> {
        let key = self.string(|_, _| ())?;
        self.expect(b':')?;
        Ok(&self.text[key.range])
    }

    /// Enters a container; whether it ends here.
    ///
    /// # Errors
    /// The text ends.
    #[inline]
    pub fn is_empty(&mut self, end: u8) -> Result<bool, Fault> {
        self.at += 1;
        let is_empty = self.peek()? == end;
        self.at += usize::from(is_empty);
        Ok(is_empty)
    }

    /// After a value: whether the container ends here, else a comma was passed.
    ///
    /// # Errors
    /// Something else stands here.
    #[inline]
    pub fn is_closed_by(&mut self, end: u8) -> Result<bool, Fault> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b',' => Ok(false),
            _ if byte == end => Ok(true),
            _ => Err(Fault::Malformed),
        }
    }

    /// Passes over a string. `part` is told each escaped character, and what stands plain before it.
    #[inline]
    pub(super) fn string(&mut self, mut part: impl FnMut(&'a str, char)) -> Result<Quoted, Fault> {
        self.expect(b'"')?;
        let start = self.at;
        let mut plain = start;
        loop {
            self.at += stop(&self.bytes[self.at..]).ok_or(Fault::Malformed)?;
            match self.bytes[self.at] {
                b'"' => {
                    self.at += 1;
                    return Ok(Quoted { range: start..self.at - 1, plain });
                }
                b'\\' => {
                    let (character, length) = escaped(&self.text[self.at + 1..]).ok_or(Fault::Malformed)?;
                    part(&self.text[plain..self.at], character);
                    self.at += 1 + length;
                    plain = self.at;
                }
                _ => return Err(Fault::Malformed),
            }
        }
    }

    /// Passes over a number.
    #[inline]
    pub(super) fn number(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        self.at += usize::from(self.bytes[self.at] == b'-');
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(self.since(start))
    }

    /// Passes over digits, at least one.
    #[inline]
    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Fault::Malformed) }
    }

    #[inline]
    pub(super) fn word(&mut self, word: &str) -> Result<(), Fault> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(Fault::Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek()? != byte {
            return Err(Fault::Malformed);
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }
}

/// Where the next byte is that no string holds plain: a quote, a backslash, a control character.
#[inline]
fn stop(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    for (idx, word) in words.iter().enumerate() {
        let stops = stops(u64::from_le_bytes(*word));
        if stops != 0 {
            return Some(idx * word.len() + stops.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
    Some(bytes.len() - rest.len() + at)
}

/// The highest bit of each byte that no string holds plain; right up to the first of them.
#[inline]
fn stops(word: u64) -> u64 {
    let all = |byte: u8| u64::from_le_bytes([byte; 8]);
    // A byte below what is subtracted borrows, and its highest bit is set. With one bit turned the quote
    // stands next to the control characters.
    let quotes_and_controls = (word ^ all(b'"' ^ b' ')).wrapping_sub(all(b' ' + 1));
    let backslashes = (word ^ all(b'\\')).wrapping_sub(all(1));
    (quotes_and_controls | backslashes) & !word & all(0x80)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;
    use crate::fingerprint::tests::json;

    /// What a text that is one value gives.
    fn ours(text: &str) -> Option<&str> {
        let mut reader = Reader::new(text);
        let value = reader.value().ok()?;
        reader.end().ok()?;
        Some(value)
    }

    fn theirs(text: &str) -> Option<&str> {
        serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get)
    }

    #[test]
    fn a_text_is_json_when_an_established_parser_says_so() {
        let deep = format!("{}1{}", "[{\"a\":".repeat(50_000), "}]".repeat(50_000));
        let long = |inside: &str| format!("[\"{}{inside}{}\"]", "x".repeat(37), "y".repeat(21));
        let numbers = "0 -0 00 01 -01 1. .1 -.1 1.0 1e 1e+ 1E-0 1e5 1.e1 - -a +1 1e1.0 0x1 0e00 1-1 NaN";
        let escapes =
            r#""\u12 "\u12g4" "\u123" "\uFFff" "\ud800" "\ud800\u" "\ud800\udc0" "\x" "\" "\\" "a\"#;
        let others =
            "[ ] [,] [1,] [,1] [1 {\"a\"} {\"a\":} {\"a\":1,} {a:1} {1:1} [1} {] nul nulll true1 \"a\"b";
        let texts = [numbers, escapes, others].into_iter().flat_map(str::split_whitespace);
        let texts = texts.map(str::to_owned).chain(["\n", "\\n", "\\u0001", "\u{7f}é", "\u{1f}"].map(long));
        let more = ["", " ", " [ 1 , {\"a\" : [ ] } ] \n", "1 2", "\u{a0}1", "\u{c}1", "[1 2]", &deep];
        for text in texts.chain(more.map(str::to_owned)) {
            for text in [text.clone(), format!("[{text}"), format!("{{\"k\":{text}}}"), format!(" {text}\t")]
            {
                assert_eq!(ours(&text), theirs(&text), "{text:.60}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_as_an_established_parser_does(
            text in r#"([\[\]{}",:\\/u0-9a-ftrunsl \-+.eE\n]|"[a-f]{0,3}"|\\u[0-9a-f]{4}|é|true|null|\{"a":|1\.5){0,24}"#,
        ) {
            prop_assert_eq!(ours(&text), theirs(&text));
        }

        #[test]
        fn json_with_a_byte_put_in_or_taken_out_is_judged_as_an_established_parser_does(
            value in json(), at in any::<prop::sample::Index>(), put in r#"[\[\]{}",:\\u0-9 \-.e\x00-\x1f]{0,2}"#, taken in 0..2_usize,
        ) {
            let mut characters: Vec<char> = value.to_string().chars().collect();
            let at = at.index(characters.len());
            characters.splice(at..(at + taken).min(characters.len()), put.chars());
            let text = String::from_iter(characters);
            prop_assert_eq!(ours(&text), theirs(&text));
        }
    }
}
