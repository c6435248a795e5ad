//! One way to speak to both engines: statements with `?1`, `?2` in the SQL that SQLite and PostgreSQL
//! share, values as [`Cell`]s, rows read by position. Where the two differ, [`Sql::dialect`] says which it is.
//!
//! What is said many times is said of a set at once ([`Sql::add_rows`], [`Sql::query_rows`]): to PostgreSQL
//! in one message, to SQLite, which is in this process, row by row.

mod cell;
mod dialect;

use std::error::Error;
use std::fmt::Write as _;

use rusqlite::{CachedStatement, Connection};

use super::postgres::Session;
pub(super) use cell::{Cell, FromCell, ToCell, Values};

/// Whatever stops a piece of work inside a transaction: the database, the spool, or a stored value that
/// this program cannot read.
pub(super) type Fault = Box<dyn Error + Send + Sync>;

/// A transaction of either engine.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sql<'a> {
    Sqlite(&'a Connection),
    Postgres(&'a Session),
}

/// The columns of a set of rows, each with the type PostgreSQL knows it by: `("id", "bigint")`.
pub(super) type Columns<'a> = &'a [(&'static str, &'static str)];

impl<'a> Sql<'a> {
    /// A statement that is prepared once and kept.
    pub(super) fn prepare_cached(&self, text: &str) -> Result<Statement<'a>, Fault> {
        Ok(match self {
            Self::Sqlite(sql) => Statement::Sqlite(sql.prepare_cached(text)?),
            Self::Postgres(sql) => Statement::Postgres(sql, text.to_owned()),
        })
    }

    /// Runs one statement; gives how many rows it wrote.
    pub(super) fn execute(&self, text: &str, values: impl Values) -> Result<u64, Fault> {
        self.prepare_cached(text)?.execute(values)
    }

    /// Runs statements without values, one after the other.
    pub(super) fn execute_batch(&self, script: &str) -> Result<(), Fault> {
        match self {
            Self::Sqlite(sql) => Ok(sql.execute_batch(script)?),
            Self::Postgres(sql) => sql.batch(script),
        }
    }

    /// Reads row by row, holding one at a time. No other statement may be run meanwhile.
    pub(super) fn stream(
        &self,
        text: &str,
        values: impl Values,
        mut each: impl FnMut(&Row<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match self.prepare_cached(text)? {
            Statement::Sqlite(mut statement) => {
                let mut rows = statement.query(rusqlite::params_from_iter(values.cells()))?;
                while let Some(row) = rows.next()? {
                    each(&Row::Sqlite(row))?;
                }
                Ok(())
            }
            Statement::Postgres(sql, text) => {
                sql.stream(&text, &values.cells(), &mut |cells| each(&Row::Postgres(&cells)))
            }
        }
    }

    /// Adds rows to a table; `conflict` says what becomes of those that are there already.
    pub(super) fn add_rows(
        &self,
        table: &str,
        columns: Columns<'_>,
        conflict: &str,
        rows: &[Vec<Cell<'_>>],
    ) -> Result<(), Fault> {
        let names = names(columns);
        self.execute_rows(columns, rows, |values| match values {
            Place::Relation => format!("INSERT INTO {table} ({names}) SELECT {names} FROM rows {conflict}"),
            Place::Numbers => {
                format!("INSERT INTO {table} ({names}) VALUES ({}) {conflict}", numbered(1, columns.len()))
            }
        })
    }

    /// Updates the rows of a table that the first `key` columns name. In `set` the name of a column in braces
    /// stands for its value: `doc = {doc}`.
    pub(super) fn update_rows(
        &self,
        table: &str,
        set: &str,
        columns: Columns<'_>,
        key: usize,
        rows: &[Vec<Cell<'_>>],
    ) -> Result<(), Fault> {
        self.execute_rows(columns, rows, |values| {
            let set = (1..).zip(columns).fold(set.to_owned(), |set, (number, (name, _))| {
                set.replace(&format!("{{{name}}}"), &values.of(number, name))
            });
            let from = values.relation(" FROM rows");
            format!("UPDATE {table} SET {set}{from} WHERE {}", values.named(table, &columns[..key]))
        })
    }

    /// Deletes the rows of a table that the columns name.
    pub(super) fn delete_rows(
        &self,
        table: &str,
        columns: Columns<'_>,
        rows: &[Vec<Cell<'_>>],
    ) -> Result<(), Fault> {
        self.execute_rows(columns, rows, |values| {
            let using = values.relation(" USING rows");
            format!("DELETE FROM {table}{using} WHERE {}", values.named(table, columns))
        })
    }

    /// Runs a statement that `spell` writes: with the relation `rows` once for all of them, or with a row's
    /// values for each. A statement of one row alone that reads no relation is all or nothing by itself: SQLite
    /// keeps no journal for it.
    fn execute_rows(
        &self,
        columns: Columns<'_>,
        rows: &[Vec<Cell<'_>>],
        spell: impl Fn(Place) -> String,
    ) -> Result<(), Fault> {
        match self {
            _ if rows.is_empty() => Ok(()),
            Self::Postgres(sql) => sql.execute_rows(&spell(Place::Relation), columns, rows).map(drop),
            Self::Sqlite(sql) => {
                let mut statement = sql.prepare_cached(&spell(Place::Numbers))?;
                for row in rows {
                    statement.execute(rusqlite::params_from_iter(row))?;
                }
                Ok(())
            }
        }
    }

    /// Runs a statement for each of `rows`, which it knows as the relation `rows`, and reads what it answers.
    /// It must mean the same for one row at a time as for all at once.
    pub(super) fn query_rows<T>(
        &self,
        text: &str,
        columns: Columns<'_>,
        rows: &[Vec<Cell<'_>>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        match self {
            _ if rows.is_empty() => Ok(Vec::new()),
            Self::Postgres(sql) => {
                sql.query_rows(text, columns, rows)?.iter().map(|row| read(&Row::Postgres(row))).collect()
            }
            Self::Sqlite(sql) => {
                let mut statement = sql.prepare_cached(&with_row(text, columns))?;
                let mut answers = Vec::new();
                for row in rows {
                    let mut found = statement.query(rusqlite::params_from_iter(row))?;
                    while let Some(row) = found.next()? {
                        answers.push(read(&Row::Sqlite(row))?);
                    }
                }
                Ok(answers)
            }
        }
    }

    /// Puts new rows into a table, the fastest way there is. None of them may be there already.
    pub(super) fn load(
        &self,
        table: &str,
        columns: &[&str],
        rows: &mut dyn Iterator<Item = Result<Vec<Cell<'_>>, Fault>>,
    ) -> Result<(), Fault> {
        match self {
            Self::Postgres(sql) => sql.copy_in(table, columns, rows).map(drop),
            Self::Sqlite(sql) => {
                let places = numbered(1, columns.len());
                let insert = format!("INSERT INTO {table} ({}) VALUES ({places})", columns.join(", "));
                let mut insert = sql.prepare_cached(&insert)?;
                for row in rows {
                    insert.execute(rusqlite::params_from_iter(row?))?;
                }
                Ok(())
            }
        }
    }
}

/// `?3, ?4, ?5`: the places of `count` values from number `first` on; no list of `IN` is empty.
pub(super) fn numbered(first: usize, count: usize) -> String {
    let mut places = String::new();
    for number in first..first + count {
        let separator = if number > first { ", " } else { "" };
        let _ = write!(places, "{separator}?{number}");
    }
    if places.is_empty() { "NULL".into() } else { places }
}

/// Where a statement finds the values of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the relation `rows`.
    Relation,
    /// In `?1`, `?2`, …
    Numbers,
}

impl Place {
    /// The value of a column.
    fn of(self, number: usize, name: &str) -> String {
        match self {
            Self::Relation => format!("rows.{name}"),
            Self::Numbers => format!("?{number}"),
        }
    }

    /// What only a statement says that reads the relation.
    fn relation(self, text: &str) -> &str {
        if self == Self::Relation { text } else { "" }
    }

    /// Which rows of a table these columns name.
    fn named(self, table: &str, columns: Columns<'_>) -> String {
        let equal = |(number, (name, _)): (usize, &(&str, &str))| {
            format!("{table}.{name} = {}", self.of(number, name))
        };
        (1..).zip(columns).map(equal).collect::<Vec<_>>().join(" AND ")
    }
}

/// `kind, connection, id`
fn names(columns: Columns<'_>) -> String {
    columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// `WITH rows (id) AS (VALUES (?1)) …`
fn with_row(text: &str, columns: Columns<'_>) -> String {
    format!("WITH rows ({}) AS (VALUES ({})) {text}", names(columns), numbered(1, columns.len()))
}

/// A statement, ready to be run.
pub(super) enum Statement<'a> {
    Sqlite(CachedStatement<'a>),
    Postgres(&'a Session, String),
}

impl Statement<'_> {
    /// Runs it; gives how many rows it wrote.
    pub(super) fn execute(&mut self, values: impl Values) -> Result<u64, Fault> {
        match self {
            Self::Sqlite(statement) => {
                Ok(statement.execute(rusqlite::params_from_iter(values.cells()))? as u64)
            }
            Self::Postgres(sql, text) => sql.execute(text, &values.cells()),
        }
    }

    /// Runs it and reads every row.
    pub(super) fn query_map<T>(
        &mut self,
        values: impl Values,
        mut read: impl FnMut(&Row<'_>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        match self {
            Self::Sqlite(statement) => {
                let mut rows = statement.query(rusqlite::params_from_iter(values.cells()))?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    found.push(read(&Row::Sqlite(row))?);
                }
                Ok(found)
            }
            Self::Postgres(sql, text) => {
                sql.query(text, &values.cells())?.iter().map(|row| read(&Row::Postgres(row))).collect()
            }
        }
    }

    /// Runs it and reads the first row, if there is one.
    pub(super) fn query_first<T>(
        &mut self,
        values: impl Values,
        read: impl FnMut(&Row<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        Ok(self.query_map(values, read)?.into_iter().next())
    }

    /// Runs it and reads its one row.
    pub(super) fn query_row<T>(
        &mut self,
        values: impl Values,
        read: impl FnMut(&Row<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.query_first(values, read)?.ok_or_else(|| unreadable("a row is gone that must be there".into()))
    }
}

/// A row of an answer.
#[derive(Debug)]
pub(super) enum Row<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a [Cell<'static>]),
}

impl Row<'_> {
    /// The value in a column, counted from 0.
    pub(super) fn get<T: FromCell>(&self, column: usize) -> Result<T, Fault> {
        T::from_cell(self.cell(column)?)
    }

    /// The text in a column.
    pub(super) fn text(&self, column: usize) -> Result<&str, Fault> {
        self.text_or_null(column)?
            .ok_or_else(|| unreadable("nothing is stored where text was written".into()))
    }

    /// The text in a column, if there is any.
    pub(super) fn text_or_null(&self, column: usize) -> Result<Option<&str>, Fault> {
        match self {
            Self::Sqlite(row) => Ok(row.get_ref(column)?.as_str_or_null()?),
            Self::Postgres(cells) => match cells.get(column) {
                Some(Cell::Text(text)) => Ok(Some(text)),
                Some(Cell::Null) => Ok(None),
                other => Err(unreadable(format!("column {column} holds {other:?} where text was written"))),
            },
        }
    }

    /// The value in a column, whatever it is.
    pub(super) fn cell(&self, column: usize) -> Result<Cell<'_>, Fault> {
        match self {
            Self::Sqlite(row) => row.get_ref(column)?.try_into(),
            Self::Postgres(cells) => {
                let cell =
                    cells.get(column).ok_or_else(|| unreadable(format!("there is no column {column}")))?;
                Ok(cell.to_cell())
            }
        }
    }
}

/// The fault of a stored value that this program did not write.
pub(super) fn unreadable(text: String) -> Fault {
    text.into()
}
