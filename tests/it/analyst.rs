//! docs/analyst.md is true: each query in it is run on a store of either engine that the program filled, and
//! answers what the document says.

use std::collections::{BTreeMap, BTreeSet};

use clearpoint_sync::simulator::{Point, Size, World};

use crate::harness::{Bench, Setup};
use crate::postgres_server::{Database, Postgres};

const DOCUMENT: &str = include_str!("../../docs/analyst.md");

/// A query of the document.
#[derive(Debug, Default)]
struct Query {
    /// By engine: `sqlite`, `postgres`.
    texts: BTreeMap<&'static str, String>,
    /// The header and the rows of its sample.
    sample: Vec<Vec<String>>,
}

/// The queries by name. What is fenced as `sql` names itself, and its engine if it is for one only; what is
/// fenced as `text` with a name is its sample.
fn queries() -> BTreeMap<&'static str, Query> {
    let mut found: BTreeMap<&str, Query> = BTreeMap::new();
    for block in DOCUMENT.split("\n```").skip(1).step_by(2) {
        let (info, content) = block.split_once('\n').unwrap();
        match info.split(' ').collect::<Vec<_>>()[..] {
            ["sql", name] => {
                let text = content.to_owned();
                found.entry(name).or_default().texts =
                    ["sqlite", "postgres"].map(|on| (on, text.clone())).into();
            }
            ["sql", name, on] => {
                found.entry(name).or_default().texts.insert(on, content.to_owned());
            }
            ["text", name] => found.entry(name).or_default().sample = content.lines().map(cells).collect(),
            ["sql"] => panic!("a query without a name, so that nobody tests it: {content}"),
            _ => {}
        }
    }
    found
}

fn cells(line: &str) -> Vec<String> {
    line.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// A cell as the document writes it: instants to the minute, numbers without needless digits.
fn shown(cell: &str) -> String {
    let instant = cell.strip_suffix("+00").map_or_else(|| cell.to_owned(), |utc| format!("{utc}Z"));
    if let Ok(at) = instant.replace(' ', "T").parse::<chrono::DateTime<chrono::Utc>>() {
        return at.format("%Y-%m-%d %H:%M").to_string();
    }
    cell.parse::<f64>().map_or_else(|_| cell.to_owned(), |number| number.to_string())
}

/// The office of the samples, as the program finds it on 1 March 2026 and on 6 March.
async fn office() -> Bench {
    let mut world = World::generate(0, &Size::small().none());
    let period = world.periods().last().unwrap().id;
    for (id, name) in [(154_480, "City Strategy"), (154_481, "Public Works"), (154_482, "Personnel")] {
        let row = format!(r#"{{"scorecardId":{id},"name":"{name}","active":true,"periodId":{period}}}"#);
        world.put_raw("scorecards", id, row);
    }
    for (id, name, department) in [
        (40_001, "Ada Byron", "Finance"),
        (40_002, "Grace Hopper", "Public Works"),
        (40_003, "José Peña", "Public Works"),
    ] {
        let row = format!(r#"{{"userId":{id},"fullName":"{name}","department":"{department}"}}"#);
        world.put_raw("users", id, row);
    }
    for (kind, id, name, scorecard, owner, more) in ELEMENTS {
        put(&mut world, kind, *id, name, *scorecard, *owner, more);
    }
    for (measure, actual, target) in [
        (1_522_941, [66.0, 67.5, 68.0, 69.0, 70.5, 71.5].map(Some), 75.0),
        (1_522_942, [Some(85.0), Some(88.0), None, Some(90.0), Some(91.0), Some(92.0)], 90.0),
        (1_522_943, [Some(38.0), Some(41.0), Some(39.0), Some(44.0), Some(40.0), None], 40.0),
        (1_522_944, [9.0, 9.2, 9.1, 8.8, 9.4, 9.9].map(Some), 8.0),
    ] {
        for (period, value) in world.periods().into_iter().zip(actual) {
            let point = value.map_or(Point::Null, |value: f64| Point::Value(value.to_string()));
            world.set_value(measure, "Actual", period.id, point);
            world.set_value(measure, "Target", period.id, Point::Value(f64::to_string(&target)));
        }
    }
    Setup { measure_data: "all", ..Setup::of(world) }.start().await
}

type Row = (&'static str, i64, &'static str, i64, i64, &'static str);

const ELEMENTS: &[Row] = &[
    ("objectives", 2_000_001, "A safe city", 154_480, 40_001, ""),
    ("objectives", 2_000_002, "Streets in good repair", 154_481, 40_003, ""),
    ("measures", 1_522_941, "Residents who feel safe", 154_480, 40_001, ""),
    ("measures", 1_522_942, "Permits issued in 5 days", 154_481, 40_003, ""),
    ("measures", 1_522_943, "Street lights repaired", 154_481, 40_002, ""),
    ("measures", 1_522_944, "Staff turnover", 154_482, 40_001, ""),
    (
        "initiatives",
        2_100_001,
        "Build bike lanes",
        154_481,
        40_003,
        r#","completed":false,"End Date":"2026-01-31""#,
    ),
    (
        "initiatives",
        2_100_002,
        "New permit portal",
        154_481,
        40_001,
        r#","completed":false,"End Date":"2026-06-30""#,
    ),
    (
        "initiatives",
        2_100_003,
        "LED street lights",
        154_481,
        40_002,
        r#","completed":true,"End Date":"2025-12-31""#,
    ),
    (
        "initiatives",
        2_100_004,
        "Renovate the library",
        154_480,
        40_001,
        r#","completed":false,"End Date":null"#,
    ),
    ("action_items", 2_200_001, "Order bollards", 154_481, 40_002, r#","completed":false"#),
    ("action_items", 2_200_002, "Survey residents", 154_480, 40_001, r#","completed":true"#),
    ("action_items", 2_200_003, "Hire a planner", 154_481, 40_003, r#","completed":false"#),
];

fn put(world: &mut World, kind: &str, id: i64, name: &str, scorecard: i64, owner: i64, more: &str) {
    let row =
        format!(r#"{{"objectId":{id},"name":"{name}","scorecardId":{scorecard},"ownerId":{owner}{more}}}"#);
    world.put_raw(kind, id, row);
    world.rehome(kind, id, scorecard);
}

/// What happened between the two.
fn week(world: &mut World) {
    let end = r#","completed":false,"End Date":"2026-02-28""#;
    put(world, "initiatives", 2_100_001, "Build bike lanes", 154_481, 40_003, end);
    put(world, "objectives", 2_000_001, "A safe and calm city", 154_480, 40_001, "");
    put(world, "action_items", 2_200_004, "Paint the lanes", 154_481, 40_002, r#","completed":false"#);
    world.delete("action_items", 2_200_003);
    let january = world.periods()[3].id;
    world.set_value(1_522_941, "Actual", january, Point::Value("69.5".into()));
    world.untick(World::USER, 154_482);
}

/// The two runs are moved to the days of the samples.
const DATES: [(i64, &str); 2] = [(1, "2026-03-01T02:30:00Z"), (2, "2026-03-06T02:30:00Z")];

fn dated() -> String {
    let tables = [
        ("changes", "run", "at"),
        ("runs", "id", "started_at"),
        ("run_kinds", "run", "started_at"),
        ("run_reads", "run", "read_at"),
        ("elements", "changed_run", "changed_at"),
    ];
    let mut sql = String::new();
    for (run, at) in DATES {
        for (table, column, time) in tables {
            sql += &format!("UPDATE {table} SET {time} = '{at}' WHERE {column} = {run};");
        }
        sql += &format!(
            "UPDATE elements SET removed_at = '{at}' WHERE changed_run = {run} AND state = 'removed';"
        );
    }
    sql + &format!("UPDATE fields SET first_seen_at = '{}';", DATES[0].1)
}

async fn fill(bench: &Bench) {
    bench.sync_full().await;
    week(&mut bench.simulator.world());
    bench.sync_full().await;
}

/// What is wrong with a query on an engine, with the answer as the document would write it.
fn fault(name: &str, on: &str, query: &Query, answer: &[String]) -> Option<String> {
    let answer: Vec<Vec<String>> = answer.iter().map(|row| row.split('|').map(shown).collect()).collect();
    let sample = query.sample.get(1..).unwrap_or_default();
    let lines = || answer.iter().map(|row| row.join(" | ")).collect::<Vec<_>>().join("\n");
    (answer != sample).then(|| format!("{name} on {on} answers\n{}\n", lines()))
}

#[track_caller]
fn check(on: &'static str, now: &[(&str, &str)], ask: impl Fn(&str) -> Vec<String>) {
    let mut faults = Vec::new();
    for (name, query) in queries() {
        let mut text = query.texts[on].clone();
        now.iter().for_each(|(now, then)| text = text.replace(now, then));
        faults.extend(fault(name, on, &query, &ask(&text)));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_document_has_ten_queries_each_for_both_engines_and_with_a_sample() {
    let queries = queries();
    for (name, Query { texts, sample }) in &queries {
        assert_eq!(texts.keys().copied().collect::<Vec<_>>(), ["postgres", "sqlite"], "{name}");
        assert!(
            sample.len() > 1 && sample.iter().all(|row| row.len() == sample[0].len()),
            "{name}: {sample:?}"
        );
    }
    let numbers = DOCUMENT.lines().filter(|line| line.starts_with("### ")).count();
    assert!(numbers == 10 && queries.len() > 10, "{numbers} {:?}", queries.keys());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_the_document_answers_its_sample_on_sqlite() {
    let bench = office().await;
    fill(&bench).await;
    let store = rusqlite::Connection::open(bench.file("clearpoint.db")).unwrap();
    store.execute_batch(&dated()).unwrap();
    let now = [("'now'", "'2026-03-09 08:00'")];
    check("sqlite", &now, |query| {
        let lines = bench.sql(query.trim_end().trim_end_matches(';'));
        lines.iter().map(|line| nulls(line, "-")).collect()
    });
    for (name, query) in queries() {
        let statement = store.prepare(&query.texts["sqlite"]).unwrap();
        assert_eq!(statement.column_names().collect::<Vec<_>>(), query.sample[0], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_the_document_answers_its_sample_on_a_real_postgres() {
    let (bench, database) = (office().await, Postgres::shared().database());
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    let config = config.replace("[store.sqlite]\npath = \"clearpoint.db\"\n", &database.toml());
    std::fs::write(bench.file("config.toml"), config).unwrap();
    fill(&bench).await;
    psql(&database, &dated());
    let now = [("now()", "timestamptz '2026-03-09 08:00Z'"), ("current_date", "date '2026-03-09'")];
    check("postgres", &now, |query| psql(&database, query).lines().map(|line| nulls(line, "")).collect());
}

#[track_caller]
fn psql(database: &Database, sql: &str) -> String {
    database
        .psql(&format!("SET search_path TO clearpoint; SET timezone TO 'UTC'; SET datestyle TO ISO;\n{sql}"))
}

/// A row with `NULL` for what stands for it.
fn nulls(line: &str, null: &str) -> String {
    let cells = line.split('|').map(|cell| if cell == null { "NULL" } else { cell });
    cells.collect::<Vec<_>>().join("|")
}

/// The views named in the document are all that there are.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_tells_of_every_view() {
    let bench = office().await;
    fill(&bench).await;
    let views = bench.sql("SELECT name FROM sqlite_master WHERE type = 'view'");
    let missing: BTreeSet<_> = views.iter().filter(|view| !DOCUMENT.contains(&format!("`{view}`"))).collect();
    assert!(missing.is_empty(), "docs/analyst.md does not tell of {missing:?}");
}
