//! Applies what one kind of one run changes, in one transaction. Compares before it writes, in every
//! table: a commit that changes nothing writes nothing but the run record.

use std::collections::BTreeSet;

use super::changes::Writer;
use super::documents::Writing;
use super::elements::full_pulls_since;
use super::imprints::keep_imprints;
use super::placements::keep_placements;
use super::sql::{Cell, Columns, Fault, Sql, ToCell as _};
use super::{KindCommit, Store, StoreError, memory, runs, volatile};
use crate::element::{ElementId, State};
use crate::memory::{Filter, KindMemory};
use crate::plan::Operation;
use crate::run::Counts;
use crate::snapshot::Rejected;
use crate::trust;

impl Store {
    /// Applies one kind of a run: elements, change rows, placements, missing, held and rejected ones,
    /// memory and the run's counts, together or not at all. Returns what was counted, which is also
    /// what the run record says: the requests are `commit.kind_run`'s, all else is seen here.
    ///
    /// # Errors
    /// The spool cannot be read, or the store not written: nothing of the kind is stored.
    pub async fn commit_kind(&self, commit: KindCommit<'_>) -> Result<Committed, StoreError> {
        let doing = format!("store the {} of {}", commit.kind.name, commit.connection);
        self.write_of(commit.connection, doing, |sql| apply(sql, &commit)).await
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

fn apply(sql: &Sql<'_>, commit: &KindCommit<'_>) -> Result<Committed, Fault> {
    let KindCommit { run, connection, kind, now, plan, verdicts, held, .. } = commit;
    let writer = Writer::new(*run, connection, kind.name.as_str(), "doc", *now);
    let mut writing = Writing::new(sql, commit, &writer)?;
    let mut counts = Counts {
        unchanged: plan.unchanged,
        held: held.map_or(0, |held| held.ids.len() as u64),
        missing: verdicts.undecided.len() as u64,
        rejected: commit.rejected.len() as u64,
        requests: commit.kind_run.counts.requests,
        ..Counts::default()
    };
    writing.write_all(&mut counts)?;
    let Writing { unstamped, changed, .. } = writing;
    counts.removed = take_out_of_sight(sql, commit, &writer)?;
    keep_placements(sql, commit)?;
    keep_imprints(sql, commit)?;
    memory::keep_missing(sql, commit)?;
    memory::keep_held(sql, connection, &kind.name, *held)?;
    let rejected_new = memory::keep_rejected(sql, commit)?;
    let memory = KindMemory { filter: filter(sql, commit, unstamped)?, ..commit.memory.clone() };
    memory::keep(sql, connection, &kind.name, &memory)?;
    let is_unreliable = matches!(memory.filter, Filter::Unreliable { .. });
    let volatile = volatile::find(sql, commit, &changed)?;
    writer.finish(sql)?;
    runs::record_kind(sql, *run, connection, commit.kind_run, &counts)?;
    Ok(Committed { counts, unstamped, is_unreliable, rejected_new, volatile })
}

/// Every complete pull is the proof that incremental ones suffice, or that they do not.
fn filter(sql: &Sql<'_>, commit: &KindCommit<'_>, unstamped: u64) -> Result<Filter, Fault> {
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

/// Applies the verdicts: removals and elements that stay unlisted. The rows stay.
fn take_out_of_sight(sql: &Sql<'_>, commit: &KindCommit<'_>, writer: &Writer<'_>) -> Result<u64, Fault> {
    let removals = commit.verdicts.removals.iter();
    let removals =
        removals.map(|removal| (removal.id, Some((removal.reason.as_str(), removal.evidence.as_str()))));
    let unlisted = commit.verdicts.unlisted.iter().map(|id| (*id, None));
    let removed = leave(sql, writer, State::Removed, &removals.collect::<Vec<_>>())?;
    Ok(removed + leave(sql, writer, State::Unlisted, &unlisted.collect::<Vec<_>>())?)
}

/// Takes elements out of the views, each with the reason and the evidence; gives how many were not out already.
fn leave(
    sql: &Sql<'_>,
    writer: &Writer<'_>,
    state: State,
    leaving: &[(ElementId, Option<(&str, &str)>)],
) -> Result<u64, Fault> {
    let removed_at = (state == State::Removed).then_some(writer.now);
    let row = |(id, why): &(ElementId, Option<(&str, &str)>)| {
        let (reason, evidence) = why.unzip();
        let cells = [
            state.as_str().to_cell(),
            reason.to_cell().into_owned(),
            evidence.to_cell().into_owned(),
            removed_at.to_cell().into_owned(),
            writer.now.to_cell(),
            Cell::Integer(writer.run.0),
        ];
        writer.key(*id).into_iter().chain(cells).collect()
    };
    let rows: Vec<Vec<Cell<'_>>> = leaving.iter().map(row).collect();
    let left = sql.query_rows(LEAVE, LEAVING, &rows, |row| Ok(ElementId(row.get(0)?)))?;
    let left: BTreeSet<ElementId> = left.into_iter().collect();
    let operation = if state == State::Removed { Operation::Remove } else { Operation::Unlist };
    for (id, why) in leaving.iter().filter(|(id, _)| left.contains(id)) {
        let evidence = why.map_or("readable but not listed for a week", |(_, evidence)| evidence);
        writer.log(sql, *id, operation, Some(evidence))?;
    }
    Ok(left.len() as u64)
}

const LEAVING: Columns<'_> = &[
    ("kind", "text"),
    ("connection", "text"),
    ("id", "bigint"),
    ("state", "text"),
    ("reason", "text"),
    ("evidence", "text"),
    ("removed_at", "timestamptz"),
    ("now", "timestamptz"),
    ("run", "bigint"),
];

const LEAVE: &str = "UPDATE elements SET state = rows.state, reason = rows.reason, evidence = rows.evidence,
       removed_at = rows.removed_at, changed_at = rows.now, changed_run = rows.run
     FROM rows
     WHERE elements.kind = rows.kind AND elements.connection = rows.connection AND elements.id = rows.id
       AND elements.state NOT IN (rows.state, 'removed')
     RETURNING elements.id";
