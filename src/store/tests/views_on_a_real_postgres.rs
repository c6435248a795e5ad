//! The views on PostgreSQL: the same rows and columns as on SQLite, and what people build on them stands.

use chrono::TimeDelta;
use tempfile::TempDir;

use super::sqlite::{Bench, kind, noon};
use crate::kind::KindName;
use crate::run::Outcome;
use crate::store::postgres::tests::a_real_postgres::settings;
use crate::store::postgres::tests::server::{Database, Postgres};
use crate::store::sql::Cell;
use crate::store::{Place, Store, postgres};

/// One store in each engine, with the same documents.
struct Both {
    sqlite: Bench,
    postgres: Bench,
    database: Database,
}

impl Both {
    async fn new(kind_name: &str) -> Self {
        let database = Postgres::shared().database();
        let mut postgres = Bench::at(place(&database), TempDir::new().unwrap(), None).await;
        let mut sqlite = Bench::new().await;
        (postgres.kind, sqlite.kind) = (kind(kind_name), kind(kind_name));
        Self { sqlite, postgres, database }
    }

    async fn sync_rows(&mut self, documents: &[&str]) {
        self.sqlite.sync_rows(documents).await;
        self.postgres.sync_rows(documents).await;
    }

    /// Both answer a query with these rows: values joined by `|`, NULL as `-`.
    #[track_caller]
    fn check(&self, query: &str, expected: &[&str]) {
        for bench in [&self.sqlite, &self.postgres] {
            assert_eq!(answer(&bench.store, query), expected, "{:?}: {query}", bench.store);
        }
    }

    #[track_caller]
    fn psql(&self, sql: &str) -> String {
        self.database.psql(&format!("SET search_path TO clearpoint; SET timezone TO 'UTC'; {sql}"))
    }
}

fn place(database: &Database) -> Place {
    Place::Server(Box::new(postgres::Settings { schema: "clearpoint".into(), ..settings(database) }))
}

async fn open(database: &Database) -> Store {
    Store::open(&place(database), noon()).await.unwrap()
}

#[track_caller]
fn answer(store: &Store, query: &str) -> Vec<String> {
    let shown = |cell: Cell<'_>| match cell {
        Cell::Null => "-".to_owned(),
        Cell::Integer(number) => number.to_string(),
        // Of the two zeros only one.
        Cell::Real(number) => (number + 0.0).to_string(),
        Cell::Text(text) => text.into_owned(),
        Cell::Bytes(bytes) => format!("{bytes:?}"),
    };
    let read = store.read_at_once("ask it", |sql| {
        sql.prepare_cached(query)?.query_map((), |row| {
            let cells: Vec<_> = (0..).map_while(|at| row.cell(at).ok()).map(shown).collect();
            Ok(cells.join("|"))
        })
    });
    read.unwrap()
}

impl Bench {
    /// Stores documents, and leaves the views as they are.
    async fn store_rows(&mut self, documents: &[&str]) {
        self.now += TimeDelta::minutes(1);
        let (run, pull) = (self.begin().await, self.pull(documents));
        let counts = self.try_commit(run, &pull).await.unwrap().counts;
        self.store.end_run(run, &self.connection, Outcome::Ok, None, false, &counts, self.now).await.unwrap();
    }
}

/// The names and types of a view's columns, in order.
fn columns(both: &Both, view: &str) -> (Vec<String>, Vec<String>) {
    let names = both.psql(&format!(
        "SELECT column_name || ' ' || data_type FROM information_schema.columns
         WHERE table_schema = 'clearpoint' AND table_name = '{view}' ORDER BY ordinal_position"
    ));
    let parted = names.lines().map(|line| line.split_once(' ').unwrap());
    parted.map(|(name, shown)| (name.to_owned(), shown.to_owned())).unzip()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_has_the_same_columns_in_the_same_order_on_both_engines() {
    let mut both = Both::new("objectives").await;
    let long = "Größe ".repeat(20);
    let document = format!(
        r#"{{"objectId":1,"":1,"q\"uo'te":2,"back\\slash":3,"Owner":4,"owner":5,"{long}":6,"{long}2":7,
            "select":8,"ctid":9,"$":10,"$1 ?1":11,"tab\t":12}}"#
    );
    both.sync_rows(&[&document]).await;
    let fields: Vec<String> = (0..1500).map(|n| format!(r#""f{n:04}":{n}"#)).collect();
    both.sync_rows(&[&format!(r#"{{"objectId":1,{}}}"#, fields.join(","))]).await;
    let views = both.sqlite.rows("SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY name");
    assert_eq!(views.len(), 18);
    for view in views {
        assert_eq!(columns(&both, &view).0, both.sqlite.columns(&view), "{view}");
    }
    assert_eq!(columns(&both, "objectives").0.len(), 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_typed() {
    let mut both = Both::new("goals").await;
    both.sync_rows(&[r#"{"goalId":1,"tier":3}"#]).await;
    let (names, types) = columns(&both, "goals");
    let typed: Vec<String> = names.iter().zip(types).map(|(name, shown)| format!("{name} {shown}")).collect();
    assert_eq!(
        typed.join(", "),
        "connection text, id bigint, name text, first_seen_at timestamp with time zone, \
         changed_at timestamp with time zone, goal_id bigint, object text, owner_id bigint, \
         completed boolean, percent_complete numeric, period_id bigint, status_id bigint, \
         description text, tier text"
    );
}

/// What a view shows of a value, as an integer, a number, a truth and a text.
const ODD_VALUES: &[(&str, &str)] = &[
    ("0", "0|0|0|0"),
    ("1", "1|1|1|1"),
    ("-7", "-7|-7|-|-7"),
    ("2.5", "-|2.5|-|2.5"),
    ("3.0", "3|3|-|3.0"),
    ("9007199254740992", "9007199254740992|9007199254740992|-|9007199254740992"),
    ("true", "-|-|1|true"),
    ("false", "-|-|0|false"),
    ("null", "-|-|-|-"),
    ("[]", "-|-|-|[]"),
    ("{}", "-|-|-|{}"),
    (r#""""#, "-|-|-|"),
    (r#"" ""#, "-|-|-| "),
    (r#""5""#, "5|5|-|5"),
    (r#""-5.25""#, "-|-5.25|-|-5.25"),
    (r#"".5""#, "-|0.5|-|.5"),
    (r#""5.""#, "-|5|-|5."),
    (r#""05""#, "-|5|-|05"),
    (r#""-0""#, "-|0|-|-0"),
    (r#""1""#, "1|1|1|1"),
    (r#""TRUE""#, "-|-|1|TRUE"),
    (r#""no""#, "-|-|-|no"),
    (r#""1.2.3""#, "-|-|-|1.2.3"),
    (r#""1-2""#, "-|-|-|1-2"),
    (r#""--5""#, "-|-|-|--5"),
    (r#""5-""#, "-|-|-|5-"),
    (r#""-""#, "-|-|-|-"),
    (r#"".""#, "-|-|-|."),
    (r#""+5""#, "-|-|-|+5"),
    (r#"" 5""#, "-|-|-| 5"),
    (r#""5\n""#, "-|-|-|5\n"),
    (r#""1e400""#, "-|-|-|1e400"),
    (r#""1e3""#, "-|-|-|1e3"),
    (r#""NaN""#, "-|-|-|NaN"),
    (r#""Infinity""#, "-|-|-|Infinity"),
    (r#""٣""#, "-|-|-|٣"),
    (r#""9223372036854775808""#, "-|9223372036854776000|-|9223372036854775808"),
    ("1e400", "-|-|-|1e400"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_another_type_is_null_and_never_an_error() {
    let mut both = Both::new("goals").await;
    let document = |value: &str, id: usize| {
        format!(
            r#"{{"goalId":{id},"ownerId":{value},"percentComplete":{value},"completed":{value},"x":{value}}}"#
        )
    };
    let documents: Vec<String> =
        ODD_VALUES.iter().enumerate().map(|(id, (value, _))| document(value, id + 1)).collect();
    both.sync_rows(&documents.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let query = "SELECT id, owner_id, percent_complete, completed, x FROM goals ORDER BY id";
    for bench in [&both.sqlite, &both.postgres] {
        for (line, (id, (value, expected))) in answer(&bench.store, query).iter().zip((1..).zip(ODD_VALUES)) {
            assert_eq!(*line, format!("{id}|{expected}"), "{value} in {:?}", bench.store);
        }
    }
    let digits = "7".repeat(200_000);
    let nested = r#"{"a":[1,{"b":"it's"}],"c":null}"#;
    let documents = [
        format!("\"{digits}\""),
        digits,
        nested.into(),
        "[[[1]]]".into(),
        format!("{:?}", "x".repeat(200_000)),
    ];
    let documents: Vec<String> = (1..).zip(documents).map(|(id, value)| document(&value, id)).collect();
    both.sync_rows(&documents.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let query =
        "SELECT id, owner_id, percent_complete, completed, length(x) > 6 FROM goals WHERE id < 6 ORDER BY id";
    both.check(query, &["1|-|-|-|1", "2|-|-|-|1", "3|-|-|-|1", "4|-|-|-|1", "5|-|-|-|1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_built_on_a_view_and_were_granted_survives_new_fields() {
    let mut both = Both::new("objectives").await;
    both.sync_rows(&[r#"{"objectId":1,"name":"a","zebra":1}"#]).await;
    let reader = format!("reader_{}", both.database.name);
    both.psql(&format!(
        "CREATE SCHEMA office;
         CREATE VIEW office.plain AS SELECT * FROM objectives;
         CREATE MATERIALIZED VIEW office.kept AS SELECT id, zebra FROM objectives;
         CREATE ROLE {reader};
         GRANT USAGE ON SCHEMA clearpoint TO {reader};
         GRANT SELECT ON objectives TO {reader}"
    ));
    both.sync_rows(&[r#"{"objectId":1,"name":"a","apple":2,"zebra":3}"#]).await;
    assert_eq!(both.psql("SELECT zebra, apple FROM objectives"), "3|2");
    assert_eq!(both.psql("SELECT zebra FROM office.plain"), "3");
    assert_eq!(both.psql("REFRESH MATERIALIZED VIEW office.kept; SELECT zebra FROM office.kept"), "3");
    assert_eq!(both.psql(&format!("SET ROLE {reader}; SELECT apple FROM objectives")), "2");
    both.psql(&format!("REVOKE ALL ON objectives FROM {reader}; REVOKE ALL ON SCHEMA clearpoint FROM {reader}; DROP ROLE {reader}"));
}

/// As docs/postgres.md says.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_select_reads_every_view_and_changes_nothing() {
    let mut both = Both::new("objectives").await;
    let reader = format!("reader_{}", both.database.name);
    both.psql(&format!(
        "CREATE ROLE {reader};
         GRANT USAGE ON SCHEMA clearpoint TO {reader};
         GRANT SELECT ON ALL TABLES IN SCHEMA clearpoint TO {reader};
         ALTER DEFAULT PRIVILEGES IN SCHEMA clearpoint GRANT SELECT ON TABLES TO {reader}"
    ));
    both.postgres.kind.name = KindName::new("milestones");
    both.postgres.sync_rows(&[r#"{"id":1,"objectId":1,"due":"2026-04-01"}"#]).await;
    let ask = |sql: &str| both.psql(&format!("SET ROLE {reader}; {sql}"));
    assert_eq!(ask("SELECT id, due FROM milestones"), "1|2026-04-01");
    for view in ["objectives", "measure_series", "freshness", "last_runs", "key_expiry", "changes"] {
        ask(&format!("SELECT * FROM {view}"));
    }
    for sql in [
        "DELETE FROM elements",
        "DELETE FROM milestones",
        "UPDATE milestones SET name = 'x'",
        "INSERT INTO sequences VALUES ('x', 1)",
        "DROP VIEW milestones",
        "CREATE TABLE clearpoint.mine (n bigint)",
    ] {
        let said = both.database.refusal(&format!("SET search_path TO clearpoint; SET ROLE {reader}; {sql}"));
        assert!(said.contains("permission denied") || said.contains("must be owner"), "{sql}: {said}");
    }
    both.psql(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}"));
}

/// Reads a view in a transaction that stays open until the channel that it is given is closed.
async fn while_somebody_reads<T>(database: &Database, view: &str, meanwhile: impl AsyncFnOnce() -> T) -> T {
    let reader =
        postgres::Postgres::open(postgres::Settings { schema: "clearpoint".into(), ..settings(database) })
            .unwrap();
    let (began, reads) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let query = format!("SELECT count(*) FROM {view}");
    let reading = std::thread::spawn(move || {
        let read = reader.read("read for long", |sql| {
            sql.query(&query, &[])?;
            began.send(())?;
            let _ = ended.recv();
            Ok(())
        });
        read.unwrap();
    });
    reads.recv().unwrap();
    let done = meanwhile().await;
    drop(end);
    reading.join().unwrap();
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_with_a_long_transaction_keeps_a_view_as_it_is_and_stops_nothing() {
    let mut both = Both::new("objectives").await;
    both.sync_rows(&[r#"{"objectId":1,"name":"a"}"#]).await;
    let bench = &mut both.postgres;
    while_somebody_reads(&both.database, "objectives", async || {
        bench.store_rows(&[r#"{"objectId":1,"name":"b","tier":"gold"}"#]).await;
        bench.kind = kind("risks");
        bench.store_rows(&[r#"{"objectId":1,"name":"r","tier":"lead"}"#]).await;
        let error = bench.store.refresh_views().await.unwrap_err();
        assert!(postgres::is_kept_by_others(&error), "{error:?}");
        assert!(error.to_string().contains("make the view objectives"), "{error}");
        assert_eq!(answer(&bench.store, "SELECT name FROM objectives"), ["b"]);
        assert_eq!(answer(&bench.store, "SELECT tier FROM risks"), ["lead"]);
        open(&both.database).await;
    })
    .await;
    both.postgres.store.refresh_views().await.unwrap();
    assert_eq!(both.psql("SELECT tier FROM objectives"), "gold");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_programs_make_views_at_once() {
    let mut both = Both::new("objectives").await;
    let fields: Vec<String> = (0..50).map(|n| format!(r#""f{n:02}":{n}"#)).collect();
    for kind_name in ["objectives", "measures", "risks"] {
        both.postgres.kind = kind(kind_name);
        both.postgres.store_rows(&[&format!(r#"{{"objectId":1,{}}}"#, fields.join(","))]).await;
    }
    let place = place(&both.database);
    let opening = (0..4).map(|_| {
        let place = place.clone();
        tokio::spawn(async move { Store::open(&place, noon()).await })
    });
    for opened in opening.collect::<Vec<_>>() {
        opened.await.unwrap().unwrap();
    }
    let names = columns(&both, "risks").0;
    assert_eq!((names.len(), names.last().unwrap().as_str()), (5 + 8 + 50, "f49"));
    assert_eq!(names, columns(&both, "objectives").0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_of_an_earlier_program_gets_what_a_later_one_adds_at_its_end() {
    let mut both = Both::new("objectives").await;
    both.sync_rows(&[r#"{"objectId":1}"#]).await;
    let today = columns(&both, "last_runs").0;
    both.psql(
        "DROP VIEW last_runs;
         CREATE VIEW last_runs AS SELECT connection, id AS run, mode FROM runs;
         UPDATE made_views SET body = 'earlier' WHERE name = 'last_runs';
         CREATE VIEW mine AS SELECT run, mode FROM last_runs",
    );
    open(&both.database).await;
    assert_eq!(columns(&both, "last_runs").0, today);
    assert_eq!(both.psql("SELECT mode FROM mine"), "full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_somebody_dropped_is_made_again() {
    let both = Both::new("objectives").await;
    both.psql("DROP VIEW objectives, freshness");
    both.postgres.store.refresh_views().await.unwrap();
    both.check("SELECT * FROM objectives", &[]);
    both.check("SELECT * FROM freshness", &[]);
}
