//! The list of tables against the schemas themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::super::tables::{NUMBERED, Shape, TABLES};
use super::file;
use crate::store::Store;

/// What an engine keeps for itself: its own versions, how it told a view, who works on what.
const OWN: [&str; 3] = ["migrations", "made_views", "leases"];

/// Every table with its columns, each with its type, and the columns of its key in order.
type Schema = BTreeMap<String, (BTreeSet<(String, String)>, Vec<String>)>;

/// Rows of table, column, type, and the column's place in the key (0: in none).
fn schema(store: &Store, query: &str) -> Schema {
    let rows: Vec<(String, String, String, i64)> = store
        .read_at_once("read the schema", |sql| {
            let mut statement = sql.prepare_cached(query)?;
            statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        })
        .unwrap();
    let mut schema = Schema::new();
    for (table, column, kind, place) in rows.into_iter().filter(|row| !OWN.contains(&row.0.as_str())) {
        let (columns, key) = schema.entry(table).or_default();
        columns.insert((column.clone(), kind));
        if place > 0 {
            key.push(column);
        }
    }
    schema
}

/// What the list says, in an engine's words for types.
fn listed(word: fn(Shape) -> &'static str) -> Schema {
    let of = |table: &super::super::tables::Table| {
        let columns = table.columns().into_iter().map(|(name, shape)| (name.into(), word(shape).into()));
        (table.name.into(), (columns.collect(), table.key().into_iter().map(Into::into).collect()))
    };
    TABLES.iter().map(of).collect()
}

#[tokio::test]
async fn the_list_is_the_schema_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = file(&dir.path().join("store.db")).await;
    let found = schema(
        &store,
        "SELECT t.name, c.name, c.type, c.pk FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.pk",
    );
    let word = |shape| match shape {
        Shape::Integer | Shape::Truth => "INTEGER",
        Shape::Real => "REAL",
        Shape::Bytes => "BLOB",
        Shape::Text | Shape::Instant | Shape::Day | Shape::Json => "TEXT",
    };
    assert_eq!(found, listed(word));
    let counted = super::super::place::last_number;
    for table in NUMBERED {
        assert_eq!(store.read_at_once("look", |sql| counted(sql, table)).unwrap(), 0);
    }
}

pub(super) fn is_the_schema_of_postgres(store: &Store) {
    let found = schema(
        store,
        "SELECT c.table_name, c.column_name, c.data_type, coalesce(k.ordinal_position, 0)
         FROM information_schema.columns AS c
         JOIN information_schema.tables AS t
           ON t.table_schema = c.table_schema AND t.table_name = c.table_name
         LEFT JOIN (information_schema.key_column_usage AS k
             JOIN information_schema.table_constraints AS p
               ON p.constraint_name = k.constraint_name AND p.constraint_schema = k.constraint_schema
               AND p.constraint_type = 'PRIMARY KEY')
           ON k.table_schema = c.table_schema AND k.table_name = c.table_name
           AND k.column_name = c.column_name
         WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'
         ORDER BY c.table_name, k.ordinal_position",
    );
    let word = |shape| match shape {
        Shape::Integer => "bigint",
        Shape::Truth => "boolean",
        Shape::Real => "numeric",
        Shape::Bytes => "bytea",
        Shape::Text => "text",
        Shape::Instant => "timestamp with time zone",
        Shape::Day => "date",
        Shape::Json => "jsonb",
    };
    assert_eq!(found, listed(word));
    let numbered: Vec<String> = store
        .read_at_once("look", |sql| {
            sql.prepare_cached(
                "SELECT table_name FROM information_schema.columns
                 WHERE table_schema = current_schema() AND is_identity = 'YES' ORDER BY 1",
            )?
            .query_map((), |row| row.get(0))
        })
        .unwrap();
    let mut listed = NUMBERED.to_vec();
    listed.sort_unstable();
    assert_eq!(numbered, listed);
}
