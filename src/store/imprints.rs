//! What the pages of a kind's list looked like, so that the next pull knows their rows again.

use super::sql::{Cell, Columns, Fault, Sql, ToCell as _};
use super::{KindCommit, Store};
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::snapshot::Span;

/// Pages read or written at once: some hundred kilobytes.
const BATCH_MAX: usize = 32;

const COLUMNS: Columns<'_> =
    &[("kind", "text"), ("connection", "text"), ("page", "bigint"), ("bytes", "bytea")];

impl Store {
    /// What was kept of the pages from one on, of a batch of them. None where it cannot be read: the rows are read
    /// then, and who compares them with the store learns what ails it.
    pub(super) async fn imprints(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
        from: u32,
    ) -> Vec<(u32, Vec<u8>)> {
        let kept = self
            .read(format!("read what pages of {kind} of {connection} looked like"), |sql| {
                let mut statement = sql.prepare_cached(&format!(
                    "SELECT page, bytes FROM imprints WHERE kind = ?1 AND connection = ?2 AND page >= ?3
                 ORDER BY page LIMIT {BATCH_MAX}"
                ))?;
                statement.query_map((kind.as_str(), connection.as_str(), i64::from(from)), |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
            })
            .await;
        kept.unwrap_or_default()
    }
}

/// Keeps what the pages of a whole list looked like, and forgets those that it has no more. A list without any
/// says nothing of them.
pub(super) fn keep_imprints(sql: &Sql<'_>, commit: &KindCommit<'_>) -> Result<(), Fault> {
    let KindCommit { connection, kind, snapshot, spool, imprints, .. } = commit;
    if !snapshot.is_complete() || imprints.pages == 0 {
        return Ok(());
    }
    let key = (kind.name.as_str(), connection.as_str());
    let changed: Vec<_> = imprints.changed.iter().collect();
    for pages in changed.chunks(BATCH_MAX) {
        let row = |(page, span): &(&u32, &Span)| {
            let bytes = Cell::Bytes(spool.bytes(**span)?);
            Ok(vec![key.0.to_cell(), key.1.to_cell(), Cell::Integer(i64::from(**page)), bytes])
        };
        let rows = pages.iter().map(row).collect::<Result<Vec<_>, Fault>>()?;
        let replace = "ON CONFLICT (kind, connection, page) DO UPDATE SET bytes = excluded.bytes";
        sql.add_rows("imprints", COLUMNS, replace, &rows)?;
    }
    sql.prepare_cached("DELETE FROM imprints WHERE kind = ?1 AND connection = ?2 AND page > ?3")?
        .execute((key.0, key.1, i64::from(imprints.pages)))?;
    Ok(())
}
