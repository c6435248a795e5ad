//! The end of a list and its proof, as a value: it says what to ask next, is fed with what came, and
//! at the end says whether these are all rows. Pure: the network is not its business.
//!
//! Nobody knows how the API cuts and ends its lists, so every way that is known of is understood, and
//! what fits none of them is never taken for the end.

use crate::kind::Paging;
use crate::pull::query::{At, Came, Query, Rows, Use};
use crate::pull::totals::Totals;
use crate::snapshot::Extent;

/// Pages asked of one list, at most: a list that never ends is none.
pub(super) const PAGES_MAX: u32 = 100_000;
/// The API's own page size (a third-party reference says so): below it `count` is not halved, and an
/// unpaged list with a multiple of it may have been cut.
pub(super) const COUNT_DEFAULT: u32 = 25;
/// Pages in a row that bring nothing new before the list is given up.
const BARREN_MAX: u32 = 3;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// From page to page.
    Walk,
    /// A page without rows is asked again, together with the one after it.
    Confirm { what: Ending, has_rows: bool, asked: u32 },
    /// Paging is ignored, or unknown: one request with a larger `count`.
    Larger { count: u32 },
    /// Nothing more to ask.
    Ended { unproven: Option<String> },
    /// Nothing came after a full page: is there really no next row?
    Boundary { what: Ending },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Ending {
    text: String,
    is_strange: bool,
}

/// A list on its way to its end.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    paging: Paging,
    /// What was asked for on page 1.
    count_first: u32,
    count: u32,
    /// The page to ask for next, from 1.
    page: u32,
    start: u64,
    phase: Phase,
    before: Option<Rows>,
    first: Option<Rows>,
    pages_with_rows: u32,
    pages_even: bool,
    barren: u32,
    distinct: u64,
    totals: Totals,
    broken: Option<String>,
}

impl Listing {
    /// A list asked for from its beginning, `count` rows a page.
    #[must_use]
    pub(super) fn new(paging: Paging, count: u32) -> Self {
        Self {
            paging,
            count_first: count,
            count,
            page: 1,
            start: 0,
            phase: Phase::Walk,
            before: None,
            first: None,
            pages_with_rows: 0,
            pages_even: true,
            barren: 0,
            distinct: 0,
            totals: Totals::default(),
            broken: None,
        }
    }

    /// The page to ask for next; `None` at the end.
    #[must_use]
    pub(super) fn next(&self) -> Option<Query> {
        match &self.phase {
            Phase::Walk => Some(self.query(0)),
            Phase::Confirm { asked, .. } => Some(self.query(*asked)),
            Phase::Larger { count } => Some(Query { page: 1, count: Some(*count), ..self.query_at(1, 0) }),
            Phase::Boundary { .. } => {
                let page = u32::try_from(self.start.saturating_add(1)).unwrap_or(u32::MAX);
                Some(Query { count: Some(1), ..self.query_at(page, self.start) })
            }
            Phase::Ended { .. } => None,
        }
    }

    /// The pages that may be asked for together with the next one, at most `limit` of them: none until
    /// paging is understood, and none past the end that a total tells.
    #[must_use]
    pub(super) fn ahead(&self, limit: u32) -> Vec<Query> {
        match &self.phase {
            Phase::Walk if self.is_understood() => {
                let last = self.totals.total().map_or(u64::MAX, |total| {
                    let left = total.saturating_sub(self.distinct);
                    left.div_ceil(u64::from(self.count.max(1)))
                });
                (1..=limit).take_while(|step| u64::from(*step) <= last).map(|step| self.query(step)).collect()
            }
            Phase::Confirm { asked: 0, .. } if self.paging != Paging::None => vec![self.query(1)],
            _ => Vec::new(),
        }
    }

    /// Takes what came for [`Listing::next`], and says what its rows are good for.
    pub(super) fn feed(&mut self, came: Came) -> Use {
        match came {
            Came::Rows(rows) => self.totals.see(rows.received, rows.total, rows.page_count),
            Came::Nothing(_, Some(total)) if total > 0 => self.totals.see_total(total),
            Came::Nothing(..) | Came::Strange(_) => {}
        }
        match self.phase.clone() {
            Phase::Walk => self.walk(came),
            Phase::Confirm { what, has_rows, asked } => self.confirm(what, has_rows, asked, came),
            Phase::Larger { count } => self.larger(count, came),
            Phase::Boundary { what } => self.boundary(&what, came),
            Phase::Ended { .. } => Use::Again,
        }
    }

    /// Whether a total changed from page to page: rows came or went while the list was paged.
    #[must_use]
    pub(super) fn has_moved(&self) -> bool {
        self.totals.has_moved()
    }

    /// A smaller `count` than the one asked for, where page after page has shown that the server gives
    /// no more. (One that takes rows out of pages after cutting them gives uneven ones.)
    #[must_use]
    pub(super) fn count_max(&self) -> Option<u32> {
        let is_capped = self.count < self.count_first && self.pages_with_rows > 2;
        (is_capped && self.pages_even).then_some(self.count)
    }

    /// What the list may be used for, given the distinct elements, and distinct pairs of element and
    /// scorecard, that it brought. (An element placed in two scorecards may count twice in a total.)
    #[must_use]
    pub(super) fn extent(&self, elements: u64, pairs: u64) -> Extent {
        let Phase::Ended { unproven } = &self.phase else {
            return Extent::Incomplete("the list was not read to its end".into());
        };
        let reason = self.broken.clone().or_else(|| unproven.clone());
        let reason = reason.or_else(|| self.totals.contradiction(elements, pairs, self.pages_with_rows));
        reason.map_or(Extent::Complete, Extent::Incomplete)
    }

    /// Whether something besides pages without rows tells where the list ends: a total, or a last page
    /// shorter than the others.
    #[must_use]
    pub(super) fn is_end_told(&self) -> bool {
        !self.is_cut_likely()
    }

    fn query(&self, step: u32) -> Query {
        let rows = u64::from(step) * u64::from(self.count);
        self.query_at(self.page.saturating_add(step), self.start + rows)
    }

    fn query_at(&self, page: u32, start: u64) -> Query {
        let at = match self.paging {
            Paging::Page => At::Page(page),
            Paging::Start => At::Start(start),
            Paging::None => At::Whole,
        };
        let count = (self.paging != Paging::None).then_some(self.count);
        Query { page, at, count }
    }

    fn is_understood(&self) -> bool {
        let is_whole = |rows: &Rows| rows.received == self.count && rows.fresh == rows.received;
        self.paging != Paging::None && self.pages_with_rows > 1 && self.before.as_ref().is_some_and(is_whole)
    }

    fn walk(&mut self, came: Came) -> Use {
        match came {
            Came::Rows(rows) => self.walk_rows(rows),
            // A server that takes only certain counts: the one it took before, again.
            Came::Strange(_) if self.page == 2 && self.count != self.count_first => {
                self.count = self.count_first;
                Use::Again
            }
            Came::Nothing(text, _) => self.doubt(text, false),
            Came::Strange(text) => self.doubt(text, true),
        }
    }

    fn doubt(&mut self, text: String, is_strange: bool) -> Use {
        let what = Ending { text, is_strange };
        self.phase = Phase::Confirm { what, has_rows: false, asked: 0 };
        Use::Again
    }

    fn walk_rows(&mut self, rows: Rows) -> Use {
        let is_repeat = self.before.is_some_and(|before| before.signature == rows.signature);
        if is_repeat {
            return self.repeat(rows);
        }
        if let (2.., Some(first)) = (self.page, self.first) {
            // The page before was not the last one: was it as long as the first?
            let before = self.before.unwrap_or(first);
            self.pages_even &= before.received == first.received;
        }
        self.take(rows);
        if self.page == 1 {
            self.first = Some(rows);
            if self.paging == Paging::None {
                return self.unpaged(rows);
            }
            // Is a short page the whole list, or is `count` capped? The rows received are asked for
            // from now on, so that the next page begins where this one ended, whether the server
            // reckons its offsets from what was asked or from what it gave.
            if self.paging == Paging::Page && rows.received < self.count {
                self.count = rows.received;
            }
        }
        self.advance(rows.received);
        Use::Page
    }

    fn take(&mut self, rows: Rows) {
        self.before = Some(rows);
        self.pages_with_rows += 1;
        self.distinct += u64::from(rows.fresh);
        self.barren = if rows.fresh == 0 { self.barren + 1 } else { 0 };
    }

    fn advance(&mut self, received: u32) {
        self.page += 1;
        self.start += u64::from(received);
        if self.page > PAGES_MAX {
            self.end(Some(format!("page {PAGES_MAX} still had rows")));
        } else if self.barren >= BARREN_MAX {
            let page = self.page - 1;
            self.end(Some(format!("{BARREN_MAX} pages up to page {page} brought nothing new")));
        }
    }

    fn end(&mut self, unproven: Option<String>) {
        self.phase = Phase::Ended { unproven };
    }

    /// A page equal to the one before it.
    fn repeat(&mut self, rows: Rows) -> Use {
        let was_new = self.before.is_some_and(|before| before.fresh > 0);
        // The rest of a list may be elements that were listed before, in other scorecards.
        let is_rest = self.first.is_some_and(|first| rows.received < first.received);
        if self.page == 2 && rows.received == self.count_first {
            self.phase = Phase::Larger { count: larger(rows.received) };
        } else if was_new || is_rest {
            self.end(None);
        } else {
            let page = self.page;
            self.end(Some(format!("pages {} and {page} are equal, and bring nothing new", page - 1)));
        }
        Use::Again
    }

    /// The one page of an unpaged list: it may have been cut where the server's page size ends.
    fn unpaged(&mut self, rows: Rows) -> Use {
        if rows.received == self.count || rows.received.is_multiple_of(COUNT_DEFAULT) {
            self.phase = Phase::Larger { count: larger(rows.received) };
        } else {
            self.end(None);
        }
        Use::Page
    }

    fn larger(&mut self, asked: u32, came: Came) -> Use {
        match came {
            Came::Rows(rows) => {
                self.distinct += u64::from(rows.fresh);
                let is_full = rows.received == asked;
                self.end(is_full.then(|| {
                    format!("page 1 is as long as was asked, for every count up to {asked}, and there is no page 2")
                }));
            }
            Came::Nothing(text, _) | Came::Strange(text) => {
                self.end(Some(format!(
                    "page 1 may have been cut, and with count={asked} the server answered {text}"
                )));
            }
        }
        Use::Again
    }

    fn confirm(&mut self, what: Ending, has_rows: bool, asked: u32, came: Came) -> Use {
        let is_last = asked > 0 || self.paging == Paging::None;
        let page = self.page + asked;
        let mut what = what;
        let has_rows = match came {
            Came::Rows(rows) => {
                let text = if asked == 0 {
                    format!("page {page} answered {}, and {} rows when asked again", what.text, rows.received)
                } else {
                    format!(
                        "page {} answered {}, and page {page} {} rows",
                        page - 1,
                        what.text,
                        rows.received
                    )
                };
                self.broken.get_or_insert(text);
                self.take(rows);
                true
            }
            Came::Strange(_) => {
                what.is_strange = true;
                has_rows
            }
            Came::Nothing(..) => has_rows,
        };
        if !is_last {
            self.phase = Phase::Confirm { what, has_rows, asked: 1 };
        } else if has_rows {
            self.phase = Phase::Walk;
            self.page += asked;
            self.start += u64::from(asked) * u64::from(self.count);
            self.advance(self.count);
        } else if what.is_strange && self.totals.total().is_none() {
            self.end(Some(format!("page {} answered {}", self.page, what.text)));
        } else if self.is_cut_likely() {
            self.phase = Phase::Boundary { what };
        } else {
            self.end(None);
        }
        Use::Page
    }

    /// Whether the last rows look no different from those of a list that was cut where a page ends, and
    /// no total tells.
    fn is_cut_likely(&self) -> bool {
        let is_full = self.before.is_some_and(|before| before.received >= self.count);
        let is_short_first = self.pages_with_rows == 1 && self.count < self.count_first;
        let may_be_cut = self.pages_with_rows > 0 && !is_short_first && (is_full || !self.pages_even);
        may_be_cut && self.paging != Paging::None && self.totals.total().is_none()
    }

    /// The row after the last one, asked for as a page of one: a list that was cut at a page shows it.
    fn boundary(&mut self, what: &Ending, came: Came) -> Use {
        let (page, row) = (self.page, self.start + 1);
        let unproven = match came {
            Came::Nothing(..) => None,
            Came::Rows(rows) => {
                self.distinct += u64::from(rows.fresh);
                Some(format!(
                    "page {page} answered {}, but row {row} is there when asked for alone",
                    what.text
                ))
            }
            Came::Strange(text) => Some(format!(
                "page {page} answered {} after a full page, and a page of one row {text}",
                what.text
            )),
        };
        self.end(unproven);
        Use::Again
    }
}

fn larger(count: u32) -> u32 {
    count.saturating_mul(10).max(1000)
}
