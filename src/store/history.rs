//! What the store remembers of its elements: the log of changes from any point on, and one element with
//! all that is known of it.

use chrono::{DateTime, Utc};

use super::changes::{COLUMNS, WITH_ELEMENTS, change};
use super::sql::{Fault, Row, Sql, Values};
use super::{Store, StoreError};
use crate::element::ElementId;
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::run::RunId;
use crate::status::ChangeStatus;

/// Changes read at once.
const PAGE: u32 = 500;

/// A change with what stood in the document before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The change.
    pub row: ChangeStatus,
    /// The run that made it.
    pub run: RunId,
    /// The changed fields' values before, a JSON object.
    pub before: Option<String>,
    /// And after.
    pub after: Option<String>,
}

/// From where on changes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Those with a greater sequence.
    Sequence(i64),
    /// Those at or after an instant.
    Instant(DateTime<Utc>),
}

/// Where an element is placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The scorecard.
    pub scorecard_id: ElementId,
    /// Its name, where the store knows it.
    pub scorecard: Option<String>,
}

/// An element, and all that is known of it but its changes and values. Times are text as stored (ISO 8601,
/// UTC).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementRecord {
    /// Whose.
    pub connection: String,
    /// Which.
    pub id: ElementId,
    /// Its name.
    pub name: Option<String>,
    /// `present`, `unlisted` or `removed`.
    pub state: String,
    /// Why it was removed.
    pub reason: Option<String>,
    /// What showed that.
    pub evidence: Option<String>,
    /// Since when it has been missing from the lists and is in question.
    pub missing_since: Option<String>,
    /// Its scorecards, in the order of their ids.
    pub placements: Vec<Placement>,
    /// Its owner.
    pub owner_id: Option<ElementId>,
    /// The owner's name, where users are known.
    pub owner: Option<String>,
    /// When the store first saw it.
    pub first_seen_at: String,
    /// When the store last saw it change.
    pub changed_at: String,
    /// When it was removed.
    pub removed_at: Option<String>,
    /// `lastEdited` as ClearPoint wrote it.
    pub last_edited: Option<String>,
    /// Its document, JSON.
    pub doc: String,
    /// What a single read brought beside it, JSON.
    pub detail: Option<String>,
}

/// A value of a measure.
#[derive(Debug, Clone, PartialEq)]
pub struct PointRecord {
    /// The series.
    pub series: String,
    /// The period, as ClearPoint spells it.
    pub period: String,
    /// Its number there.
    pub period_id: Option<i64>,
    /// The value; `None`: an empty cell, or text.
    pub value: Option<f64>,
    /// What stands there if it is no number.
    pub text: Option<String>,
    /// When it left the measure.
    pub removed_at: Option<String>,
}

impl Store {
    /// Hands over changes in the order of their sequence, of one connection and one kind where these are
    /// given, at most `limit` of them. Reads page by page, each in a transaction of its own: no change ever
    /// becomes another.
    ///
    /// # Errors
    /// The store cannot be read; or that of `take`, which ends it.
    pub async fn changes_since<E: From<StoreError>>(
        &self,
        since: Since,
        connection: Option<&ConnectionName>,
        kind: Option<&KindName>,
        limit: Option<u64>,
        mut take: impl FnMut(Change) -> Result<(), E>,
    ) -> Result<(), E> {
        let from = match since {
            Since::Sequence(_) => None,
            Since::Instant(at) => Some(at),
        };
        let mut left = limit.unwrap_or(u64::MAX);
        let mut last = match since {
            Since::Sequence(sequence) => sequence,
            Since::Instant(at) => self.read("find changes by their time", |sql| before(sql, at)).await?,
        };
        let key = (connection.map(ConnectionName::as_str), kind.map(KindName::as_str));
        while left > 0 {
            let rows = PAGE.min(u32::try_from(left).unwrap_or(PAGE));
            let page = self
                .read("read changes", |sql| {
                    let which = "c.sequence > ?1 AND (CAST(?2 AS text) IS NULL OR c.connection = ?2)
                     AND (CAST(?3 AS text) IS NULL OR c.kind = ?3)
                     AND (CAST(?4 AS boolean) OR c.at >= ?5) ORDER BY c.sequence LIMIT ?6";
                    read(sql, which, (last, key.0, key.1, from.is_none(), from, rows))
                })
                .await?;
            let Some(newest) = page.last() else { break };
            last = newest.row.sequence;
            left -= page.len() as u64;
            let is_last = page.len() < rows as usize;
            page.into_iter().try_for_each(&mut take)?;
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// The newest `limit` of the changes that [`Store::changes_since`] would hand over, in the same order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn newest_changes(
        &self,
        since: Since,
        connection: Option<&ConnectionName>,
        kind: Option<&KindName>,
        limit: u64,
    ) -> Result<Vec<Change>, StoreError> {
        let (sequence, from) = match since {
            Since::Sequence(sequence) => (sequence, None),
            Since::Instant(at) => (0, Some(at)),
        };
        let key = (connection.map(ConnectionName::as_str), kind.map(KindName::as_str));
        self.read("read changes", |sql| {
            let which = "c.sequence > ?1 AND (CAST(?2 AS text) IS NULL OR c.connection = ?2)
                     AND (CAST(?3 AS text) IS NULL OR c.kind = ?3)
                 AND (CAST(?4 AS boolean) OR c.at >= ?5) ORDER BY c.sequence DESC LIMIT ?6";
            let mut newest = read(sql, which, (sequence, key.0, key.1, from.is_none(), from, limit))?;
            newest.reverse();
            Ok(newest)
        })
        .await
    }

    /// The sequence of the oldest change that is still kept.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn oldest_change(&self) -> Result<Option<i64>, StoreError> {
        self.read("read the oldest change", |sql| {
            sql.prepare_cached("SELECT min(sequence) FROM changes")?.query_row((), |row| row.get(0))
        })
        .await
    }

    /// Every change of an element that is still kept, in order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn changes_of(
        &self,
        connection: &str,
        kind: &KindName,
        id: ElementId,
    ) -> Result<Vec<Change>, StoreError> {
        self.read(format!("read what changed about {kind} {id} of {connection}"), |sql| {
            let which = "c.kind = ?1 AND c.connection = ?2 AND c.id = ?3 ORDER BY c.sequence";
            read(sql, which, (kind.as_str(), connection, id.0))
        })
        .await
    }

    /// The elements of a kind with this id: of one connection, or of each that has it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn elements_with(
        &self,
        connection: Option<&ConnectionName>,
        kind: &KindName,
        id: ElementId,
    ) -> Result<Vec<ElementRecord>, StoreError> {
        self.read(format!("read {kind} {id}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT e.connection, e.name, e.state, e.reason, e.evidence, m.since, e.owner_id, u.name,
                   e.first_seen_at, e.changed_at, e.removed_at, e.last_edited, e.doc, e.detail
                 FROM elements AS e
                 LEFT JOIN missing AS m ON m.kind = e.kind AND m.connection = e.connection AND m.id = e.id
                 LEFT JOIN elements AS u
                   ON u.kind = 'users' AND u.connection = e.connection AND u.id = e.owner_id
                 WHERE e.kind = ?1 AND (CAST(?2 AS text) IS NULL OR e.connection = ?2) AND e.id = ?3",
            )?;
            let key = (kind.as_str(), connection.map(ConnectionName::as_str), id.0);
            let mut found = statement.query_map(key, |row| element(row, id))?;
            found.sort_by(|one, other| one.connection.cmp(&other.connection));
            for element in &mut found {
                element.placements = placements(sql, &element.connection, kind, id)?;
            }
            Ok(found)
        })
        .await
    }

    /// The values of a measure, those that left it too, in the order of series and periods.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn points(&self, connection: &str, id: ElementId) -> Result<Vec<PointRecord>, StoreError> {
        self.read(format!("read the values of measure {id} of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT series, period, period_id, value, text, removed_at FROM measure_values
                 WHERE connection = ?1 AND measure_id = ?2",
            )?;
            let mut points = statement.query_map((connection, id.0), |row| {
                Ok(PointRecord {
                    series: row.get(0)?,
                    period: row.get(1)?,
                    period_id: row.get(2)?,
                    value: row.get(3)?,
                    text: row.get(4)?,
                    removed_at: row.get(5)?,
                })
            })?;
            points.sort_by(|one, other| {
                let key = |point: &PointRecord| (point.series.clone(), point.period_id, point.period.clone());
                key(one).cmp(&key(other))
            });
            Ok(points)
        })
        .await
    }
}

/// The sequence before the first change at or after an instant; beyond all where there is none.
fn before(sql: &Sql<'_>, at: DateTime<Utc>) -> Result<i64, Fault> {
    let first: Option<i64> = sql
        .prepare_cached("SELECT min(sequence) FROM changes WHERE at >= ?1")?
        .query_row([at], |row| row.get(0))?;
    Ok(first.map_or(i64::MAX, |first| first - 1))
}

fn read(sql: &Sql<'_>, which: &str, values: impl Values) -> Result<Vec<Change>, Fault> {
    let mut statement = sql.prepare_cached(&format!(
        "SELECT {COLUMNS}, c.run, c.before, c.after FROM {WITH_ELEMENTS} WHERE {which}"
    ))?;
    let rows = statement.query_map(values, |row| {
        let (run, before, after) = (RunId(row.get(10)?), row.get(11)?, row.get(12)?);
        Ok(Change { row: change(row)?, run, before, after })
    })?;
    Ok(rows)
}

fn element(row: &Row<'_>, id: ElementId) -> Result<ElementRecord, Fault> {
    Ok(ElementRecord {
        connection: row.get(0)?,
        id,
        name: row.get(1)?,
        state: row.get(2)?,
        reason: row.get(3)?,
        evidence: row.get(4)?,
        missing_since: row.get(5)?,
        placements: Vec::new(),
        owner_id: row.get::<Option<i64>>(6)?.map(ElementId),
        owner: row.get(7)?,
        first_seen_at: row.get(8)?,
        changed_at: row.get(9)?,
        removed_at: row.get(10)?,
        last_edited: row.get(11)?,
        doc: row.get(12)?,
        detail: row.get(13)?,
    })
}

fn placements(
    sql: &Sql<'_>,
    connection: &str,
    kind: &KindName,
    id: ElementId,
) -> Result<Vec<Placement>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT p.scorecard_id, s.name FROM placements AS p LEFT JOIN elements AS s
           ON s.kind = 'scorecards' AND s.connection = p.connection AND s.id = p.scorecard_id
         WHERE p.kind = ?1 AND p.connection = ?2 AND p.id = ?3 ORDER BY p.scorecard_id",
    )?;
    let rows = statement.query_map((kind.as_str(), connection, id.0), |row| {
        Ok(Placement { scorecard_id: ElementId(row.get(0)?), scorecard: row.get(1)? })
    })?;
    Ok(rows)
}
