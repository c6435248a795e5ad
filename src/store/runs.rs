//! Run records: what each run asked for, what became of each kind, and how it ended. The one thing
//! that every run writes.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row};

use super::sqlite::{Fault, instant, text, unreadable};
use super::{Store, StoreError, memory};
use crate::kind::KindName;
use crate::memory::KindMemory;
use crate::name::ConnectionName;
use crate::run::{Counts, KindOutcome, KindRun, Mode, Outcome, Run, RunId};

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
        let Self::Sqlite(db) = self;
        db.write(format_args!("begin a run of {connection}"), |sql| {
            sql.execute(
                "INSERT INTO runs (connection, mode, started_at) VALUES (?1, ?2, ?3)",
                (connection.as_str(), mode.as_str(), text(now)),
            )?;
            Ok(RunId(sql.last_insert_rowid()))
        })
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
        let Self::Sqlite(db) = self;
        db.write(format_args!("record the {} of {connection}", kind_run.kind), |sql| {
            if let Some(memory) = memory {
                memory::keep(sql, connection, &kind_run.kind, memory)?;
            }
            Ok(record_kind(sql, run, connection, kind_run, &kind_run.counts)?)
        })
    }

    /// Closes the record of a run. `needs_full`: the next one must be full.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn end_run(
        &self,
        run: RunId,
        outcome: Outcome,
        reason: Option<&str>,
        needs_full: bool,
        counts: &Counts,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let Self::Sqlite(db) = self;
        db.write(format_args!("end run {run}"), |sql| {
            sql.execute(
                "UPDATE runs SET finished_at = ?2, outcome = ?3, reason = ?4, needs_full = needs_full OR ?5
                 WHERE id = ?1",
                (run.0, text(now), outcome.as_str(), reason, needs_full),
            )?;
            sql.execute(
                "UPDATE runs SET inserted = ?2, updated = ?3, restored = ?4, removed = ?5, unchanged = ?6,
                   held = ?7, missing = ?8, rejected = ?9, requests = ?10 WHERE id = ?1",
                rusqlite::params_from_iter(std::iter::once(run.0.cast_unsigned()).chain(numbers(counts))),
            )?;
            Ok(())
        })
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
        let Self::Sqlite(db) = self;
        db.read(format_args!("read the last run of {connection}"), |sql| {
            last(sql, "finished_at IS NOT NULL AND (?2 IS NULL OR mode = ?2)", connection, mode)
        })
    }

    /// The last run of any mode that stored what it could, `ok` or `partial`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn last_success(&self, connection: &ConnectionName) -> Result<Option<Run>, StoreError> {
        let Self::Sqlite(db) = self;
        db.read(format_args!("read the last run of {connection}"), |sql| {
            last(sql, "outcome IN ('ok', 'partial') AND (?2 IS NULL OR mode = ?2)", connection, None)
        })
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
        let Self::Sqlite(db) = self;
        db.read(format_args!("read the last run of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT finished_at FROM runs WHERE connection = ?1 AND outcome IN ('ok', 'partial')
                   AND started_at < ?2 ORDER BY id DESC LIMIT 1",
            )?;
            let ended = |row: &Row<'_>| instant(row.get_ref(0)?.as_str()?);
            Ok(statement.query_row((connection.as_str(), text(before)), ended).optional()?)
        })
    }

    /// The last full run that stored what it could, `ok` or `partial`; its `needs_full` is true also
    /// when a later run asks for another full one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn last_full_success(&self, connection: &ConnectionName) -> Result<Option<Run>, StoreError> {
        let Self::Sqlite(db) = self;
        db.read(format_args!("read the last full run of {connection}"), |sql| {
            let condition = "outcome IN ('ok', 'partial') AND mode = ?2";
            let Some(run) = last(sql, condition, connection, Some(Mode::Full))? else { return Ok(None) };
            let mut asked = sql.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM runs WHERE connection = ?1 AND id >= ?2 AND needs_full)",
            )?;
            let needs_full = asked.query_row((connection.as_str(), run.id.0), |row| row.get(0))?;
            Ok(Some(Run { needs_full, ..run }))
        })
    }
}

/// Asks for a full run after the last one, also when that is still under way.
pub(super) fn ask_for_full(sql: &Connection, connection: &ConnectionName) -> rusqlite::Result<()> {
    sql.execute(
        "UPDATE runs SET needs_full = 1 WHERE id = (SELECT max(id) FROM runs WHERE connection = ?1)",
        [connection.as_str()],
    )?;
    Ok(())
}

/// Writes a kind's part of a run record and adds it to the run's counts. A kind that is pulled twice in
/// one run has one record: its changes add up, the rest is the last pull's.
pub(super) fn record_kind(
    sql: &Connection,
    run: RunId,
    connection: &ConnectionName,
    kind_run: &KindRun,
    counts: &Counts,
) -> rusqlite::Result<()> {
    let values: [&dyn rusqlite::ToSql; 6] = [
        &run.0,
        &connection.as_str(),
        &kind_run.kind.as_str(),
        &kind_run.outcome.as_str(),
        &kind_run.reason,
        &text(kind_run.started_at),
    ];
    let numbers = numbers(counts);
    let counts = numbers.iter().map(|number| number as &dyn rusqlite::ToSql);
    let values: Vec<_> = values.into_iter().chain(counts).collect();
    sql.prepare_cached(
        "INSERT INTO run_kinds (position, run, connection, kind, outcome, reason, started_at,
           inserted, updated, restored, removed, unchanged, held, missing, rejected, requests)
         VALUES ((SELECT count(*) FROM run_kinds WHERE run = ?1), ?1, ?2, ?3, ?4, ?5, ?6,
           ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (run, kind) DO UPDATE SET outcome = ?4, reason = ?5, started_at = ?6,
           inserted = inserted + ?7, updated = updated + ?8, restored = restored + ?9,
           removed = removed + ?10, unchanged = ?11, held = ?12, missing = ?13, rejected = ?14,
           requests = requests + ?15",
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
pub(super) fn counts(row: &Row<'_>, first: usize) -> rusqlite::Result<Counts> {
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
pub(super) fn word<T: serde::de::DeserializeOwned>(word: &str) -> rusqlite::Result<T> {
    serde_json::from_value(word.into()).map_err(|error| unreadable(error.to_string()))
}

const COUNTS: &str = "inserted, updated, restored, removed, unchanged, held, missing, rejected, requests";

fn last(
    sql: &Connection,
    condition: &str,
    connection: &ConnectionName,
    mode: Option<Mode>,
) -> Result<Option<Run>, Fault> {
    let mut statement = sql.prepare_cached(&format!(
        "SELECT id, mode, started_at, finished_at, outcome, reason, needs_full, {COUNTS} FROM runs
         WHERE connection = ?1 AND {condition} ORDER BY id DESC LIMIT 1"
    ))?;
    let run = statement
        .query_row((connection.as_str(), mode.map(Mode::as_str)), |row| {
            Ok(Run {
                id: RunId(row.get(0)?),
                connection: connection.clone(),
                mode: word(row.get_ref(1)?.as_str()?)?,
                started_at: instant(row.get_ref(2)?.as_str()?)?,
                finished_at: row.get_ref(3)?.as_str_or_null()?.map(instant).transpose()?,
                outcome: row.get_ref(4)?.as_str_or_null()?.map(word).transpose()?,
                reason: row.get(5)?,
                needs_full: row.get(6)?,
                counts: counts(row, 7)?,
                kinds: Vec::new(),
            })
        })
        .optional()?;
    let Some(mut run) = run else { return Ok(None) };
    run.kinds = kinds(sql, run.id)?;
    Ok(Some(run))
}

fn kinds(sql: &Connection, run: RunId) -> rusqlite::Result<Vec<KindRun>> {
    let mut statement = sql.prepare_cached(&format!(
        "SELECT kind, outcome, reason, started_at, {COUNTS} FROM run_kinds WHERE run = ?1 ORDER BY position"
    ))?;
    let rows = statement.query_map([run.0], |row| {
        Ok(KindRun {
            kind: KindName::new(row.get_ref(0)?.as_str()?),
            outcome: word::<KindOutcome>(row.get_ref(1)?.as_str()?)?,
            reason: row.get(2)?,
            started_at: instant(row.get_ref(3)?.as_str()?)?,
            counts: counts(row, 4)?,
        })
    })?;
    rows.collect()
}
