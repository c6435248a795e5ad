//! A server that stops, hangs, is slow or full: what is told, how soon, and that all is well afterwards.

use super::*;
use std::time::Instant;

/// The driver on a database of a server of one's own, with little patience.
fn impatient(server: &server::Postgres) -> (server::Database, Postgres) {
    let database = server.database();
    let second = Duration::from_secs(1);
    let settings = Settings { connect_timeout: second, statement_timeout: second, ..settings(&database) };
    let db = Postgres::open(settings).unwrap();
    (database, db)
}

fn read(db: &Postgres) -> Result<Vec<Vec<Cell<'static>>>, StoreError> {
    db.read("read it", |sql| sql.query("SELECT 1", &[]))
}

/// What is told of a failure that the next run repeats.
#[track_caller]
fn failed<T: std::fmt::Debug>(done: Result<T, StoreError>) -> String {
    let error = done.unwrap_err();
    assert!(matches!(error, StoreError::Failed { .. }), "{error}");
    told(&error)
}

#[test]
fn a_server_that_stopped_is_told_and_found_again() {
    let server = server::Postgres::start();
    let (_database, db) = impatient(&server);
    for stop in [server::Postgres::stop, server::Postgres::crash] {
        stop(&server);
        let said = failed(read(&db));
        assert!(said.contains("it cannot be reached; the next run tries again: "), "{said}");
        assert!(said.contains("No such file or directory"), "{said}");
        failed(db.answers());
        server.up();
        read(&db).unwrap();
        db.answers().unwrap();
    }
}

#[test]
fn a_server_that_hangs_is_given_up_in_time() {
    let server = server::Postgres::start();
    let (_database, db) = impatient(&server);
    server.freeze();
    let begun = Instant::now();
    let said = failed(read(&db));
    assert!(said.contains("no answer came within 1 s"), "{said}");
    failed(db.answers());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    server.thaw();
    read(&db).unwrap();
}

#[test]
fn a_server_that_hangs_in_a_transaction_is_given_up_in_time() {
    let server = server::Postgres::start();
    let (database, db) = impatient(&server);
    database.psql("CREATE TABLE t (id bigint)");
    let begun = Instant::now();
    let said = failed(db.write("write it", |sql| {
        sql.execute("INSERT INTO t VALUES (1)", &[])?;
        server.freeze();
        sql.execute("INSERT INTO t VALUES (2)", &[])
    }));
    assert!(said.contains("stands still; the next run repeats it: no answer came within 2 s"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    server.thaw();
    read(&db).unwrap();
    assert_eq!(database.psql("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_commit_without_an_answer_is_told_as_open() {
    let server = server::Postgres::start();
    let (_database, db) = impatient(&server);
    let said = failed(db.write("write it", |_| {
        server.freeze();
        Ok(())
    }));
    assert!(
        said.contains("whether it is stored is not known; the next run sees which: no answer came"),
        "{said}"
    );
    server.thaw();
    read(&db).unwrap();
}

#[test]
fn a_slow_statement_is_ended_by_the_server() {
    let server = server::Postgres::start();
    let (_database, db) = impatient(&server);
    let said = failed(db.read("read it", |sql| sql.query("SELECT 1 FROM pg_sleep(60)", &[])));
    assert!(said.contains("raise store.postgres.statement_timeout"), "{said}");
    assert!(said.ends_with("(SQLSTATE 57014)"), "{said}");
}

#[test]
fn a_lock_that_another_session_keeps_is_told() {
    let server = server::Postgres::start();
    let (database, db) = impatient(&server);
    database.psql("CREATE TABLE t (id bigint)");
    let said = db.write("write it", |sql| {
        sql.batch("LOCK TABLE t")?;
        Ok(failed(db.write("write it too", |sql| sql.execute("INSERT INTO t VALUES (1)", &[]))))
    });
    let said = said.unwrap();
    assert!(said.contains("another session kept a lock for too long"), "{said}");
}

#[test]
fn whether_it_answers_is_told_while_all_sessions_are_in_use() {
    let database = server::Postgres::shared().database();
    let db = Postgres::open(Settings { connections_max: 1, ..settings(&database) }).unwrap();
    db.write("write it", |_| Ok(db.answers()?)).unwrap();
}

#[test]
fn a_full_disk_is_told_and_nothing_is_stored() {
    let Some(server) = server::Postgres::on_small_disk(32) else {
        eprintln!("left out: this user may mount nothing");
        return;
    };
    let (database, db) = impatient(&server);
    database.psql("CREATE TABLE t (words text)");
    db.write_probe().unwrap();
    server.fill_disk();
    let fill = "INSERT INTO t SELECT repeat(md5(n::text), 100) FROM generate_series(1, 1000) n";
    let said = failed(db.write("write it", |sql| sql.execute(fill, &[])));
    assert!(said.contains("the server's disk is full; make room there"), "{said}");
    failed(db.write_probe());
    server.make_room();
    db.write_probe().unwrap();
    assert_eq!(database.psql("SELECT count(*) FROM t"), "0");
}

#[test]
fn too_many_connections_are_told() {
    let database = server::Postgres::shared().database();
    let user = format!("few_{}", database.name);
    database.psql(&format!("CREATE ROLE {user} LOGIN CONNECTION LIMIT 1"));
    let settings = Settings { user: user.clone(), ..settings(&database) };
    let first = Postgres::open(settings.clone()).unwrap();
    let said = failed(Postgres::open(settings));
    assert!(said.contains("lower store.postgres.connections_max"), "{said}");
    drop(first);
    database.psql(&format!("DROP ROLE {user}"));
}

#[test]
fn a_right_that_is_missing_is_for_a_person() {
    let database = server::Postgres::shared().database();
    let user = format!("weak_{}", database.name);
    database.psql(&format!("CREATE ROLE {user} LOGIN; CREATE TABLE t (id bigint)"));
    let db = Postgres::open(Settings { user: user.clone(), ..settings(&database) }).unwrap();
    let error = db.write("write it", |sql| sql.execute("INSERT INTO t VALUES (1)", &[])).unwrap_err();
    assert!(matches!(&error, StoreError::Unusable(text) if text.contains("grant it")), "{error}");
    assert!(told(&error).contains("permission denied for table t"), "{error}");
    drop(db);
    database.psql(&format!("DROP ROLE {user}"));
}

#[test]
fn a_statement_that_was_prepared_before_the_table_changed_is_prepared_anew() {
    let (database, db) = fresh();
    database.psql("CREATE TABLE t (id bigint); INSERT INTO t VALUES (1)");
    let all = || db.write("read it", |sql| sql.query("SELECT * FROM t", &[]));
    assert_eq!(all().unwrap(), [[Cell::Integer(1)]]);
    database.psql("ALTER TABLE t ADD COLUMN words text");
    assert_eq!(all().unwrap(), [[Cell::Integer(1), Cell::Null]]);
}
