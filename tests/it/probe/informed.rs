//! What a probe found is of use to the next sync, and what it prints to the configuration.

use clearpoint_sync::config::Config;
use clearpoint_sync::kind::Paging;
use clearpoint_sync::simulator::{CountMax, Filter, Over, Size, Switches, World};

use super::{bench, milestones, probe};
use crate::harness::{Bench, Setup};

/// A server that refuses a larger count is not asked for it again, and single reads are not compared
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_after_a_probe_starts_informed() {
    let switches =
        || Switches { count_max: Some(CountMax { rows: 50, over: Over::Refused }), ..Switches::default() };
    let asked = |bench: &Bench| {
        let log = bench.simulator.log();
        let single = log.iter().filter(|asked| asked.path.matches('/').count() == 2).count();
        (log.iter().filter(|asked| asked.status == 400).count(), single, log.len())
    };
    let (plain, informed) = (bench(switches(), 200).await, bench(switches(), 200).await);
    plain.sync_full().await;
    probe(&informed, &[]).await;
    informed.simulator.clear_log();
    informed.sync_full().await;
    informed.assert_mirrors();
    let ((refused, single, all), (refused_after, single_after, all_after)) =
        (asked(&plain), asked(&informed));
    assert!(refused > 0 && single > 0, "{refused} refused, {single} single reads");
    // The door knocks as it always does.
    assert_eq!((refused_after, single_after), (1, 0));
    assert!(all_after + refused - 1 + single <= all, "{all} requests, {all_after} after a probe");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_a_probe_saw_fail_is_not_tried() {
    let bench = bench(Switches { filter: Filter::Ignored, ..Switches::default() }, 25).await;
    let filtered = async || {
        bench.simulator.clear_log();
        bench.run(&["sync", "--incremental"]).await.assert_code(&[0]);
        bench.simulator.log().iter().filter(|asked| asked.query.contains("lastEdited")).count()
    };
    probe(&bench, &[]).await;
    bench.sync_full().await;
    assert_eq!(filtered().await, 0);
    bench.simulator.switch(|switches| switches.filter = Filter::Since);
    probe(&bench, &[]).await;
    assert!(filtered().await > 0, "a filter that works is tried again");
}

/// What is to be pasted is read by the program itself, and the kind is mirrored by the next sync.
#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_nobody_lists_is_mirrored_once_its_section_is_pasted() {
    for paging in [Paging::Page, Paging::Start, Paging::None] {
        let mut world = World::generate(141, &Size::small());
        world.add_kind(milestones(paging), 30);
        let bench = Setup::of(world).start().await;
        let ran = bench.run(&["probe", "city", "--toml"]).await;
        ran.assert_code(&[0]);
        let config = std::fs::read_to_string(bench.file("config.toml")).unwrap() + "\n" + &ran.stdout;
        std::fs::write(bench.file("config.toml"), &config).unwrap();
        let config =
            Config::parse(&config, &bench.file("config.toml")).unwrap_or_else(|e| panic!("{e}: {ran}"));
        let pasted = config.connections[0].kinds.last().unwrap();
        assert_eq!((pasted.paging, pasted.last_edited), (paging, true), "{}", ran.stdout);
        assert_eq!((&pasted.path[..], &pasted.id_fields[0][..]), ("/milestones", "id"));
        bench.sync_full().await;
        bench.assert_mirrors_kind("milestones");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_unlisted_exists_there_is_nothing_to_paste() {
    let bench = bench(Switches::default(), 25).await;
    let ran = bench.run(&["probe", "city", "--toml"]).await;
    ran.assert_code(&[0]);
    assert_eq!(ran.stdout.parse::<toml::Table>().unwrap(), toml::Table::new());
}
