//! The end's proof without a network: every size of list, cut and ended in every way that is known of.

use crate::fingerprint;
use crate::kind::Paging;
use crate::pull::listing::Listing;
use crate::pull::query::{At, Came, Query, Rows};
use crate::snapshot::Extent;
use std::collections::BTreeSet;

/// A server as the listing sees it.
#[derive(Debug, Clone, Copy)]
struct Server {
    rows: u64,
    cap: u64,
    offsets_follow_cap: bool,
    end: End,
    total: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Empty,
    Missing,
    LastAgain,
}

const PLAIN: Server =
    Server { rows: 60, cap: u64::MAX, offsets_follow_cap: true, end: End::Empty, total: None };

impl Server {
    fn answer(&self, query: Query) -> Vec<u64> {
        let asked = query.count.map_or(u64::MAX, u64::from);
        let count = asked.min(self.cap);
        let step = if self.offsets_follow_cap { count } else { asked };
        let mut from = match query.at {
            At::Page(page) => u64::from(page - 1) * step,
            At::Start(start) => start,
            At::Whole => 0,
        };
        if let End::LastAgain = self.end
            && from >= self.rows
            && self.rows > 0
        {
            from = (self.rows - 1) / count * count;
        }
        (from..self.rows.min(from.saturating_add(count))).collect()
    }

    fn nothing(&self) -> Came {
        let what = match self.end {
            End::Missing => "404 Not Found",
            End::Empty | End::LastAgain => "an empty list",
        };
        Came::Nothing(what.to_owned(), self.total)
    }
}

/// Walks a list to its end; `disturb` may change what comes for the nth request.
fn walk(
    paging: Paging,
    server: Server,
    mut disturb: impl FnMut(u32, Query, Vec<u64>) -> Result<Vec<u64>, Came>,
) -> (Extent, BTreeSet<u64>) {
    let mut listing = Listing::new(paging, 25);
    let mut seen = BTreeSet::new();
    for n in 1.. {
        assert!(n < 1000, "{server:?} never ends");
        let Some(query) = listing.next() else { break };
        let came = match disturb(n, query, server.answer(query)) {
            Err(came) => came,
            Ok(ids) if ids.is_empty() => server.nothing(),
            Ok(ids) => Came::Rows(rows(&ids, &mut seen, server.total)),
        };
        listing.feed(came);
    }
    let distinct = seen.len() as u64;
    (listing.extent(distinct, distinct), seen)
}

fn rows(ids: &[u64], seen: &mut BTreeSet<u64>, total: Option<u64>) -> Rows {
    let fresh = ids.iter().filter(|id| seen.insert(**id)).count();
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_be_bytes()).collect();
    Rows {
        received: u32::try_from(ids.len()).unwrap(),
        fresh: u32::try_from(fresh).unwrap(),
        signature: fingerprint::of_bytes(&bytes),
        total,
        page_count: None,
    }
}

#[track_caller]
fn check_whole(paging: Paging, server: Server) {
    let (extent, seen) = walk(paging, server, |_, _, ids| Ok(ids));
    assert_eq!(seen.len() as u64, server.rows, "{paging:?} {server:?} {extent:?}");
    assert_eq!(extent, Extent::Complete, "{paging:?} {server:?}");
}

#[test]
fn every_size_of_list_is_read_whole_however_it_is_cut_and_ended() {
    for rows in (0..=130).chain([249, 250, 251]) {
        for end in [End::Empty, End::Missing, End::LastAgain] {
            for cap in [1, 7, 10, 24, 25, u64::MAX] {
                for offsets_follow_cap in [true, false] {
                    let server = Server { rows, cap, offsets_follow_cap, end, ..PLAIN };
                    check_whole(Paging::Page, server);
                    check_whole(Paging::Page, Server { total: Some(rows), ..server });
                    check_whole(Paging::Start, server);
                }
            }
        }
    }
}

#[test]
fn an_unpaged_list_is_whole_in_one_answer() {
    for rows in 0..=130 {
        check_whole(Paging::None, Server { rows, ..PLAIN });
    }
}

#[track_caller]
fn check_unproven(
    paging: Paging,
    server: Server,
    came: &Came,
    nth: impl Fn(u32, Query) -> bool,
    reason: &str,
) {
    let spoil = |n, query, ids| if nth(n, query) { Err(came.clone()) } else { Ok(ids) };
    let (extent, _) = walk(paging, server, spoil);
    assert_eq!(extent, Extent::Incomplete(reason.to_owned()));
}

fn empty() -> Came {
    Came::Nothing("an empty list".to_owned(), None)
}

#[test]
fn a_page_that_is_empty_once_breaks_the_proof() {
    let reason = "page 2 answered an empty list, and 25 rows when asked again";
    check_unproven(Paging::Page, PLAIN, &empty(), |n, _| n == 2, reason);
    check_unproven(Paging::Start, PLAIN, &empty(), |n, _| n == 2, reason);
    let reason = "page 1 answered an empty list, and 60 rows when asked again";
    check_unproven(Paging::None, PLAIN, &empty(), |n, _| n == 1, reason);
}

#[test]
fn rows_after_an_empty_page_break_the_proof() {
    let reason = "page 2 answered an empty list, and page 3 10 rows";
    check_unproven(Paging::Page, PLAIN, &empty(), |_, query| query.page == 2, reason);
}

#[test]
fn a_list_cut_at_a_page_for_ever_shows_its_next_row() {
    let cut = |_, query: Query, ids| match query.at {
        At::Page(3..=12) => Err(empty()),
        _ => Ok(ids),
    };
    let (extent, _) = walk(Paging::Page, Server { rows: 250, ..PLAIN }, cut);
    let reason = "page 3 answered an empty list, but row 51 is there when asked for alone";
    assert_eq!(extent, Extent::Incomplete(reason.into()));
}

#[test]
fn what_follows_a_broken_page_still_comes_in() {
    let server = Server { rows: 130, ..PLAIN };
    let spoil = |_, query: Query, ids| if query.page == 2 { Err(empty()) } else { Ok(ids) };
    let (_, seen) = walk(Paging::Page, server, spoil);
    assert_eq!(seen.len(), 105);
}

#[test]
fn a_strange_status_past_the_end_needs_a_total() {
    let strange = Came::Strange("400 Bad Request".to_owned());
    let past = |_, query: Query| query.page > 3;
    check_unproven(Paging::Page, PLAIN, &strange, past, "page 4 answered 400 Bad Request");
    let server = Server { total: Some(60), ..PLAIN };
    let spoil = |n, query, ids| if past(n, query) { Err(strange.clone()) } else { Ok(ids) };
    assert_eq!(walk(Paging::Page, server, spoil).0, Extent::Complete);
}

#[test]
fn a_list_that_is_exactly_as_long_as_every_count_is_unproven() {
    let spoil = |_, query: Query, _| Ok((0..query.count.map_or(25, u64::from)).collect());
    for paging in [Paging::Page, Paging::Start, Paging::None] {
        let (extent, seen) = walk(paging, PLAIN, spoil);
        let reason = "page 1 is as long as was asked, for every count up to 1000, and there is no page 2";
        assert_eq!(extent, Extent::Incomplete(reason.to_owned()));
        assert_eq!(seen.len(), 1000);
    }
}

#[test]
fn pages_that_only_repeat_are_given_up() {
    let turn =
        |n: u32, _: Query, _| Ok(if n.is_multiple_of(2) { (0..25).collect() } else { (25..50).collect() });
    let (extent, _) = walk(Paging::Page, PLAIN, turn);
    let reason = "3 pages up to page 5 brought nothing new".to_owned();
    assert_eq!(extent, Extent::Incomplete(reason));
}

#[test]
fn a_short_last_page_of_nothing_new_that_comes_again_is_the_end() {
    let repeat = |n: u32, _: Query, _| Ok(if n == 1 { (0..25).collect() } else { (3..7).collect() });
    let (extent, seen) = walk(Paging::Page, PLAIN, repeat);
    assert_eq!((extent, seen.len()), (Extent::Complete, 25));
}

#[test]
fn a_flapping_page_is_given_up() {
    let flap =
        |n: u32, _: Query, _| if n > 1 && n.is_multiple_of(2) { Err(empty()) } else { Ok((0..25).collect()) };
    let (extent, _) = walk(Paging::Page, PLAIN, flap);
    assert!(matches!(extent, Extent::Incomplete(_)), "{extent:?}");
}

#[test]
fn a_total_that_is_each_pages_own_is_no_total() {
    let mut seen = BTreeSet::new();
    let mut listing = Listing::new(Paging::Page, 25);
    while let Some(query) = listing.next() {
        let ids = PLAIN.answer(query);
        let total = Some(ids.len() as u64);
        listing.feed(if ids.is_empty() {
            Came::Nothing("an empty list".to_owned(), total)
        } else {
            Came::Rows(rows(&ids, &mut seen, total))
        });
    }
    assert_eq!(listing.extent(60, 60), Extent::Complete);
    assert!(!listing.has_moved());
}

#[test]
fn pages_are_asked_for_ahead_once_paging_is_understood_and_up_to_the_total() {
    let mut seen = BTreeSet::new();
    let mut listing = Listing::new(Paging::Page, 25);
    let server = Server { rows: 100, total: Some(100), ..PLAIN };
    let mut ahead = Vec::new();
    while let Some(query) = listing.next() {
        ahead.push(listing.ahead(8).len());
        let ids = server.answer(query);
        let came = if ids.is_empty() { empty() } else { Came::Rows(rows(&ids, &mut seen, server.total)) };
        listing.feed(came);
    }
    // Pages 1 to 4, the empty page 5, and both that confirm it.
    assert_eq!(ahead, [0, 0, 2, 1, 0, 1, 0]);
}

#[test]
fn a_list_not_read_to_its_end_proves_nothing() {
    let listing = Listing::new(Paging::Page, 25);
    assert!(matches!(listing.extent(0, 0), Extent::Incomplete(_)));
}
