//! What the mapped user sees: which scorecards were accepted, what stands in them, and that people are
//! told when they change. The new set and the warning about it are stored together, so that a crash
//! between the two loses neither.

use chrono::{DateTime, Utc};

use super::sql::{Cell, Fault, ToCell as _, numbered};
use super::{Store, StoreError, account, warnings};
use crate::element::ElementId;
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::warning::Warning;

impl Store {
    /// As [`Store::accept`], with the warning that people are to be told of.
    ///
    /// # Errors
    /// The store cannot be written: neither is stored.
    pub async fn accept_and_raise(
        &self,
        connection: &ConnectionName,
        base_url: &str,
        visible: &[ElementId],
        warning: &Warning,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write_of(connection, format!("accept the account of {connection}"), |sql| {
            account::accept(sql, connection, base_url, visible)?;
            warnings::raise(sql, warning, now)
        })
        .await
    }

    /// The names of these scorecards, also of removed ones; `None`: not known.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn scorecard_names(
        &self,
        connection: &ConnectionName,
        ids: &[ElementId],
    ) -> Result<Vec<Option<String>>, StoreError> {
        self.read(format!("read names of scorecards of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT max(name) FROM elements WHERE kind = ?1 AND connection = ?2 AND id = ?3",
            )?;
            let name = |id: &ElementId| -> Result<Option<String>, Fault> {
                let key = (KindName::SCORECARDS, connection.as_str(), id.0);
                statement.query_row(key, |row| row.get(0))
            };
            ids.iter().map(name).collect()
        })
        .await
    }

    /// How many elements that people see are placed in any of these scorecards.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn placed_in(
        &self,
        connection: &ConnectionName,
        scorecards: &[ElementId],
    ) -> Result<u64, StoreError> {
        self.read(format!("count what is placed in scorecards of {connection}"), |sql| {
            let asked = numbered(3, scorecards.len());
            let mut statement = sql.prepare_cached(&format!(
                "SELECT count(*) FROM
                   (SELECT DISTINCT kind, id FROM placements WHERE connection = ?1
                      AND scorecard_id IN ({asked})) AS p
                 JOIN elements AS e ON e.kind = p.kind AND e.connection = ?1 AND e.id = p.id
                 WHERE e.state = 'present' AND e.kind <> ?2",
            ))?;
            let head = [connection.as_str().to_cell(), KindName::SCORECARDS.to_cell()];
            let ids = scorecards.iter().map(|id| Cell::Integer(id.0));
            let values: Vec<_> = head.into_iter().chain(ids).collect();
            statement.query_row(&values[..], |row| row.get(0))
        })
        .await
    }
}
