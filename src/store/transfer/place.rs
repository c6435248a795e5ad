//! The store that is to be filled: whether it may be, what makes room in it, and what beside its rows makes it
//! whole.

use std::collections::BTreeSet;

use super::rows::Reading;
use super::sum::Sum;
use super::tables::{NUMBERED, Shape, TABLES};
use super::{Onto, Stop, Store, StoreError};
use crate::name::ConnectionName;
use crate::store::sql::{Cell, Fault, FromCell as _, Sql};
use crate::store::views;
use crate::tolerate;

impl Store {
    /// Refuses to copy a store onto itself, under whatever name.
    ///
    /// # Errors
    /// [`StoreError::Unusable`]: both are one; else one of them cannot be read.
    pub async fn refuse_same(&self, other: &Self) -> Result<(), StoreError> {
        let is_same = match (self, other) {
            (Self::Sqlite(one), Self::Sqlite(other)) => one.is_same_file(other),
            (Self::Postgres(_), Self::Postgres(_)) => self.schema_met().await? == other.schema_met().await?,
            _ => false,
        };
        if is_same {
            let text = "both configurations name the same store; name another one in the file of --to";
            return Err(StoreError::Unusable(text.into()));
        }
        Ok(())
    }

    /// What tells a schema in PostgreSQL from every other, by whatever way it was reached.
    async fn schema_met(&self) -> Result<Option<[String; 3]>, StoreError> {
        self.read("look which database this is", |sql| {
            sql.prepare_cached(
                "SELECT CAST(pg_postmaster_start_time() AS text), CAST(d.oid AS text), CAST(n.oid AS text)
                 FROM pg_database AS d, pg_namespace AS n
                 WHERE d.datname = current_database() AND n.nspname = current_schema()",
            )?
            .query_first((), |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))
        })
        .await
    }

    /// Refuses a store in PostgreSQL on which somebody works.
    pub(super) async fn refuse_leased(&self) -> Result<(), StoreError> {
        let busy: Vec<(String, String)> = self
            .read("look who is at work", |sql| {
                sql.prepare_cached(
                    "SELECT name, holder FROM leases
                 WHERE holder IS NOT NULL AND expires_at > clock_timestamp() ORDER BY name LIMIT 1",
                )?
                .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))
            })
            .await?;
        match busy.first() {
            Some((name, holder)) => Err(StoreError::Busy(format!("connection {name} is in use ({holder})"))),
            None => Ok(()),
        }
    }

    /// Every connection of which the store holds anything.
    pub(super) async fn known_connections(&self) -> Result<Vec<ConnectionName>, StoreError> {
        let names: Vec<String> = self
            .read("read the connections", |sql| {
                sql.prepare_cached(
                    "SELECT name FROM connections UNION SELECT connection FROM runs ORDER BY 1",
                )?
                .query_map((), |row| row.get(0))
            })
            .await?;
        Ok(names.iter().filter_map(|name| ConnectionName::parse(name).ok()).collect())
    }
}

/// Makes room, and keeps others from writing until all is done.
pub(super) fn clear(from: &Sql<'_>, to: &Sql<'_>, onto: Onto) -> Result<(), Fault> {
    if let Sql::Postgres(_) = to {
        let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        to.execute_batch(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", names.join(", ")))?;
    }
    refuse_loss(from, to, onto)?;
    make_views_give_way(from, to)?;
    for table in TABLES.iter().rev() {
        to.execute(&format!("DELETE FROM {} WHERE {}", table.name, table.only), ())?;
    }
    Ok(())
}

/// While one store is read the other one's transaction waits, longer than a lease where there is much; but
/// not for ever, for whoever copies may be cut off.
pub(super) fn let_wait(sql: &Sql<'_>) -> Result<(), Fault> {
    match sql {
        Sql::Sqlite(_) => Ok(()),
        Sql::Postgres(sql) => sql.batch("SET LOCAL idle_in_transaction_session_timeout TO '1h'"),
    }
}

/// Refuses to lose what the other store holds.
fn refuse_loss(from: &Sql<'_>, to: &Sql<'_>, onto: Onto) -> Result<(), Fault> {
    let mut held = Vec::new();
    for table in TABLES.iter().filter(|table| !table.is_seeded) {
        let count = Reading::new(table).count(to)?;
        if count > 0 {
            held.push(format!("{count} {}", table.name));
        }
    }
    if held.is_empty() {
        return Ok(());
    }
    if onto == Onto::Empty {
        let held = held.join(", ");
        let text = format!(
            "the other store is not empty ({held}); name an empty one, or let --replace delete what is there"
        );
        return Err(Stop::Refused(text).into());
    }
    let (here, there) = (last_run(from)?, last_run(to)?);
    if there > here {
        let (here, there) = (here.unwrap_or_else(|| "never".into()), there.unwrap_or_default());
        let text = format!(
            "the other store is ahead of this one: its last run began {there}, this one's {here}; are they \
             the wrong way round? Empty it by hand if its newer runs may be lost"
        );
        return Err(Stop::Refused(text).into());
    }
    Ok(())
}

/// When the last run began.
fn last_run(sql: &Sql<'_>) -> Result<Option<String>, Fault> {
    sql.prepare_cached("SELECT max(started_at) FROM runs")?.query_row((), |row| row.get(0))
}

/// A view keeps its columns and only gets more: those that would get others are taken away.
fn make_views_give_way(from: &Sql<'_>, to: &Sql<'_>) -> Result<(), Fault> {
    let columns = "SELECT field, column_name, type FROM view_columns WHERE kind = ?1 ORDER BY position";
    let columns = |sql: &Sql<'_>, kind: &str| -> Result<Vec<[String; 3]>, Fault> {
        sql.prepare_cached(columns)?.query_map([kind], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))
    };
    let kinds: BTreeSet<String> = to
        .prepare_cached("SELECT DISTINCT kind FROM view_columns")?
        .query_map((), |row| row.get(0))?
        .into_iter()
        .collect();
    for kind in kinds {
        if !columns(from, &kind)?.starts_with(&columns(to, &kind)?) {
            views::take_away(to, &kind)?;
        }
    }
    Ok(())
}

/// The last number that the engine gave to a row of `table`.
pub(super) fn last_number(sql: &Sql<'_>, table: &str) -> Result<i64, Fault> {
    match sql {
        Sql::Sqlite(_) => {
            let last = sql
                .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = ?1")?
                .query_first([table], |row| row.get(0))?;
            Ok(last.unwrap_or(0))
        }
        Sql::Postgres(sql) => {
            let ask = format!(
                "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {table}_id_seq"
            );
            let found = sql.query(&ask, &[])?.into_iter().flatten().next();
            i64::from_cell(found.unwrap_or(Cell::Null))
        }
    }
}

/// Lets the engine go on after `last`.
pub(super) fn number_after(sql: &Sql<'_>, table: &str, last: i64) -> Result<(), Fault> {
    match sql {
        Sql::Sqlite(_) => {
            sql.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
            sql.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", (table, last))?;
            Ok(())
        }
        Sql::Postgres(sql) => {
            // Of the sequence alone: to alter its table would keep everyone from reading that.
            sql.batch(&format!("ALTER SEQUENCE {table}_id_seq RESTART WITH {}", last + 1))
        }
    }
}

/// The last numbers given, as if they were a table.
pub(super) fn numbers(sql: &Sql<'_>) -> Result<Sum, Fault> {
    let mut sum = Sum::NONE;
    for table in NUMBERED {
        let row = [Cell::Text(table.into()), Cell::Integer(last_number(sql, table)?)];
        sum.add(&row, [Shape::Text, Shape::Integer].into_iter());
    }
    Ok(sum)
}

/// Tells PostgreSQL what it holds now, so that the first run need not wait until it finds out.
pub(super) fn settle(sql: &Sql<'_>) -> Result<(), Fault> {
    if let Sql::Postgres(sql) = sql {
        for table in &TABLES {
            sql.batch(&format!("ANALYZE {}", table.name))?;
        }
    }
    Ok(())
}

/// Whether PostgreSQL cannot keep a text, or what an escape in it stands for where it is JSON.
pub(super) fn is_unfit(text: &str, is_json: bool) -> bool {
    if !is_json {
        return text.contains('\0');
    }
    let may_be = memchr::memmem::find(text.as_bytes(), b"\\u").is_some() || text.contains('\0');
    may_be && tolerate::clean(text.as_bytes()).replaced > 0
}
