//! Views for people: one per kind, and four that answer the first questions. They are brought up to
//! date after the data, in transactions of their own; a view never loses or moves a column.

mod people;
mod postgres;
mod sqlite;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::columns::{self, FIXED, Type};
use super::postgres::is_kept_by_others;
use super::sql::{Fault, Sql};
use super::{Store, StoreError};
use crate::kind;
use crate::name::ConnectionName;
use people::FOR_PEOPLE;

/// Most columns that a view gives to fields.
const COLUMNS_MAX: usize = 400;
/// A field with a longer name gets no column; it stays in the document.
const FIELD_BYTES_MAX: usize = 256;
/// A longer text is no number that anybody wrote.
const DIGITS_MAX: usize = 300;

impl Store {
    /// Gives columns to the fields discovered since the last time, and makes the views that are not yet
    /// as they should be. Writes only where there is something to do. A view that somebody reads keeps no other
    /// from being made.
    ///
    /// # Errors
    /// A view could not be made: a warning, never a lost run. On PostgreSQL that is so while somebody reads it.
    pub async fn refresh_views(&self) -> Result<(), StoreError> {
        self.refresh(|sql| due(sql, kinds(sql)?)).await
    }

    /// As [`Store::refresh_views`], after a run of this connection: it changed no other kinds than its own. What
    /// that costs does not grow with the number of connections.
    ///
    /// # Errors
    /// As for [`Store::refresh_views`].
    pub async fn refresh_views_of(&self, connection: &ConnectionName) -> Result<(), StoreError> {
        self.refresh(|sql| due(sql, kinds_of(sql, connection)?)).await
    }

    async fn refresh(
        &self,
        due: impl FnMut(&Sql<'_>) -> Result<Vec<String>, Fault>,
    ) -> Result<(), StoreError> {
        let due = self.read("look at the views", due).await?;
        let mut refreshed = Ok(());
        for view in due {
            match self.write(format!("make the view {view}"), |sql| make(sql, &view)).await {
                Err(error) if is_kept_by_others(&error) => refreshed = refreshed.and(Err(error)),
                made => made?,
            }
        }
        refreshed
    }
}

/// Makes the views that are not as they should be, in the transaction that filled the store.
pub(super) fn make_due(sql: &Sql<'_>) -> Result<(), Fault> {
    due(sql, kinds(sql)?)?.iter().try_for_each(|view| make(sql, view))
}

/// Takes a view away, for one with other columns.
pub(super) fn take_away(sql: &Sql<'_>, name: &str) -> Result<(), Fault> {
    sql.execute_batch(&format!("DROP VIEW IF EXISTS {}", quoted(name)))?;
    match sql {
        Sql::Sqlite(_) => Ok(()),
        Sql::Postgres(_) => sql.execute("DELETE FROM made_views WHERE name = ?1", [name]).map(drop),
    }
}

/// Of the views of these kinds, and of those for people, the ones that are not as they should be.
fn due(sql: &Sql<'_>, kinds: BTreeSet<String>) -> Result<Vec<String>, Fault> {
    let made = made(sql)?;
    let mut due = Vec::new();
    for kind in kinds {
        let register = Register::load(sql, &kind)?;
        let is_settled = register.new_columns().is_empty() && !has_unnamed(sql, &kind)?;
        if !is_settled || made.get(&kind) != Some(&register.view(sql)) {
            due.push(kind);
        }
    }
    let is_due = |(name, _): &&(&str, &str)| made.get(*name) != for_people(sql, name).as_ref();
    due.extend(FOR_PEOPLE.iter().filter(is_due).map(|(name, _)| (*name).to_owned()));
    Ok(due)
}

fn make(sql: &Sql<'_>, view: &str) -> Result<(), Fault> {
    // Whoever else makes views waits here.
    sql.execute("UPDATE sequences SET last = last + 1 WHERE name = 'views'", ())?;
    if let Some(create) = for_people(sql, view) {
        return replace(sql, view, &create);
    }
    let mut register = Register::load(sql, view)?;
    for column in register.new_columns() {
        sql.prepare_cached(
            "INSERT INTO view_columns (kind, position, field, column_name, type) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            view,
            register.columns.len(),
            &column.field,
            &column.name,
            column.shown.as_str(),
        ))?;
        register.columns.push(column);
    }
    register.note_detailed(sql)?;
    sql.prepare_cached(&format!(
        "UPDATE fields SET column_name = coalesce((SELECT column_name FROM view_columns AS c
           WHERE c.kind = fields.kind AND c.field = fields.field), field)
         WHERE {UNNAMED}"
    ))?
    .execute([view])?;
    replace(sql, view, &register.view(sql))
}

/// Fields of a kind that have a column and are not yet told so; `name` is shown by a fixed one.
const UNNAMED: &str = "kind = ?1 AND column_name IS NULL
    AND (field = 'name' OR field IN (SELECT field FROM view_columns WHERE kind = ?1))";

fn has_unnamed(sql: &Sql<'_>, kind: &str) -> Result<bool, Fault> {
    sql.prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM fields WHERE {UNNAMED})"))?
        .query_row([kind], |row| row.get(0))
}

/// The SQL of a view that answers one of the first questions; `None`: it is another's.
fn for_people(sql: &Sql<'_>, view: &str) -> Option<String> {
    let (name, body) = FOR_PEOPLE.iter().find(|(name, _)| *name == view)?;
    let days_left = match sql {
        Sql::Sqlite(_) => sqlite::DAYS_LEFT,
        Sql::Postgres(_) => postgres::DAYS_LEFT,
    };
    Some(create(name, &body.replace("{days_left}", days_left)))
}

/// An expression for a field of the JSON in `source`. A value that is not of the column's type is NULL.
fn value(sql: &Sql<'_>, source: &str, column: &Column) -> String {
    match sql {
        Sql::Sqlite(_) => sqlite::value(source, column),
        Sql::Postgres(_) => postgres::value(source, column),
    }
}

/// Puts a view in the place of the one of that name, unless another program just did. What people built on it
/// stands: columns only come.
fn replace(sql: &Sql<'_>, name: &str, create: &str) -> Result<(), Fault> {
    if made(sql)?.get(name).is_some_and(|made| made == create) {
        return Ok(());
    }
    match sql {
        Sql::Sqlite(_) => sql.execute_batch(&format!("DROP VIEW IF EXISTS {}; {create}", quoted(name))),
        Sql::Postgres(_) => {
            sql.execute_batch(postgres::WAIT_FOR_READERS)?;
            sql.execute_batch(&create.replacen("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))?;
            let keep = "INSERT INTO made_views (name, body) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET body = ?2";
            sql.execute(keep, (name, create)).map(drop)
        }
    }
}

fn create(name: &str, body: &str) -> String {
    format!("CREATE VIEW {} AS {body}", quoted(name))
}

/// The views there are, with their SQL.
fn made(sql: &Sql<'_>) -> Result<BTreeMap<String, String>, Fault> {
    let made = match sql {
        Sql::Sqlite(_) => sqlite::MADE,
        Sql::Postgres(_) => postgres::MADE,
    };
    let rows = sql.prepare_cached(made)?.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.into_iter().collect())
}

/// The kinds of a connection, and those of which some field waits for its column.
fn kinds_of(sql: &Sql<'_>, connection: &ConnectionName) -> Result<BTreeSet<String>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT kind FROM cursors WHERE connection = ?1
         UNION SELECT kind FROM fields WHERE column_name IS NULL",
    )?;
    Ok(statement.query_map([connection.as_str()], |row| row.get(0))?.into_iter().collect())
}

/// Every kind that has, or should have, a view. Of a field that is not waiting for its column the kind has one.
pub(super) fn kinds(sql: &Sql<'_>) -> Result<BTreeSet<String>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT kind FROM cursors UNION SELECT kind FROM fields WHERE column_name IS NULL
         UNION SELECT kind FROM view_columns",
    )?;
    let stored = statement.query_map((), |row| row.get(0))?;
    let catalogue = kind::catalogue().into_iter().map(|kind| kind.name.to_string());
    Ok(catalogue.chain(stored).collect())
}

/// The columns of a kind's view, and a query for what it shows. With `all` also for elements that left it:
/// their state, the reason, and when they were removed follow in columns of their own, numbered where a field
/// has the name.
pub(super) fn shown(sql: &Sql<'_>, kind: &str, all: bool) -> Result<(Vec<String>, String), Fault> {
    let register = Register::load(sql, kind)?;
    let mut names = register.names();
    if !all {
        return Ok((names, register.query(sql, &[], "state = 'present'")));
    }
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    let more = LEAVING.map(|column| (column, columns::name(column, &mut taken)));
    names.extend(more.iter().map(|(_, name)| name.clone()));
    Ok((names, register.query(sql, &more, "TRUE")))
}

/// What the table knows of an element that left the view.
const LEAVING: [&str; 3] = ["state", "reason", "removed_at"];

/// The columns of one kind's view, and the fields that are not yet shown as they should be.
#[derive(Debug)]
struct Register {
    kind: String,
    columns: Vec<Column>,
    /// In the order they were seen, and whether some connection has it from single reads only.
    waiting: Vec<(String, bool)>,
}

#[derive(Debug)]
struct Column {
    field: String,
    name: String,
    shown: Type,
    /// Whether some connection has the field from single reads only.
    is_detailed: bool,
}

impl Register {
    fn load(sql: &Sql<'_>, kind: &str) -> Result<Self, Fault> {
        let mut columns = sql.prepare_cached(
            "SELECT field, column_name, type, is_detailed FROM view_columns WHERE kind = ?1 ORDER BY position",
        )?;
        let columns = columns.query_map([kind], |row| {
            let shown = Type::parse(row.text(2)?);
            Ok(Column { field: row.get(0)?, name: row.get(1)?, shown, is_detailed: row.get(3)? })
        })?;
        let mut waiting = sql.prepare_cached(
            "SELECT field, max(CASE WHEN part = 'detail' THEN 1 ELSE 0 END), min(first_seen_at) FROM fields
             WHERE kind = ?1 AND column_name IS NULL GROUP BY field",
        )?;
        let mut waiting: Vec<(String, bool, String)> =
            waiting.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        // Each server sorts text in its own way.
        waiting.sort_unstable_by(|(a, _, seen_a), (b, _, seen_b)| (seen_a, a).cmp(&(seen_b, b)));
        let waiting = waiting.into_iter().map(|(field, is_detail, _)| (field, is_detail)).collect();
        Ok(Self { kind: kind.to_owned(), columns, waiting })
    }

    /// Keeps of which fields some connection has single reads only.
    fn note_detailed(&mut self, sql: &Sql<'_>) -> Result<(), Fault> {
        let mut note =
            sql.prepare_cached("UPDATE view_columns SET is_detailed = TRUE WHERE kind = ?1 AND field = ?2")?;
        let is_detail = |column: &Column| {
            self.waiting.iter().any(|(field, is_detail)| *is_detail && *field == column.field)
        };
        for column in self.columns.iter_mut().filter(|column| !column.is_detailed && is_detail(column)) {
            note.execute((&self.kind, &column.field))?;
            column.is_detailed = true;
        }
        Ok(())
    }

    /// Columns for the catalogue's fields and for those discovered, as far as they have none.
    fn new_columns(&self) -> Vec<Column> {
        let mut taken: HashSet<String> = FIXED.iter().map(ToString::to_string).collect();
        taken.extend(self.columns.iter().map(|column| column.name.clone()));
        let mut known: HashSet<&str> = self.columns.iter().map(|column| column.field.as_str()).collect();
        // The fixed column shows it.
        known.insert("name");
        let catalogue = columns::catalogue(&self.kind).iter().map(|(field, shown)| (*field, *shown));
        let discovered = self.waiting.iter().map(|(field, _)| (field.as_str(), Type::Text));
        let new = catalogue
            .chain(discovered)
            .filter(|(field, _)| field.len() <= FIELD_BYTES_MAX && known.insert(field));
        let room = COLUMNS_MAX.saturating_sub(self.columns.len());
        new.take(room)
            .map(|(field, shown)| Column {
                field: field.into(),
                name: columns::name(field, &mut taken),
                shown,
                is_detailed: false,
            })
            .collect()
    }

    /// The SQL of the view.
    fn view(&self, sql: &Sql<'_>) -> String {
        create(&self.kind, &self.query(sql, &[], "state = 'present'"))
    }

    /// A query for the view's columns, and `more` of the table's own under these names.
    fn query(&self, sql: &Sql<'_>, more: &[(&str, String)], which: &str) -> String {
        let mut columns = FIXED.map(quoted).to_vec();
        columns.extend(self.columns.iter().map(|column| {
            let shown = value(sql, "doc", column);
            let shown = match column.is_detailed {
                true => format!("coalesce({shown}, {})", value(sql, "detail", column)),
                false => shown,
            };
            format!("{shown} AS {}", quoted(&column.name))
        }));
        columns.extend(more.iter().map(|(column, name)| format!("{column} AS {}", quoted(name))));
        format!(
            "SELECT {}\nFROM elements WHERE kind = {} AND {which}",
            columns.join(",\n  "),
            literal(&self.kind)
        )
    }

    /// The names of the view's columns, in order.
    fn names(&self) -> Vec<String> {
        let fixed = FIXED.map(str::to_owned).into_iter();
        fixed.chain(self.columns.iter().map(|column| column.name.clone())).collect()
    }
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
