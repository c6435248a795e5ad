//! Where elements are placed: the scorecards that show them.

use super::KindCommit;
use super::sql::{Cell, Columns, Fault, Sql, ToCell as _};
use crate::element::ElementId;

/// Rows written at once.
const BATCH_MAX: usize = 10_000;

const COLUMNS: Columns<'_> =
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
        return add(sql, &snapshot.placements.iter().map(row).collect::<Vec<_>>());
    }
    let stored = stored_placements(sql, key)?;
    let is_new = |placement: &&_| stored.binary_search(placement).is_err();
    add(sql, &snapshot.placements.iter().filter(is_new).map(row).collect::<Vec<_>>())?;
    let is_left = |placement: &&(ElementId, i64)| {
        snapshot.placements.binary_search(placement).is_err() && snapshot.contains(placement.0)
    };
    let left: Vec<_> = stored.iter().filter(is_left).map(row).collect();
    sql.execute_rows(
        "DELETE FROM placements WHERE EXISTS (SELECT 1 FROM rows WHERE rows.kind = placements.kind
           AND rows.connection = placements.connection AND rows.id = placements.id
           AND rows.scorecard_id = placements.scorecard_id)",
        COLUMNS,
        &left,
    )?;
    Ok(())
}

fn add(sql: &Sql<'_>, rows: &[Vec<Cell<'_>>]) -> Result<(), Fault> {
    for rows in rows.chunks(BATCH_MAX) {
        sql.execute_rows(
            "INSERT INTO placements (kind, connection, id, scorecard_id)
             SELECT kind, connection, id, scorecard_id FROM rows WHERE TRUE ON CONFLICT DO NOTHING",
            COLUMNS,
            rows,
        )?;
    }
    Ok(())
}

/// Where elements of a kind are placed by what is stored, in order.
fn stored_placements(sql: &Sql<'_>, key: (&str, &str)) -> Result<Vec<(ElementId, i64)>, Fault> {
    sql.prepare_cached(
        "SELECT id, scorecard_id FROM placements WHERE kind = ?1 AND connection = ?2 ORDER BY id, scorecard_id",
    )?
    .query_map(key, |row| Ok((ElementId(row.get(0)?), row.get(1)?)))
}
