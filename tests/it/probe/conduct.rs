//! The probe reads only, asks no more than it said, tells no value, and knows when to stop.

use clearpoint_sync::kind::Paging;
use clearpoint_sync::simulator::{CountMax, Fault, Over, Refused, Size, Switches, What, World};
use serde_json::json;

use super::{Findings, bench, milestones, probe};
use crate::harness::Setup;

/// Most requests are asked where every kind exists and nothing is settled at once.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_asked_than_was_said_and_nothing_is_written() {
    let mut world = World::generate(141, &Size::small());
    world.add_kind(milestones(Paging::Start), 30);
    let switches =
        Switches { count_max: Some(CountMax { rows: 25, over: Over::Refused }), ..Switches::default() };
    let bench = Setup { switches, page_size: 1000, ..Setup::of(world) }.start().await;
    bench.simulator.fault(Fault::under("/", What::Status(503)).from_nth(9).times(3));
    let found = probe(&bench, &["--wrong-secret"]).await;
    let (requests, requests_max) = found.requests();
    assert_eq!(requests, bench.simulator.requests());
    assert!(requests <= requests_max, "{requests} requests, {requests_max} said");
    assert!(bench.simulator.log().iter().all(|asked| asked.method == "GET"));
    assert_eq!(bench.number("SELECT count(*) FROM elements"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_is_asked_on_demand_only() {
    let bench = bench(Switches::default(), 25).await;
    let found = probe(&bench, &["--search"]).await;
    found.check("measures", "search_total", "a total, which the list does not tell: 60");
    let posts: Vec<_> = bench.simulator.log().into_iter().filter(|asked| asked.method != "GET").collect();
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0].path, "/search");
}

/// What a customer wrote stands neither in the findings nor in the log nor in the store.
#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_any_document_is_told_or_kept() {
    const CANARY: &str = "canary-of-the-city";
    let mut world = World::generate(141, &Size::small());
    for kind in ["scorecards", "measures", "users", "files"] {
        for id in world.ids(kind) {
            world.edit(kind, id, "name", json!(CANARY));
            world.edit(kind, id, "notes", json!({ "inner": [CANARY] }));
        }
    }
    let bench = Setup::of(world).start().await;
    bench.simulator.fault(Fault::at("/risks", What::Body(format!(r#"{{"error":"{CANARY}"}}"#))));
    bench.simulator.fault(Fault::at("/goals", What::Body(format!(r#"{{"{CANARY}":1"#))));
    for options in [&["--json"][..], &[], &["--toml"]] {
        let ran = bench.run(&[&["probe", "city", "--log", "trace"], options].concat()).await;
        ran.assert_code(&[0]);
        assert!(!ran.text().contains(CANARY), "{ran}");
    }
    for entry in std::fs::read_dir(bench.file("")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let is_there = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!is_there, "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_wrong_secret_gets_is_asked_on_demand_and_named() {
    for (refused, answer) in [
        (Refused::Unauthorized, "401 Unauthorized: seen as a refusal"),
        (Refused::ErrorBody, "200 OK: seen as a refusal"),
        (Refused::Redirect, "302 Found: seen as a refusal"),
        (Refused::LoginPage, "200 OK, an HTML page: not seen as a refusal at once"),
    ] {
        let bench = bench(Switches { refused, ..Switches::default() }, 25).await;
        let found = probe(&bench, &["--wrong-secret"]).await;
        found.check("scorecards", "wrong_secret", answer);
        let ran = bench.run(&["probe", "city"]).await;
        ran.assert_code(&[0]);
        assert!(!ran.stdout.contains("wrong_secret"), "{ran}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_ends_the_probe_after_two_requests() {
    let bench = bench(Switches::default(), 25).await;
    bench.simulator.world().delete_key(World::ACCESS_KEY);
    let ran = bench.run(&["probe", "city"]).await;
    ran.assert_code(&[3]);
    ran.assert_names(&["the key is refused"]);
    assert_eq!(bench.simulator.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_html_at_the_door_is_no_finding() {
    let bench = bench(Switches::default(), 25).await;
    bench.simulator.fault(Fault::under("/", What::Html));
    let ran = bench.run(&["probe", "city", "--json"]).await;
    ran.assert_code(&[1]);
    ran.assert_names(&["an HTML page", "nothing was found"]);
    assert!(Findings::of(&ran).answers.is_empty());
    assert_eq!(bench.number("SELECT count(*) FROM findings"), 0);
}

/// A path that nobody has heard of may answer 401 by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_401_of_an_unlisted_kind_is_a_finding() {
    let bench = bench(Switches::default(), 25).await;
    bench.simulator.fault(Fault::at("/tags", What::Status(401)));
    let found = probe(&bench, &[]).await;
    found.check("tags", "exists", "no: 401 Unauthorized");
    found.check("comments", "exists", "no: 404 Not Found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_leaves_what_was_found() {
    let bench = bench(Switches::default(), 25).await;
    bench.simulator.fault(Fault::under("/", What::HangUp).from_nth(30));
    let ran = bench.run(&["probe", "city", "--json"]).await;
    ran.assert_code(&[4]);
    Findings::of(&ran).check("measures", "envelope", "under the kind's name");
    let kept = "SELECT value FROM findings WHERE kind = 'measures' AND finding = 'envelope'";
    assert!(bench.sql(kept)[0].starts_with("under the kind's name"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_read_that_fails_names_no_element() {
    let bench = bench(Switches::default(), 25).await;
    bench.simulator.fault(Fault::under("/scorecards/", What::Status(503)).times(6));
    let ran = bench.run(&["probe", "city", "--json"]).await;
    ran.assert_code(&[0]);
    ran.assert_names(&["scorecards/ID answered 503"]);
    let ids = bench.simulator.world().ids("scorecards");
    assert!(ids.iter().all(|id| !ran.text().contains(&id.to_string())), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_in_use_is_left_alone() {
    let bench = bench(Switches::default(), 25).await;
    let running = bench.start_held(&["sync"]).await;
    bench.run(&["probe", "city"]).await.assert_code(&[75]);
    assert_eq!(bench.simulator.requests(), 1, "the sync's own");
    bench.simulator.release();
    running.end().await.assert_code(&[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_after_a_sync_leaves_the_copy_as_it_is() {
    let bench = bench(Switches::default(), 25).await;
    bench.sync_full().await;
    bench.sync_full().await;
    let before = bench.digest().without("findings");
    probe(&bench, &[]).await;
    bench.digest().without("findings").assert_same(&before);
}
