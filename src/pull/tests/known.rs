//! A pull that knows what is stored puts aside only what says something else, and lists the same.

use super::*;
use crate::simulator::Duplicates;
use crate::snapshot::{Entry, Known, Span};

async fn bench(duplicates: Duplicates) -> Bench {
    let switches = Switches { duplicates, ..Switches::default() };
    Bench::new(Size::small().with("measures", 200), switches).await
}

impl Bench {
    /// A full pull of the measures by a caller that has stored `before`.
    async fn after(&self, before: &Pulled) -> Pulled {
        let stored = before.snapshot.entries.iter().map(|entry| (entry.id, entry.fingerprint));
        let (kind, known) = (kind_named("measures"), Known::new(stored.collect()));
        let (memory, known) = (&before.memory, Some(&known).filter(|_| !before.memory.rows_differ));
        let ask = Ask { kind: &kind, mode: Mode::Full, memory, expected: &[], known };
        self.client.pull(ask).await.unwrap()
    }
}

/// What a snapshot tells, without the places in its spool.
fn told(pulled: &Pulled) -> impl PartialEq + std::fmt::Debug {
    let Snapshot { entries, placements, extent } = &pulled.snapshot;
    let rows = entries.iter().map(|entry| (entry.id, entry.fingerprint.0));
    (rows.collect::<Vec<_>>(), placements, extent)
}

/// The bytes in a spool: the next document comes after them.
fn spooled(pulled: &mut Pulled) -> u64 {
    pulled.spool.append(b"{}").unwrap().offset
}

fn put_aside(pulled: &Pulled) -> Vec<Entry> {
    pulled.snapshot.entries.iter().filter(|entry| entry.span != Span::NOWHERE).copied().collect()
}

#[tokio::test]
async fn an_unchanged_list_is_not_put_aside() {
    for duplicates in [Duplicates::Never, Duplicates::SameRow] {
        let bench = bench(duplicates).await;
        let first = bench.first("measures").await.unwrap();
        let mut second = bench.after(&first).await;
        assert_eq!(told(&second), told(&first));
        assert_eq!(spooled(&mut second), 0, "{duplicates:?}");
    }
}

#[tokio::test]
async fn only_what_is_new_or_changed_is_put_aside() {
    let bench = bench(Duplicates::Never).await;
    let first = bench.first("measures").await.unwrap();
    let edited = bench.simulator.world().ids("measures")[30];
    bench.simulator.world().edit("measures", edited, "name", "Renamed".into());
    let new = bench.simulator.world().insert("measures");
    let mut second = bench.after(&first).await;
    let aside = put_aside(&second);
    assert_eq!(aside.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), [edited, new]);
    assert!(second.spool.read(aside[0].span).unwrap().contains("Renamed"));
    let bytes: u64 = aside.iter().map(|entry| u64::from(entry.span.length)).sum();
    assert_eq!(spooled(&mut second), bytes);
}

#[tokio::test]
async fn rows_of_one_element_that_differ_are_all_put_aside_and_the_next_time_at_once() {
    let bench = bench(Duplicates::Never).await;
    let first = bench.first("measures").await.unwrap();
    assert!(!first.memory.rows_differ);
    bench.simulator.switch(|switches| switches.duplicates = Duplicates::OwnScorecard);
    let second = bench.after(&first).await;
    assert_eq!(put_aside(&second).len(), 200);
    assert!(second.memory.rows_differ);
    let whole = bench.full("measures", &first.memory).await.unwrap();
    assert_eq!((told(&second), second.requests), (told(&whole), 2 * whole.requests));
    let third = bench.after(&second).await;
    assert_eq!((told(&third), third.requests), (told(&whole), whole.requests));

    bench.simulator.switch(|switches| switches.duplicates = Duplicates::Never);
    let quiet = bench.after(&third).await;
    assert!(!quiet.memory.rows_differ);
    assert_eq!(spooled(&mut bench.after(&quiet).await), 0);
}

#[tokio::test]
async fn of_a_known_row_and_one_edited_while_paging_the_later_wins() {
    let bench = bench(Duplicates::Never).await;
    let first = bench.first("measures").await.unwrap();
    let victim = bench.simulator.world().ids("measures")[24];
    bench.simulator.on_page("/measures", 2, move |world| {
        world.insert_in_front("measures");
        world.edit("measures", victim, "name", "edited while paging".into());
    });
    let second = bench.after(&first).await;
    let entry = second.snapshot.entries.iter().find(|entry| entry.id.0 == victim).unwrap();
    assert!(second.spool.read(entry.span).unwrap().contains("edited while paging"));
    bench.check_complete("measures", &second);
}
