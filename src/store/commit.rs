//! Applies what one kind of one run changes, in one transaction. Compares before it writes, in every
//! table: a commit that changes nothing writes nothing but the run record.

use std::collections::HashMap;

use rusqlite::{Connection, Transaction};

use super::changes::Writer;
use super::elements::{document, full_pulls_since};
use super::fields::Known;
use super::sqlite::Fault;
use super::{KindCommit, Store, StoreError, memory, runs, volatile};
use crate::element::{ElementId, State};
use crate::memory::{Filter, KindMemory};
use crate::plan::{Operation, Write};
use crate::run::Counts;
use crate::snapshot::{Entry, Rejected, Snapshot};
use crate::tolerate::{self, Columns};
use crate::trust;

impl Store {
    /// Applies one kind of a run: elements, change rows, placements, missing, held and rejected ones,
    /// memory and the run's counts, together or not at all. Returns what was counted, which is also
    /// what the run record says: the requests are `commit.kind_run`'s, all else is seen here.
    ///
    /// # Errors
    /// The spool cannot be read, or the store not written: nothing of the kind is stored.
    pub async fn commit_kind(&self, commit: KindCommit<'_>) -> Result<Committed, StoreError> {
        let Self::Sqlite(db) = self;
        let doing = format!("store the {} of {}", commit.kind.name, commit.connection);
        db.write(doing, |sql| apply(sql, &commit))
    }
}

/// What a commit came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// What was counted.
    pub counts: Counts,
    /// Elements that changed while their `lastEdited` did not.
    pub unstamped: u64,
    /// Whether the kind's `lastEdited` was seen to miss changes, now or not long ago.
    pub is_unreliable: bool,
    /// Rows that are kept aside for the first time.
    pub rejected_new: Vec<Rejected>,
    /// Fields that changed in over 30 % of the rows three full runs running, with the percentage now.
    pub volatile: Vec<(String, u64)>,
}

fn apply(sql: &Transaction<'_>, commit: &KindCommit<'_>) -> Result<Committed, Fault> {
    let KindCommit { run, connection, kind, now, plan, verdicts, held, .. } = commit;
    let writer = Writer::new(*run, connection, kind.name.as_str(), "doc", *now);
    let mut writing = Writing {
        sql,
        commit,
        known: Known::load(sql, connection, writer.kind, "doc", &writer.now)?,
        was_complete: memory::stored(sql, connection, &kind.name)?.ever_complete,
        writer: &writer,
        unstamped: 0,
        changed: HashMap::new(),
    };
    let mut counts = Counts {
        unchanged: plan.unchanged,
        held: held.map_or(0, |held| held.ids.len() as u64),
        missing: verdicts.undecided.len() as u64,
        rejected: commit.rejected.len() as u64,
        requests: commit.kind_run.counts.requests,
        ..Counts::default()
    };
    for write in &plan.writes {
        *writing.write(*write)?.count(&mut counts) += 1;
    }
    let Writing { unstamped, changed, .. } = writing;
    counts.removed = take_out_of_sight(sql, commit, &writer)?;
    keep_placements(sql, commit)?;
    memory::keep_missing(sql, commit)?;
    memory::keep_held(sql, connection, &kind.name, *held)?;
    let rejected_new = memory::keep_rejected(sql, commit)?;
    let memory = KindMemory { filter: filter(sql, commit, unstamped)?, ..commit.memory.clone() };
    memory::keep(sql, connection, &kind.name, &memory)?;
    let is_unreliable = matches!(memory.filter, Filter::Unreliable { .. });
    let volatile = volatile::find(sql, commit, &changed)?;
    runs::record_kind(sql, *run, connection, commit.kind_run, &counts)?;
    Ok(Committed { counts, unstamped, is_unreliable, rejected_new, volatile })
}

/// Every complete pull is the proof that incremental ones suffice, or that they do not.
fn filter(sql: &Connection, commit: &KindCommit<'_>, unstamped: u64) -> rusqlite::Result<Filter> {
    let KindCommit { connection, kind, snapshot, memory, now, .. } = commit;
    if !kind.last_edited || !snapshot.is_complete() {
        return Ok(memory.filter.clone());
    }
    let clean = match memory.filter {
        // Those before, and this one.
        Filter::Unreliable { since } => full_pulls_since(sql, connection, &kind.name, since)? + 1,
        _ => 0,
    };
    Ok(trust::after_full_pull(&memory.filter, unstamped, clean, *now))
}

/// What writing a document came to.
#[derive(Debug, Clone, Copy)]
enum Written {
    Inserted,
    Updated,
    Restored,
    /// Only what stands outside the fingerprint differs: a field became volatile, or is no longer.
    Unchanged,
}

impl Written {
    fn count(self, counts: &mut Counts) -> &mut u64 {
        match self {
            Self::Inserted => &mut counts.inserted,
            Self::Updated => &mut counts.updated,
            Self::Restored => &mut counts.restored,
            Self::Unchanged => &mut counts.unchanged,
        }
    }
}

/// The documents of one commit, while they are written.
struct Writing<'a> {
    sql: &'a Connection,
    commit: &'a KindCommit<'a>,
    writer: &'a Writer<'a>,
    known: Known<'a>,
    /// Whether the kind was ever pulled completely before: fields it shows only now are news.
    was_complete: bool,
    /// Elements that changed while their `lastEdited` did not.
    unstamped: u64,
    /// In how many updated elements each field changed.
    changed: HashMap<String, u64>,
}

impl Writing<'_> {
    fn write(&mut self, write: Write) -> Result<Written, Fault> {
        let Self { sql, commit, writer, was_complete, .. } = *self;
        let entry = commit.snapshot.entries[write.entry];
        let after = commit.spool.read(entry.span)?;
        let columns = tolerate::columns(&after);
        self.known.note(sql, &after, || Ok(was_complete))?;
        if write.operation == Operation::Insert {
            insert(sql, writer, &entry, &after, &columns)?;
            writer.log(sql, entry.id, Operation::Insert, None)?;
            return Ok(Written::Inserted);
        }
        let before = document(sql, commit.connection, &commit.kind.name, entry.id)?
            .ok_or_else(|| format!("{} {} is in the plan but not stored", writer.kind, entry.id))?;
        let fields = tolerate::changed_fields(&before, &after, &commit.kind.volatile);
        let is_restore = write.operation == Operation::Restore;
        let is_change = is_restore || !fields.is_empty();
        update(sql, writer, &entry, &after, &columns, is_change)?;
        if is_change {
            writer.log_fields(sql, entry.id, write.operation, &fields)?;
        }
        if is_restore {
            return Ok(Written::Restored);
        }
        if !is_change {
            return Ok(Written::Unchanged);
        }
        let is_stamped = fields.iter().any(|change| change.field == "lastEdited");
        self.unstamped += u64::from(!is_stamped && columns.last_edited.is_some());
        for change in fields {
            *self.changed.entry(change.field).or_default() += 1;
        }
        Ok(Written::Updated)
    }
}

fn insert(
    sql: &Connection,
    writer: &Writer<'_>,
    entry: &Entry,
    doc: &str,
    columns: &Columns,
) -> rusqlite::Result<()> {
    sql.prepare_cached(
        "INSERT INTO elements
         (connection, kind, id, name, scorecard_id, owner_id, last_edited, fingerprint, state,
          first_seen_at, changed_at, changed_run, doc)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'present', ?9, ?9, ?10, ?11)",
    )?
    .execute((
        writer.connection.as_str(),
        writer.kind,
        entry.id.0,
        &columns.name,
        columns.scorecard_id,
        columns.owner_id,
        &columns.last_edited,
        entry.fingerprint.to_bytes(),
        &writer.now,
        writer.run.0,
        doc,
    ))?;
    Ok(())
}

fn update(
    sql: &Connection,
    writer: &Writer<'_>,
    entry: &Entry,
    doc: &str,
    columns: &Columns,
    is_change: bool,
) -> rusqlite::Result<()> {
    sql.prepare_cached(
        "UPDATE elements SET
           name = ?4, scorecard_id = ?5, owner_id = ?6, last_edited = ?7, fingerprint = ?8, doc = ?9,
           state = 'present', reason = NULL, evidence = NULL, removed_at = NULL,
           changed_at = CASE WHEN ?10 THEN ?11 ELSE changed_at END,
           changed_run = CASE WHEN ?10 THEN ?12 ELSE changed_run END
         WHERE kind = ?1 AND connection = ?2 AND id = ?3",
    )?
    .execute((
        writer.kind,
        writer.connection.as_str(),
        entry.id.0,
        &columns.name,
        columns.scorecard_id,
        columns.owner_id,
        &columns.last_edited,
        entry.fingerprint.to_bytes(),
        doc,
        is_change,
        &writer.now,
        writer.run.0,
    ))?;
    Ok(())
}

/// Applies the verdicts: removals and elements that stay unlisted. The rows stay.
fn take_out_of_sight(
    sql: &Connection,
    commit: &KindCommit<'_>,
    writer: &Writer<'_>,
) -> rusqlite::Result<u64> {
    let mut count = 0;
    for removal in &commit.verdicts.removals {
        let reason = Some((removal.reason.as_str(), removal.evidence.as_str()));
        count += u64::from(leave(sql, writer, removal.id, State::Removed, reason)?);
    }
    for id in &commit.verdicts.unlisted {
        count += u64::from(leave(sql, writer, *id, State::Unlisted, None)?);
    }
    Ok(count)
}

/// Takes one element out of the views; `false`: it is out already.
fn leave(
    sql: &Connection,
    writer: &Writer<'_>,
    id: ElementId,
    state: State,
    why: Option<(&str, &str)>,
) -> rusqlite::Result<bool> {
    let (reason, evidence) = why.unzip();
    let removed_at = (state == State::Removed).then_some(&writer.now);
    let changed = sql
        .prepare_cached(
            "UPDATE elements SET state = ?4, reason = ?5, evidence = ?6, removed_at = ?7,
               changed_at = ?8, changed_run = ?9
             WHERE kind = ?1 AND connection = ?2 AND id = ?3 AND state NOT IN (?4, 'removed')",
        )?
        .execute((
            writer.kind,
            writer.connection.as_str(),
            id.0,
            state.as_str(),
            reason,
            evidence,
            removed_at,
            &writer.now,
            writer.run.0,
        ))?;
    if changed == 0 {
        return Ok(false);
    }
    let operation = if state == State::Removed { Operation::Remove } else { Operation::Unlist };
    writer.log(sql, id, operation, evidence.or(Some("readable but not listed for a week")))?;
    Ok(true)
}

/// Keeps where elements are placed. Only a complete snapshot takes a placement away, and only from an
/// element it lists: where a missing one was placed is the evidence of why it is missing.
fn keep_placements(sql: &Connection, commit: &KindCommit<'_>) -> rusqlite::Result<()> {
    let KindCommit { connection, kind, snapshot, .. } = commit;
    let key = (kind.name.as_str(), connection.as_str());
    let old = if snapshot.is_complete() { left_placements(sql, key, snapshot)? } else { Vec::new() };
    let mut delete = sql.prepare_cached(
        "DELETE FROM placements WHERE kind = ?1 AND connection = ?2 AND id = ?3 AND scorecard_id = ?4",
    )?;
    for (id, scorecard_id) in old {
        delete.execute((key.0, key.1, id.0, scorecard_id))?;
    }
    let mut insert = sql.prepare_cached(
        "INSERT INTO placements (kind, connection, id, scorecard_id) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
    )?;
    for (id, scorecard_id) in &snapshot.placements {
        insert.execute((key.0, key.1, id.0, scorecard_id))?;
    }
    Ok(())
}

/// Stored placements of listed elements that the snapshot no longer shows.
fn left_placements(
    sql: &Connection,
    key: (&str, &str),
    snapshot: &Snapshot,
) -> rusqlite::Result<Vec<(ElementId, i64)>> {
    let mut statement =
        sql.prepare_cached("SELECT id, scorecard_id FROM placements WHERE kind = ?1 AND connection = ?2")?;
    let stored = statement.query_map(key, |row| Ok((ElementId(row.get(0)?), row.get(1)?)))?;
    let mut left = Vec::new();
    for placement in stored {
        let placement: (ElementId, i64) = placement?;
        if snapshot.placements.binary_search(&placement).is_err() && snapshot.contains(placement.0) {
            left.push(placement);
        }
    }
    Ok(left)
}
