//! How old the last complete pull of each kind is, for the watch. The view `freshness` tells people the
//! same; this asks for nothing else, so that it can be looked at often.

use chrono::{DateTime, Utc};

use super::sql::{Fault, Sql};
use super::{Store, StoreError, memory};
use crate::kind::{Kind, KindName};
use crate::name::ConnectionName;

/// The finding that a kind waits for its first complete pull, and since when.
const AWAITED: &str = "first_complete_pull_awaited";

/// How old the last complete pull of a kind is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindAge {
    /// Which kind.
    pub kind: KindName,
    /// When the last pull began that listed all elements, its end proved; `None`: never.
    pub complete_as_of: Option<DateTime<Utc>>,
    /// When a look first found that there was no such pull; now, where there is one.
    pub awaited_since: DateTime<Utc>,
}

impl Store {
    /// The ages of these kinds, without those that are unavailable. Run records are forgotten after a
    /// while, so since when a first complete pull is awaited is remembered here.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn kind_ages(
        &self,
        connection: &ConnectionName,
        kinds: &[Kind],
        now: DateTime<Utc>,
    ) -> Result<Vec<KindAge>, StoreError> {
        let mut ages = self
            .read(format!("read how old the kinds of {connection} are"), |sql| {
                let ages = kinds.iter().filter_map(|kind| age(sql, connection, &kind.name, now).transpose());
                ages.collect::<Result<Vec<_>, _>>()
            })
            .await?;
        for age in ages.iter_mut().filter(|age| age.complete_as_of.is_none()) {
            match self.finding(connection, &age.kind, AWAITED).await? {
                Some((_, since)) => age.awaited_since = since,
                None => self.record_finding(connection, &age.kind, AWAITED, "", now).await?,
            }
        }
        Ok(ages)
    }
}

fn age(
    sql: &Sql<'_>,
    connection: &ConnectionName,
    kind: &KindName,
    now: DateTime<Utc>,
) -> Result<Option<KindAge>, Fault> {
    if memory::stored(sql, connection, kind)?.unavailable.is_some() {
        return Ok(None);
    }
    let complete_as_of = sql
        .prepare_cached(
            // The last by number: a clock that once stood ahead must not hide those that came after.
            "SELECT started_at FROM run_kinds
             WHERE connection = ?1 AND kind = ?2 AND outcome = 'complete' ORDER BY run DESC LIMIT 1",
        )?
        .query_first((connection.as_str(), kind.as_str()), |row| row.get(0))?;
    Ok(Some(KindAge { kind: kind.clone(), complete_as_of, awaited_since: now }))
}
