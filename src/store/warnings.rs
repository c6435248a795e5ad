//! Warnings as they stand: raised, said, resolved, and kept as history. Commit first, then log, then
//! mark as said: after a crash a line may come again, never be lost.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row};

use super::runs::word;
use super::sqlite::{instant, text, unreadable};
use super::{Store, StoreError};
use crate::name::ConnectionName;
use crate::warning::{OpenWarning, Warning, WarningId};

const OPEN: &str = "SELECT connection, event, subject, severity, level, message, action, fields,
    raised_at, said_at, said FROM warnings WHERE resolved_at IS NULL";

impl Store {
    /// Every open warning, the most severe first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open_warnings(&self) -> Result<Vec<OpenWarning>, StoreError> {
        let Self::Sqlite(db) = self;
        db.read("read the open warnings", |sql| {
            let mut statement = sql.prepare_cached(&format!("{OPEN} ORDER BY id"))?;
            let rows = statement.query_map([], open_warning)?;
            let mut open = rows.collect::<Result<Vec<_>, _>>()?;
            open.sort_by_key(|open| std::cmp::Reverse(open.warning.severity));
            Ok(open)
        })
    }

    /// Raises a warning, or brings the open one with its identity up to date; writes only what differs.
    /// Gives it as it is stored: one that was never said has `said` 0.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn raise(&self, warning: &Warning, now: DateTime<Utc>) -> Result<OpenWarning, StoreError> {
        let Self::Sqlite(db) = self;
        db.write(format_args!("raise {}", warning.id), |sql| {
            let Warning { id, severity, level, message, action, fields } = warning;
            sql.prepare_cached(
                "INSERT INTO warnings (connection, event, subject, severity, level, message, action, fields,
                   raised_at, said_at, said)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, 0)
                 ON CONFLICT (connection, event, subject) WHERE resolved_at IS NULL DO UPDATE
                 SET severity = ?4, level = ?5, message = ?6, action = ?7, fields = ?8
                 WHERE severity <> ?4 OR level <> ?5 OR message <> ?6 OR action <> ?7 OR fields <> ?8",
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
                text(now),
            ))?;
            let mut statement =
                sql.prepare_cached(&format!("{OPEN} AND connection = ?1 AND event = ?2 AND subject = ?3"))?;
            Ok(statement.query_row(key(id), open_warning)?)
        })
    }

    /// Marks an open warning as said once more.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn said(&self, id: &WarningId, now: DateTime<Utc>) -> Result<(), StoreError> {
        let Self::Sqlite(db) = self;
        db.write(format_args!("mark {id} as said"), |sql| {
            let (connection, event, subject) = key(id);
            sql.prepare_cached(
                "UPDATE warnings SET said_at = ?4, said = said + 1
                 WHERE connection = ?1 AND event = ?2 AND subject = ?3 AND resolved_at IS NULL",
            )?
            .execute((connection, event, subject, text(now)))?;
            Ok(())
        })
    }

    /// Resolves a warning and gives it as it last stood; `None`: it was not open.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn resolve(
        &self,
        id: &WarningId,
        now: DateTime<Utc>,
    ) -> Result<Option<OpenWarning>, StoreError> {
        let Self::Sqlite(db) = self;
        db.write(format_args!("resolve {id}"), |sql| {
            let mut statement =
                sql.prepare_cached(&format!("{OPEN} AND connection = ?1 AND event = ?2 AND subject = ?3"))?;
            let open = statement.query_row(key(id), open_warning).optional()?;
            if open.is_some() {
                let (connection, event, subject) = key(id);
                sql.prepare_cached(
                    "UPDATE warnings SET resolved_at = ?4
                     WHERE connection = ?1 AND event = ?2 AND subject = ?3 AND resolved_at IS NULL",
                )?
                .execute((connection, event, subject, text(now)))?;
            }
            Ok(open)
        })
    }
}

fn key(id: &WarningId) -> (&str, &str, &str) {
    (id.connection.as_str(), id.event.as_str(), &id.subject)
}

fn open_warning(row: &Row<'_>) -> rusqlite::Result<OpenWarning> {
    let connection = ConnectionName::parse(row.get_ref(0)?.as_str()?)
        .map_err(|error| unreadable(format!("a warning's connection {error}")))?;
    let fields = serde_json::from_str(row.get_ref(7)?.as_str()?)
        .map_err(|error| unreadable(format!("a warning's fields: {error}")))?;
    Ok(OpenWarning {
        warning: Warning {
            id: WarningId { event: word(row.get_ref(1)?.as_str()?)?, connection, subject: row.get(2)? },
            severity: word(row.get_ref(3)?.as_str()?)?,
            level: row.get(4)?,
            message: row.get(5)?,
            action: row.get(6)?,
            fields,
        },
        raised_at: instant(row.get_ref(8)?.as_str()?)?,
        said_at: instant(row.get_ref(9)?.as_str()?)?,
        said: row.get(10)?,
    })
}
