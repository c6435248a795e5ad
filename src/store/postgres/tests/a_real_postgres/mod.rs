//! Tests that need a PostgreSQL server on this machine.

mod cells;
mod failures;
mod leases;
mod pool;
mod reaching;
mod several;
mod tls;

use std::time::{Duration, Instant};

use super::super::{ClientCertificate, Host, Password, Postgres, Session, Settings, Tls};
use super::server;
use crate::store::StoreError;
use crate::store::sql::{Cell, Fault};

/// Settings for a database, through the server's socket, in the schema `public`.
pub(in crate::store) fn settings(database: &server::Database) -> Settings {
    Settings {
        hosts: vec![(Host::Socket(database.folder.clone()), database.port)],
        database: database.name.clone(),
        user: database.user.into(),
        password: None,
        password_file: None,
        schema: "public".into(),
        tls: None,
        ca_file: None,
        client_certificate: None,
        connect_timeout: Duration::from_secs(120),
        statement_timeout: Duration::from_secs(30),
        connections_max: 4,
        lease: Duration::from_secs(60),
        release_timeout: Duration::from_secs(60),
    }
}

/// A fresh database on the shared server, and the driver on it.
fn fresh() -> (server::Database, Postgres) {
    fresh_on(server::Postgres::shared())
}

/// A fresh database on a server, and the driver on it.
fn fresh_on(server: &server::Postgres) -> (server::Database, Postgres) {
    let database = server.database();
    let db = Postgres::open(settings(&database)).unwrap();
    (database, db)
}

/// Longer than anything takes that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tries until it succeeds: what itself waits for a moment only may fail on a machine that is busy.
#[track_caller]
fn in_the_end<T>(mut work: impl FnMut() -> Result<T, StoreError>) -> T {
    let begun = Instant::now();
    loop {
        match work() {
            Ok(done) => return done,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{}", told(&error)),
        }
    }
}

/// Asks until the answer is as it is wanted, and gives it.
#[track_caller]
fn until(ask: impl Fn() -> String, is_wanted: impl Fn(&str) -> bool) -> String {
    let begun = Instant::now();
    loop {
        let answer = ask();
        if is_wanted(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "it stays at {answer:?}");
    }
}

/// Settings for a database through 127.0.0.1, which is asked for by `name`.
fn over_tcp(database: &server::Database, name: &str) -> Settings {
    Settings { hosts: vec![(Host::Name(name.into()), database.port)], ..settings(database) }
}

/// Why nothing can be done until a person acts.
#[track_caller]
fn unusable(settings: Settings) -> String {
    match Postgres::open(settings).unwrap_err() {
        StoreError::Unusable(text) => text,
        other => panic!("{}", told(&other)),
    }
}

fn text(text: &str) -> Cell<'static> {
    Cell::Text(text.to_owned().into())
}

/// What is told when `work` is done in one transaction that fails.
#[track_caller]
fn refusal(db: &Postgres, mut work: impl FnMut(&Session) -> Result<(), Fault>) -> String {
    told(&db.write("try it", |sql| work(sql)).unwrap_err())
}

/// An error as people meet it, with all that is behind it.
fn told(error: &StoreError) -> String {
    super::super::fault::chain(error)
}
