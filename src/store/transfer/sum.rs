//! What a table comes to: how many rows, and one fingerprint of all of them that does not depend on their
//! order, nor on how an engine spells what it keeps.

use chrono::{DateTime, Utc};

use super::rows::Reading;
use super::tables::Shape;
use crate::element::Fingerprint;
use crate::fingerprint;
use crate::store::sql::{Cell, Fault, Sql, ToCell as _};

/// What a table comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// How many rows it has.
    pub rows: u64,
    /// Of all rows together, in any order.
    pub fingerprint: Fingerprint,
}

impl Sum {
    /// What a table without rows comes to.
    pub(super) const NONE: Self = Self { rows: 0, fingerprint: Fingerprint(0) };

    /// Counts a row.
    pub(super) fn add(&mut self, cells: &[Cell<'_>], shapes: impl Iterator<Item = Shape>) {
        let mut bytes = Vec::new();
        for (cell, shape) in cells.iter().zip(shapes) {
            write(cell, shape, &mut bytes);
        }
        let row = fingerprint::of_bytes(&bytes);
        self.rows += 1;
        // Unlike an exclusive or, a sum does not lose two rows that are the same.
        self.fingerprint = Fingerprint(self.fingerprint.0.wrapping_add(row.0));
    }

    /// Reads a whole table.
    pub(super) fn of(sql: &Sql<'_>, reading: &Reading, mut told: impl FnMut()) -> Result<Self, Fault> {
        let mut sum = Self::NONE;
        reading.each(sql, |cells| {
            sum.add(&cells, reading.columns.iter().map(|(_, shape)| *shape));
            told();
            Ok(())
        })?;
        Ok(sum)
    }
}

/// Writes a value as it is whichever engine keeps it, so that no two values are written alike.
fn write(cell: &Cell<'_>, shape: Shape, out: &mut Vec<u8>) {
    match (cell, shape) {
        (Cell::Null, _) => out.push(0),
        (Cell::Integer(number), _) => {
            out.push(1);
            out.extend_from_slice(&number.to_le_bytes());
        }
        (Cell::Real(number), _) => {
            out.push(2);
            // A decimal number has no zero below zero.
            let number = if *number == 0.0 { 0.0 } else { *number };
            out.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        (Cell::Text(text), Shape::Json) => {
            out.push(3);
            out.extend_from_slice(&fingerprint::of_document(text, &[]).to_bytes());
        }
        (Cell::Text(text), Shape::Instant) => match text.parse::<DateTime<Utc>>() {
            Ok(instant) => write(&instant.to_cell(), Shape::Text, out),
            Err(_) => write(cell, Shape::Text, out),
        },
        (Cell::Text(text), _) => {
            out.push(4);
            measured(text.as_bytes(), out);
        }
        (Cell::Bytes(bytes), _) => {
            out.push(5);
            measured(bytes, out);
        }
    }
}

fn measured(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}
