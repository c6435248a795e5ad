//! A list that breaks off is never taken for a short one. Page 3 of 10 goes wrong in every way that
//! others fall for: they keep 50 of 250 rows and report success.

use clearpoint_sync::simulator::{Fault, Size, Switches, Totals, What, World};
use futures_util::future::join_all;

use crate::harness::{Bench, Setup};
use crate::program::Ran;

/// What page 3 may answer, and a word that the message must hold.
fn answers() -> [(What, &'static str); 6] {
    [
        (What::EmptyList, "empty"),
        (What::Body("null".to_owned()), "null"),
        (What::Html, "html"),
        (What::HalfJson, "json"),
        (What::Status(500), "500"),
        (What::Status(403), "403"),
    ]
}

fn world() -> World {
    World::generate(11, &Size::small().with("objectives", 250))
}

async fn bench(totals: Totals) -> Bench {
    let switches = Switches { totals, ..Switches::default() };
    Setup { switches, measure_data: "off", ..Setup::of(world()) }.start().await
}

fn page_3(what: &What) -> Fault {
    Fault::at("/objectives", what.clone()).page(3)
}

#[track_caller]
fn check_blamed(ran: &Ran, word: &str) {
    ran.assert_code(&[1, 4]);
    ran.assert_names(&["objectives", "page 3", word]);
}

#[tokio::test(flavor = "multi_thread")]
async fn known_elements_survive_a_page_that_goes_wrong_for_ever() {
    join_all(answers().map(|(what, word)| async move {
        let bench = bench(Totals::None).await;
        bench.sync_full().await;
        let before = bench.content();
        bench.simulator.fault(page_3(&what));
        for _ in 0..2 {
            check_blamed(&bench.run(&["sync", "--full"]).await, word);
            bench.content().assert_same(&before);
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn even_the_deleted_stay_until_a_list_is_whole() {
    let bench = bench(Totals::None).await;
    bench.sync_full().await;
    let first = bench.simulator.world().ids("objectives")[0];
    bench.simulator.world().delete("objectives", first);
    bench.simulator.fault(page_3(&What::Html));
    bench.run(&["sync", "--full"]).await.assert_code(&[1, 4]);
    assert_eq!(bench.removed("objectives").len(), 0);
    bench.simulator.clear_faults();
    bench.sync_full().await;
    bench.assert_mirrors();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_does_not_call_a_list_whole_that_its_total_contradicts() {
    join_all(answers().map(|(what, word)| async move {
        let bench = bench(Totals::Elements).await;
        bench.simulator.fault(page_3(&what));
        check_blamed(&bench.run(&["sync", "--full"]).await, word);
        assert_ne!(bench.outcome("objectives"), "complete", "{what:?}");
        assert_eq!(bench.stored("goals").len(), 10, "the other kinds go on");
    }))
    .await;
}

/// Every later page is empty as well: only the total tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_total_tells_that_a_list_ended_too_early() {
    let bench = bench(Totals::Elements).await;
    for page in 3..=12 {
        bench.simulator.fault(Fault::at("/objectives", What::EmptyList).page(page));
    }
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[1, 4]);
    ran.assert_names(&["objectives", "250"]);
    assert_ne!(bench.outcome("objectives"), "complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_passes_costs_no_element() {
    join_all(answers().map(|(what, _)| async move {
        let bench = bench(Totals::None).await;
        bench.sync_full().await;
        let before = bench.content();
        bench.simulator.fault(page_3(&what).once());
        bench.run(&["sync", "--full"]).await.assert_code(&[0, 1, 4]);
        bench.content().assert_same(&before);
        bench.sync_full().await;
        bench.content().assert_same(&before);
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_passes_while_nothing_is_known_leaves_no_gap() {
    join_all(answers().map(|(what, _)| async move {
        let bench = bench(Totals::None).await;
        bench.simulator.fault(page_3(&what).once());
        bench.run(&["sync"]).await.assert_code(&[0, 1, 4]);
        bench.run(&["sync"]).await.assert_code(&[0]);
        bench.assert_mirrors();
    }))
    .await;
}

/// No element is known, no total is told: what comes after the gap shows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_does_not_call_a_list_with_a_gap_whole() {
    join_all(answers().map(|(what, word)| async move {
        let bench = bench(Totals::None).await;
        bench.simulator.fault(page_3(&what));
        for _ in 0..2 {
            check_blamed(&bench.run(&["sync", "--full"]).await, word);
        }
        let status = bench.run(&["status"]).await;
        assert!(!line_of(&status, "objectives").contains(" complete "), "{status}");
        status.assert_names(&["objectives", "page 3", word]);
    }))
    .await;
}

/// The server lists nothing from page 3 on, for ever, not even a row asked for alone, and tells no total:
/// it may be the truth.
#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_prove_the_end_status_says_so() {
    let bench = bench(Totals::None).await;
    for page in 3..=300 {
        bench.simulator.fault(Fault::at("/objectives", What::EmptyList).page(page));
    }
    bench.run(&["sync"]).await;
    let status = bench.run(&["status"]).await;
    assert!(line_of(&status, "objectives").contains("unproven"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_agrees_proves_the_end() {
    let bench = bench(Totals::Elements).await;
    bench.sync_full().await;
    let status = bench.run(&["status"]).await;
    assert!(!status.stdout.contains("unproven"), "{status}");
}

/// The line of a kind in a table.
fn line_of<'a>(status: &'a Ran, kind: &str) -> &'a str {
    let is_of_kind = |line: &&str| line.split_whitespace().next() == Some(kind);
    status.stdout.lines().find(is_of_kind).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_suddenly_lists_nothing_keeps_its_rows() {
    for what in [What::EmptyList, What::Body("null".to_owned()), What::NoContent, What::Body(String::new())] {
        let bench = bench(Totals::None).await;
        bench.sync_full().await;
        let before = bench.content();
        for path in ["/objectives", "/measures", "/risks"] {
            bench.simulator.fault(Fault::at(path, what.clone()));
        }
        bench.run(&["sync", "--full"]).await.assert_code(&[1, 4]);
        for _ in 0..3 {
            bench.run(&["sync", "--full"]).await.assert_code(&[1, 4]);
            bench.content().without("held").assert_same(&before.clone().without("held"));
        }
    }
}
