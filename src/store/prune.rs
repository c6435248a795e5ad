//! Forgets what is older than the operator wants to keep, in small batches, so that no run waits long.

use std::fmt::Display;

use chrono::{DateTime, Utc};

use super::sql::{Fault, Sql};
use super::{Store, StoreError};
use crate::name::ConnectionName;

/// Rows in one transaction.
pub(super) const BATCH: u64 = 1000;

impl Store {
    /// Forgets change rows and resolved warnings from before `history_keep`, and run records and deliveries
    /// from before `runs_keep`; gives how many change rows and runs went. Each kind keeps the record of its last
    /// complete pull, each connection its last full run, for `freshness` and the schedule go by them.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn prune(
        &self,
        history_keep: DateTime<Utc>,
        runs_keep: DateTime<Utc>,
    ) -> Result<(u64, u64), StoreError> {
        let changes = self
            .prune_by(
                "DELETE FROM changes WHERE sequence IN
                   (SELECT sequence FROM changes WHERE at < ?1 ORDER BY at LIMIT ?2)",
                history_keep,
            )
            .await?;
        self.prune_warnings(history_keep, runs_keep).await?;
        let runs = self
            .prune_by(
                "DELETE FROM runs WHERE id IN
                   (SELECT id FROM runs WHERE started_at < ?1
                      AND id NOT IN (SELECT max(run) FROM run_kinds WHERE outcome = 'complete'
                                     GROUP BY connection, kind)
                      AND id NOT IN (SELECT max(id) FROM runs WHERE mode = 'full'
                                     AND outcome IN ('ok', 'partial') GROUP BY connection)
                    ORDER BY id LIMIT ?2)",
                runs_keep,
            )
            .await?;
        Ok((changes, runs))
    }

    /// Of a warning that is open each target keeps the last thing it was told, for the resolution goes to
    /// those alone that were told; a warning that something still waits for is kept.
    async fn prune_warnings(
        &self,
        history_keep: DateTime<Utc>,
        runs_keep: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.prune_by(
            "DELETE FROM deliveries WHERE id IN
               (SELECT id FROM deliveries WHERE coalesce(delivered_at, abandoned_at) < ?1
                  AND (warning IN (SELECT id FROM warnings WHERE resolved_at IS NOT NULL)
                       OR id NOT IN (SELECT max(id) FROM deliveries GROUP BY target, warning))
                LIMIT ?2)",
            runs_keep,
        )
        .await?;
        self.prune_by(
            "DELETE FROM deliveries WHERE id IN
               (SELECT id FROM deliveries WHERE coalesce(delivered_at, abandoned_at) IS NOT NULL
                  AND warning IN (SELECT id FROM warnings WHERE resolved_at < ?1)
                LIMIT ?2)",
            history_keep,
        )
        .await?;
        self.prune_by(
            "DELETE FROM warnings WHERE id IN
               (SELECT id FROM warnings WHERE resolved_at < ?1
                  AND id NOT IN (SELECT warning FROM deliveries) LIMIT ?2)",
            history_keep,
        )
        .await?;
        Ok(())
    }

    async fn prune_by(&self, delete: &str, before: DateTime<Utc>) -> Result<u64, StoreError> {
        self.delete_in_batches(None, "forget old history", |sql| {
            sql.prepare_cached(delete)?.execute((before, BATCH))
        })
        .await
    }

    /// Deletes at most [`BATCH`] rows in a transaction of its own, again and again until fewer are left;
    /// gives how many went. `connection`: whose they are, if they are one's.
    pub(super) async fn delete_in_batches(
        &self,
        connection: Option<&ConnectionName>,
        doing: impl Display,
        mut delete: impl FnMut(&Sql<'_>) -> Result<u64, Fault>,
    ) -> Result<u64, StoreError> {
        let mut total = 0;
        loop {
            let count = match connection {
                Some(connection) => self.write_of(connection, &doing, &mut delete).await?,
                None => self.write(&doing, &mut delete).await?,
            };
            total += count;
            if count < BATCH {
                return Ok(total);
            }
        }
    }
}
