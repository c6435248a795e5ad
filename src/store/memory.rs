//! What outlives a run, kind by kind: its memory, elements in question, held removals, rejected rows,
//! findings.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::elements::{KEY, key};
use super::sql::{Cell, Fault, Sql, ToCell as _, unreadable};
use super::{HELD_VALUES, KindCommit, Store, StoreError, runs};
use crate::element::{ElementId, Fingerprint};
use crate::kind::KindName;
use crate::memory::KindMemory;
use crate::name::ConnectionName;
use crate::plan::{Held, Missing};
use crate::snapshot::{Extent, Rejected};

/// A rejected row becomes a standing notice when it was seen in this many full runs.
const STANDING_RUNS: u32 = 3;

/// A row kept aside, and how often it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// The row.
    pub row: Rejected,
    /// In how many full runs it was seen; counts to three and no further.
    pub full_runs: u32,
}

impl RejectedRow {
    /// Whether it is known well enough that it no longer counts against a run.
    #[must_use]
    pub fn is_standing(&self) -> bool {
        self.full_runs >= STANDING_RUNS
    }
}

impl Store {
    /// What is remembered of a kind; the default before its first run.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn memory(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
    ) -> Result<KindMemory, StoreError> {
        self.read(format!("read what is remembered of {kind} of {connection}"), |sql| {
            stored(sql, connection, kind)
        })
        .await
    }

    /// Keeps what a probe learned of a kind. Called under the connection's lock, by who read the memory
    /// under it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn remember(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
        memory: &KindMemory,
    ) -> Result<(), StoreError> {
        self.write_of(connection, format!("keep what is remembered of {kind} of {connection}"), |sql| {
            keep(sql, connection, kind, memory)
        })
        .await
    }

    /// The elements of a kind that were not listed and are still in question.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn missing(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
    ) -> Result<Vec<Missing>, StoreError> {
        self.read(format!("read the missing {kind} of {connection}"), |sql| missing(sql, connection, kind))
            .await
    }

    /// The removals of a kind that a limit holds back.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn held(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
    ) -> Result<Option<Held>, StoreError> {
        self.read(format!("read the held {kind} of {connection}"), |sql| held(sql, connection, kind)).await
    }

    /// Lets the next run remove exactly the set held now, and says which that is; `None`: nothing is
    /// held. Only a full run finds removals, so the next run is asked to be one.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn release_kind(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
    ) -> Result<Option<Held>, StoreError> {
        self.write_of(connection, format!("release the held {kind} of {connection}"), |sql| {
            sql.execute(
                "UPDATE held SET is_released = TRUE WHERE connection = ?1 AND kind = ?2",
                (connection.as_str(), kind.as_str()),
            )?;
            let held = held(sql, connection, kind)?;
            if held.is_some() && kind.as_str() != HELD_VALUES {
                runs::ask_for_full(sql, connection)?;
            }
            Ok(held)
        })
        .await
    }

    /// The rows of a kind that are kept aside.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn rejected(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
    ) -> Result<Vec<RejectedRow>, StoreError> {
        self.read(format!("read the rejected {kind} of {connection}"), |sql| rejected(sql, connection, kind))
            .await
    }

    /// What a pull or a probe found out about a kind under the name `finding`, and when.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn finding(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
        finding: &str,
    ) -> Result<Option<(String, DateTime<Utc>)>, StoreError> {
        self.read(format!("read findings on {kind} of {connection}"), |sql| {
            let row = sql
                .prepare_cached(
                    "SELECT value, found_at FROM findings
                     WHERE connection = ?1 AND kind = ?2 AND finding = ?3",
                )?
                .query_first((connection.as_str(), kind.as_str(), finding), |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            Ok(row)
        })
        .await
    }

    /// Keeps a finding; one that says the same as before is not written, and keeps its time.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn record_finding(
        &self,
        connection: &ConnectionName,
        kind: &KindName,
        finding: &str,
        value: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write_of(connection, format!("keep a finding on {kind} of {connection}"), |sql| {
            sql.execute(
                "INSERT INTO findings (connection, kind, finding, value, found_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (connection, kind, finding) DO UPDATE SET value = ?4, found_at = ?5
                 WHERE findings.value <> ?4",
                (connection.as_str(), kind.as_str(), finding, value, now),
            )?;
            Ok(())
        })
        .await
    }
}

/// What is remembered of a kind; the default before its first run.
pub(super) fn stored(
    sql: &Sql<'_>,
    connection: &ConnectionName,
    kind: &KindName,
) -> Result<KindMemory, Fault> {
    let text: Option<String> = sql
        .prepare_cached("SELECT memory FROM cursors WHERE connection = ?1 AND kind = ?2")?
        .query_first((connection.as_str(), kind.as_str()), |row| row.get(0))?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default())
}

fn missing(sql: &Sql<'_>, connection: &ConnectionName, kind: &KindName) -> Result<Vec<Missing>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT id, since, checked_at, checks, answer FROM missing
         WHERE kind = ?1 AND connection = ?2 ORDER BY id",
    )?;
    let rows = statement.query_map((kind.as_str(), connection.as_str()), |row| {
        Ok(Missing {
            id: ElementId(row.get(0)?),
            since: row.get(1)?,
            checked_at: row.get(2)?,
            checks: row.get(3)?,
            answer: row.get(4)?,
        })
    })?;
    Ok(rows)
}

/// The held set of a kind.
pub(super) fn held(
    sql: &Sql<'_>,
    connection: &ConnectionName,
    kind: &KindName,
) -> Result<Option<Held>, Fault> {
    sql.prepare_cached(
        "SELECT digest, ids, since, is_released FROM held WHERE connection = ?1 AND kind = ?2",
    )?
    .query_first((connection.as_str(), kind.as_str()), |row| {
        let ids = serde_json::from_str(row.text(1)?)
            .map_err(|error| unreadable(format!("the held ids: {error}")))?;
        Ok(Held { digest: row.get(0)?, ids, since: row.get(2)?, is_released: row.get(3)? })
    })
}

fn rejected(sql: &Sql<'_>, connection: &ConnectionName, kind: &KindName) -> Result<Vec<RejectedRow>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT reason, keys, digest, full_runs FROM rejected
         WHERE connection = ?1 AND kind = ?2 ORDER BY reason, keys, digest",
    )?;
    let rows = statement.query_map((connection.as_str(), kind.as_str()), |row| {
        let keys = serde_json::from_str(row.text(1)?)
            .map_err(|error| unreadable(format!("keys of a rejected row: {error}")))?;
        let digest = Fingerprint::from_bytes(row.get(2)?);
        Ok(RejectedRow { row: Rejected { reason: row.get(0)?, keys, digest }, full_runs: row.get(3)? })
    })?;
    Ok(rows)
}

/// Keeps what is remembered of a kind, if it differs.
pub(super) fn keep(
    sql: &Sql<'_>,
    connection: &ConnectionName,
    kind: &KindName,
    memory: &KindMemory,
) -> Result<(), Fault> {
    sql.prepare_cached(
        "INSERT INTO cursors (connection, kind, memory) VALUES (?1, ?2, ?3)
         ON CONFLICT (connection, kind) DO UPDATE SET memory = ?3 WHERE cursors.memory <> ?3",
    )?
    .execute((connection.as_str(), kind.as_str(), serde_json::to_string(memory)?))?;
    Ok(())
}

/// Takes listed and removed elements out of question, and keeps what is known of the others.
pub(super) fn keep_missing(sql: &Sql<'_>, commit: &KindCommit<'_>) -> Result<(), Fault> {
    let KindCommit { connection, kind, snapshot, verdicts, .. } = commit;
    let before = missing(sql, connection, &kind.name)?;
    let removed: BTreeSet<_> = verdicts.removals.iter().map(|removal| removal.id).collect();
    let is_settled = |old: &&Missing| snapshot.contains(old.id) || removed.contains(&old.id);
    let key = |id| key(kind.name.as_str(), connection, id);
    let settled: Vec<_> = before.iter().filter(is_settled).map(|old| key(old.id).to_vec()).collect();
    sql.delete_rows("missing", KEY, &settled)?;
    let held = held_for_the_first_time(commit, &before);
    let is_known = |new: &&Missing| {
        let old = before.binary_search_by_key(&new.id, |old| old.id).ok();
        old.is_some_and(|index| before[index] == **new)
    };
    let news = verdicts.undecided.iter().chain(&held).filter(|new| !is_known(new));
    let row = |new: &Missing| {
        let Missing { id, since, checked_at, checks, answer } = new;
        let cells = [since.to_cell(), checked_at.to_cell(), checks.to_cell(), answer.to_cell()];
        key(*id).into_iter().chain(cells).map(Cell::into_owned).collect()
    };
    sql.add_rows(
        "missing",
        &[
            ("kind", "text"),
            ("connection", "text"),
            ("id", "bigint"),
            ("since", "timestamptz"),
            ("checked_at", "timestamptz"),
            ("checks", "bigint"),
            ("answer", "text"),
        ],
        "ON CONFLICT (kind, connection, id) DO UPDATE SET since = excluded.since,
           checked_at = excluded.checked_at, checks = excluded.checks, answer = excluded.answer",
        &news.map(row).collect::<Vec<_>>(),
    )
}

/// What a limit keeps from being removed by this run: it is missing, and not read again while held.
fn held_for_the_first_time(commit: &KindCommit<'_>, before: &[Missing]) -> Vec<Missing> {
    let Some(held) = commit.held.filter(|_| commit.snapshot.is_complete()) else { return Vec::new() };
    let undecided: BTreeSet<_> = commit.verdicts.undecided.iter().map(|missing| missing.id).collect();
    let is_known =
        |id: &ElementId| before.binary_search_by_key(id, |old| old.id).is_ok() || undecided.contains(id);
    let missing =
        |&id: &ElementId| Missing { id, since: commit.now, checked_at: None, checks: 0, answer: None };
    held.ids.iter().filter(|id| !is_known(id)).map(missing).collect()
}

/// Makes `held` the held set of a kind. A release that a person gave meanwhile to the same set stands.
pub(super) fn keep_held(
    sql: &Sql<'_>,
    connection: &ConnectionName,
    kind: &KindName,
    held: Option<&Held>,
) -> Result<(), Fault> {
    let key = (connection.as_str(), kind.as_str());
    let Some(held) = held else {
        sql.prepare_cached("DELETE FROM held WHERE connection = ?1 AND kind = ?2")?.execute(key)?;
        return Ok(());
    };
    sql.prepare_cached(
        "INSERT INTO held (connection, kind, digest, ids, since, is_released)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (connection, kind) DO UPDATE
         SET digest = ?3, ids = ?4, since = ?5, is_released = ?6
         WHERE held.digest <> ?3 OR held.is_released < ?6",
    )?
    .execute((
        key.0,
        key.1,
        &held.digest,
        serde_json::to_string(&held.ids)?,
        held.since,
        held.is_released,
    ))?;
    Ok(())
}

/// Replaces the rejected rows of a kind, counting the full runs each was seen in; gives those that were
/// not kept before.
pub(super) fn keep_rejected(sql: &Sql<'_>, commit: &KindCommit<'_>) -> Result<Vec<Rejected>, Fault> {
    let KindCommit { connection, kind, snapshot, rejected: now, .. } = commit;
    let before = rejected(sql, connection, &kind.name)?;
    let is_full = snapshot.extent != Extent::Incremental;
    let mut delete =
        sql.prepare_cached("DELETE FROM rejected WHERE connection = ?1 AND kind = ?2 AND digest = ?3")?;
    let is_gone = |old: &&RejectedRow| is_full && !now.iter().any(|row| row.digest == old.row.digest);
    for old in before.iter().filter(is_gone) {
        delete.execute((connection.as_str(), kind.name.as_str(), old.row.digest.to_bytes()))?;
    }
    let mut upsert = sql.prepare_cached(
        "INSERT INTO rejected (connection, kind, digest, reason, keys, full_runs, first_seen_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (connection, kind, digest) DO UPDATE SET full_runs = ?6
         WHERE rejected.full_runs <> ?6",
    )?;
    for row in *now {
        let old = before.iter().find(|old| old.row.digest == row.digest);
        let full_runs = old.map_or(0, |old| old.full_runs) + u32::from(is_full);
        upsert.execute((
            connection.as_str(),
            kind.name.as_str(),
            row.digest.to_bytes(),
            &row.reason,
            serde_json::to_string(&row.keys)?,
            full_runs.min(STANDING_RUNS),
            commit.now,
        ))?;
    }
    let is_new = |row: &&Rejected| before.iter().all(|old| old.row.digest != row.digest);
    Ok(now.iter().filter(is_new).cloned().collect())
}
