//! Warnings as they stand: raised, said, resolved, and kept as history. Commit first, then log, then
//! mark as said, and in that same transaction queue what targets are told: after a crash a line may come
//! again, never be lost, and nothing that was said is lost to a target.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::runs::word;
use super::sql::{Fault, Row, Sql, unreadable};
use super::{Store, StoreError, deliveries};
use crate::name::{ConnectionName, TargetName};
use crate::warning::{Ending, Notice, OpenWarning, Phase, Warning, WarningId};

/// What [`open_warning`] reads.
pub(super) const COLUMNS: &str =
    "connection, event, subject, severity, level, message, action, fields, raised_at,
    said_at, said";

impl Store {
    /// Every open warning, the most severe first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open_warnings(&self) -> Result<Vec<OpenWarning>, StoreError> {
        self.read_open(None).await
    }

    /// The open warnings of one connection, the most urgent first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open_warnings_of(
        &self,
        connection: &ConnectionName,
    ) -> Result<Vec<OpenWarning>, StoreError> {
        self.read_open(Some(connection)).await
    }

    async fn read_open(&self, connection: Option<&ConnectionName>) -> Result<Vec<OpenWarning>, StoreError> {
        self.read("read the open warnings", |sql| {
            let mut statement = sql.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM warnings
                 WHERE resolved_at IS NULL AND (CAST(?1 AS text) IS NULL OR connection = ?1) ORDER BY id"
            ))?;
            let rows = statement.query_map([connection.map(ConnectionName::as_str)], open_warning)?;
            let mut open = rows;
            open.sort_by_key(|open| std::cmp::Reverse(open.warning.severity));
            Ok(open)
        })
        .await
    }

    /// Raises a warning, or brings the open one with its identity up to date; writes only what differs.
    /// Gives it as it is stored: one that was never said has `said` 0.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn raise(&self, warning: &Warning, now: DateTime<Utc>) -> Result<OpenWarning, StoreError> {
        self.write_of(&warning.id.connection, format!("raise {}", warning.id), |sql| {
            let id = &warning.id;
            raise(sql, warning, now)?;
            let mut statement = sql.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM warnings
                 WHERE resolved_at IS NULL AND connection = ?1 AND event = ?2 AND subject = ?3"
            ))?;
            statement.query_row(key(id), open_warning)
        })
        .await
    }

    /// Brings an open warning up to date, marks it as said once more, and queues what its targets are told:
    /// all together or nothing. A passing one is over with that. What another process raised meanwhile is not
    /// raised again.
    ///
    /// # Errors
    /// The store cannot be written; the warning then counts as not said.
    pub async fn told(
        &self,
        warning: &Warning,
        phase: Phase,
        targets: &[&TargetName],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write_of(&warning.id.connection, format!("mark {} as said", warning.id), |sql| {
            if phase == Phase::Raised && was_raised(sql, &warning.id)? {
                return Ok(());
            }
            raise(sql, warning, now)?;
            let (row, raised_at) = open_row(sql, &warning.id)?.ok_or("the warning just stored is gone")?;
            let passed = warning.id.event.is_passing().then(|| (now, Ending::Passed.as_str()));
            sql.prepare_cached(
                "UPDATE warnings SET said_at = ?2, said = said + 1, resolved_at = ?3, ending = ?4 WHERE id = ?1",
            )?
            .execute((row, now, passed.as_ref().map(|(at, _)| at), passed.as_ref().map(|(_, ending)| ending)))?;
            let notice = Notice { warning: warning.clone(), phase, raised_at, at: now };
            for target in targets {
                deliveries::queue(sql, row, target, &notice)?;
            }
            Ok(())
        }).await
    }

    /// Resolves an open warning, given as it ended, and queues that for those of the targets that were ever
    /// to be told of it: all together or nothing. Whether it was open.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn resolve(
        &self,
        warning: &Warning,
        ending: Ending,
        targets: &[&TargetName],
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        self.write_of(&warning.id.connection, format!("resolve {}", warning.id), |sql| {
            let Some((row, raised_at)) = open_row(sql, &warning.id)? else { return Ok(false) };
            let ended = sql
                .prepare_cached(
                    "UPDATE warnings SET resolved_at = ?2, ending = ?3 WHERE id = ?1 AND resolved_at IS NULL",
                )?
                .execute((row, now, ending.as_str()))?;
            // Another process may have been faster.
            if ended == 0 {
                return Ok(false);
            }
            let notice = Notice { warning: warning.clone(), phase: Phase::Resolved, raised_at, at: now };
            for target in targets {
                if deliveries::was_queued(sql, row, target)? {
                    deliveries::queue(sql, row, target, &notice)?;
                }
            }
            Ok(true)
        })
        .await
    }

    /// Whether a warning of this identity was told and is over.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn was_told(&self, id: &WarningId) -> Result<bool, StoreError> {
        self.read(format!("look for {id}"), |sql| was_told(sql, id)).await
    }

    /// The open warnings, the most severe first; with `all` every warning that is still known, the newest
    /// first. Each with what targets were told of it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn warning_records(&self, all: bool) -> Result<Vec<WarningRecord>, StoreError> {
        self.read("read the warnings", |sql| {
            let mut statement = sql.prepare_cached(&format!(
                "SELECT {COLUMNS}, id, resolved_at, ending FROM warnings
                 WHERE CAST(?1 AS boolean) OR resolved_at IS NULL ORDER BY raised_at DESC, id DESC"
            ))?;
            let rows = statement.query_map([all], |row| {
                let resolved_at = row.get(12)?;
                let ending = row.text_or_null(13)?.map(word).transpose()?;
                let deliveries = Vec::new();
                let id: i64 = row.get(11)?;
                Ok((id, WarningRecord { open: open_warning(row)?, resolved_at, ending, deliveries }))
            })?;
            let mut records = Vec::new();
            for (id, mut record) in rows {
                record.deliveries = records_of(sql, id)?;
                records.push(record);
            }
            if !all {
                records.sort_by_key(|record| {
                    (std::cmp::Reverse(record.open.warning.severity), record.open.raised_at)
                });
            }
            Ok(records)
        })
        .await
    }
}

/// A warning with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarningRecord {
    /// As last said.
    pub open: OpenWarning,
    /// When it ended; `None`: it is open.
    pub resolved_at: Option<DateTime<Utc>>,
    /// How it ended; `None`: it is open, or ended before that was kept.
    pub ending: Option<Ending>,
    /// What targets were told of it, and are to be told, in order.
    pub deliveries: Vec<DeliveryRecord>,
}

/// One message to one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryRecord {
    /// Which target.
    pub target: String,
    /// What it tells.
    pub phase: Phase,
    /// Since when it waits, or waited.
    pub queued_at: DateTime<Utc>,
    /// When it was taken.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When it was given up.
    pub abandoned_at: Option<DateTime<Utc>>,
    /// How often it was tried.
    pub tries: u32,
    /// What the target answered last.
    pub answer: Option<String>,
}

fn records_of(sql: &Sql<'_>, warning: i64) -> Result<Vec<DeliveryRecord>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT target, phase, queued_at, delivered_at, abandoned_at, tries, answer FROM deliveries
         WHERE warning = ?1 ORDER BY target, told_at, id",
    )?;
    let rows = statement.query_map([warning], |row| {
        let at = |column: usize| row.get(column);
        Ok(DeliveryRecord {
            target: row.get(0)?,
            phase: word(row.text(1)?)?,
            queued_at: row.get(2)?,
            delivered_at: at(3)?,
            abandoned_at: at(4)?,
            tries: row.get(5)?,
            answer: row.get(6)?,
        })
    })?;
    Ok(rows)
}

/// The row of an open warning, and when it was raised.
pub(super) fn open_row(sql: &Sql<'_>, id: &WarningId) -> Result<Option<(i64, DateTime<Utc>)>, Fault> {
    sql.prepare_cached(
        "SELECT id, raised_at FROM warnings
         WHERE connection = ?1 AND event = ?2 AND subject = ?3 AND resolved_at IS NULL",
    )?
    .query_first(key(id), |row| Ok((row.get(0)?, row.get(1)?)))
}

fn was_told(sql: &Sql<'_>, id: &WarningId) -> Result<bool, Fault> {
    sql.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM warnings WHERE connection = ?1 AND event = ?2 AND subject = ?3
           AND resolved_at IS NOT NULL AND said > 0)",
    )?
    .query_row(key(id), |row| row.get(0))
}

/// Whether the warning that is to be raised was said already: it is open, or passed.
fn was_raised(sql: &Sql<'_>, id: &WarningId) -> Result<bool, Fault> {
    let is_said = sql
        .prepare_cached(
            "SELECT said > 0 FROM warnings
             WHERE connection = ?1 AND event = ?2 AND subject = ?3 AND resolved_at IS NULL",
        )?
        .query_first(key(id), |row| row.get(0))?;
    match is_said {
        Some(is_said) => Ok(is_said),
        None => Ok(id.event.is_passing() && was_told(sql, id)?),
    }
}

/// Stores a warning as raised and not yet said, or brings the open one up to date: for whatever must
/// stand or fall with the fact it tells of. Writes only what differs.
pub(super) fn raise(sql: &Sql<'_>, warning: &Warning, now: DateTime<Utc>) -> Result<(), Fault> {
    let Warning { id, severity, level, message, action, fields } = warning;
    sql.prepare_cached(
        "INSERT INTO warnings (connection, event, subject, severity, level, message, action, fields,
           raised_at, said_at, said)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, 0)
         ON CONFLICT (connection, event, subject) WHERE resolved_at IS NULL DO UPDATE
         SET severity = ?4, level = ?5, message = ?6, action = ?7, fields = ?8
         WHERE warnings.severity <> ?4 OR warnings.level <> ?5 OR warnings.message <> ?6
           OR warnings.action <> ?7 OR warnings.fields <> ?8",
    )?
    .execute((
        id.connection.as_str(),
        id.event.as_str(),
        &id.subject,
        severity.as_str(),
        level,
        message,
        action,
        serde_json::to_string(fields)?,
        now,
    ))?;
    Ok(())
}

fn key(id: &WarningId) -> (&str, &str, &str) {
    (id.connection.as_str(), id.event.as_str(), &id.subject)
}

pub(super) fn open_warning(row: &Row<'_>) -> Result<OpenWarning, Fault> {
    let connection = ConnectionName::parse(row.text(0)?)
        .map_err(|error| unreadable(format!("a warning's connection {error}")))?;
    let fields = serde_json::from_str(row.text(7)?)
        .map_err(|error| unreadable(format!("a warning's fields: {error}")))?;
    Ok(OpenWarning {
        warning: Warning {
            id: WarningId { event: word(row.text(1)?)?, connection, subject: row.get(2)? },
            severity: word(row.text(3)?)?,
            level: row.get(4)?,
            message: row.get(5)?,
            action: row.get(6)?,
            fields,
        },
        raised_at: row.get(8)?,
        said_at: row.get(9)?,
        said: row.get(10)?,
    })
}
