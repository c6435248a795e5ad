//! Wire JSON → rows: tolerant of shape, never trusting. Pure; the one place where text of the network
//! becomes text of the store, so that both stores hold the same.
//!
//! [`clean`] makes bytes into text, [`body`] finds the rows, [`choose_id_field`] settles their id,
//! [`row`] makes each fit for the store; once the id is settled, [`body_of_rows`] does both in one pass,
//! and [`body_of_sent_rows`] passes over the rows that came before just so.

mod body;
mod clean;
mod document;
mod envelope;
mod imprint;
mod layout;
mod members;
mod rewrite;
mod richer;
mod row;

#[cfg(test)]
mod tests;

pub use body::{Body, List, body, body_of_rows, body_of_sent_rows, single};
pub use clean::{Cleaned, clean};
pub use document::{Columns, FieldChange, changed_fields, columns, email, fields, is_same};
pub use imprint::Imprints;
pub use layout::{compact, pretty};
pub use members::{Member, members};
pub use richer::Comparison;
pub use row::{Row, choose_id_field, document, row};

pub use crate::fingerprint::DEPTH_MAX;

/// Largest document that is stored, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;
