//! A pull that knows what is stored puts aside only what says something else, and lists the same.

use std::future::ready;

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

/// What a pull leaves behind for the next.
struct Left {
    pulled: Pulled,
    pages: BTreeMap<u32, Vec<u8>>,
}

impl Bench {
    /// A full pull of the measures by a caller that has stored and kept what those `before` left.
    async fn seeing(&self, before: Option<&Left>) -> Left {
        let stored = before.iter().flat_map(|left| &left.pulled.snapshot.entries);
        let known = Known::new(stored.map(|entry| (entry.id, entry.fingerprint)).collect());
        let mut pages = before.map(|left| left.pages.clone()).unwrap_or_default();
        let kept = pages.clone();
        let known = known.with_imprints(move |page| {
            ready(kept.range(page..).take(2).map(|(page, bytes)| (*page, bytes.clone())).collect())
        });
        let kind = kind_named("measures");
        let memory = before.map(|left| left.pulled.memory.clone()).unwrap_or_default();
        let ask = Ask { kind: &kind, mode: Mode::Full, memory: &memory, expected: &[], known: Some(&known) };
        let pulled = self.client.pull(ask).await.unwrap();
        let bytes = |span| pulled.spool.bytes(span).unwrap().into_owned();
        pages.extend(pulled.imprints.changed.iter().map(|(page, span)| (*page, bytes(*span))));
        pages.retain(|page, _| *page <= pulled.imprints.pages);
        Left { pulled, pages }
    }
}

#[tokio::test]
async fn pages_that_come_as_they_were_are_not_kept_again() {
    let bench = bench(Duplicates::SameRow).await;
    let first = bench.seeing(None).await;
    assert_eq!(first.pages.len(), first.pulled.imprints.pages as usize);
    let mut second = bench.seeing(Some(&first)).await;
    assert!(second.pulled.imprints.changed.is_empty());
    assert_eq!(told(&second.pulled), told(&first.pulled));
    assert_eq!(spooled(&mut second.pulled), 0);
}

#[tokio::test]
async fn a_list_tells_the_same_whichever_of_its_rows_were_seen_before() {
    let bench = bench(Duplicates::Never).await;
    let mut left = bench.seeing(None).await;
    type Change = fn(&mut World, i64);
    let changes: [Change; 5] = [
        |world, id| world.edit("measures", id, "name", "Renamed".into()),
        |world, id| world.edit("measures", id, "scorecardId", 1.into()),
        |world, _| _ = world.insert_in_front("measures"),
        |world, id| world.delete("measures", id),
        |world, _| _ = world.insert("measures"),
    ];
    for (change, at) in changes.into_iter().zip([30, 70, 0, 110, 0]) {
        let id = bench.simulator.world().ids("measures")[at];
        change(&mut bench.simulator.world(), id);
        let next = bench.seeing(Some(&left)).await;
        let whole = bench.full("measures", &left.pulled.memory).await.unwrap();
        assert_eq!(told(&next.pulled), told(&whole));
        assert_eq!(next.pulled.memory, whole.memory);
        left = next;
    }
}
