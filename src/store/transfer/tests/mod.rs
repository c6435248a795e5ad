//! Copying a store: one engine to the other and back, and what is refused.

mod a_real_postgres;
mod list;
mod refusals;
mod world;

use std::path::Path;

use super::rows::Reading;
use super::tables::TABLES;
use super::{Onto, Store, StoreError, Sum, TableCopy};
use crate::store::Place;
use crate::store::postgres::{Host, Settings, tests::server};
use crate::store::tests::sqlite::noon;

/// A store in a fresh database of the shared server.
async fn fresh() -> (server::Database, Store) {
    let database = server::Postgres::shared().database();
    let store = Store::open(&at(&database, "clearpoint"), noon()).await.unwrap();
    (database, store)
}

fn at(database: &server::Database, schema: &str) -> Place {
    Place::Server(Box::new(settings(database, schema)))
}

fn settings(database: &server::Database, schema: &str) -> Settings {
    Settings {
        hosts: vec![(Host::Socket(database.folder.clone()), database.port)],
        database: database.name.clone(),
        user: database.user.into(),
        password: None,
        password_file: None,
        schema: schema.into(),
        tls: None,
        ca_file: None,
        client_certificate: None,
        connect_timeout: std::time::Duration::from_secs(120),
        statement_timeout: std::time::Duration::from_secs(60),
        connections_max: 4,
        lease: std::time::Duration::from_secs(60),
        release_timeout: std::time::Duration::from_secs(60),
    }
}

async fn file(path: &Path) -> Store {
    Store::open(&Place::file(path), noon()).await.unwrap()
}

async fn copy(from: &Store, to: &Store) -> Result<Vec<TableCopy>, StoreError> {
    from.copy_to(to, Onto::Empty, &mut |_| ()).await
}

/// Copies, and expects every table to be the same.
#[track_caller]
fn all_same(copied: Result<Vec<TableCopy>, StoreError>) {
    let unlike: Vec<_> = copied.unwrap().into_iter().filter(|copy| !copy.is_same()).collect();
    assert_eq!(unlike, []);
}

/// What every table comes to, each with its name.
fn sums(store: &Store) -> Vec<(&'static str, Sum)> {
    let read = |table| store.read_at_once("sum", |sql| Sum::of(sql, &Reading::new(table), || ())).unwrap();
    TABLES.iter().map(|table| (table.name, read(table))).collect()
}
