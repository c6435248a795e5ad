//! Finds fields that change in so many rows, full run after full run, that they tell nothing: a clock,
//! a counter, a signed link.

use std::collections::HashMap;

use super::KindCommit;
use super::sql::{Fault, Sql};

/// Share of a kind's rows in which a field must change.
const PERCENT: u64 = 30;
/// Full runs in a row that must see it.
const RUNS: usize = 3;
/// Fewer rows than this prove nothing.
const ROWS_MIN: u64 = 10;

/// The volatile fields of a kind, with the percentage of rows that each changed in now, given in how
/// many rows each field has `changed` in this commit. `lastEdited` moves with every honest edit.
pub(super) fn find(
    sql: &Sql<'_>,
    commit: &KindCommit<'_>,
    changed: &HashMap<String, u64>,
) -> Result<Vec<(String, u64)>, Fault> {
    let rows = commit.snapshot.entries.len() as u64;
    let mut found = Vec::new();
    for (field, &count) in changed {
        let is_suspect = commit.snapshot.is_complete() && field != "lastEdited" && count >= ROWS_MIN;
        if is_suspect && exceeds(count, rows) && always_did(sql, commit, field)? {
            found.push((field.clone(), count * 100 / rows));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn exceeds(count: u64, rows: u64) -> bool {
    count * 100 > rows * PERCENT
}

/// Whether the field changed as often in the full runs before this one.
fn always_did(sql: &Sql<'_>, commit: &KindCommit<'_>, field: &str) -> Result<bool, Fault> {
    let key = (commit.connection.as_str(), commit.kind.name.as_str(), commit.run.0);
    let mut runs = sql.prepare_cached(
        "SELECT run, inserted + updated + restored + unchanged FROM run_kinds
         WHERE connection = ?1 AND kind = ?2 AND outcome = 'complete' AND run < ?3
         ORDER BY run DESC LIMIT 2",
    )?;
    let runs: Vec<(i64, u64)> = runs.query_map(key, |row| Ok((row.get(0)?, row.get(1)?)))?;

    let names_field = sql.array_has("fields", "?4");
    let query = format!(
        "SELECT count(*) FROM changes
         WHERE kind = ?1 AND connection = ?2 AND run = ?3 AND part = 'doc' AND operation = 'update'
           AND {names_field}",
    );
    let mut changes = sql.prepare_cached(&query)?;
    for (run, rows) in &runs {
        let count = changes.query_row((key.1, key.0, run, field), |row| row.get(0))?;
        if !exceeds(count, *rows) {
            return Ok(false);
        }
    }
    Ok(runs.len() + 1 == RUNS)
}
