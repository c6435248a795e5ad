//! Which server is used, and as whom: hosts, passwords, sockets, standbys; and what is asked of the server
//! itself.

use super::*;
use crate::clock::Clock;
use crate::store::sql::ToCell as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// A role of its own that needs a password over TCP; dropped with its holder.
struct Role<'a> {
    database: &'a server::Database,
    name: String,
}

impl<'a> Role<'a> {
    fn with_password(database: &'a server::Database, password: &str) -> Self {
        let name = format!("role_{}_{}", database.name, std::process::id());
        database.psql(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE with_password"));
        Self { database, name }
    }

    fn settings(&self) -> Settings {
        Settings { user: self.name.clone(), ..over_tcp(self.database, "127.0.0.1") }
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        self.database.psql(&format!("DROP ROLE {}", self.name));
    }
}

fn who(db: &Postgres) -> Vec<Vec<Cell<'static>>> {
    db.read("ask", |sql| sql.query("SELECT current_user", &[])).unwrap()
}

#[test]
fn a_password_is_read_anew_at_each_connect() {
    let database = server::Postgres::shared().database();
    let role = Role::with_password(&database, "first");
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_owned();
    let password = Password::new(move || Ok(fs::read_to_string(&path)?.into()));
    let settings = Settings { password: Some(password), ..role.settings() };
    fs::write(file.path(), "first").unwrap();
    let db = Postgres::open(settings.clone()).unwrap();
    database.psql(&format!("ALTER ROLE {} PASSWORD 'other'", role.name));
    fs::write(file.path(), "other").unwrap();
    assert_eq!(who(&Postgres::open(settings).unwrap()), [[text(&role.name)]]);
    drop(db);
}

#[test]
fn a_wrong_password_is_for_a_person_and_never_shown() {
    let database = server::Postgres::shared().database();
    let role = Role::with_password(&database, "right");
    let wrong = Password::new(|| Ok("hunter2".into()));
    let settings = Settings { password: Some(wrong), ..role.settings() };
    let said = unusable(settings.clone());
    assert!(said.contains("check store.postgres.password"), "{said}");
    assert!(!format!("{said} {settings:?}").contains("hunter2"));
    let none = unusable(role.settings());
    assert!(none.contains("give store.postgres.password"), "{none}");
    let unreadable = Password::new(|| Err("store.postgres.password: file /x cannot be read".into()));
    let unreadable = unusable(Settings { password: Some(unreadable), ..role.settings() });
    assert!(unreadable.contains("file /x cannot be read"), "{unreadable}");
}

#[test]
fn a_password_file_is_used_if_it_is_ones_own() {
    let database = server::Postgres::shared().database();
    let role = Role::with_password(&database, "it:is\\\\odd");
    let file = tempfile::NamedTempFile::new().unwrap();
    let line = format!("127.0.0.1:*:{}:{}:it\\:is\\\\\\\\odd\n", database.name, role.name);
    fs::write(file.path(), format!("db9:*:*:*:wrong\n{line}*:*:*:*:wrong\n")).unwrap();
    let settings = Settings { password_file: Some(file.path().into()), ..role.settings() };
    assert_eq!(who(&Postgres::open(settings.clone()).unwrap()), [[text(&role.name)]]);
    fs::set_permissions(file.path(), Permissions::from_mode(0o640)).unwrap();
    let said = unusable(settings);
    assert!(said.contains("run: chmod 0600"), "{said}");
    let missing = Settings { password_file: Some("/nowhere/pgpass".into()), ..role.settings() };
    assert!(unusable(missing).contains("give store.postgres.password"));
}

#[test]
fn a_socket_needs_neither_tls_nor_password() {
    let database = server::Postgres::shared().database();
    let settings = Settings { tls: Some(Tls::VerifyFull), ..settings(&database) };
    assert_eq!(who(&Postgres::open(settings).unwrap()), [[text("postgres")]]);
}

#[test]
fn what_is_not_there_is_named() {
    let database = server::Postgres::shared().database();
    let there = settings(&database);
    let said = unusable(Settings { database: "nowhere".into(), ..there.clone() });
    assert!(
        said.contains("in database nowhere on /") && said.contains("create it, or name another"),
        "{said}"
    );
    let said = unusable(Settings { user: "nobody_here".into(), ..there.clone() });
    assert!(said.contains("check store.postgres.user"), "{said}");
    let host = |name: &str| vec![(Host::Name(name.into()), 9)];
    for (name, reason) in [("db.invalid", "failed to lookup address"), ("127.0.0.1", "refused")] {
        let error = Postgres::open(Settings { hosts: host(name), ..there.clone() }).unwrap_err();
        assert!(matches!(error, StoreError::Failed { .. }));
        let said = told(&error);
        assert!(
            said.contains(&format!("on {name}:9: it cannot be reached")) && said.contains(reason),
            "{said}"
        );
    }
}

#[test]
fn a_database_that_cannot_hold_every_text_is_refused() {
    let database = server::Postgres::shared().database();
    let name = format!("latin_{}", database.name);
    database.psql(&format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc"
    ));
    let said = unusable(Settings { database: name.clone(), ..settings(&database) });
    database.psql(&format!("DROP DATABASE {name}"));
    assert!(said.contains("ENCODING 'UTF8'"), "{said}");
}

#[test]
fn the_host_that_can_be_written_is_used() {
    let server = server::Postgres::start();
    let database = server.database();
    database.psql("CREATE TABLE t (id bigint)");
    let standby = server.standby();
    let hosts = |folders: &[(&Path, u16)]| {
        let host = |(folder, port): &(&Path, u16)| (Host::Socket((*folder).into()), *port);
        folders.iter().map(host).collect::<Vec<_>>()
    };
    let (first, second) = ((&*standby.folder, standby.port), (&*server.folder, server.port));
    let said = unusable(Settings { hosts: hosts(&[first]), ..settings(&database) });
    assert!(said.contains("it is read only (a standby?)"), "{said}");

    let both = Settings { hosts: hosts(&[first, second]), ..settings(&database) };
    let db = Postgres::open(both).unwrap();
    let write = || db.write("write it", |sql| sql.execute("INSERT INTO t VALUES (1)", &[]));
    write().unwrap();
    // Who has just begun to follow may not hear of it before the server stops.
    until(|| standby.psql(&database.name, "SELECT count(*) FROM t"), |count| count == "1");
    server.stop();
    let error = write().unwrap_err();
    assert!(
        matches!(error, StoreError::Failed { .. }) && told(&error).contains("read only"),
        "{}",
        told(&error)
    );
    standby.psql("postgres", "SELECT pg_promote()");
    write().unwrap();
    assert_eq!(standby.psql(&database.name, "SELECT count(*) FROM t"), "2");
}

#[test]
fn every_session_means_the_same_whatever_the_server_takes_for_granted() {
    let database = server::Postgres::shared().database();
    database.psql("CREATE SCHEMA \"odd \"\"name\"");
    let db = Postgres::open(Settings { schema: "odd \"name".into(), ..settings(&database) }).unwrap();
    let names = ["timezone", "search_path", "application_name", "lock_timeout", "statement_timeout"];
    let asked = names.map(|name| format!("current_setting('{name}')")).join(", ");
    let found = db.write("ask", |sql| {
        sql.batch("CREATE TABLE here (id bigint)")?;
        sql.query(&format!("SELECT {asked}"), &[])
    });
    let expected = ["UTC", "\"odd \"\"name\", pg_catalog", "clearpoint-sync", "15s", "30s"];
    assert_eq!(found.unwrap(), [expected.map(text)]);
    assert_eq!(database.psql("SELECT count(*) FROM \"odd \"\"name\".here"), "0");
}

#[test]
fn the_server_tells_its_time_version_and_size() {
    let (database, db) = fresh();
    in_the_end(|| db.answers());
    let before = database
        .psql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')");
    let now = Clock::Shared(db.clock().unwrap()).now();
    let now = now.to_cell();
    let Cell::Text(now) = now else { panic!("{now:?}") };
    let after = database.psql(
        "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC' + '5 s', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
    );
    assert!(*before <= *now && *now <= *after, "{before} {now} {after}");
    assert_eq!(db.server_version().unwrap(), database.psql("SHOW server_version"));
    assert_eq!(db.bytes(), 0);
    db.write_probe().unwrap();
    assert_eq!(database.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    database.psql("CREATE TABLE t AS SELECT n FROM generate_series(1, 1000) n");
    assert_eq!(db.bytes().to_string(), database.psql("SELECT pg_total_relation_size('t')"));
}

#[test]
fn the_schema_is_made_once_by_whoever_comes_first() {
    let database = server::Postgres::shared().database();
    let db = Postgres::open(Settings { schema: "kept".into(), ..settings(&database) }).unwrap();
    let all = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                all.wait();
                db.make_schema().unwrap();
            });
        }
    });
    assert_eq!(database.psql("SELECT count(*) FROM pg_namespace WHERE nspname = 'kept'"), "1");
}

#[test]
fn a_schema_that_is_there_needs_no_right_to_make_one() {
    let database = server::Postgres::shared().database();
    let user = format!("plain_{}", database.name);
    database.psql(&format!("CREATE ROLE {user} LOGIN"));
    let db = Postgres::open(Settings { user: user.clone(), schema: "kept".into(), ..settings(&database) });
    let db = db.unwrap();
    let error = db.make_schema().unwrap_err();
    assert!(matches!(&error, StoreError::Unusable(text) if text.contains("make the schema kept")), "{error}");
    database.psql(&format!("CREATE SCHEMA kept AUTHORIZATION {user}"));
    db.make_schema().unwrap();
    db.write_probe().unwrap();
    drop(db);
    database.psql(&format!("DROP SCHEMA kept; DROP ROLE {user}"));
}
