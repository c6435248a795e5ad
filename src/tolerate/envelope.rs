//! JSON taken apart as far as someone asks, in one strict pass over its text: what lies deeper is read
//! through and stays text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::body::printable;
use crate::fingerprint::{Fault, Reader, unescape};

/// Most keys that are named, and the longest name.
const KEYS_MAX: usize = 100;

/// A JSON value. `I` is an item of an array, by itself its text.
#[derive(Debug)]
pub(super) struct Value<'a, I = &'a str> {
    /// As written, without white space around it.
    pub(super) text: &'a str,
    /// What is in it.
    pub(super) parts: Parts<'a, I>,
}

/// What is in a value.
#[derive(Debug)]
pub(super) enum Parts<'a, I = &'a str> {
    /// The items of an array.
    Items(Vec<I>),
    /// The fields of an object.
    Fields(Object<'a, I>),
    /// Nothing, or nobody asked.
    Whole,
}

/// An object. Not a `HashMap`: its keys are named in order.
#[derive(Debug, Default)]
pub(super) struct Object<'a, I = &'a str>(BTreeMap<Cow<'a, str>, Value<'a, I>>);

impl<'a> Value<'a> {
    /// Reads a text and takes apart what lies in so many levels of containers.
    ///
    /// # Errors
    /// It is not JSON.
    pub(super) fn read(text: &'a str, levels: usize) -> Result<Self, Fault> {
        Self::read_with(text, levels, Reader::value)
    }
}

impl<'a, I> Value<'a, I> {
    /// The same; `item` reads an item of an array that is taken apart.
    ///
    /// # Errors
    /// It is not JSON.
    pub(super) fn read_with(
        text: &'a str,
        levels: usize,
        mut item: impl FnMut(&mut Reader<'a>) -> Result<I, Fault>,
    ) -> Result<Self, Fault> {
        let mut reader = Reader::new(text);
        let value = Self::next(&mut reader, levels, &mut item)?;
        reader.end()?;
        Ok(value)
    }

    fn next(
        reader: &mut Reader<'a>,
        levels: usize,
        item: &mut impl FnMut(&mut Reader<'a>) -> Result<I, Fault>,
    ) -> Result<Self, Fault> {
        let byte = reader.peek()?;
        let start = reader.at();
        let parts = match (byte, levels.checked_sub(1)) {
            (b'[', Some(_)) => Parts::Items(items(reader, item)?),
            (b'{', Some(levels)) => Parts::Fields(fields(reader, levels, item)?),
            _ => {
                reader.value()?;
                Parts::Whole
            }
        };
        Ok(Self { text: reader.since(start), parts })
    }
}

fn items<'a, I>(
    reader: &mut Reader<'a>,
    item: &mut impl FnMut(&mut Reader<'a>) -> Result<I, Fault>,
) -> Result<Vec<I>, Fault> {
    let mut items = Vec::new();
    let mut is_closed = reader.is_empty(b']')?;
    while !is_closed {
        items.push(item(reader)?);
        is_closed = reader.is_closed_by(b']')?;
    }
    Ok(items)
}

/// Of equal keys the last counts.
fn fields<'a, I>(
    reader: &mut Reader<'a>,
    levels: usize,
    item: &mut impl FnMut(&mut Reader<'a>) -> Result<I, Fault>,
) -> Result<Object<'a, I>, Fault> {
    let mut fields = BTreeMap::new();
    let mut is_closed = reader.is_empty(b'}')?;
    while !is_closed {
        let key = unescape(reader.key()?);
        fields.insert(key, Value::next(reader, levels, item)?);
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
}

impl<'a, I> Object<'a, I> {
    /// A field, to be taken from.
    #[must_use]
    pub(super) fn field_mut(&mut self, key: &str) -> Option<&mut Value<'a, I>> {
        self.0.get_mut(key)
    }

    /// A field that is an object and was taken apart.
    #[must_use]
    pub(super) fn object(&self, key: &str) -> Option<&Self> {
        match &self.0.get(key)?.parts {
            Parts::Fields(object) => Some(object),
            Parts::Items(_) | Parts::Whole => None,
        }
    }

    /// A field's value as written.
    #[must_use]
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(|value| value.text)
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
