//! Incremental pulls: what the `lastEdited` filter may be, and what shows that it is not to be trusted.

use super::*;
use crate::memory::Filter;
use crate::simulator::Filter as Meaning;
use crate::stamp::StampFormat;

impl Bench {
    async fn changes(&self, memory: &KindMemory, expected: &[ElementId]) -> Pulled {
        let kind = kind_named("measures");
        let ask = Ask { kind: &kind, mode: Mode::Incremental, memory, expected, known: None };
        self.client.pull(ask).await.unwrap()
    }
}

/// The element edited last.
fn newest(bench: &Bench) -> ElementId {
    let rows = bench.simulator.visible("measures", World::USER);
    let stamp = |row: &String| serde_json::from_str::<Value>(row).unwrap()["lastEdited"].to_string();
    ElementId(*rows.iter().max_by_key(|(_, row)| stamp(row)).unwrap().0)
}

#[tokio::test]
async fn what_changed_comes_in_one_request_in_every_format() {
    for stamp in StampFormat::ALL {
        let bench = Bench::small(Switches { stamp, ..Switches::default() }).await;
        let edited = bench.simulator.world().ids("measures")[9];
        bench.simulator.world().edit("measures", edited, "name", "first".into());
        let memory = bench.first("measures").await.unwrap().memory;
        assert_eq!(memory.stamp, Some(stamp));
        bench.simulator.world().now += TimeDelta::days(1);
        bench.clock.sleep(Duration::from_secs(86_400)).await;
        let other = bench.simulator.world().ids("measures")[3];
        bench.simulator.world().edit("measures", other, "name", "second".into());
        let pulled = bench.changes(&memory, &[ElementId(edited)]).await;
        assert_eq!(pulled.snapshot.extent, Extent::Incremental, "{stamp:?}");
        assert!(pulled.snapshot.contains(ElementId(other)), "{stamp:?}");
        assert_eq!(pulled.requests, 1);
        assert_eq!(pulled.memory.filter, Filter::Trusted { contradictions: 0 });
        assert_ne!(pulled.memory.cursor, memory.cursor);
    }
}

#[tokio::test]
async fn a_filter_that_is_contradicted_makes_the_pull_full() {
    for filter in [Meaning::Ignored, Meaning::Refused] {
        let bench = Bench::small(Switches { filter, ..Switches::default() }).await;
        let mut memory = bench.first("measures").await.unwrap().memory;
        let expected = [newest(&bench)];
        for contradictions in 1..=2 {
            let pulled = bench.changes(&memory, &expected).await;
            bench.check_complete("measures", &pulled);
            memory = pulled.memory;
            assert_eq!(memory.filter, Filter::Trusted { contradictions });
        }
        memory = bench.changes(&memory, &expected).await.memory;
        assert!(matches!(memory.filter, Filter::Contradicted { .. }));
        bench.simulator.clear_log();
        bench.changes(&memory, &expected).await;
        assert!(bench.simulator.log().iter().all(|request| !request.query.contains("lastEdited")));
    }
}

#[tokio::test]
async fn elements_that_must_come_back_and_do_not_make_the_pull_full() {
    let bench = Bench::small(Switches::default()).await;
    let memory = bench.first("measures").await.unwrap().memory;
    bench.simulator.fault(Fault::at("/measures", What::EmptyList).once());
    let pulled = bench.changes(&memory, &[newest(&bench)]).await;
    bench.check_complete("measures", &pulled);
    assert_eq!(pulled.memory.filter, Filter::Trusted { contradictions: 1 });
}

#[tokio::test]
async fn a_quiet_incremental_pull_changes_no_memory_once_trusted() {
    let bench = Bench::small(Switches::default()).await;
    let memory = bench.first("measures").await.unwrap().memory;
    let expected = [newest(&bench)];
    let trusted = bench.changes(&memory, &expected).await.memory;
    let pulled = bench.changes(&trusted, &expected).await;
    assert_eq!(pulled.memory, trusted);
    assert_eq!(bench.full("measures", &trusted).await.unwrap().memory, trusted);
}

#[tokio::test]
async fn a_full_page_of_changes_is_followed_by_the_next() {
    let bench = Bench::small(Switches::default()).await;
    let memory = bench.first("measures").await.unwrap().memory;
    let ids = bench.simulator.world().ids("measures");
    for id in &ids[..40] {
        bench.simulator.world().edit("measures", *id, "name", "moved".into());
    }
    let pulled = bench.changes(&memory, &[newest(&bench)]).await;
    assert_eq!(pulled.snapshot.extent, Extent::Incremental);
    assert!(pulled.snapshot.entries.len() >= 40);
    assert_eq!(pulled.requests, 2);
}

#[tokio::test]
async fn a_stamp_in_the_servers_future_is_no_cursor() {
    let bench = Bench::small(Switches::default()).await;
    let before = bench.first("measures").await.unwrap().memory.cursor;
    let id = bench.simulator.world().ids("measures")[0];
    bench.simulator.world().now += TimeDelta::days(365);
    bench.simulator.world().edit("measures", id, "name", "from the future".into());
    bench.simulator.world().now -= TimeDelta::days(365);
    let after = bench.first("measures").await.unwrap().memory.cursor;
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_filter_that_nothing_can_check_is_relied_on_only_when_proved() {
    let bench = Bench::small(Switches::default()).await;
    let memory = bench.first("measures").await.unwrap().memory;
    assert_eq!(bench.changes(&memory, &[]).await.snapshot.extent, Extent::Complete);
    let proved = bench.changes(&memory, &[newest(&bench)]).await.memory;
    assert_eq!(bench.changes(&proved, &[]).await.snapshot.extent, Extent::Incremental);
}

#[tokio::test]
async fn a_kind_without_a_cursor_is_pulled_in_full() {
    let bench = Bench::small(Switches::default()).await;
    let pulled = bench.changes(&KindMemory::default(), &[]).await;
    bench.check_complete("measures", &pulled);
    assert_eq!(pulled.memory.filter, Filter::Untried);
}
