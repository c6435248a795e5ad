//! Canonical hashes: equal for any key order and for a document that has been through `jsonb`.
//! Objects by an order-free combination of (key, value) hashes, arrays in order, strings unescaped,
//! numbers as (digits, exponent), never expanded. Pure.

mod grammar;
mod number;
mod text;
mod walk;

#[cfg(test)]
pub(crate) mod tests;

pub use grammar::Reader;
pub use number::Number;
pub use text::{hex4, unescape};
pub use walk::{DEPTH_MAX, Fault, Look, Member, Reading, Seen, read, walk, walk_next};

use crate::element::Fingerprint;

/// Hash of plain bytes, for digests of sets and rows that are no documents.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> Fingerprint {
    Fingerprint(xxhash_rust::xxh3::xxh3_128(bytes))
}

/// Canonical hash of a document without its `volatile` top-level fields. A text that is no document (a
/// store never holds one) is hashed as bytes.
#[must_use]
pub fn of_document(document: &str, volatile: &[String]) -> Fingerprint {
    let look = Look { volatile, odd_text: None };
    read(document, look).map_or_else(|_| of_bytes(document.as_bytes()), |reading| reading.fingerprint)
}
