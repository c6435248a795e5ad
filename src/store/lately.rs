//! What happened lately, for whoever shows it: the latest changes, and warnings that were told once. Cheap
//! however much the store holds: only the newest rows are read.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::changes::{COLUMNS, WITH_ELEMENTS, change};
use super::sql::{Fault, Row, Sql};
use super::{Store, StoreError, warnings};
use crate::status::{ChangeGroup, ChangeStatus};
use crate::warning::{Ending, OpenWarning};

/// So many of the newest changes are looked at.
const CHANGES_READ: usize = 2_000;
/// So many that are alike are told as one; fewer stand each for itself.
const FOLDED_FROM: u64 = 4;
/// So many of the newest warnings are looked at.
const WARNINGS_READ: u32 = 500;

impl Store {
    /// The latest changes of all connections, the newest first: what one run did alike to many elements of a
    /// kind is one of at most `limit`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn latest_changes(&self, limit: usize) -> Result<Vec<ChangeGroup>, StoreError> {
        self.read("read the latest changes", |sql| {
            let mut groups = fold(&heads(sql)?);
            groups.truncate(limit);
            tell(sql, &groups)
        })
        .await
    }

    /// The last `limit` warnings that were told once and do not last, raised at `since` or later, the newest
    /// first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn passed_warnings(
        &self,
        since: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<OpenWarning>, StoreError> {
        self.read("read what was told lately", |sql| {
            let columns = warnings::COLUMNS;
            let mut statement = sql.prepare_cached(&format!(
                "SELECT {columns} FROM (SELECT id, ending, {columns} FROM warnings ORDER BY id DESC LIMIT ?3) AS newest
                 WHERE ending = ?1 AND raised_at >= ?2 ORDER BY id DESC LIMIT ?4"
            ))?;
            let values = (Ending::Passed.as_str(), since, WARNINGS_READ, limit);
            statement.query_map(values, warnings::open_warning)
        }).await
    }
}

/// A change, as far as it says which others are like it.
struct Head {
    sequence: i64,
    /// What was at work: the run, the connection, the kind and the part.
    by: (i64, String, String, String),
    operation: String,
}

/// Changes alike; the latest stands for them.
struct Group {
    sequence: i64,
    count: u64,
    has_more: bool,
}

fn heads(sql: &Sql<'_>) -> Result<Vec<Head>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT sequence, run, connection, kind, part, operation FROM changes ORDER BY sequence DESC LIMIT ?1",
    )?;
    statement.query_map([CHANGES_READ], |row: &Row<'_>| {
        Ok(Head {
            sequence: row.get(0)?,
            by: (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?),
            operation: row.get(5)?,
        })
    })
}

/// Puts together what is alike, the newest first.
fn fold(heads: &[Head]) -> Vec<Group> {
    let mut counts: HashMap<_, u64> = HashMap::new();
    for Head { by, operation, .. } in heads {
        *counts.entry((by, operation)).or_default() += 1;
    }
    // What was at work in the last row that was read may have done more before.
    let cut = heads.last().filter(|_| heads.len() == CHANGES_READ).map(|last| &last.by);
    let mut groups = Vec::new();
    for Head { sequence, by, operation } in heads {
        let alike = (by, operation);
        match counts.get(&alike).copied() {
            Some(FOLDED_FROM..) => {
                let count = counts.remove(&alike).unwrap_or_default();
                groups.push(Group { sequence: *sequence, count, has_more: cut == Some(by) });
            }
            Some(_) => groups.push(Group { sequence: *sequence, count: 1, has_more: false }),
            // The latest of them stands for it.
            None => {}
        }
    }
    groups
}

/// Reads the latest of each group whole.
fn tell(sql: &Sql<'_>, groups: &[Group]) -> Result<Vec<ChangeGroup>, Fault> {
    let query = format!("SELECT {COLUMNS} FROM {WITH_ELEMENTS} WHERE c.sequence = ?1");
    let mut statement = sql.prepare_cached(&query)?;
    let tell = |Group { sequence, count, has_more }: &Group| {
        let latest: ChangeStatus = statement.query_row([*sequence], change)?;
        Ok(ChangeGroup { latest, count: *count, has_more: *has_more })
    };
    groups.iter().map(tell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(sequence: i64, run: i64, operation: &str) -> Head {
        let by = (run, "city".to_owned(), "measures".to_owned(), "doc".to_owned());
        Head { sequence, by, operation: operation.to_owned() }
    }

    fn told(heads: &[Head]) -> Vec<(i64, u64, bool)> {
        fold(heads).iter().map(|group| (group.sequence, group.count, group.has_more)).collect()
    }

    #[test]
    fn what_one_run_did_alike_to_many_is_one_and_to_few_is_each_for_itself() {
        let mut heads: Vec<Head> = (1..=3).rev().map(|sequence| head(sequence, 7, "update")).collect();
        assert_eq!(told(&heads), [(3, 1, false), (2, 1, false), (1, 1, false)]);
        heads.push(head(0, 7, "update"));
        heads.insert(0, head(4, 7, "insert"));
        assert_eq!(told(&heads), [(4, 1, false), (3, 4, false)]);
    }

    #[test]
    fn where_not_all_were_read_what_the_last_belongs_to_has_more() {
        let count = i64::try_from(CHANGES_READ).unwrap();
        let heads: Vec<Head> = (0..count).rev().map(|n| head(n, i64::from(n >= 10), "insert")).collect();
        assert_eq!(told(&heads), [(count - 1, CHANGES_READ as u64 - 10, false), (9, 10, true)]);
    }
}
