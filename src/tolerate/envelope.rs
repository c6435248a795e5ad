//! JSON taken apart as far as someone asks, in one strict pass over its text: what lies deeper is read
//! through and stays text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::body::printable;
use crate::fingerprint::{Fault, Reader, unescape};

/// Most keys that are named, and the longest name.
const KEYS_MAX: usize = 100;

/// A JSON value.
#[derive(Debug)]
pub(super) struct Value<'a> {
    /// As written, without white space around it.
    pub(super) text: &'a str,
    /// What is in it.
    pub(super) parts: Parts<'a>,
}

/// What is in a value.
#[derive(Debug)]
pub(super) enum Parts<'a> {
    /// The items of an array, as written.
    Items(Vec<&'a str>),
    /// The fields of an object.
    Fields(Object<'a>),
    /// Nothing, or nobody asked.
    Whole,
}

/// An object. Not a `HashMap`: its keys are named in order.
#[derive(Debug, Default)]
pub(super) struct Object<'a>(BTreeMap<Cow<'a, str>, Value<'a>>);

impl<'a> Value<'a> {
    /// Reads a text and takes apart what lies in so many levels of containers.
    ///
    /// # Errors
    /// It is not JSON.
    pub(super) fn read(text: &'a str, levels: u8) -> Result<Self, Fault> {
        let mut reader = Reader::new(text);
        let value = Self::next(&mut reader, levels)?;
        reader.end()?;
        Ok(value)
    }

    fn next(reader: &mut Reader<'a>, levels: u8) -> Result<Self, Fault> {
        let byte = reader.peek()?;
        let start = reader.rest();
        let parts = match (byte, levels.checked_sub(1)) {
            (b'[', Some(_)) => Parts::Items(items(reader)?),
            (b'{', Some(levels)) => Parts::Fields(fields(reader, levels)?),
            _ => {
                reader.value()?;
                Parts::Whole
            }
        };
        Ok(Self { text: &start[..start.len() - reader.rest().len()], parts })
    }
}

fn items<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a str>, Fault> {
    let mut items = Vec::new();
    let mut is_closed = reader.is_empty(b']')?;
    while !is_closed {
        items.push(reader.value()?);
        is_closed = reader.is_closed_by(b']')?;
    }
    Ok(items)
}

/// Of equal keys the last counts.
fn fields<'a>(reader: &mut Reader<'a>, levels: u8) -> Result<Object<'a>, Fault> {
    let mut fields = BTreeMap::new();
    let mut is_closed = reader.is_empty(b'}')?;
    while !is_closed {
        let key = unescape(reader.key()?);
        fields.insert(key, Value::next(reader, levels)?);
        is_closed = reader.is_closed_by(b'}')?;
    }
    Ok(Object(fields))
}

impl<'a> Object<'a> {
    /// Reads a text; `None` when it is no object.
    #[must_use]
    pub(super) fn read(text: &'a str) -> Option<Self> {
        match Value::read(text, 1).ok()?.parts {
            Parts::Fields(object) => Some(object),
            Parts::Items(_) | Parts::Whole => None,
        }
    }

    /// A field.
    #[must_use]
    pub(super) fn field(&self, key: &str) -> Option<&Value<'a>> {
        self.0.get(key)
    }

    /// A field's value as written.
    #[must_use]
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.field(key).map(|value| value.text)
    }

    /// Its fields in the order of their keys, values as written.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(key, value)| (&**key, value.text))
    }

    /// Its keys, sorted, shortened where they are many or long.
    #[must_use]
    pub(super) fn keys(&self) -> Vec<String> {
        let keys = self.0.keys().take(KEYS_MAX);
        keys.map(|key| printable(key, KEYS_MAX)).collect()
    }
}
