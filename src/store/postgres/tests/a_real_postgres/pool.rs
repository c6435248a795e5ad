//! Sessions and transactions: what a failure, a panic, an end of the server leave behind.

use super::*;
use crate::store::postgres::pool::Loan;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;

#[test]
fn a_write_is_stored_whole_or_not_at_all() {
    let (database, db) = fresh();
    db.write("make it", |sql| sql.batch("CREATE TABLE t (id bigint)")).unwrap();
    let failed = db.write("write it", |sql| {
        sql.execute("INSERT INTO t VALUES (1)", &[])?;
        Err::<(), _>("the spool broke".into())
    });
    assert!(told(&failed.unwrap_err()).contains(&format!("cannot write it in database {}", database.name)));
    assert_eq!(database.psql("SELECT count(*) FROM t"), "0");
    db.write("write it", |sql| sql.execute("INSERT INTO t VALUES (2)", &[])).unwrap();
    assert_eq!(database.psql("SELECT * FROM t"), "2");
}

#[test]
fn a_panic_leaves_nothing_behind() {
    let (database, db) = fresh();
    db.write("make it", |sql| sql.batch("CREATE TABLE t (id bigint)")).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        db.write("write it", |sql| -> Result<(), Fault> {
            sql.execute("INSERT INTO t VALUES (1)", &[])?;
            panic!("in the middle");
        })
    }));
    assert!(panicked.is_err());
    // Waits for the lock of whoever were still writing.
    db.write("write it", |sql| sql.batch("LOCK TABLE t; INSERT INTO t VALUES (2)")).unwrap();
    assert_eq!(database.psql("SELECT * FROM t"), "2");
}

#[test]
fn a_failure_that_was_passed_over_is_not_taken_for_a_success() {
    let (database, db) = fresh();
    db.write("make it", |sql| sql.batch("CREATE TABLE t (id bigint)")).unwrap();
    let said = refusal(&db, |sql| {
        sql.execute("INSERT INTO t VALUES (1)", &[])?;
        let _ = sql.execute("INSERT INTO nowhere VALUES (1)", &[]);
        Ok(())
    });
    assert!(said.ends_with("a statement in it had failed"), "{said}");
    let kept = db.write("write it", |sql| {
        sql.batch("INSERT INTO t VALUES (2); SAVEPOINT s")?;
        let _ = sql.execute("INSERT INTO nowhere VALUES (1)", &[]);
        sql.batch("ROLLBACK TO SAVEPOINT s")
    });
    kept.unwrap();
    assert_eq!(database.psql("SELECT * FROM t"), "2");
}

#[test]
fn a_read_sees_one_state_and_cannot_write() {
    let (database, db) = fresh();
    database.psql("CREATE TABLE t (id bigint)");
    let counts = db.read("read it", |sql| {
        let before = sql.query("SELECT count(*) FROM t", &[])?;
        database.psql("INSERT INTO t VALUES (1)");
        Ok((before, sql.query("SELECT count(*) FROM t", &[])?))
    });
    let (before, after) = counts.unwrap();
    assert_eq!(before, after);
    let said = db.read("read it", |sql| sql.execute("INSERT INTO t VALUES (2)", &[])).unwrap_err();
    assert!(told(&said).contains("SQLSTATE 25006"), "{}", told(&said));
}

#[test]
fn two_writers_in_a_deadlock_both_come_through() {
    let (database, db) = fresh();
    database.psql("CREATE TABLE t (id bigint, times bigint); INSERT INTO t VALUES (1, 0), (2, 0)");
    let both = Barrier::new(2);
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let write = |first: i64, second: i64| {
        let mut is_again = false;
        db.write("write it", |sql| {
            tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let update = "UPDATE t SET times = times + 1 WHERE id = ?1";
            sql.execute(update, &[Cell::Integer(first)])?;
            if !std::mem::replace(&mut is_again, true) {
                both.wait();
            }
            sql.execute(update, &[Cell::Integer(second)])
        })
        .unwrap();
    };
    std::thread::scope(|scope| {
        scope.spawn(|| write(1, 2));
        scope.spawn(|| write(2, 1));
    });
    // Who tries again may meet the other once more.
    let tries = tries.into_inner();
    assert!((3..=5).contains(&tries), "{tries}");
    assert_eq!(database.psql("SELECT * FROM t ORDER BY id"), "1|2\n2|2");
}

#[test]
fn a_conflict_that_stays_is_given_up_after_three_more_tries() {
    let (_database, db) = fresh();
    let mut tries = 0;
    let said = refusal(&db, |sql| {
        tries += 1;
        sql.batch("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$")
    });
    assert_eq!(tries, 4);
    assert!(said.contains("others kept writing the same rows") && said.ends_with("again (SQLSTATE 40001)"));
}

#[test]
fn a_session_that_was_ended_while_idle_is_replaced_unheard() {
    let (database, db) = fresh();
    let end = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 60000)) FROM pg_stat_activity \
        WHERE application_name = 'clearpoint-sync' AND datname = current_database()";
    for _ in 0..3 {
        assert_eq!(database.psql(end), "1");
        let found = db.read("read it", |sql| sql.query("SELECT 1", &[]));
        assert_eq!(found.unwrap(), [[Cell::Integer(1)]]);
    }
}

#[test]
fn a_session_that_is_ended_at_work_is_told_and_the_next_call_works() {
    let (database, db) = fresh();
    database.psql("CREATE TABLE t (id bigint)");
    let ended = db.write("write it", |sql| {
        let own = sql.query("INSERT INTO t VALUES (1) RETURNING pg_backend_pid()", &[])?;
        let [Cell::Integer(own)] = own[0][..] else { panic!("{own:?}") };
        database.psql(&format!("SELECT pg_terminate_backend({own}, 60000)"));
        sql.execute("INSERT INTO t VALUES (2)", &[])
    });
    let said = told(&ended.unwrap_err());
    assert!(
        said.contains("the connection was lost; the next run repeats it: terminating connection due to"),
        "{said}"
    );
    db.write("write it", |sql| sql.execute("INSERT INTO t VALUES (3)", &[])).unwrap();
    assert_eq!(database.psql("SELECT * FROM t"), "3");
}

#[test]
fn no_more_sessions_are_open_than_were_allowed() {
    let (database, db) = fresh();
    let four = Barrier::new(4);
    let most = std::thread::scope(|scope| {
        let read = |is_barred: bool| {
            let (db, four, database) = (&db, &four, &database);
            scope.spawn(move || {
                db.read("read it", |sql| {
                    if is_barred {
                        four.wait();
                    }
                    sql.query("SELECT 1", &[])?;
                    Ok(database.psql(
                        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                         AND application_name = 'clearpoint-sync'",
                    ))
                })
            })
        };
        let threads: Vec<_> = (0..12).map(|number| read(number < 4)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).max()
    });
    assert_eq!(most.as_deref(), Some("4"));
}

/// The session that is opened beside a crowd, to prolong a lease, does not stay for the crowd.
#[test]
fn a_session_that_was_one_too_many_is_not_kept() {
    let (_database, db) = fresh();
    let four: Vec<_> = (0..4).map(|_| db.lend().unwrap()).collect();
    in_the_end(|| db.answers());
    let fifth = db.lend_within(Duration::ZERO).map(|_| ());
    assert!(fifth.is_err(), "five sessions are in use where four were allowed");
    four.into_iter().for_each(Loan::give_back);
    in_the_end(|| db.answers());
    db.lend_within(Duration::ZERO).map(Loan::give_back).unwrap();
}

#[test]
fn it_works_inside_runtimes_of_both_flavours_and_outside() {
    let (_database, db) = fresh();
    let read = || db.read("read it", |sql| sql.query("SELECT n FROM generate_series(1, 5000) n", &[]));
    assert_eq!(read().unwrap().len(), 5000);
    for mut builder in
        [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()]
    {
        let runtime = builder.enable_all().build().unwrap();
        let counts = runtime.block_on(async {
            let mut rows = 0;
            for _ in 0..50 {
                rows += read().unwrap().len();
            }
            let dropped_here = Postgres::open(db.settings.clone()).unwrap();
            drop(dropped_here);
            rows
        });
        assert_eq!(counts, 250_000);
    }
}
