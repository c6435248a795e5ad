//! Removes on purpose and for good: a connection, one of its kinds, or one element, from every table that
//! tells of it. In small batches that can be repeated after a kill at any point: what is remembered of the
//! pulls goes first, so that whatever is left is pulled in full again; what leads to the rest goes last.
//! Columns of views stay, for a view never loses one.

use super::prune::BATCH;
use super::sql::{Fault, Sql};
use super::views::literal;
use super::{HELD_VALUES, Store, StoreError, marks, memory};
use crate::element::ElementId;
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::warning::Event;

/// How much of a connection is forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of it, its runs and warnings too.
    Connection,
    /// One kind.
    Kind(KindName),
    /// One element.
    Element(KindName, ElementId),
}

impl Scope {
    /// The kind, if it is about one.
    #[must_use]
    pub fn kind(&self) -> Option<&KindName> {
        match self {
            Self::Connection => None,
            Self::Kind(kind) | Self::Element(kind, _) => Some(kind),
        }
    }
}

/// How many rows of each table went, or would go, in the order they go. Tables without any are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten(pub Vec<(&'static str, u64)>);

impl Forgotten {
    /// Rows of one table.
    #[must_use]
    pub fn rows(&self, table: &str) -> u64 {
        self.0.iter().filter(|(name, _)| *name == table).map(|(_, rows)| rows).sum()
    }

    /// Rows of all tables.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, rows)| rows).sum()
    }
}

impl Store {
    /// What [`Store::forget`] would take away.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn forgettable(
        &self,
        connection: &ConnectionName,
        scope: &Scope,
    ) -> Result<Forgotten, StoreError> {
        self.read(format!("count what is known of {connection}"), |sql| {
            let rows = Rows::load(sql, connection, scope)?;
            let mut counts = Vec::new();
            for (table, which) in rows.tables() {
                let count = format!("SELECT count(*) FROM {} WHERE {which}", table.name);
                counts.push((table.name, sql.prepare_cached(&count)?.query_row((), |row| row.get(0))?));
            }
            Ok(Forgotten::of(counts))
        })
        .await
    }

    /// Takes away all that the store knows of a connection, a kind of it, or an element. Called under the
    /// connection's lock. Cut off, it is to be called again.
    ///
    /// # Errors
    /// The store cannot be written: some of it may be gone already.
    pub async fn forget(&self, connection: &ConnectionName, scope: &Scope) -> Result<Forgotten, StoreError> {
        let doing = format!("forget what is known of {connection}");
        let rows = self.read(&doing, |sql| Rows::load(sql, connection, scope)).await?;
        let mut counts = Vec::new();
        for (Table { name, key, .. }, which) in rows.tables() {
            let delete = format!(
                "DELETE FROM {name} WHERE ({key}) IN (SELECT {key} FROM {name} WHERE {which} LIMIT {BATCH})"
            );
            counts.push((
                *name,
                self.delete_in_batches(Some(connection), &doing, |sql| sql.execute(&delete, ())).await?,
            ));
        }
        let forgotten = Forgotten::of(counts);
        if forgotten.total() > 0 {
            self.write_of(connection, &doing, marks::count_forget).await?;
        }
        Ok(forgotten)
    }
}

impl Forgotten {
    fn of(mut counts: Vec<(&'static str, u64)>) -> Self {
        counts.retain(|(_, rows)| *rows > 0);
        Self(counts)
    }
}

/// A table that tells of connections.
struct Table {
    name: &'static str,
    /// The columns that tell its rows apart.
    key: &'static str,
    of: Of,
    /// The column of the element's id.
    id: Option<&'static str>,
}

/// What a table's rows belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// A kind of a connection, and its index begins with the connection.
    Kind,
    /// The same, and its index begins with the kind.
    KindFirst,
    /// The measures of a connection.
    Measures,
    /// A connection.
    Connection,
}

const fn table(name: &'static str, key: &'static str, of: Of, id: Option<&'static str>) -> Table {
    Table { name, key, of, id }
}

/// Every table that tells of connections, in the order it is emptied. Messages go before the warnings they
/// tell of.
const TABLES: [Table; 20] = [
    table("cursors", "connection, kind", Of::Kind, None),
    table("imprints", "kind, connection, page", Of::KindFirst, None),
    table("elements", "kind, connection, id", Of::KindFirst, Some("id")),
    table("measure_values", "connection, measure_id, series, period", Of::Measures, Some("measure_id")),
    table("measure_documents", "connection, measure_id", Of::Measures, Some("measure_id")),
    table("changes", "sequence", Of::KindFirst, Some("id")),
    table("placements", "kind, connection, id, scorecard_id", Of::KindFirst, Some("id")),
    table("missing", "kind, connection, id", Of::KindFirst, Some("id")),
    table("held", "connection, kind", Of::Kind, None),
    table("rejected", "connection, kind, digest", Of::Kind, None),
    table("fields", "connection, kind, field", Of::Kind, None),
    table("findings", "connection, kind, finding", Of::Kind, None),
    table("run_reads", "connection, kind, part, id", Of::Kind, Some("id")),
    table("run_kinds", "run, kind", Of::Kind, None),
    table("deliveries", "id", Of::Connection, None),
    table("warnings", "id", Of::Connection, None),
    table("runs", "id", Of::Connection, None),
    table("key_states", "connection, slot", Of::Connection, None),
    table("keys", "connection, slot", Of::Connection, None),
    table("connections", "name", Of::Connection, None),
];

/// Which rows go.
struct Rows<'a> {
    connection: &'a ConnectionName,
    scope: &'a Scope,
    /// Kinds that the connection has rows of.
    kinds: Vec<String>,
    /// Held sets that name the element.
    held: Vec<&'a str>,
}

impl<'a> Rows<'a> {
    fn load(sql: &Sql<'_>, connection: &'a ConnectionName, scope: &'a Scope) -> Result<Self, Fault> {
        let (mut kinds, mut held) = (Vec::new(), Vec::new());
        match scope {
            Scope::Connection => kinds = self::kinds(sql, connection)?,
            Scope::Kind(_) => {}
            Scope::Element(kind, id) => {
                for name in held_as(kind) {
                    let set = memory::held(sql, connection, &KindName::new(name))?;
                    if set.is_some_and(|set| set.ids.contains(id)) {
                        held.push(name);
                    }
                }
            }
        }
        Ok(Self { connection, scope, kinds, held })
    }

    /// The tables that have such rows, and which these are.
    fn tables(&self) -> impl Iterator<Item = (&'static Table, String)> {
        TABLES.iter().filter_map(|table| Some((table, self.which(table)?)))
    }

    fn which(&self, table: &Table) -> Option<String> {
        let name = literal(self.connection.as_str());
        let connection = format!("connection = {name}");
        let about_scorecards = || {
            let is_scorecards = |kind: &KindName| kind.as_str() == KindName::SCORECARDS;
            // They name scorecards that came and went.
            let event = literal(Event::VisibilityChanged.as_str());
            self.scope.kind().is_some_and(is_scorecards).then(|| format!("{connection} AND event = {event}"))
        };
        let warnings = || match self.scope {
            Scope::Connection => Some(connection.clone()),
            Scope::Kind(_) | Scope::Element(..) => about_scorecards(),
        };
        match table.name {
            "warnings" => warnings(),
            "deliveries" => Some(format!("warning IN (SELECT id FROM warnings WHERE {})", warnings()?)),
            "connections" => matches!(self.scope, Scope::Connection).then(|| format!("name = {name}")),
            "held" if !matches!(self.scope, Scope::Connection) => {
                let kinds = match self.scope {
                    Scope::Kind(kind) => held_as(kind).collect(),
                    _ => self.held.clone(),
                };
                among("kind", &kinds).map(|kinds| format!("{connection} AND {kinds}"))
            }
            _ => Some(format!("{connection}{}", self.within(table)?)),
        }
    }

    /// The rest of the condition on a table with a column `connection`; `None`: it has no such rows.
    fn within(&self, table: &Table) -> Option<String> {
        let of_kind = |kind: &KindName| match table.of {
            Of::Kind | Of::KindFirst => Some(format!(" AND kind = {}", literal(kind.as_str()))),
            Of::Measures => (kind.as_str() == KindName::MEASURES).then(String::new),
            Of::Connection => None,
        };
        match self.scope {
            Scope::Connection if table.of == Of::KindFirst => {
                among("kind", &self.kinds).map(|kinds| format!(" AND {kinds}"))
            }
            Scope::Connection => Some(String::new()),
            Scope::Kind(kind) => of_kind(kind),
            // They tell of all elements of a page, and the next pull makes them anew.
            Scope::Element(kind, _) if table.name == "imprints" => of_kind(kind),
            Scope::Element(kind, id) => Some(format!("{} AND {} = {id}", of_kind(kind)?, table.id?)),
        }
    }
}

/// A column is one of these; `None`: there are none.
fn among(column: &str, words: &[impl AsRef<str>]) -> Option<String> {
    let words: Vec<String> = words.iter().map(|word| literal(word.as_ref())).collect();
    (!words.is_empty()).then(|| format!("{column} IN ({})", words.join(", ")))
}

/// The names under which removals of a kind may be held.
fn held_as(kind: &KindName) -> impl Iterator<Item = &str> {
    let values = (kind.as_str() == KindName::MEASURES).then_some(HELD_VALUES);
    std::iter::once(kind.as_str()).chain(values)
}

/// The kinds of the tables whose index begins with the kind.
fn kinds(sql: &Sql<'_>, connection: &ConnectionName) -> Result<Vec<String>, Fault> {
    let tables = TABLES.iter().filter(|table| table.of == Of::KindFirst);
    let each = tables.map(|table| format!("SELECT DISTINCT kind FROM {} WHERE connection = ?1", table.name));
    let all = each.collect::<Vec<_>>().join(" UNION ");
    let mut statement = sql.prepare_cached(&all)?;
    statement.query_map([connection.as_str()], |row| row.get(0))
}
