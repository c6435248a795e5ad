//! Run records: what each run asked for, what became of each kind, and how it ended. The one thing
//! that every run writes.

use chrono::{DateTime, Utc};

use super::sql::{Fault, Row, Sql, ToCell, unreadable};
use super::{Store, StoreError, memory};
use crate::kind::KindName;
use crate::memory::KindMemory;
use crate::name::ConnectionName;
use crate::run::{Counts, KindOutcome, KindRun, Mode, Outcome, Run, RunId, STOPPED};

impl Store {
    /// Opens the record of a run.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn begin_run(
        &self,
        connection: &ConnectionName,
        mode: Mode,
        now: DateTime<Utc>,
    ) -> Result<RunId, StoreError> {
        self.write_of(connection, format!("begin a run of {connection}"), |sql| {
            sql.prepare_cached(
                "INSERT INTO runs (connection, mode, started_at) VALUES (?1, ?2, ?3) RETURNING id",
            )?
            .query_row((connection.as_str(), mode.as_str(), now), |row| Ok(RunId(row.get(0)?)))
        })
        .await
    }

    /// Records a kind that brought no snapshot (failed, forbidden, unavailable, deferred, skipped), and
    /// what is remembered of it from now on, if that differs.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn record_kind(
        &self,
        run: RunId,
        connection: &ConnectionName,
        kind_run: &KindRun,
        memory: Option<&KindMemory>,
    ) -> Result<(), StoreError> {
        self.write_of(connection, format!("record the {} of {connection}", kind_run.kind), |sql| {
            if let Some(memory) = memory {
                memory::keep(sql, connection, &kind_run.kind, memory)?;
            }
            record_kind(sql, run, connection, kind_run, &kind_run.counts)
        })
        .await
    }

    /// Closes the record of a run. `needs_full`: the next one must be full.
    ///
    /// # Errors
    /// The store cannot be written.
    #[expect(clippy::too_many_arguments, reason = "how a run ended is all of this")]
    pub async fn end_run(
        &self,
        run: RunId,
        connection: &ConnectionName,
        outcome: Outcome,
        reason: Option<&str>,
        needs_full: bool,
        counts: &Counts,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write_of(connection, format!("end run {run} of {connection}"), |sql| {
            sql.execute(
                "UPDATE runs SET finished_at = ?2, outcome = ?3, reason = ?4, needs_full = needs_full OR ?5
                 WHERE id = ?1",
                (run.0, now, outcome.as_str(), reason, needs_full),
            )?;
            sql.execute(
                "UPDATE runs SET inserted = ?2, updated = ?3, restored = ?4, removed = ?5, unchanged = ?6,
                   held = ?7, missing = ?8, rejected = ?9, requests = ?10 WHERE id = ?1",
                &[&[run.0.cast_unsigned()], numbers(counts).as_slice()].concat()[..],
            )?;
            Ok(())
        })
        .await
    }

    /// Closes the record of a run that the store itself stopped: what its kinds came to stands.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn break_run_off(
        &self,
        run: RunId,
        connection: &ConnectionName,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write_of(connection, format!("end run {run}"), |sql| {
            sql.execute(
                "UPDATE runs SET finished_at = ?2, outcome = ?3, reason = ?4
                 WHERE id = ?1 AND finished_at IS NULL",
                (run.0, now, Outcome::Failed.as_str(), reason),
            )?;
            Ok(())
        })
        .await
    }

    /// The last run of a connection that ended, of `mode` if one is given, with its kinds.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn last_run(
        &self,
        connection: &ConnectionName,
        mode: Option<Mode>,
    ) -> Result<Option<Run>, StoreError> {
        let mode = mode.map(Mode::as_str);
        self.read(format!("read the last run of {connection}"), |sql| {
            last(sql, "finished_at IS NOT NULL AND (CAST(?2 AS text) IS NULL OR mode = ?2)", connection, mode)
        })
        .await
    }

    /// The last run of any mode that stored what it could, `ok` or `partial`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn last_success(&self, connection: &ConnectionName) -> Result<Option<Run>, StoreError> {
        self.read(format!("read the last run of {connection}"), |sql| {
            last(
                sql,
                "outcome IN ('ok', 'partial') AND (CAST(?2 AS text) IS NULL OR mode = ?2)",
                connection,
                None,
            )
        })
        .await
    }

    /// As [`Store::last_success`], but for runs that were asked to stop on their way: they serve nothing.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn last_served(&self, connection: &ConnectionName) -> Result<Option<Run>, StoreError> {
        self.read(format!("read the last run of {connection}"), |sql| {
            let condition = "outcome IN ('ok', 'partial') AND (reason IS NULL OR reason <> ?2)";
            last(sql, condition, connection, Some(STOPPED))
        })
        .await
    }

    /// When the last run ended that stored what it could, `ok` or `partial`, and began before `before`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn last_success_before(
        &self,
        connection: &ConnectionName,
        before: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.read(format!("read the last run of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT finished_at FROM runs WHERE connection = ?1 AND outcome IN ('ok', 'partial')
                   AND started_at < ?2 ORDER BY id DESC LIMIT 1",
            )?;
            statement.query_first((connection.as_str(), before), |row| row.get(0))
        })
        .await
    }

    /// The last run that ended at or after `due_at`, however it ended: what was due then is served. One that
    /// was asked to stop on its way serves nothing; nor does one that failed before it asked anything, for
    /// what stands in its way may stand on its machine alone.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn served_since(
        &self,
        connection: &ConnectionName,
        due_at: DateTime<Utc>,
    ) -> Result<Option<Run>, StoreError> {
        self.read(format!("read the last run of {connection}"), |sql| {
            let condition = "finished_at IS NOT NULL AND (reason IS NULL OR reason <> ?2)
               AND NOT (outcome = 'failed' AND requests = 0)";
            let run = last(sql, condition, connection, Some(STOPPED))?;
            Ok(run.filter(|run| run.finished_at.is_some_and(|at| at >= due_at)))
        })
        .await
    }

    /// When the last full run ended that stored what it could and asked for no other one. One that was made
    /// because the one before asked counts in any case: a list that never stands still must not make every run
    /// a full one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn last_full_done(
        &self,
        connection: &ConnectionName,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.read(format!("read the last full runs of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT finished_at, needs_full FROM runs
                 WHERE connection = ?1 AND mode = 'full' AND outcome IN ('ok', 'partial')
                 ORDER BY id DESC LIMIT 2",
            )?;
            let last: Vec<(DateTime<Utc>, bool)> =
                statement.query_map([connection.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let is_follow_up = last.get(1).is_some_and(|(_, needs_full)| *needs_full);
            Ok(last.first().filter(|(_, needs_full)| is_follow_up || !needs_full).map(|(at, _)| *at))
        })
        .await
    }

    /// The last full run that stored what it could, `ok` or `partial`; its `needs_full` is true also
    /// when a later run asks for another full one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn last_full_success(&self, connection: &ConnectionName) -> Result<Option<Run>, StoreError> {
        self.read(format!("read the last full run of {connection}"), |sql| {
            let condition = "outcome IN ('ok', 'partial') AND mode = ?2";
            let Some(run) = last(sql, condition, connection, Some(Mode::Full.as_str()))? else {
                return Ok(None);
            };
            let mut asked = sql.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM runs WHERE connection = ?1 AND id >= ?2 AND needs_full)",
            )?;
            let needs_full = asked.query_row((connection.as_str(), run.id.0), |row| row.get(0))?;
            Ok(Some(Run { needs_full, ..run }))
        })
        .await
    }
}

/// Asks for a full run after the last one, also when that is still under way.
pub(super) fn ask_for_full(sql: &Sql<'_>, connection: &ConnectionName) -> Result<(), Fault> {
    sql.execute(
        "UPDATE runs SET needs_full = TRUE WHERE id = (SELECT max(id) FROM runs WHERE connection = ?1)",
        [connection.as_str()],
    )?;
    Ok(())
}

/// Writes a kind's part of a run record and adds it to the run's counts. A kind that is pulled twice in
/// one run has one record: its changes add up, the rest is the last pull's.
pub(super) fn record_kind(
    sql: &Sql<'_>,
    run: RunId,
    connection: &ConnectionName,
    kind_run: &KindRun,
    counts: &Counts,
) -> Result<(), Fault> {
    let values = [
        run.0.to_cell(),
        connection.as_str().to_cell(),
        kind_run.kind.as_str().to_cell(),
        kind_run.outcome.as_str().to_cell(),
        kind_run.reason.to_cell(),
        kind_run.started_at.to_cell(),
    ];
    let numbers = numbers(counts);
    let values: Vec<_> = values.into_iter().chain(numbers.iter().map(ToCell::to_cell)).collect();
    sql.prepare_cached(
        "INSERT INTO run_kinds (position, run, connection, kind, outcome, reason, started_at,
           inserted, updated, restored, removed, unchanged, held, missing, rejected, requests)
         VALUES ((SELECT count(*) FROM run_kinds WHERE run = ?1), ?1, ?2, ?3, ?4, ?5, ?6,
           ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (run, kind) DO UPDATE SET outcome = ?4, reason = ?5, started_at = ?6,
           inserted = run_kinds.inserted + ?7, updated = run_kinds.updated + ?8,
           restored = run_kinds.restored + ?9, removed = run_kinds.removed + ?10, unchanged = ?11,
           held = ?12, missing = ?13, rejected = ?14, requests = run_kinds.requests + ?15",
    )?
    .execute(values.as_slice())?;
    sql.prepare_cached(
        "UPDATE runs SET (inserted, updated, restored, removed, unchanged, held, missing, rejected, requests)
         = (SELECT sum(inserted), sum(updated), sum(restored), sum(removed), sum(unchanged), sum(held),
                   sum(missing), sum(rejected), sum(requests) FROM run_kinds WHERE run = ?1)
         WHERE id = ?1",
    )?
    .execute([run.0])?;
    Ok(())
}

/// The counts in the order of their columns.
fn numbers(counts: &Counts) -> [u64; 9] {
    let Counts { inserted, updated, restored, removed, unchanged, held, missing, rejected, requests } =
        counts;
    [*inserted, *updated, *restored, *removed, *unchanged, *held, *missing, *rejected, *requests]
}

/// Reads the counts that stand in nine columns from `first` on.
pub(super) fn counts(row: &Row<'_>, first: usize) -> Result<Counts, Fault> {
    Ok(Counts {
        inserted: row.get(first)?,
        updated: row.get(first + 1)?,
        restored: row.get(first + 2)?,
        removed: row.get(first + 3)?,
        unchanged: row.get(first + 4)?,
        held: row.get(first + 5)?,
        missing: row.get(first + 6)?,
        rejected: row.get(first + 7)?,
        requests: row.get(first + 8)?,
    })
}

/// A word of an enum that is stored as serde spells it.
pub(super) fn word<T: serde::de::DeserializeOwned>(word: &str) -> Result<T, Fault> {
    serde_json::from_value(word.into()).map_err(|error| unreadable(error.to_string()))
}

const COUNTS: &str = "inserted, updated, restored, removed, unchanged, held, missing, rejected, requests";

/// The last run that fulfils `condition`, which knows `value` as `?2`.
fn last(
    sql: &Sql<'_>,
    condition: &str,
    connection: &ConnectionName,
    value: Option<&str>,
) -> Result<Option<Run>, Fault> {
    let mut statement = sql.prepare_cached(&format!(
        "SELECT id, mode, started_at, finished_at, outcome, reason, needs_full, {COUNTS} FROM runs
         WHERE connection = ?1 AND {condition} ORDER BY id DESC LIMIT 1"
    ))?;
    let run = statement.query_first((connection.as_str(), value), |row| {
        Ok(Run {
            id: RunId(row.get(0)?),
            connection: connection.clone(),
            mode: word(row.text(1)?)?,
            started_at: row.get(2)?,
            finished_at: row.get(3)?,
            outcome: row.text_or_null(4)?.map(word).transpose()?,
            reason: row.get(5)?,
            needs_full: row.get(6)?,
            counts: counts(row, 7)?,
            kinds: Vec::new(),
        })
    })?;
    let Some(mut run) = run else { return Ok(None) };
    run.kinds = kinds(sql, run.id)?;
    Ok(Some(run))
}

fn kinds(sql: &Sql<'_>, run: RunId) -> Result<Vec<KindRun>, Fault> {
    let mut statement = sql.prepare_cached(&format!(
        "SELECT kind, outcome, reason, started_at, {COUNTS} FROM run_kinds WHERE run = ?1 ORDER BY position"
    ))?;
    let rows = statement.query_map([run.0], |row| {
        Ok(KindRun {
            kind: KindName::new(row.text(0)?),
            outcome: word::<KindOutcome>(row.text(1)?)?,
            reason: row.get(2)?,
            started_at: row.get(3)?,
            counts: counts(row, 4)?,
        })
    })?;
    Ok(rows)
}
