//! `export`: whole, in order, and harmless to whoever opens it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};

use clearpoint_sync::simulator::{Size, World};
use serde_json::{Value, json};

use super::{lines, must};
use crate::harness::Bench;

async fn bench(seed: u64) -> Bench {
    let bench = Bench::new(World::generate(seed, &Size::small())).await;
    bench.sync_full().await;
    bench
}

/// A sheet's rows, the head first.
fn records(csv: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_holds_what_the_view_shows() {
    let bench = bench(301).await;
    for kind in ["measures", "scorecards", "users"] {
        let ran = must(&bench, &["export", kind, "--raw"]).await;
        let sheet = records(&ran.stdout);
        let head = bench.sql(&format!("SELECT name FROM pragma_table_info('{kind}') ORDER BY cid"));
        assert_eq!(sheet[0], head);
        let shown = bench.sql(&format!("SELECT * FROM {kind} ORDER BY connection, id"));
        let rows: Vec<String> = sheet[1..].iter().map(|row| row.join("|")).collect();
        let plain = |row: &String| {
            row.split('|').map(|cell| if cell == "-" { "" } else { cell }).collect::<Vec<_>>().join("|")
        };
        assert_eq!(rows, shown.iter().map(plain).collect::<Vec<_>>());
        assert!(ran.stdout.ends_with("\r\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_hold_the_documents_of_the_account() {
    let bench = bench(302).await;
    let ran = must(&bench, &["export", "action_items", "--format", "ndjson"]).await;
    let documents: BTreeMap<i64, Value> =
        lines(&ran).into_iter().map(|line| (line["id"].as_i64().unwrap(), line["doc"].clone())).collect();
    assert_eq!(documents, bench.visible("action_items"));
    let also = must(&bench, &["export", "action_items", "--json", "--connection", "city"]).await;
    assert_eq!(also.stdout, ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_exported_when_asked_for() {
    let bench = bench(303).await;
    let gone = bench.simulator.world().ids("risks")[1];
    bench.simulator.world().delete("risks", gone);
    bench.sync_full().await;
    let plain = lines(&must(&bench, &["export", "risks", "--json"]).await);
    let all = lines(&must(&bench, &["export", "risks", "--json", "--all"]).await);
    assert_eq!(all.len(), plain.len() + 1);
    let line = all.iter().find(|line| line["id"] == gone).unwrap();
    assert_eq!((&line["state"], &line["reason"]), (&json!("removed"), &json!("absent")));
    assert!(line["removed_at"].is_string() && line["doc"].is_object());
    let sheet = records(&must(&bench, &["export", "risks", "--all"]).await.stdout);
    assert_eq!(sheet[0][sheet[0].len() - 3..], ["state", "reason", "removed_at"]);
    assert_eq!(sheet.len(), all.len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_a_spreadsheet_would_reckon_is_made_harmless_unless_it_is_wanted_raw() {
    let bench = bench(304).await;
    let evil = "=HYPERLINK(\"http://evil.example\",\"Click\")";
    {
        let mut world = bench.simulator.world();
        let first = world.ids("measures")[0];
        world.edit("measures", first, "name", json!(evil));
        world.edit("measures", first, "Variance", json!("-12.5"));
    }
    bench.sync_full().await;
    let cell = |csv: &str, column: &str| {
        let sheet = records(csv);
        let at = sheet[0].iter().position(|name| name == column).unwrap();
        sheet[1][at].clone()
    };
    let safe = must(&bench, &["export", "measures"]).await.stdout;
    assert_eq!(cell(&safe, "name"), format!("'{evil}"));
    assert_eq!(cell(&safe, "variance"), "-12.5");
    let raw = must(&bench, &["export", "measures", "--raw"]).await.stdout;
    assert_eq!(cell(&raw, "name"), evil);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_exported_with_and_without_names() {
    let bench = bench(305).await;
    let count = usize::try_from(bench.number("SELECT count(*) FROM measure_series")).unwrap();
    assert!(count > 0);
    let series = lines(&must(&bench, &["export", "measure_series", "--json"]).await);
    assert_eq!(series.len(), count);
    assert!(series.iter().all(|line| line["measure"].is_string() && line["scorecard"].is_string()));
    let values = records(&must(&bench, &["export", "measure_values"]).await.stdout);
    assert_eq!(values.len(), count + 1);
    let refused = bench.run(&["export", "measure_series", "--all"]).await;
    refused.assert_code(&[2]);
    refused.assert_names(&["export measure_values"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_put_in_place_whole() {
    let bench = bench(306).await;
    let (file, link) = (bench.file("out.csv"), bench.file("link.csv"));
    let printed = must(&bench, &["export", "measures"]).await.stdout;
    let ran = must(&bench, &["export", "measures", "--output", file.to_str().unwrap()]).await;
    assert_eq!((ran.stdout.as_str(), fs::read_to_string(&file).unwrap()), ("", printed.clone()));
    ran.assert_names(&["60 rows", "out.csv"]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o137, 0, "not for everybody");

    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    symlink(&file, &link).unwrap();
    must(&bench, &["export", "users", "--output", link.to_str().unwrap()]).await;
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "a link stays a link");
    assert_ne!(fs::read_to_string(&file).unwrap(), printed);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o604,
        "the old file's mode is kept"
    );
    let left: Vec<_> =
        fs::read_dir(bench.file(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".draft")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_stay_is_not_replaced() {
    let bench = bench(307).await;
    let before = bench.digest();
    fs::create_dir(bench.file("folder")).unwrap();
    symlink(bench.file("clearpoint.db"), bench.file("alias")).unwrap();
    for place in ["clearpoint.db", "alias", "config.toml", "folder", "no-such-folder/out.csv"] {
        let place = bench.file(place);
        let ran = bench.run(&["export", "measures", "--output", place.to_str().unwrap()]).await;
        ran.assert_code(&[2]);
        ran.assert_names(&["name"]);
    }
    let ran = bench.run(&["export", "measures", "--output", "/dev/null"]).await;
    ran.assert_code(&[2]);
    bench.digest().assert_same(&before);
    must(&bench, &["config", "--check"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_is_no_failure_and_a_full_disk_is_one() {
    let bench = bench(308).await;
    let ended = |arguments: &str, stdout: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clearpoint-sync"));
        command.arg("--config").arg(bench.file("config.toml")).args(arguments.split(' '));
        let output =
            command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for way in
        ["export measures", "export measures --json", "export measure_series", "changes --json", "changes"]
    {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let (code, said) = ended(way, writer.into());
        assert!(code == Some(0) && !said.contains("cannot"), "{way}: {said}");
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (code, said) = ended(way, full.into());
        assert!(code == Some(1) && said.contains("cannot write the result: No space left"), "{way}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_known_is_answered_with_those_that_are() {
    let bench = bench(309).await;
    let ran = bench.run(&["export", "mesures"]).await;
    ran.assert_code(&[2]);
    ran.assert_names(&["\"mesures\"", "action_items", "measures", "measure_series"]);
    let ran = bench.run(&["export", "measures", "--connection", "town"]).await;
    ran.assert_code(&[2]);
    ran.assert_names(&["\"town\"", "known: city"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_a_head_alone_and_no_store_is_no_empty_one() {
    let bench = Bench::new(World::generate(310, &Size::small())).await;
    for way in
        [&["export", "measures"][..], &["changes"], &["show", "measures", "1"], &["forget", "city", "--yes"]]
    {
        let ran = bench.run(way).await;
        ran.assert_code(&[2]);
        ran.assert_names(&["clearpoint.db", "does not exist yet"]);
    }
    bench.sync_full().await;
    must(&bench, &["forget", "city", "--yes"]).await;
    let ran = must(&bench, &["export", "measures"]).await;
    assert!(ran.stdout.starts_with("connection,id,name,") && ran.stdout.lines().count() == 1, "{ran}");
    assert_eq!(must(&bench, &["export", "measures", "--json"]).await.stdout, "");
}
