//! How fresh each kind is, for `status`: the view `freshness` with how the kind's last pull ended.

use serde::Serialize;

use super::{Store, StoreError};

/// How fresh one kind of one connection is. Times are text as stored (ISO 8601, UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Freshness {
    /// Whose.
    pub connection: String,
    /// Which kind.
    pub kind: String,
    /// Elements people see.
    pub present: u64,
    /// Elements kept but out of the views.
    pub removed: u64,
    /// Known elements not listed, in question.
    pub missing: u64,
    /// Removals held back by a limit.
    pub held: u64,
    /// Rows kept aside.
    pub rejected: u64,
    /// When the last pull began that listed all elements, its end proved.
    pub complete_as_of: Option<String>,
    /// When the last pull began that would have seen any change.
    pub changes_as_of: Option<String>,
    /// The oldest single read; `None`: not all were read.
    pub details_as_of: Option<String>,
    /// The oldest read of series of values; `None`: not all were read.
    pub values_as_of: Option<String>,
    /// Whether the server told how long the list is; else nothing but pages without rows shows its end.
    pub is_end_told: bool,
    /// How its last pull ended.
    pub outcome: String,
    /// Why, where the outcome does not say it all.
    pub reason: Option<String>,
}

impl Store {
    /// The freshness of every kind of every connection the store knows, also of those that are no
    /// longer configured.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn freshness(&self) -> Result<Vec<Freshness>, StoreError> {
        let Self::Sqlite(db) = self;
        db.read("read how fresh the kinds are", |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT f.connection, f.kind, f.present, f.complete_as_of, f.changes_as_of, f.details_as_of,
                   f.values_as_of, k.outcome, k.reason,
                   (SELECT count(*) FROM elements AS e WHERE e.kind = f.kind
                      AND e.connection = f.connection AND e.state <> 'present'),
                   (SELECT count(*) FROM missing AS m
                    WHERE m.kind = f.kind AND m.connection = f.connection),
                   coalesce((SELECT json_array_length(h.ids) FROM held AS h
                    WHERE h.kind = f.kind AND h.connection = f.connection), 0),
                   (SELECT count(*) FROM rejected AS j
                    WHERE j.kind = f.kind AND j.connection = f.connection),
                   coalesce((SELECT json_extract(c.memory, '$.is_end_told') FROM cursors AS c
                    WHERE c.kind = f.kind AND c.connection = f.connection), 0)
                 FROM freshness AS f JOIN run_kinds AS k ON k.connection = f.connection AND k.kind = f.kind
                   AND k.run = (SELECT max(run) FROM run_kinds AS last
                     WHERE last.connection = f.connection AND last.kind = f.kind
                       AND last.outcome <> 'skipped')
                 ORDER BY f.connection, k.position",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(Freshness {
                    connection: row.get(0)?,
                    kind: row.get(1)?,
                    present: row.get(2)?,
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
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
