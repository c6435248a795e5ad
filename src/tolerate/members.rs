//! The top-level fields of a document, found without a look at what stands in them: whoever stores a document
//! wants its columns and the names of its fields, and its hash is known already.

use std::borrow::Cow;

use crate::fingerprint::{Fault, Reader, unescape};

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

/// The fields of a JSON text in their order; none where it is no object. Of a text that is no JSON (a store never
/// holds one) those before its fault.
#[must_use]
pub fn members(document: &str) -> Vec<Member<'_>> {
    let mut members = Vec::with_capacity(MEMBERS_LIKELY);
    let _ends_there = see(document, |member| members.push(member));
    members
}

fn see<'a>(document: &'a str, mut see: impl FnMut(Member<'a>)) -> Result<(), Fault> {
    let mut reader = Reader::new(document);
    let mut is_closed = reader.peek()? != b'{' || reader.is_empty(b'}')?;
    while !is_closed {
        let key = unescape(reader.key()?);
        let value = reader.value()?;
        see(Member { key, value });
        is_closed = reader.is_closed_by(b'}')?;
    }
    Ok(())
}
