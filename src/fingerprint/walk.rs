//! One pass over a JSON text that knows its canonical hash at the end, and on the way whether the text
//! can be stored as it stands. Allocates nothing per value.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;
use xxhash_rust::xxh3::xxh3_128;

use super::number::Number;
use super::text::{unescape, unescape_into};
use crate::element::Fingerprint;

/// Deepest nesting that is walked.
pub const DEPTH_MAX: usize = 100;

/// Most strings end within this many bytes: there a plain loop is faster than a search.
const SHORT: usize = 16;

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

/// What a walk found.
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

/// Walks a JSON text.
///
/// # Errors
/// [`Fault`], when it has no canonical hash.
pub fn read<'a>(text: &'a str, look: Look<'_>) -> Result<Reading<'a>, Fault> {
    let mut walk = Walk {
        text,
        bytes: text.as_bytes(),
        at: 0,
        pairs: Vec::with_capacity(64),
        unescaped: String::new(),
        odd_text: look.odd_text,
        is_odd: false,
    };
    let mut members = Vec::new();
    let hash = if walk.peek()? == b'{' {
        walk.object(1, |field| {
            let key = unescape(&text[field.key.clone()]);
            let counts = !look.volatile.iter().any(|name| *name == key);
            members.push(Member {
                key,
                value: &text[field.value.clone()],
                fingerprint: Fingerprint(field.pair.value),
            });
            counts
        })?
    } else {
        walk.value(0)?
    };
    walk.skip_space();
    if walk.at != text.len() {
        return Err(Fault::Malformed);
    }
    Ok(Reading { fingerprint: Fingerprint(hash), members, is_odd: walk.is_odd })
}

struct Walk<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
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
    key: Range<usize>,
    value: Range<usize>,
    pair: Pair,
}

impl Walk<'_> {
    /// The hash of the value that starts here; `depth` containers are open around it.
    fn value(&mut self, depth: usize) -> Result<u128, Fault> {
        match self.peek()? {
            b'"' => self.string_value(),
            b'{' => self.object(depth + 1, |_| true),
            b'[' => self.array(depth + 1),
            b't' => self.word("true", 1),
            b'f' => self.word("false", 2),
            b'n' => self.word("null", 3),
            b'-' | b'0'..=b'9' => Ok(self.number()),
            _ => Err(Fault::Malformed),
        }
    }

    /// Hashes an object; `counts` is told each field and says whether it is part of the hash.
    fn object(&mut self, depth: usize, mut counts: impl FnMut(&Field) -> bool) -> Result<u128, Fault> {
        self.open(depth)?;
        let base = self.pairs.len();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(seal(Container::Object, 0, 0));
        }
        loop {
            let key = self.string()?;
            let key_hash = self.hash_of(&key);
            self.expect(b':')?;
            self.skip_space();
            let start = self.at;
            let value = self.value(depth)?;
            let mut field = Field {
                key: key.range,
                value: start..self.at,
                pair: Pair { key: key_hash, value, counts: true },
            };
            field.pair.counts = counts(&field);
            self.pairs.push(field.pair);
            if self.is_closed_by(b'}')? {
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
        self.open(depth)?;
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(seal(Container::Array, 0, 0));
        }
        let (mut state, mut count) = (0, 0);
        loop {
            state = fold([state, self.value(depth)?]);
            count += 1;
            if self.is_closed_by(b']')? {
                return Ok(seal(Container::Array, state, count));
            }
        }
    }

    fn string_value(&mut self) -> Result<u128, Fault> {
        let string = self.string()?;
        let hash = self.hash_of(&string);
        if let Some(odd_text) = self.odd_text
            && odd_text(&unescape(&self.text[string.range]))
        {
            self.is_odd = true;
        }
        Ok(hash)
    }

    /// Passes over a string.
    fn string(&mut self) -> Result<Quoted, Fault> {
        self.expect(b'"')?;
        let start = self.at;
        let mut is_escaped = false;
        loop {
            let rest = self.bytes.get(self.at..).ok_or(Fault::Malformed)?;
            let length = stop(rest).ok_or(Fault::Malformed)?;
            self.at += length;
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return Ok(Quoted { range: start..self.at - 1, is_escaped });
            }
            is_escaped = true;
            // The escaped character cannot end the string.
            self.at += 2;
        }
    }

    fn hash_of(&mut self, string: &Quoted) -> u128 {
        if !string.is_escaped {
            return xxh3_128(&self.bytes[string.range.clone()]);
        }
        self.unescaped.clear();
        unescape_into(&self.text[string.range.clone()], &mut self.unescaped);
        xxh3_128(self.unescaped.as_bytes())
    }

    fn number(&mut self) -> u128 {
        let start = self.at;
        while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
        }
        let literal = &self.text[start..self.at];
        let number = Number::read(literal);
        self.is_odd |= !number.is_storable(literal);
        number.hash()
    }

    fn word(&mut self, word: &str, count: u64) -> Result<u128, Fault> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(Fault::Malformed);
        }
        self.at += word.len();
        Ok(seal(Container::Word, 0, count))
    }

    fn open(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::Deep);
        }
        self.at += 1;
        Ok(())
    }

    /// After a value: whether the container ends here, else a comma was passed.
    fn is_closed_by(&mut self, end: u8) -> Result<bool, Fault> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b',' => Ok(false),
            _ if byte == end => Ok(true),
            _ => Err(Fault::Malformed),
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek()? != byte {
            return Err(Fault::Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Result<u8, Fault> {
        self.skip_space();
        self.bytes.get(self.at).copied().ok_or(Fault::Malformed)
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }
}

struct Quoted {
    /// What stands between the quotes.
    range: Range<usize>,
    is_escaped: bool,
}

/// Where the next quote or backslash is.
fn stop(bytes: &[u8]) -> Option<usize> {
    let (near, far) = bytes.split_at(bytes.len().min(SHORT));
    near.iter()
        .position(|byte| matches!(byte, b'"' | b'\\'))
        .or_else(|| memchr2(b'"', b'\\', far).map(|at| at + near.len()))
}

#[derive(Clone, Copy)]
enum Container {
    Object,
    Array,
    Word,
}

fn fold<const N: usize>(parts: [u128; N]) -> u128 {
    let mut bytes = [[0; 16]; N];
    for (bytes, part) in bytes.iter_mut().zip(parts) {
        *bytes = part.to_le_bytes();
    }
    xxh3_128(bytes.as_flattened())
}

/// Ends a container: what it is and how many items it has are part of its hash.
fn seal(container: Container, state: u128, count: u64) -> u128 {
    let tag: u128 = match container {
        Container::Object => 1,
        Container::Array => 2,
        Container::Word => 3,
    };
    fold([state, (tag << 64) | u128::from(count)])
}
