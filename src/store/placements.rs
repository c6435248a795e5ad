//! Where elements are placed: the scorecards that show them.

use super::KindCommit;
use super::sql::{Cell, Fault, Sql, ToCell as _};
use crate::element::ElementId;
use crate::snapshot::Snapshot;

/// Rows written at once.
const BATCH_MAX: usize = 10_000;

const COLUMNS: &[(&str, &str); 4] =
    &[("kind", "text"), ("connection", "text"), ("id", "bigint"), ("scorecard_id", "bigint")];

/// Keeps where elements are placed. Only a complete snapshot takes a placement away, and only from an
/// element it lists: where a missing one was placed is the evidence of why it is missing.
pub(super) fn keep_placements(sql: &Sql<'_>, commit: &KindCommit<'_>) -> Result<(), Fault> {
    let KindCommit { connection, kind, snapshot, .. } = commit;
    let key = (kind.name.as_str(), connection.as_str());
    let row = |&(id, scorecard_id): &(ElementId, i64)| {
        vec![key.0.to_cell(), key.1.to_cell(), Cell::Integer(id.0), Cell::Integer(scorecard_id)]
    };
    // To read all that is stored would cost more than the few that such a pull brings.
    if !snapshot.is_complete() {
        for placements in snapshot.placements.chunks(BATCH_MAX) {
            let rows: Vec<_> = placements.iter().map(row).collect();
            sql.add_rows("placements", COLUMNS, "ON CONFLICT DO NOTHING", &rows)?;
        }
        return Ok(());
    }
    let Stored { is_stored, left } = compare(sql, key, snapshot)?;
    if is_stored.contains(&false) {
        let new = snapshot.placements.iter().zip(is_stored).filter(|(_, is_stored)| !is_stored);
        let names = COLUMNS.map(|(name, _)| name);
        sql.load("placements", &names, &mut new.map(|(placement, _)| Ok(row(placement))))?;
    }
    sql.delete_rows("placements", COLUMNS, &left.iter().map(row).collect::<Vec<_>>())
}

/// What is stored of a kind's placements, beside a snapshot.
struct Stored {
    /// Of each of the snapshot's, in order.
    is_stored: Vec<bool>,
    /// Those that elements of the snapshot no longer have.
    left: Vec<(ElementId, i64)>,
}

fn compare(sql: &Sql<'_>, key: (&str, &str), snapshot: &Snapshot) -> Result<Stored, Fault> {
    let placements = &snapshot.placements;
    let mut next = 0;
    let mut stored = Stored { is_stored: vec![false; placements.len()], left: Vec::new() };
    sql.stream("SELECT id, scorecard_id FROM placements WHERE kind = ?1 AND connection = ?2", key, |row| {
        let placement = (ElementId(row.get(0)?), row.get(1)?);
        // Mostly both are the same, in the same order.
        let found = match placements.get(next) {
            Some(expected) if *expected == placement => Ok(next),
            _ => placements.binary_search(&placement),
        };
        match found {
            Ok(at) => {
                stored.is_stored[at] = true;
                next = at + 1;
            }
            Err(_) if snapshot.contains(placement.0) => stored.left.push(placement),
            Err(_) => {}
        }
        Ok(())
    })?;
    Ok(stored)
}
