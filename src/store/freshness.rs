//! How fresh each kind is, for `status`: the view `freshness` with how the kind's last pull ended.

use super::{Store, StoreError};
use crate::name::ConnectionName;
use crate::status::KindStatus;

impl Store {
    /// The freshness of every kind of one connection, or of all that the store knows, also of those that
    /// are no longer configured.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn freshness(
        &self,
        connection: Option<&ConnectionName>,
    ) -> Result<Vec<KindStatus>, StoreError> {
        self.read("read how fresh the kinds are", |sql| {
            let (held, is_end_told) = (sql.array_length("h.ids"), sql.is_true("c.memory", "is_end_told"));
            // Said so that an engine counts for this connection alone, and not for all and then leaves them out.
            let which = if connection.is_some() { "WHERE f.connection = ?1" } else { "" };
            let query = format!(
                "SELECT f.connection, f.kind, f.present, f.complete_as_of, f.changes_as_of, f.details_as_of,
                   f.values_as_of, k.outcome, k.reason,
                   (SELECT count(*) FROM elements AS e WHERE e.kind = f.kind
                      AND e.connection = f.connection AND e.state = 'removed'),
                   (SELECT count(*) FROM missing AS m
                    WHERE m.kind = f.kind AND m.connection = f.connection),
                   coalesce((SELECT {held} FROM held AS h
                    WHERE h.kind = f.kind AND h.connection = f.connection), 0),
                   (SELECT count(*) FROM rejected AS j
                    WHERE j.kind = f.kind AND j.connection = f.connection),
                   coalesce((SELECT {is_end_told} FROM cursors AS c
                    WHERE c.kind = f.kind AND c.connection = f.connection), FALSE),
                   (SELECT count(*) FROM elements AS e WHERE e.kind = f.kind
                      AND e.connection = f.connection AND e.state = 'unlisted')
                 FROM freshness AS f JOIN run_kinds AS k ON k.connection = f.connection AND k.kind = f.kind
                   AND k.run = (SELECT max(run) FROM run_kinds AS last
                     WHERE last.connection = f.connection AND last.kind = f.kind
                       AND last.outcome <> 'skipped')
                 {which}
                 ORDER BY f.connection, k.position",
            );
            let mut statement = sql.prepare_cached(&query)?;
            let name: Vec<&str> = connection.map(ConnectionName::as_str).into_iter().collect();
            let rows = statement.query_map(name.as_slice(), |row| {
                Ok(KindStatus {
                    connection: row.get(0)?,
                    kind: row.get(1)?,
                    present: row.get(2)?,
                    unlisted: row.get(14)?,
                    removed: row.get(9)?,
                    missing: row.get(10)?,
                    held: row.get(11)?,
                    rejected: row.get(12)?,
                    complete_as_of: row.get(3)?,
                    changes_as_of: row.get(4)?,
                    details_as_of: row.get(5)?,
                    values_as_of: row.get(6)?,
                    is_end_told: row.get(13)?,
                    outcome: row.get(7)?,
                    reason: row.get(8)?,
                })
            })?;
            Ok(rows)
        })
        .await
    }
}
