//! How lists are cut and how they end: every way that is known of is proved or left unproven.

use super::*;
use crate::simulator::{CountMax, Duplicates, End, Envelope, Ids, Order, Over, PagingHeed, Totals, Volatile};

async fn check_all_kinds(switches: Switches) {
    let told = format!("{switches:?}");
    let bench = Bench::small(switches).await;
    for kind in catalogue() {
        let name = kind.name.as_str();
        let pulled = bench.first(name).await.unwrap();
        assert_eq!(pulled.snapshot.extent, Extent::Complete, "{name} {told}");
        bench.check_mirrors(name, &pulled);
        assert!(!pulled.has_shifted, "{name} {told}");
    }
}

#[tokio::test]
async fn every_kind_is_mirrored_exactly() {
    check_all_kinds(Switches::default()).await;
}

#[tokio::test]
async fn every_envelope_with_and_without_totals_is_understood() {
    for envelope in Envelope::ALL {
        for totals in [Totals::None, Totals::Elements] {
            check_all_kinds(Switches { envelope, totals, ..Switches::default() }).await;
        }
    }
}

#[tokio::test]
async fn every_way_a_list_ends_is_an_end() {
    for end in [End::Empty, End::NotFound, End::Null, End::LastAgain] {
        for totals in [Totals::None, Totals::Elements] {
            check_all_kinds(Switches { end, totals, ..Switches::default() }).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_ignores_paging_is_understood() {
    for paging in [PagingHeed::OnlyCount, PagingHeed::Ignored] {
        check_all_kinds(Switches { paging, ..Switches::default() }).await;
    }
}

#[tokio::test]
async fn ids_in_any_spelling_and_gzip_are_understood() {
    check_all_kinds(Switches { ids: Ids::Text, gzip: true, ..Switches::default() }).await;
}

async fn check_capped(rows: usize, over: Over, count: usize, end: End) -> Pulled {
    let switches = Switches { count_max: Some(CountMax { rows, over }), end, ..Switches::default() };
    let world = World::generate(7, &Size::small().with("measures", count));
    let bench = Bench::on(world, switches, |connection| connection.limits.page_size = 200).await;
    let pulled = bench.first("measures").await.unwrap();
    bench.check_complete("measures", &pulled);
    pulled
}

#[tokio::test]
async fn a_capped_count_loses_no_row_however_offsets_follow() {
    for over in [Over::CappedOffsets, Over::AskedOffsets] {
        for end in [End::Empty, End::NotFound, End::Null, End::LastAgain] {
            for count in [99, 100, 101, 150, 199, 200, 201, 300, 1000] {
                check_capped(100, over, count, end).await;
            }
        }
    }
}

#[tokio::test]
async fn a_cap_that_pages_have_shown_is_remembered() {
    let pulled = check_capped(50, Over::AskedOffsets, 180, End::Empty).await;
    assert_eq!(pulled.memory.count_max, Some(50));
    let pulled = check_capped(50, Over::CappedOffsets, 20, End::Empty).await;
    assert_eq!(pulled.memory.count_max, None);
}

#[tokio::test]
async fn a_refused_count_is_halved() {
    let pulled = check_capped(60, Over::Refused, 180, End::Empty).await;
    assert_eq!(pulled.memory.count_max, Some(50));
}

#[tokio::test]
async fn nothing_changed_means_nothing_new_is_remembered() {
    for switches in [
        Switches::default(),
        Switches { count_max: Some(CountMax { rows: 10, over: Over::AskedOffsets }), ..Switches::default() },
        Switches { count_max: Some(CountMax { rows: 7, over: Over::Refused }), ..Switches::default() },
        Switches { volatile: Volatile::Known, end: End::LastAgain, ..Switches::default() },
    ] {
        let world = World::generate(7, &Size::small());
        let bench = Bench::on(world, switches, |connection| connection.limits.page_size = 200).await;
        for kind in catalogue() {
            let Ok(first) = bench.first(kind.name.as_str()).await else { continue };
            let second = bench.full(kind.name.as_str(), &first.memory).await.unwrap();
            assert_eq!(second.memory, first.memory, "{}", kind.name);
            let prints =
                |p: &Pulled| p.snapshot.entries.iter().map(|e| (e.id, e.fingerprint)).collect::<Vec<_>>();
            assert_eq!(prints(&second), prints(&first));
        }
    }
}

#[tokio::test]
async fn a_total_that_disagrees_leaves_the_list_unproven() {
    for delta in [-5, 1, 1000] {
        let bench = Bench::small(Switches { totals: Totals::OffBy(delta), ..Switches::default() }).await;
        let pulled = bench.first("measures").await.unwrap();
        assert!(matches!(pulled.snapshot.extent, Extent::Incomplete(_)));
        bench.check_mirrors("measures", &pulled);
        assert!(!pulled.memory.ever_complete);
        assert_eq!(pulled.memory.cursor, None);
    }
}

#[tokio::test]
async fn an_element_in_two_scorecards_is_one_element_with_two_placements() {
    let switches = Switches { duplicates: Duplicates::OwnScorecard, ..Switches::default() };
    for totals in [Totals::None, Totals::Elements, Totals::Rows] {
        let bench = Bench::small(Switches { totals, ..switches.clone() }).await;
        let pulled = bench.first("measures").await.unwrap();
        assert_eq!(pulled.snapshot.extent, Extent::Complete, "{totals:?}");
        assert!(!pulled.has_shifted);
        let world = bench.simulator.world();
        let placements = |id| {
            world.placements_of("measures", id, World::USER).into_iter().map(move |to| (ElementId(id), to))
        };
        let mut truth: Vec<_> = world.ids("measures").into_iter().flat_map(placements).collect();
        truth.sort_unstable();
        truth.dedup();
        assert_eq!(pulled.snapshot.placements, truth);
        assert!(truth.len() > 60);
    }
}

#[tokio::test]
async fn equal_rows_on_two_pages_are_a_shift() {
    let switches = Switches { duplicates: Duplicates::SameRow, ..Switches::default() };
    let bench = Bench::small(switches).await;
    let pulled = bench.first("measures").await.unwrap();
    bench.check_complete("measures", &pulled);
    assert!(pulled.has_shifted);
}

#[tokio::test]
async fn rows_inserted_in_front_while_paging_are_a_shift() {
    let bench = Bench::small(Switches { order: Order::IdAscending, ..Switches::default() }).await;
    bench.simulator.on_page("/measures", 2, |world| {
        world.insert_in_front("measures");
    });
    let pulled = bench.first("measures").await.unwrap();
    assert!(pulled.has_shifted);
    assert_eq!(pulled.snapshot.entries.len(), 60);
}

#[tokio::test]
async fn a_moving_total_is_a_shift() {
    let bench = Bench::small(Switches { totals: Totals::Elements, ..Switches::default() }).await;
    bench.simulator.on_page("/measures", 2, |world| {
        world.insert("measures");
    });
    let pulled = bench.first("measures").await.unwrap();
    assert!(pulled.has_shifted);
    bench.check_complete("measures", &pulled);
}

#[tokio::test]
async fn of_two_unequal_rows_the_later_edited_wins() {
    let bench = Bench::small(Switches::default()).await;
    let last = *bench.simulator.world().ids("measures").last().unwrap();
    let victim = bench.simulator.world().ids("measures")[24];
    bench.simulator.on_page("/measures", 2, move |world| {
        world.insert_in_front("measures");
        world.edit("measures", victim, "name", "edited while paging".into());
    });
    let pulled = bench.first("measures").await.unwrap();
    let entry = pulled.snapshot.entries.iter().find(|entry| entry.id.0 == victim).unwrap();
    assert!(pulled.spool.read(entry.span).unwrap().contains("edited while paging"));
    assert!(pulled.snapshot.contains(ElementId(last)));
}

#[tokio::test]
async fn a_long_list_is_asked_for_several_pages_at_once() {
    let bench = Bench::new(Size::small().with("measures", 1000), Switches::default()).await;
    let (pulled, ()) = tokio::join!(bench.first("measures"), hold_until(&bench, 4));
    let pulled = pulled.unwrap();
    bench.check_complete("measures", &pulled);
    assert_eq!(bench.simulator.requests_in_flight_max(), 4);
    assert!(pulled.requests <= 50, "{}", pulled.requests);
}

#[tokio::test]
async fn an_empty_kind_is_complete_once_asked_again() {
    let bench = Bench::new(Size::small().with("risks", 0).with("groups", 0), Switches::default()).await;
    for (kind, requests) in [("risks", 3), ("groups", 2)] {
        let pulled = bench.first(kind).await.unwrap();
        bench.check_complete(kind, &pulled);
        assert_eq!(pulled.requests, requests);
    }
}
