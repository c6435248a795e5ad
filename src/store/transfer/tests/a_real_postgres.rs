//! Copies with a real server at one end or both.

use super::super::Onto;
use super::{Place, Store, all_same, at, copy, file, fresh, list, settings, sums, world};
use crate::store::StoreError;
use crate::store::tests::sqlite::noon;

#[tokio::test]
async fn the_list_is_the_schema() {
    let (_database, store) = fresh().await;
    list::is_the_schema_of_postgres(&store);
}

#[tokio::test]
async fn two_hundred_thousand_elements_go_there_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    world::make(&path, 200_000).await;
    let (_database, there) = fresh().await;
    let (from, back) = (file(&path).await, file(&dir.path().join("back.db")).await);
    let mut told = Vec::new();
    let out = from.copy_to(&there, Onto::Empty, &mut |progress| told.push(progress)).await.unwrap();
    let last = told.last().unwrap();
    assert_eq!(last.done / 500, last.of / 500);
    let home = copy(&there, &back).await.unwrap();
    assert_eq!(out[4].here.rows, 200_000);
    for (out, home) in out.iter().zip(&home) {
        assert!(out.is_same() && home.is_same(), "{out:?} {home:?}");
        assert_eq!(home.there, out.here, "{}", out.table);
    }
}

/// What comes next gets the next number, and what people query is there.
#[tokio::test]
async fn a_copy_goes_on_where_the_store_stood() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    world::make(&path, 100).await;
    let (database, there) = fresh().await;
    all_same(copy(&file(&path).await, &there).await);
    let city = crate::name::ConnectionName::parse("city").unwrap();
    let run = there.begin_run(&city, crate::run::Mode::Full, noon()).await.unwrap();
    assert_eq!(run.0, 41);
    assert_eq!(there.last_change().await.unwrap(), 207);
    let view = "SET search_path TO clearpoint; SELECT count(*), count(größe_x) FROM measures";
    assert_eq!(database.psql(view), "31|0");
}

#[tokio::test]
async fn a_schema_is_copied_to_another_but_not_onto_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    world::make(&path, 10).await;
    let (database, one) = fresh().await;
    all_same(copy(&file(&path).await, &one).await);
    let other = Store::open(&at(&database, "other"), noon()).await.unwrap();
    all_same(copy(&one, &other).await);
    assert_eq!(sums(&one), sums(&other));
    let mut again = settings(&database, "clearpoint");
    again.hosts = vec![(crate::store::postgres::Host::Name("127.0.0.1".into()), database.port)];
    let again = Store::open_read_only(&Place::Server(Box::new(again))).await.unwrap();
    let told = again.copy_to(&one, Onto::Earlier, &mut |_| ()).await.unwrap_err().to_string();
    assert!(told.contains("same store"), "{told}");
}

/// The server changes what it is given: the copy is told to differ, and nothing of it stays.
#[tokio::test]
async fn a_copy_that_differs_is_told_and_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    world::make(&path, 2_500).await;
    let (database, there) = fresh().await;
    database.psql(
        "SET search_path TO clearpoint;
         CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN IF NEW.id = 1701 * 3 THEN NEW.name = 'other'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER spoil BEFORE INSERT ON elements FOR EACH ROW EXECUTE FUNCTION spoil()",
    );
    let from = file(&path).await;
    let copied = copy(&from, &there).await.unwrap();
    let unlike: Vec<_> = copied.iter().filter(|copy| !copy.is_same()).map(|copy| copy.table).collect();
    assert_eq!(unlike, ["elements"]);
    let left =
        "SET search_path TO clearpoint; SELECT (SELECT count(*) FROM elements), (SELECT count(*) FROM runs)";
    assert_eq!(database.psql(left), "0|0");
    database.psql("DROP TRIGGER spoil ON clearpoint.elements");
    all_same(copy(&from, &there).await);
}

#[tokio::test]
async fn a_row_that_postgres_cannot_keep_is_named() {
    for (statement, named) in [
        ("UPDATE elements SET name = 'a' || char(0) || 'b' WHERE id = 9", "name of elements"),
        (r#"UPDATE elements SET doc = '{"a":"\u0000"}' WHERE id = 9"#, "doc of elements"),
        (r#"UPDATE elements SET doc = '{"a":"\ud800"}' WHERE id = 9"#, "doc of elements"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        world::make(&path, 10).await;
        rusqlite::Connection::open(&path).unwrap().execute_batch(statement).unwrap();
        let (database, there) = fresh().await;
        let told = copy(&file(&path).await, &there).await.unwrap_err();
        let StoreError::Unusable(text) = told else { panic!("{told}") };
        assert!(text.contains(named) && text.contains("kind measures, connection city, id 9"), "{text}");
        assert_eq!(database.psql("SELECT count(*) FROM clearpoint.connections"), "0");
    }
}

/// What people built on a view stands as long as the view's columns only become more.
#[tokio::test]
async fn views_with_other_columns_give_way() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    world::make(&path, 10).await;
    let (database, there) = fresh().await;
    database.psql(
        "SET search_path TO clearpoint; CREATE VIEW mine AS SELECT name FROM objectives;
         INSERT INTO view_columns VALUES ('measures', 999, 'theirs', 'theirs', 'text');
         INSERT INTO fields VALUES ('town', 'measures', 'theirs', NULL, 'text', 'doc', now(), false)",
    );
    there.refresh_views().await.unwrap();
    all_same(file(&path).await.copy_to(&there, Onto::Earlier, &mut |_| ()).await);
    let columns = "SELECT string_agg(column_name, ',') FROM information_schema.columns
         WHERE table_name = 'measures' AND column_name IN ('theirs', 'größe_x')";
    assert_eq!(database.psql(columns), "größe_x");
    assert_eq!(database.psql("SELECT count(*) FROM clearpoint.mine"), "7");
}

#[tokio::test]
async fn a_leased_connection_keeps_a_copy_waiting() {
    let (database, store) = fresh().await;
    let lease = |until: &str| {
        database.psql(&format!(
            "INSERT INTO clearpoint.leases VALUES ('city', 1, 'host a, pid 7', 'a', now() + '{until}')
             ON CONFLICT (name) DO UPDATE SET expires_at = excluded.expires_at"
        ));
    };
    let clock = crate::clock::Clock::System;
    lease("1 minute");
    let told = store.hold(&[], "store copy", &clock).await.unwrap_err();
    assert!(matches!(&told, StoreError::Busy(text) if text.contains("host a, pid 7")), "{told}");
    lease("-1 minute");
    store.hold(&[], "store copy", &clock).await.unwrap();
}

/// While one store is read, nothing is heard of in the transaction at the other: no lease is to end that.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_longer_to_read_than_a_lease_is_copied() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    world::make(&path, 10).await;
    // Under a short lease a pause while the schema is made would end that.
    let (database, _) = fresh().await;
    let mut settings = settings(&database, "clearpoint");
    settings.lease = std::time::Duration::from_millis(1500);
    let there = Store::open(&Place::Server(Box::new(settings)), noon()).await.unwrap();
    let mut told = |progress: crate::store::Progress| {
        // Neither at its beginning nor at its end.
        if progress.table == "elements" {
            std::thread::sleep(std::time::Duration::from_secs(2));
        }
    };
    all_same(file(&path).await.copy_to(&there, Onto::Empty, &mut told).await);
}

/// Whoever reads the other store goes on, and sees what it held, until the copy is there.
#[tokio::test(flavor = "multi_thread")]
async fn readers_are_not_kept_waiting_by_a_copy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    world::make(&path, 10).await;
    let (database, there) = fresh().await;
    let from = file(&path).await;
    all_same(copy(&from, &there).await);
    let mut seen = Vec::new();
    let mut told = |_: crate::store::Progress| {
        seen.push(database.psql(
            "SET lock_timeout = '1s'; SET search_path = clearpoint;
             SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM warnings), (SELECT count(*) FROM deliveries)",
        ));
    };
    all_same(from.copy_to(&there, Onto::Earlier, &mut told).await);
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
}
