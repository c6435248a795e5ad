//! Faults, hooks and the wire: what goes wrong does so where, when and as often as armed.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_fault_strikes_its_page_as_often_as_armed() {
    let simulator = started(Switches::default()).await;
    simulator.fault(Fault::at("/risks", What::RetryAfter(503, "7".to_owned())).page(2).once());
    assert_eq!(asked(&simulator, "/risks?page=1&count=10").await.0, 200);
    let struck = sent(&simulator, "/risks?page=2&count=10").await.unwrap();
    assert_eq!((struck.status().as_u16(), &struck.headers()["retry-after"]), (503, &"7".parse().unwrap()));
    assert_eq!(asked(&simulator, "/risks?page=2&count=10").await.0, 200);
}

#[tokio::test]
async fn broken_connections_are_errors_to_the_client() {
    let simulator = started(Switches::default()).await;
    for what in [What::Reset, What::HangUp] {
        simulator.fault(Fault::under("", what.clone()).once());
        assert!(sent(&simulator, "/risks").await.is_err(), "{what:?}");
    }
    simulator.fault(Fault::under("", What::CutBody).once());
    let cut = sent(&simulator, "/risks").await.unwrap();
    assert_eq!(cut.status(), 200);
    assert!(cut.text().await.is_err());
    assert_eq!(asked(&simulator, "/risks").await.0, 200);
}

#[tokio::test]
async fn strange_bodies_come_with_status_200() {
    let simulator = started(Switches::default()).await;
    let whole = asked(&simulator, "/risks").await.1;
    let strange = [
        (What::EmptyList, r#"{"risks":[]}"#.to_owned()),
        (What::Body("null".to_owned()), "null".to_owned()),
        (What::HalfJson, whole[..whole.len() / 2].to_owned()),
    ];
    for (what, body) in strange {
        simulator.fault(Fault::at("/risks", what).once());
        assert_eq!(asked(&simulator, "/risks").await, (200, body));
    }
    let slow = What::Slow { bytes: 100, pause: std::time::Duration::from_secs(30) };
    simulator.fault(Fault::at("/risks", slow).once());
    assert_eq!(asked(&simulator, "/risks").await, (200, whole));
}

#[tokio::test]
async fn a_hook_changes_the_world_between_two_pages() {
    let simulator = started(Switches::default()).await;
    let ids = simulator.world().ids("risks");
    simulator.on_page("/risks", 2, move |world| world.delete("risks", ids[0]));
    let ids = simulator.world().ids("risks");
    rows(&simulator, "/risks?page=1&count=10", "/risks").await;
    let page = rows(&simulator, "/risks?page=2&count=10", "/risks").await;
    assert_eq!(page[0]["objectId"], json!(ids[11]));
}

#[tokio::test]
async fn a_raw_document_is_served_as_it_is() {
    let simulator = started_on(World::generate(7, &Size::small().none()), Switches::default()).await;
    let raw = r#"{"objectId":"7","a":"\ud800","n":1e400}"#;
    simulator.world().put_raw("risks", 7, raw);
    assert_eq!(asked(&simulator, "/risks/7").await.1, raw);
    assert_eq!(asked(&simulator, "/risks").await.1, format!(r#"{{"risks":[{raw}]}}"#));
}

#[tokio::test]
async fn gzip_comes_only_when_switched_on_and_reads_the_same() {
    let simulator = started(Switches::default()).await;
    let plain = asked(&simulator, "/risks").await;
    simulator.switch(|s| s.gzip = true);
    assert_eq!(asked(&simulator, "/risks").await, plain);
    assert!(simulator.log().iter().all(|record| record.had_gzip));
}

#[tokio::test]
async fn held_requests_wait_and_are_counted() {
    let simulator = started(Switches::default()).await;
    simulator.hold();
    let all = futures_util::future::join_all((0..3).map(|_| asked(&simulator, "/risks")));
    let counted = async {
        simulator.in_flight(3).await;
        simulator.release();
    };
    let (answers, ()) = futures_util::future::join(all, counted).await;
    assert!(answers.iter().all(|(status, _)| *status == 200));
    assert_eq!((simulator.requests_in_flight_max(), simulator.requests()), (3, 3));
}

#[tokio::test]
async fn the_date_header_is_off_by_the_skew() {
    let simulator = started(Switches { date_skew: TimeDelta::hours(-1), ..Switches::default() }).await;
    let response = sent(&simulator, "/risks").await.unwrap();
    assert_eq!(response.headers()["date"], "Mon, 02 Mar 2026 07:00:00 GMT");
}

#[tokio::test]
async fn an_answer_kept_for_ever_ends_when_the_client_gives_up() {
    let simulator = started(Switches::default()).await;
    simulator.fault(Fault::at("/risks", What::Silence).once());
    let mut in_flight = simulator.shared.in_flight.subscribe();
    let is_kept = async {
        while simulator.log().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        answer = sent(&simulator, "/risks") => panic!("it is answered: {answer:?}"),
        () = is_kept => {}
    }
    assert_eq!(simulator.log()[0].status, 0);
    in_flight.wait_for(|seen| seen.now == 0).await.unwrap();
    assert_eq!(asked(&simulator, "/risks").await.0, 200);
}

#[tokio::test]
async fn a_fault_meets_only_the_paths_it_is_armed_for() {
    let simulator = started(Switches::default()).await;
    let id = simulator.world().ids("measures")[0];
    let paths = ["/measures".to_owned(), format!("/measures/{id}"), format!("/measures/{id}/measureData")];
    for (fault, expected) in [
        (Fault::at("/measures", What::Status(500)), [500, 200, 200]),
        (Fault::under("/measures/", What::Status(500)), [200, 500, 500]),
        (Fault::ending("/measureData", What::Status(500)), [200, 200, 500]),
        (Fault::under("", What::Status(500)).from_nth(2).times(1), [200, 500, 200]),
    ] {
        simulator.fault(fault);
        for (path, status) in paths.iter().zip(expected) {
            assert_eq!(asked(&simulator, path).await.0, status, "{path}");
        }
        simulator.clear_faults();
    }
}

#[tokio::test]
async fn the_world_moves_at_every_request_until_left_quiet() {
    let simulator = started(Switches::default()).await;
    let started_at = simulator.world().now;
    simulator.on_every_request(|world| {
        world.insert("risks");
    });
    simulator.on_request("/ri", 2, |world| world.now += TimeDelta::hours(1));
    for _ in 0..3 {
        asked(&simulator, "/risks").await;
    }
    simulator.leave_quiet();
    asked(&simulator, "/risks").await;
    assert_eq!(simulator.world().ids("risks").len(), 30);
    assert_eq!(simulator.world().now, started_at + TimeDelta::hours(1));
}
