//! The top-level fields of a document, found without a look at what stands in them: whoever stores a document
//! wants its columns and the names of its fields, and its hash is known already.

use std::borrow::Cow;

use memchr::memchr2;

use crate::fingerprint::unescape;

/// Most documents have no more fields.
const MEMBERS_LIKELY: usize = 64;

/// A top-level field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name, unescaped.
    pub key: Cow<'a, str>,
    /// Its value, as JSON text.
    pub value: &'a str,
}

impl Member<'_> {
    /// The JSON type of its value (`null` `boolean` `number` `string` `array` `object`).
    #[must_use]
    pub fn json_type(&self) -> &'static str {
        match self.value.as_bytes().first() {
            Some(b'n') => "null",
            Some(b't' | b'f') => "boolean",
            Some(b'"') => "string",
            Some(b'[') => "array",
            Some(b'{') => "object",
            _ => "number",
        }
    }
}

/// The fields of a JSON text in their order; none where it is no object.
#[must_use]
pub fn members(document: &str) -> Vec<Member<'_>> {
    let mut scan = Scan { text: document, at: 0 };
    let mut members = Vec::with_capacity(MEMBERS_LIKELY);
    while let Some(member) = scan.member() {
        members.push(member);
    }
    members
}

/// Where a scan stands. A text that is no JSON ends it.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// The field behind the next `{` or comma.
    fn member(&mut self) -> Option<Member<'a>> {
        self.pass(|byte| matches!(byte, b'{' | b','))?;
        self.skip_space();
        let key = self.string()?;
        self.pass(|byte| byte == b':')?;
        self.skip_space();
        let start = self.at;
        match self.byte()? {
            b'"' => drop(self.string()?),
            b'{' | b'[' => self.container()?,
            _ => self.word()?,
        }
        Some(Member { key: unescape(key), value: self.text.get(start..self.at)? })
    }

    /// Passes over a string, and gives what stands between its quotes.
    fn string(&mut self) -> Option<&'a str> {
        if self.byte()? != b'"' {
            return None;
        }
        let (bytes, start) = (self.text.as_bytes(), self.at + 1);
        let mut at = start;
        loop {
            at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
            if bytes[at] == b'"' {
                self.at = at + 1;
                return self.text.get(start..at);
            }
            // The escaped character cannot end the string.
            at += 2;
        }
    }

    /// Passes over an object or an array.
    fn container(&mut self) -> Option<()> {
        let mut depth = 0;
        loop {
            match self.byte()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// Passes over a number, `true`, `false` or `null`.
    fn word(&mut self) -> Option<()> {
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
        self.at += self.text.as_bytes()[self.at..].iter().position(ends)?;
        Some(())
    }

    /// Passes over white space and the byte that `is_due` behind it.
    fn pass(&mut self, is_due: impl Fn(u8) -> bool) -> Option<()> {
        self.skip_space();
        self.byte().filter(|byte| is_due(*byte))?;
        self.at += 1;
        Some(())
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }
}
