//! The declared mapped user is looked for among the users once a day, and missed only on evidence.

use clearpoint_sync::simulator::{Fault, Size, Switches, Unavailable, What, World};

use crate::harness::{Bench, Setup};
use crate::program::Ran;

/// A synced account of 60 users, without users among its kinds: they are asked for.
async fn bench(switches: Switches, change: impl FnOnce(&mut World)) -> (Bench, Ran) {
    let mut world = World::generate(81, &Size::small().with("users", 60));
    change(&mut world);
    let setup = Setup { switches, kinds: &["measures"], measure_data: "off", ..Setup::of(world) };
    let bench = setup.start().await;
    let ran = bench.run(&["sync", "--full"]).await;
    (bench, ran)
}

/// The mapped user left: nobody has the address any more.
fn leave(world: &mut World) {
    let first = world.ids("users")[0];
    world.edit("users", first, "email", "somebody.else@city.example".into());
}

fn come_back(world: &mut World) {
    let first = world.ids("users")[0];
    world.edit("users", first, "email", "Reporting@City.example".into());
}

fn asked(bench: &Bench) -> usize {
    bench.simulator.log().iter().filter(|asked| asked.path == "/users").count()
}

#[track_caller]
fn check(ran: &Ran, not_found: usize, unknown: usize) {
    ran.assert_code(&[0]);
    let said = (ran.said("mapped_user_not_found"), ran.said("mapped_user_unknown"));
    assert_eq!(said, (not_found, unknown), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_user_who_is_there_takes_one_request_a_day() {
    let (bench, ran) = bench(Switches::default(), |_| {}).await;
    check(&ran, 0, 0);
    let queries: Vec<String> = bench
        .simulator
        .log()
        .into_iter()
        .filter(|asked| asked.path == "/users")
        .map(|asked| asked.query)
        .collect();
    assert_eq!(queries.len(), 1, "{queries:?}");
    assert!(queries[0].contains("email=reporting%40city.example"), "{queries:?}");
    for mode in ["--full", "--incremental"] {
        bench.run(&["sync", mode]).await.assert_code(&[0]);
    }
    assert_eq!(asked(&bench), 1);
    bench.look_again_for_the_mapped_user();
    bench.run(&["sync", "--incremental"]).await.assert_code(&[0]);
    assert_eq!(asked(&bench), 2, "the next day they are looked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_user_who_left_is_missed_once_and_their_return_resolves_it() {
    let (bench, ran) = bench(Switches::default(), leave).await;
    check(&ran, 1, 0);
    ran.assert_names(&["mapped_user_not_found", "WARN", World::USER]);
    bench.run(&["status"]).await.assert_names(&["mapped_user_not_found"]);
    bench.look_again_for_the_mapped_user();
    check(&bench.run(&["sync"]).await, 0, 0);
    come_back(&mut bench.simulator.world());
    bench.look_again_for_the_mapped_user();
    let ran = bench.run(&["sync"]).await;
    assert_eq!(ran.told("resolved").as_deref(), Some("mapped_user_not_found"), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_is_ignored_finds_who_is_on_a_later_page_and_misses_who_is_not() {
    let switches = Switches { email_filter: false, ..Switches::default() };
    let (_bench, ran) = bench(switches.clone(), |world| {
        leave(world);
        let last = *world.ids("users").last().unwrap();
        world.edit("users", last, "email", World::USER.into());
    })
    .await;
    check(&ran, 0, 0);
    let (_bench, ran) = bench(switches, leave).await;
    check(&ran, 1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_list_is_said_once_and_is_no_warning() {
    let (bench, ran) = bench(Switches::default(), |world| world.forbid(World::USER, "users")).await;
    check(&ran, 0, 1);
    assert_eq!(asked(&bench), 1, "a 403 is not asked a second time");
    bench.look_again_for_the_mapped_user();
    check(&bench.run(&["sync"]).await, 0, 0);
    assert_eq!(asked(&bench), 2);
}

/// A list that cannot be had whole, or shows no address, tells nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_empty_missing_or_blind_raises_nothing() {
    let answers =
        [Unavailable::Status(404), Unavailable::Status(400), Unavailable::NoContent, Unavailable::Null];
    for answer in answers {
        let switches = Switches { unavailable: [("users".to_owned(), answer)].into(), ..Switches::default() };
        let (_bench, ran) = bench(switches, |_| {}).await;
        check(&ran, 0, 1);
    }
    let blind = |world: &mut World| {
        for id in world.ids("users") {
            world.edit("users", id, "email", serde_json::Value::Null);
        }
    };
    check(&bench(Switches::default(), blind).await.1, 0, 1);
    let nobody = |world: &mut World| {
        for id in world.ids("users") {
            world.delete("users", id);
        }
    };
    check(&bench(Switches::default(), nobody).await.1, 0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_breaks_off_raises_nothing_and_costs_the_run_nothing() {
    let mut world = World::generate(81, &Size::small().with("users", 60));
    leave(&mut world);
    let setup = Setup { kinds: &["measures"], measure_data: "off", ..Setup::of(world) };
    let bench = setup.start().await;
    bench.simulator.fault(Fault::at("/users", What::Html).page(2));
    check(&bench.run(&["sync", "--full"]).await, 0, 1);
    bench.simulator.clear_faults();
    bench.look_again_for_the_mapped_user();
    check(&bench.run(&["sync"]).await, 1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_that_the_run_listed_anyway_are_not_asked_for_again() {
    let mut world = World::generate(82, &Size::small());
    leave(&mut world);
    let bench = Bench::new(world).await;
    let ran = bench.run(&["sync", "--full"]).await;
    check(&ran, 1, 0);
    let by_address = bench.simulator.log().iter().filter(|asked| asked.query.contains("email")).count();
    assert_eq!(by_address, 0);
    come_back(&mut bench.simulator.world());
    let ran = bench.sync_full().await;
    assert_eq!(ran.told("resolved").as_deref(), Some("mapped_user_not_found"), "{ran}");
}

/// The row that cannot be read may be theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_a_row_that_cannot_be_read_raises_nothing() {
    let odd = |world: &mut World| {
        leave(world);
        world.put_raw("users", 900_000_000, r#"{"email":"reporting"}"#);
    };
    check(&bench(Switches::default(), odd).await.1, 0, 1);
}

/// A 401 at a list that no run pulls means the list: the run was let in and has ended well.
#[tokio::test(flavor = "multi_thread")]
async fn a_401_for_the_users_alone_does_not_refuse_the_key() {
    let (bench, ran) = bench(Switches::default(), |_| {}).await;
    check(&ran, 0, 0);
    bench.simulator.fault(Fault::at("/users", What::Status(401)));
    bench.look_again_for_the_mapped_user();
    let ran = bench.run(&["sync", "--incremental"]).await;
    check(&ran, 0, 1);
    assert_eq!(ran.said("key_refused"), 0, "{ran}");
    assert_eq!(bench.sql("SELECT slot FROM key_states WHERE refused IS NOT NULL"), [""; 0]);
}
