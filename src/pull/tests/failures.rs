//! What goes wrong, and what each failure is: lists cut short, kinds that are not offered, refusals.

use super::*;
use crate::simulator::{Refused, Totals, Unavailable};

impl Bench {
    fn without_goals(&self, how: Unavailable) {
        self.simulator.switch(|switches| {
            switches.unavailable.insert("goals".into(), how);
        });
    }
}

/// The faults that may stand in for page 2 of 3 for ever, and what the pull says.
fn faults() -> [(What, &'static str); 6] {
    [
        (What::Html, "measures page 2 answered an HTML page"),
        (What::HalfJson, "measures page 2 answered JSON cut short"),
        (What::Status(500), "measures page 2 answered 500"),
        (What::Status(403), "measures page 2 answered 403"),
        (What::Redirect("/login".into()), "measures page 2 answered a redirect"),
        (What::CutBody, "measures page 2 broke off"),
    ]
}

#[tokio::test]
async fn a_page_that_fails_for_ever_makes_no_snapshot() {
    for (what, said) in faults() {
        let bench = Bench::small(Switches::default()).await;
        bench.simulator.fault(Fault::at("/measures", what).page(2));
        for memory in [KindMemory::default(), worked()] {
            let said_now = text(bench.full("measures", &memory).await);
            assert!(said_now.starts_with(said), "{said_now}");
        }
    }
}

#[tokio::test]
async fn a_fault_that_passes_costs_nothing() {
    for what in [
        What::Html,
        What::HalfJson,
        What::Status(500),
        What::Status(429),
        What::RetryAfter(503, "2".into()),
        What::Reset,
        What::HangUp,
        What::CutBody,
    ] {
        let bench = Bench::small(Switches::default()).await;
        bench.simulator.fault(Fault::at("/measures", what).page(2).once());
        let pulled = bench.first("measures").await.unwrap();
        bench.check_complete("measures", &pulled);
    }
}

#[tokio::test]
async fn a_page_that_is_empty_once_is_no_end() {
    for what in [What::EmptyList, What::NoContent, What::Body("null".into()), What::Status(404)] {
        let bench = Bench::small(Switches::default()).await;
        bench.simulator.fault(Fault::at("/measures", what).page(2).once());
        let pulled = bench.first("measures").await.unwrap();
        bench.check_mirrors("measures", &pulled);
        let Extent::Incomplete(reason) = pulled.snapshot.extent else {
            panic!("{:?}", pulled.snapshot.extent);
        };
        assert!(reason.starts_with("measures: page 2 answered"), "{reason}");
        assert!(reason.ends_with("25 rows when asked again"), "{reason}");
    }
}

#[tokio::test]
async fn a_page_that_is_empty_for_ever_is_no_end_while_the_next_has_rows() {
    let bench = Bench::small(Switches::default()).await;
    bench.simulator.fault(Fault::at("/measures", What::EmptyList).page(2));
    let pulled = bench.first("measures").await.unwrap();
    assert_eq!(pulled.snapshot.entries.len(), 35);
    let Extent::Incomplete(reason) = pulled.snapshot.extent else {
        panic!("{:?}", pulled.snapshot.extent);
    };
    assert_eq!(reason, "measures: page 2 answered an empty list, and page 3 10 rows");
}

#[tokio::test]
async fn a_list_that_ends_before_its_total_is_unproven() {
    let bench = Bench::small(Switches { totals: Totals::Elements, ..Switches::default() }).await;
    for page in 2..=4 {
        bench.simulator.fault(Fault::at("/measures", What::EmptyList).page(page));
    }
    let pulled = bench.first("measures").await.unwrap();
    let Extent::Incomplete(reason) = pulled.snapshot.extent else {
        panic!("{:?}", pulled.snapshot.extent);
    };
    assert!(reason.ends_with("25 distinct ones came, and the server says there are 60"), "{reason}");
}

#[tokio::test]
async fn a_kind_that_never_worked_is_unavailable() {
    for how in [
        Unavailable::Status(400),
        Unavailable::Status(403),
        Unavailable::Status(404),
        Unavailable::Status(405),
        Unavailable::NoContent,
        Unavailable::EmptyBody,
        Unavailable::Null,
    ] {
        let bench = Bench::small(Switches::default()).await;
        bench.without_goals(how);
        let pulled = bench.first("goals").await;
        assert!(matches!(pulled, Err(PullError::Unavailable(_))), "{how:?} {pulled:?}");
    }
}

#[tokio::test]
async fn a_kind_that_once_worked_has_failed() {
    let bench = Bench::small(Switches::default()).await;
    bench.without_goals(Unavailable::Status(403));
    assert!(matches!(bench.later("goals").await, Err(PullError::Forbidden(_))));
    bench.without_goals(Unavailable::Status(404));
    assert!(matches!(bench.later("goals").await, Err(PullError::Broken(_))));
}

#[tokio::test]
async fn nothing_twice_running_is_an_empty_claim() {
    for how in [Unavailable::NoContent, Unavailable::EmptyBody, Unavailable::Null] {
        let bench = Bench::small(Switches::default()).await;
        bench.without_goals(how);
        let first = bench.later("goals").await;
        assert!(matches!(first, Err(PullError::FirstEmptyClaim(_))), "{first:?}");
        let mut memory = KindMemory { empty_claims: 1, ..worked() };
        for _ in 0..2 {
            let pulled = bench.full("goals", &memory).await.unwrap();
            assert!(pulled.is_empty_claim && pulled.snapshot.is_complete());
            assert!(pulled.snapshot.entries.is_empty());
            memory = pulled.memory;
            assert_eq!(memory.empty_claims, 2);
        }
        bench.simulator.switch(|s| s.unavailable.clear());
        assert_eq!(bench.full("goals", &memory).await.unwrap().memory.empty_claims, 0);
    }
}

#[tokio::test]
async fn a_refused_key_is_refused_at_the_door() {
    for (how, said) in [
        (Refused::Unauthorized, "401"),
        (Refused::Forbidden, "IP allow list"),
        (Refused::ErrorBody, "401"),
        (Refused::Redirect, "login page"),
    ] {
        let bench = Bench::small(Switches { refused: how, ..Switches::default() }).await;
        assert!(bench.client.door().await.unwrap().server_time.is_some());
        bench.simulator.world().delete_key(World::ACCESS_KEY);
        let before = bench.simulator.requests();
        let refused = bench.client.door().await;
        assert!(matches!(refused, Err(PullError::Refused(_))), "{refused:?}");
        let said_now = text(refused);
        assert!(said_now.contains(said), "{said_now}");
        assert_eq!(bench.simulator.requests() - before, 2);
    }
}

#[tokio::test]
async fn a_page_of_html_or_another_redirect_closes_the_door() {
    for what in [What::Html, What::Redirect("https://elsewhere.example/login".into())] {
        let bench = Bench::small(Switches::default()).await;
        bench.simulator.fault(Fault::at("/scorecards", what));
        let closed = bench.client.door().await;
        assert!(matches!(closed, Err(PullError::DoorClosed(_))), "{closed:?}");
    }
}

#[tokio::test]
async fn a_refused_key_is_asked_once_more_with_both_halves_read_again() {
    let bench = Bench::small(Switches::default()).await;
    let before = bench.clock.now();
    bench.simulator.fault(Fault::at("/scorecards", What::Status(401)).once());
    bench.client.door().await.unwrap();
    assert!(bench.clock.now() - before >= TimeDelta::seconds(5));
}

#[tokio::test]
async fn a_key_refused_in_the_middle_of_a_pull_stops_it() {
    let bench = Bench::new(Size::small().with("measures", 500), Switches::default()).await;
    bench.simulator.on_page("/measures", 4, |world| world.delete_key(World::ACCESS_KEY));
    let refused = bench.first("measures").await;
    assert!(matches!(refused, Err(PullError::Refused(_))), "{refused:?}");
    let before = bench.simulator.requests();
    assert!(matches!(bench.first("goals").await, Err(PullError::Refused(_))));
    assert_eq!(bench.simulator.requests(), before);
}

#[tokio::test]
async fn odd_rows_are_kept_aside_and_the_rest_is_listed() {
    let mut world = World::generate(7, &Size::small());
    world.put_raw("measures", 1, r#"{"name":"no id","lastEdited":"2026-01-01T00:00:00Z"}"#);
    world.put_raw("measures", 2, "[1,2]");
    world.put_raw("measures", 3, r#"{"objectId":"03","name":"x"}"#);
    let bench = Bench::on(world, Switches { totals: Totals::Elements, ..Switches::default() }, |_| {}).await;
    let pulled = bench.first("measures").await.unwrap();
    assert_eq!(pulled.snapshot.extent, Extent::Complete);
    assert_eq!(pulled.snapshot.entries.len(), 60);
    assert_eq!(pulled.rejected.len(), 3);
}

#[tokio::test]
async fn single_reads_tell_hidden_from_absent_from_unclear() {
    let bench = Bench::small(Switches::default()).await;
    let kind = kind_named("measures");
    let ids = bench.simulator.world().ids("measures");
    bench.simulator.world().delete("measures", ids[0]);
    bench.simulator.world().hide(World::USER, "measures", ids[1]);
    let read = async |n: usize| bench.client.read(&kind, ElementId(ids[n])).await.unwrap();
    assert_eq!(read(0).await, Single::Absent);
    assert_eq!(read(1).await, Single::Forbidden);
    let Single::Readable { document, name } = read(2).await else { panic!("readable") };
    assert!(document.contains(&ids[2].to_string()) && name.is_some());
    for what in [What::Html, What::Status(500), What::Status(400), What::Body(r#"{"objectId":1}"#.into())] {
        bench.simulator.fault(Fault::under("/measures/", what));
        assert!(matches!(read(2).await, Single::Unclear(_)));
        bench.simulator.clear_faults();
    }
}

#[tokio::test]
async fn measure_data_is_read_whatever_its_shape() {
    let bench = Bench::small(Switches::default()).await;
    let id = ElementId(bench.simulator.world().ids("measures")[0]);
    let read = bench.client.measure_data(id).await.unwrap();
    assert!(matches!(read, Single::Readable { .. }), "{read:?}");
    bench.simulator.fault(Fault::under("/measures/", What::NoContent).once());
    let none = bench.client.measure_data(id).await.unwrap();
    assert_eq!(none, Single::Readable { document: "null".into(), name: None });
    bench.simulator.fault(Fault::under("/measures/", What::Html));
    assert!(matches!(bench.client.measure_data(id).await.unwrap(), Single::Unclear(_)));
}
