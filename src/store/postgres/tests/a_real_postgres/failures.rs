//! A server that stops, hangs, is slow or full: what is told, how soon, and that all is well afterwards.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

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
    let (_database, db) = fresh_on(&server);
    for stop in [server::Postgres::stop, server::Postgres::crash] {
        stop(&server);
        let said = failed(read(&db));
        assert!(said.contains("it cannot be reached; the next run tries again: "), "{said}");
        assert!(said.contains("No such file or directory"), "{said}");
        failed(db.answers());
        server.up();
        read(&db).unwrap();
        in_the_end(|| db.answers());
    }
}

#[test]
fn a_server_that_hangs_is_given_up_in_time() {
    let server = server::Postgres::start();
    let settings = Settings { connect_timeout: SECOND, ..settings(&server.database()) };
    let db = in_the_end(|| Postgres::open(settings.clone()));
    server.freeze();
    let begun = Instant::now();
    let said = failed(read(&db));
    assert!(said.contains("no answer came within 1 s"), "{said}");
    failed(db.answers());
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    server.thaw();
    in_the_end(|| read(&db));
}

/// What is told of a write before whose end, done by `after`, the server hangs; also that it works again once
/// the server goes on.
#[track_caller]
fn told_of_a_hang(
    server: &server::Postgres,
    database: &server::Database,
    work: impl Fn(&Session) -> Result<(), Fault>,
    after: impl Fn(&Session) -> Result<(), Fault>,
) -> String {
    let settings = Settings { statement_timeout: SECOND, ..settings(database) };
    let db = in_the_end(|| Postgres::open(settings.clone()));
    // On a machine that is busy it may not get that far at once.
    let begun = Instant::now();
    loop {
        let mut frozen = None;
        let said = failed(db.write("write it", |sql| {
            work(sql)?;
            server.freeze();
            frozen = Some(Instant::now());
            after(sql)
        }));
        if let Some(frozen) = frozen {
            assert!(frozen.elapsed() < PATIENCE, "{:?}", frozen.elapsed());
            server.thaw();
            in_the_end(|| read(&db));
            return said;
        }
        assert!(begun.elapsed() < PATIENCE, "{said}");
    }
}

#[test]
fn a_server_that_hangs_in_a_transaction_is_given_up_in_time() {
    let server = server::Postgres::start();
    let database = server.database();
    database.psql("CREATE TABLE t (id bigint)");
    let insert = |sql: &Session| sql.execute("INSERT INTO t VALUES (1)", &[]).map(drop);
    let said = told_of_a_hang(&server, &database, insert, insert);
    assert!(said.contains("stands still; the next run repeats it: no answer came within 2 s"), "{said}");
    assert_eq!(database.psql("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_commit_without_an_answer_is_told_as_open() {
    let server = server::Postgres::start();
    let said = told_of_a_hang(&server, &server.database(), |_| Ok(()), |_| Ok(()));
    assert!(
        said.contains("whether it is stored is not known; the next run sees which: no answer came"),
        "{said}"
    );
}

#[test]
fn a_slow_statement_is_ended_by_the_server() {
    let (_database, db) = fresh();
    let said = failed(db.read("read it", |sql| {
        sql.batch("SET LOCAL statement_timeout TO 1000")?;
        sql.query("SELECT 1 FROM pg_sleep(60)", &[])
    }));
    assert!(said.contains("raise store.postgres.statement_timeout"), "{said}");
    assert!(said.ends_with("(SQLSTATE 57014)"), "{said}");
}

#[test]
fn a_lock_that_another_session_keeps_is_told() {
    let (database, db) = fresh();
    database.psql("CREATE TABLE t (id bigint)");
    let said = db.write("write it", |sql| {
        sql.batch("LOCK TABLE t")?;
        Ok(failed(db.write("write it too", |sql| {
            sql.batch("SET LOCAL lock_timeout TO 500; INSERT INTO t VALUES (1)")
        })))
    });
    let said = said.unwrap();
    assert!(said.contains("another session kept a lock for too long"), "{said}");
}

#[test]
fn whether_it_answers_is_told_while_all_sessions_are_in_use() {
    let database = server::Postgres::shared().database();
    let db = Postgres::open(Settings { connections_max: 1, ..settings(&database) }).unwrap();
    let ask = |_: &Session| {
        in_the_end(|| db.answers());
        Ok(())
    };
    db.write("write it", ask).unwrap();
}

#[test]
fn a_full_disk_is_told_and_nothing_is_stored() {
    let Some(server) = server::Postgres::on_small_disk(32) else {
        eprintln!("left out: this user may mount nothing");
        return;
    };
    let (database, db) = fresh_on(&server);
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
