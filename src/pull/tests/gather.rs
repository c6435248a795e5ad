//! Rows on their way to a snapshot: any order of pages gives the same, and the id field is settled.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::kind_named;
use crate::element::ElementId;
use crate::pull::gather::{Gather, Gathered, settle_id_field};
use crate::pull::query::Use;
use crate::snapshot::{Entry, Known, Rejected, Span};
use crate::spool::Budget;
use crate::tolerate::{self, Body};

fn noon() -> DateTime<Utc> {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

fn gather(pages: &[(u32, String)]) -> Gathered {
    gather_knowing(None, pages)
}

fn gather_knowing(known: Option<&Known>, pages: &[(u32, String)]) -> Gathered {
    let kind = kind_named("measures");
    let dir = tempfile::tempdir().unwrap();
    let scratch = (&Budget::new(1 << 20), dir.path());
    let mut gather = Gather::new(scratch, noon()).knowing(known);
    for (page, text) in pages {
        let Body::List(list) = tolerate::body_of_rows(text, &kind, None, "objectId") else {
            panic!("{text}")
        };
        let rows = gather.look(list);
        gather.take(*page, rows, Use::Page).unwrap();
    }
    gather.finish(None).unwrap()
}

/// Everything that a snapshot tells, without the places in its spool.
#[derive(Debug, PartialEq)]
struct Told {
    rows: Vec<(ElementId, u128, String)>,
    placements: Vec<(ElementId, i64)>,
    rejected: Vec<Rejected>,
    cursor: Option<String>,
    has_duplicates: bool,
    counts: (u64, u64),
}

impl Told {
    fn of(gathered: &Gathered) -> Self {
        let document = |span| gathered.spool.read(span).unwrap().into_owned();
        let rows = gathered.entries.iter();
        Self {
            rows: rows.map(|e| (e.id, e.fingerprint.0, document(e.span))).collect(),
            placements: gathered.placements.clone(),
            rejected: gathered.rejected.clone(),
            cursor: gathered.newest.clone().and_then(|newest| newest.cursor),
            has_duplicates: gathered.has_duplicates,
            counts: (gathered.distinct, gathered.pairs),
        }
    }
}

fn row() -> impl Strategy<Value = String> {
    let stamps = ["2026-03-01T08:00:00Z", "2026-03-02T09:30:00Z", "2027-01-01T00:00:00Z"];
    (0..6_i64, 1..3_i64, prop::sample::select(stamps.to_vec()), 0..3_u8, 0..12_u8).prop_map(
        |(id, scorecard, stamp, name, shape)| match shape {
            0 => format!(r#"{{"name":"{name}"}}"#),
            1 => format!(r#"{{"name":"{name}","scorecardId":{scorecard},"objectId":{id}}}"#),
            _ => format!(
                r#"{{"objectId":{id},"scorecardId":{scorecard},"lastEdited":"{stamp}","name":"{name}"}}"#
            ),
        },
    )
}

fn pages() -> impl Strategy<Value = Vec<(u32, String)>> {
    let page = prop::collection::vec(row(), 1..5).prop_map(|rows| format!("[{}]", rows.join(",")));
    prop::collection::vec(page, 1..6)
        .prop_map(|pages| pages.into_iter().zip(1..).map(|(text, page)| (page, text)).collect())
}

proptest! {
    #[test]
    fn a_snapshot_is_what_all_rows_side_by_side_give(
        rows in prop::collection::vec((0..6_i64, prop::option::of(1..3_i64), 1..4_u8, 1..4_u32), 1..20),
    ) {
        let mut rows = rows;
        rows.sort_by_key(|(.., page)| *page);
        let text = |(id, scorecard, day, page): &(i64, Option<i64>, u8, u32)| {
            let scorecard = scorecard.map_or_else(|| "null".into(), |to| to.to_string());
            format!(r#"{{"lastEdited":"2026-01-0{day}","objectId":{id},"page":{page},"scorecardId":{scorecard}}}"#)
        };
        let pages = rows.chunk_by(|a, b| a.3 == b.3).map(|rows| {
            (rows[0].3, format!("[{}]", rows.iter().map(text).collect::<Vec<_>>().join(",")))
        });
        let told = Told::of(&gather(&pages.collect::<Vec<_>>()));

        let ids = BTreeSet::from_iter(rows.iter().map(|row| row.0));
        let best = |id: &i64| {
            let own = rows.iter().filter(|row| row.0 == *id);
            let newest = own.clone().map(|row| row.2).max();
            own.filter(|row| Some(row.2) == newest).map(text).min().unwrap()
        };
        let pairs = BTreeSet::from_iter(rows.iter().map(|row| (ElementId(row.0), row.1)));
        let on_pages = BTreeSet::from_iter(rows.iter().map(|row| (row.0, row.1, row.3)));
        let documents: Vec<String> = told.rows.into_iter().map(|row| row.2).collect();
        prop_assert_eq!(documents, ids.iter().map(best).collect::<Vec<_>>());
        prop_assert_eq!(told.counts, (ids.len() as u64, pairs.len() as u64));
        prop_assert_eq!(told.has_duplicates, on_pages.len() > pairs.len());
        let placed = pairs.into_iter().filter_map(|(id, to)| Some((id, to?)));
        prop_assert_eq!(told.placements, placed.collect::<Vec<_>>());
    }

    #[test]
    fn any_order_of_pages_gives_the_same_snapshot(pages in pages(), turn in 0..6_usize) {
        let expected = Told::of(&gather(&pages));
        let mut shuffled = pages.clone();
        shuffled.rotate_left(turn % pages.len());
        prop_assert_eq!(&Told::of(&gather(&shuffled)), &expected);
        shuffled.reverse();
        prop_assert_eq!(&Told::of(&gather(&shuffled)), &expected);
    }
}

/// What is stored after these entries.
fn stored(entries: &[Entry]) -> Known {
    Known::new(entries.iter().map(|entry| (entry.id, entry.fingerprint)).collect())
}

proptest! {
    #[test]
    fn what_is_known_is_listed_the_same_and_not_put_aside(
        pages in pages(), before in 0..6_usize, turn in 0..6_usize,
    ) {
        let known = stored(&gather(&pages[..before.min(pages.len())]).entries);
        let whole = gather(&pages);
        let mut shuffled = pages.clone();
        shuffled.rotate_left(turn % pages.len());
        let gathered = gather_knowing(Some(&known), &shuffled);
        prop_assert_eq!(gathered.rows_differ, whole.rows_differ);
        if gathered.rows_differ {
            // The pull begins again with nothing known.
            return Ok(());
        }
        let told = |gathered: &Gathered| {
            (gathered.placements.clone(), gathered.distinct, gathered.pairs, gathered.has_duplicates)
        };
        prop_assert_eq!(told(&gathered), told(&whole));
        prop_assert_eq!(gathered.entries.len(), whole.entries.len());
        for (entry, expected) in gathered.entries.iter().zip(&whole.entries) {
            prop_assert_eq!((entry.id, entry.fingerprint), (expected.id, expected.fingerprint));
            if known.holds(entry.id, entry.fingerprint) {
                prop_assert_eq!(entry.span, Span::NOWHERE);
            } else {
                let document = gathered.spool.read(entry.span).unwrap();
                prop_assert_eq!(document, whole.spool.read(expected.span).unwrap());
            }
        }
    }
}

#[test]
fn known_rows_of_one_fingerprint_need_no_document_to_choose_by() {
    let page = |row: &str| (1, format!("[{row}]"));
    let pages = [page(r#"{"objectId":1,"name":"a"}"#), page(r#"{"name":"a","objectId":1}"#)];
    let known = stored(&gather(&pages).entries);
    let gathered = gather_knowing(Some(&known), &pages);
    assert!(!gathered.rows_differ);
    assert_eq!(gathered.entries[0].span, Span::NOWHERE);
}

#[test]
fn of_rows_edited_at_the_same_time_the_least_canonical_one_wins() {
    let page = |text: &str| (1, text.to_owned());
    let a = r#"[{"objectId":1,"name":"a","z":1}]"#;
    let b = r#"[{"name":"b","z":0,"objectId":1}]"#;
    for pages in [[page(a), page(b)], [page(b), page(a)]] {
        let told = Told::of(&gather(&pages));
        assert!(told.rows[0].2.contains(r#""name":"a""#));
    }
}

#[test]
fn at_most_a_hundred_rejected_rows_are_kept_and_all_are_counted() {
    let rows: Vec<String> = (0..250).map(|n| format!(r#"{{"name":"{n}"}}"#)).collect();
    let gathered = gather(&[(1, format!("[{}]", rows.join(",")))]);
    assert_eq!(gathered.rejected.len(), 100);
    assert_eq!(gathered.distinct, 250);
}

#[track_caller]
fn check_id_field(rows: &[&str], remembered: Option<&str>, expected: Option<&str>) {
    let settled = settle_id_field(rows, &kind_named("measures"), remembered);
    assert_eq!(settled.as_deref(), expected);
}

#[test]
fn the_id_field_is_the_first_candidate_in_every_row() {
    check_id_field(&[r#"{"objectId":1,"id":5}"#, r#"{"objectId":2,"id":6}"#], None, Some("objectId"));
    check_id_field(&[r#"{"measureId":1}"#, r#"{"measureId":2}"#], None, Some("measureId"));
    check_id_field(&[r#"{"scorecardId":1}"#], None, None);
}

#[test]
fn an_odd_row_or_a_link_on_the_first_page_does_not_hide_the_id_field() {
    let odd = [r#"{"objectId":1}"#, r#"{"objectId":2}"#, r#"{"name":"odd"}"#];
    check_id_field(&odd, None, Some("objectId"));
    let link = [r#"{"objectId":1,"x":1}"#, r#"{"objectId":1,"x":2}"#, r#"{"objectId":2}"#];
    check_id_field(&link, None, Some("objectId"));
}

#[test]
fn a_remembered_id_field_stays_while_most_rows_have_it() {
    let rows = [r#"{"objectId":1,"id":5}"#, r#"{"objectId":2,"id":6}"#];
    check_id_field(&rows, Some("id"), Some("id"));
    check_id_field(&rows, Some("measureId"), Some("objectId"));
}
