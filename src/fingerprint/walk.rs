//! One pass over a JSON text that knows its canonical hash at the end, and on the way whether the text
//! can be stored as it stands. Allocates nothing per value.

use std::borrow::Cow;
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_128;

use super::grammar::{Quoted, Reader};
use super::number::Number;
use super::text::unescape;
use crate::element::Fingerprint;

/// Deepest nesting that is walked.
pub const DEPTH_MAX: usize = 100;

/// Why a text has no canonical hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nested deeper than [`DEPTH_MAX`].
    Deep,
    /// Not JSON.
    Malformed,
}

/// What the walk looks at besides the hash.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look<'l> {
    /// Top-level fields that stay out of the hash.
    pub volatile: &'l [String],
    /// Which string values cannot be stored as they stand.
    pub odd_text: Option<fn(&str) -> bool>,
}

/// What a walk found in a text.
#[derive(Debug)]
pub struct Reading<'a> {
    /// The canonical hash, without the volatile fields.
    pub fingerprint: Fingerprint,
    /// The top-level fields in the order of the text; empty when it is no object.
    pub members: Vec<Member<'a>>,
    /// Whether something in it cannot be stored as it stands: a duplicate key, a number outside i64 and
    /// f64, an odd text.
    pub is_odd: bool,
}

/// What a walk found, but for the members.
#[derive(Debug)]
pub struct Seen {
    /// The canonical hash, without the volatile fields.
    pub fingerprint: Fingerprint,
    /// Whether something in it cannot be stored as it stands: a duplicate key, a number outside i64 and
    /// f64, an odd text.
    pub is_odd: bool,
}

/// A top-level field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name, unescaped.
    pub key: Cow<'a, str>,
    /// Its value, as JSON text.
    pub value: &'a str,
    /// The value's canonical hash.
    pub fingerprint: Fingerprint,
}

/// Walks a JSON text; keeps its members.
///
/// # Errors
/// [`Fault`], when it has no canonical hash.
pub fn read<'a>(text: &'a str, look: Look<'_>) -> Result<Reading<'a>, Fault> {
    let mut members = Vec::new();
    let Seen { fingerprint, is_odd } = walk(text, look, |member| members.push(member))?;
    Ok(Reading { fingerprint, members, is_odd })
}

/// Walks a JSON text; `see` is told its members.
///
/// # Errors
/// [`Fault`], when it has no canonical hash.
pub fn walk<'a>(text: &'a str, look: Look<'_>, see: impl FnMut(Member<'a>)) -> Result<Seen, Fault> {
    let mut reader = Reader::new(text);
    let seen = walk_next(&mut reader, look, see)?;
    reader.end()?;
    Ok(seen)
}

/// Walks the value before which a reader stands, and leaves it behind.
///
/// # Errors
/// [`Fault`], when it has no canonical hash. A value that is only nested too deep is left behind all the same.
pub fn walk_next<'a>(
    reader: &mut Reader<'a>,
    look: Look<'_>,
    see: impl FnMut(Member<'a>),
) -> Result<Seen, Fault> {
    reader.skip_space();
    let start = reader.at();
    let seen = Walk::new(reader, look).whole(look.volatile, see);
    if let Err(Fault::Deep) = seen {
        reader.back(start);
        reader.value()?;
    }
    seen
}

struct Walk<'r, 'a> {
    text: &'a str,
    reader: &'r mut Reader<'a>,
    /// The fields of all objects that are open, outermost first.
    pairs: Vec<Pair>,
    unescaped: String,
    odd_text: Option<fn(&str) -> bool>,
    is_odd: bool,
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    key: u128,
    value: u128,
    counts: bool,
}

struct Field {
    key: Quoted,
    value: Range<usize>,
    pair: Pair,
}

impl<'r, 'a> Walk<'r, 'a> {
    fn new(reader: &'r mut Reader<'a>, look: Look<'_>) -> Self {
        Self {
            text: reader.text(),
            reader,
            pairs: Vec::with_capacity(64),
            unescaped: String::new(),
            odd_text: look.odd_text,
            is_odd: false,
        }
    }

    /// Walks the value that starts here; `see` is told its fields.
    fn whole(mut self, volatile: &[String], mut see: impl FnMut(Member<'a>)) -> Result<Seen, Fault> {
        let text = self.text;
        let hash = if self.reader.peek()? == b'{' {
            self.object(1, |field| {
                let key = &text[field.key.range.clone()];
                let key = if field.key.is_escaped() { unescape(key) } else { Cow::Borrowed(key) };
                let counts = !volatile.iter().any(|name| *name == key);
                let fingerprint = Fingerprint(field.pair.value);
                see(Member { key, value: &text[field.value.clone()], fingerprint });
                counts
            })?
        } else {
            self.value(0)?
        };
        Ok(Seen { fingerprint: Fingerprint(hash), is_odd: self.is_odd })
    }

    /// The hash of the value that starts here; `depth` containers are open around it.
    fn value(&mut self, depth: usize) -> Result<u128, Fault> {
        match self.reader.peek()? {
            b'"' => self.string_value(),
            b'{' => self.object(depth + 1, |_| true),
            b'[' => self.array(depth + 1),
            b't' => self.word("true", 1),
            b'f' => self.word("false", 2),
            b'n' => self.word("null", 3),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(Fault::Malformed),
        }
    }

    /// Hashes an object; `counts` is told each field and says whether it is part of the hash.
    fn object(&mut self, depth: usize, mut counts: impl FnMut(&Field) -> bool) -> Result<u128, Fault> {
        if self.is_empty(depth, b'}')? {
            return Ok(seal(Container::Object, 0, 0));
        }
        let base = self.pairs.len();
        loop {
            let (key, key_hash) = self.string()?;
            self.reader.expect(b':')?;
            self.reader.skip_space();
            let start = self.reader.at();
            let value = self.value(depth)?;
            let mut field = Field {
                key,
                value: start..self.reader.at(),
                pair: Pair { key: key_hash, value, counts: true },
            };
            field.pair.counts = counts(&field);
            self.pairs.push(field.pair);
            if self.reader.is_closed_by(b'}')? {
                return Ok(self.close(base));
            }
        }
    }

    /// Folds the fields from `base` on into the object's hash: sorted by key, so that their order does
    /// not matter; of equal keys the last counts, as in `jsonb`.
    fn close(&mut self, base: usize) -> u128 {
        let pairs = &mut self.pairs[base..];
        pairs.sort_by_key(|pair| pair.key);
        let (mut state, mut count) = (0, 0);
        for (idx, pair) in pairs.iter().enumerate() {
            if pairs.get(idx + 1).is_some_and(|next| next.key == pair.key) {
                self.is_odd = true;
            } else if pair.counts {
                state = fold([state, pair.key, pair.value]);
                count += 1;
            }
        }
        self.pairs.truncate(base);
        seal(Container::Object, state, count)
    }

    fn array(&mut self, depth: usize) -> Result<u128, Fault> {
        if self.is_empty(depth, b']')? {
            return Ok(seal(Container::Array, 0, 0));
        }
        let (mut state, mut count) = (0, 0);
        loop {
            state = fold([state, self.value(depth)?]);
            count += 1;
            if self.reader.is_closed_by(b']')? {
                return Ok(seal(Container::Array, state, count));
            }
        }
    }

    /// Enters a container; whether it ends here.
    #[inline]
    fn is_empty(&mut self, depth: usize, end: u8) -> Result<bool, Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::Deep);
        }
        self.reader.is_empty(end)
    }

    #[inline]
    fn string_value(&mut self) -> Result<u128, Fault> {
        let (string, hash) = self.string()?;
        if let Some(odd_text) = self.odd_text
            && odd_text(&unescape(&self.text[string.range]))
        {
            self.is_odd = true;
        }
        Ok(hash)
    }

    /// Passes over a string; its hash is of its unescaped text.
    #[inline]
    fn string(&mut self) -> Result<(Quoted, u128), Fault> {
        let Self { reader, unescaped, .. } = self;
        unescaped.clear();
        let string = reader.string(|plain, character| {
            unescaped.push_str(plain);
            unescaped.push(character);
        })?;
        let plain = &self.text[string.plain..string.range.end];
        let hash = if string.is_escaped() {
            unescaped.push_str(plain);
            xxh3_128(unescaped.as_bytes())
        } else {
            xxh3_128(plain.as_bytes())
        };
        Ok((string, hash))
    }

    #[inline]
    fn number(&mut self) -> Result<u128, Fault> {
        let literal = self.reader.number()?;
        let number = Number::read(literal);
        self.is_odd |= !number.is_storable(literal);
        Ok(number.hash())
    }

    #[inline]
    fn word(&mut self, word: &str, count: u64) -> Result<u128, Fault> {
        self.reader.word(word)?;
        Ok(seal(Container::Word, 0, count))
    }
}

#[derive(Clone, Copy)]
enum Container {
    Object,
    Array,
    Word,
}

#[inline]
fn fold<const N: usize>(parts: [u128; N]) -> u128 {
    let mut bytes = [[0; 16]; N];
    for (bytes, part) in bytes.iter_mut().zip(parts) {
        *bytes = part.to_le_bytes();
    }
    xxh3_128(bytes.as_flattened())
}

/// Ends a container: what it is and how many items it has are part of its hash.
#[inline]
fn seal(container: Container, state: u128, count: u64) -> u128 {
    let tag: u128 = match container {
        Container::Object => 1,
        Container::Array => 2,
        Container::Word => 3,
    };
    fold([state, (tag << 64) | u128::from(count)])
}
