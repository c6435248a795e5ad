//! Page 1 of every kind: where the list stands, what its rows are told apart by, which totals come along,
//! how `lastEdited` is written. The first of all is the door.

use super::Probe;
use super::ask::{Stop, get, page_query};
use super::page::{Page, Rows};
use crate::kind::{Kind, Paging};
use crate::pull::{Ground, RawAnswer};

/// Requests besides one a kind: halvings of a `count` that the server refuses.
pub(super) const REQUESTS_MAX: u64 = 6;
/// The API's own page size (a third-party reference says so): below it `count` is not halved.
const COUNT_DEFAULT: u32 = 25;

/// Page 1 of a kind's list.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) kind: Kind,
    /// Rows asked for; `None`: the list takes no `count`.
    pub(super) asked: Option<u32>,
    pub(super) page: Page,
}

impl Listed {
    /// How many rows came.
    pub(super) fn received(&self) -> usize {
        self.page.rows().len()
    }
}

impl Probe<'_> {
    /// Asks for page 1 of every kind, scorecards first.
    pub(super) async fn lists(&mut self) -> Result<(), Stop> {
        let kinds: Vec<Kind> = self.job.connection.kinds.clone();
        let mut halvings = REQUESTS_MAX;
        let mut refused = None;
        for kind in kinds {
            let is_paged = kind.paging != Paging::None;
            let before = self.count;
            let page = loop {
                let page = self.first_page(&kind).await?;
                if !(is_paged && page.objects() && self.count > COUNT_DEFAULT && halvings > 0) {
                    break page;
                }
                halvings -= 1;
                refused = Some((self.count, page.what));
                self.count /= 2;
            };
            self.is_let_in = true;
            if page.list.is_none() {
                // It was not `count` that the server objected to.
                (self.count, refused) = (before, None);
            }
            let asked = is_paged.then_some(self.count);
            self.look_at_list(&kind, asked, &page);
            if let Some((count, what)) = refused.take() {
                let seen = format!("count={count} answered {what}; count={} {}", self.count, page.what);
                self.find(&kind.name, "count_cap", format!("{} is taken, {count} is not", self.count), seen);
            }
            self.lists.push(Listed { kind, asked, page });
        }
        Ok(())
    }

    async fn first_page(&mut self, kind: &Kind) -> Result<Page, Stop> {
        let first = if kind.paging == Paging::Start { 0 } else { 1 };
        let mut question = get(&kind.path, page_query(kind, first, self.count));
        if self.is_let_in {
            let answer = self.ask(&question).await?;
            return Ok(Page::of(answer, kind));
        }
        question.ground = Ground::Door;
        let answer = self.ask(&question).await?.map_err(Stop::Lost)?;
        if let Some(what) = closed(&answer) {
            return Err(Stop::Closed(format!("{} answered {what}", kind.name)));
        }
        self.server_clock(&kind.name, answer.date);
        Ok(Page::of(Ok(answer), kind))
    }

    fn look_at_list(&mut self, kind: &Kind, asked: Option<u32>, page: &Page) {
        let counts = match asked {
            Some(count) => format!("asked for {count} rows; {}", page.what),
            None => page.what.clone(),
        };
        let Some(list) = &page.list else {
            let answer = format!("no list: {}", page.what);
            return self.find(&kind.name, "envelope", answer, format!("{counts}; {}", page.outline));
        };
        let seen = format!("{counts}; {}", page.outline);
        if list.rows.is_empty() {
            return self.find(
                &kind.name,
                "envelope",
                format!("{}; no rows, so nothing more", list.place(kind)),
                seen,
            );
        }
        self.find(&kind.name, "envelope", list.place(kind), seen);
        let received = list.rows.len();
        let readable = page.ids().len();
        let answer = list.id_field.clone().unwrap_or_else(|| "none that is known".to_owned());
        self.find(&kind.name, "id_field", answer, format!("an integer in {readable} of {received} rows"));
        self.find(&kind.name, "totals", totals(list), told(list));
        let stamps = list.stamps().count();
        let answer = match list.format() {
            _ if stamps == 0 => "not in the rows".to_owned(),
            Some(format) => format.name().to_owned(),
            None => "not settled: no format, or several, fit all".to_owned(),
        };
        self.find(&kind.name, "last_edited_format", answer, format!("in {stamps} of {received} rows"));
    }
}

/// Why the door is not open, though the key is not refused.
fn closed(answer: &RawAnswer) -> Option<String> {
    if (300..400).contains(&answer.status) {
        return Some(format!("a redirect ({})", answer.status_text));
    }
    let is_html = answer.text.trim_start().starts_with('<');
    is_html.then(|| format!("an HTML page ({})", answer.status_text))
}

fn totals(list: &Rows) -> &'static str {
    match (list.total, list.page_count) {
        (None, None) => "none",
        (Some(_), None) => "rows in all",
        (None, Some(_)) => "pages in all",
        (Some(_), Some(_)) => "rows in all and pages in all",
    }
}

fn told(list: &Rows) -> String {
    let number = |number: Option<u64>| number.map_or("not told".to_owned(), |number| number.to_string());
    let (total, pages) = (number(list.total), number(list.page_count));
    format!("rows received {}, rows in all {total}, pages in all {pages}", list.rows.len())
}
