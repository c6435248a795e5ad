//! A view-only mapped user may not list some kinds at all. That is how it is, and no failure.

use clearpoint_sync::simulator::{Size, Switches, Unavailable, World};

use crate::harness::{Bench, Setup};
use crate::program::Ran;

const FORBIDDEN: [&str; 4] = ["users", "groups", "schedules", "notifications"];

async fn bench() -> Bench {
    let mut world = World::generate(61, &Size::small());
    for kind in FORBIDDEN {
        world.forbid(World::USER, kind);
    }
    Bench::new(world).await
}

fn lines_about(ran: &Ran, kind: &str) -> usize {
    let of_kind = |line: &&str| line.contains("unavailable") && line.contains(kind);
    ran.stderr.lines().filter(of_kind).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_that_were_never_allowed_are_unavailable_and_said_once() {
    let bench = bench().await;
    for said in [1, 0, 0] {
        let ran = bench.run(&["sync", "--full"]).await;
        ran.assert_code(&[0]);
        for kind in FORBIDDEN {
            assert_eq!(lines_about(&ran, kind), said, "{kind}: {ran}");
            assert_eq!(bench.outcome(kind), "unavailable");
        }
    }
    bench.assert_mirrors();
    let status = bench.run(&["status"]).await;
    for kind in FORBIDDEN {
        status.assert_names(&[kind, "unavailable"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_is_allowed_later_comes_in_with_the_next_full_run() {
    let bench = bench().await;
    bench.sync_full().await;
    bench.simulator.world().allow(World::USER, "groups");
    bench.sync_full().await;
    assert_eq!(bench.stored("groups").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_once_worked_and_is_forbidden_now_makes_the_run_partial() {
    let bench = Bench::new(World::generate(62, &Size::small())).await;
    bench.sync_full().await;
    let before = bench.content();
    bench.simulator.world().forbid(World::USER, "groups");
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[4]);
    ran.assert_names(&["groups", "403"]);
    bench.content().assert_same(&before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_this_server_does_not_offer_is_unavailable_however_it_says_so() {
    let no = [Unavailable::Status(404), Unavailable::Status(405), Unavailable::Status(400)];
    for how in [&no[..], &[Unavailable::NoContent, Unavailable::EmptyBody, Unavailable::Null]].concat() {
        let unavailable = [("goals".to_owned(), how), ("files".to_owned(), how)].into();
        let switches = Switches { unavailable, ..Switches::default() };
        let world = World::generate(63, &Size::small());
        let bench = Setup { switches, measure_data: "off", ..Setup::of(world) }.start().await;
        bench.sync_full().await;
        assert_eq!([bench.outcome("goals"), bench.outcome("files")], ["unavailable"; 2], "{how:?}");
    }
}
