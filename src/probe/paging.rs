//! How lists are cut: whether `page`, `start` and `count` are heeded, how many rows a page holds at most,
//! and what comes past the last page. Asked of the longest list, for all.

use super::Probe;
use super::ask::{Stop, page_query};
use super::lists::Listed;
use super::page::Page;
use crate::kind::Paging;

/// Requests, at most.
pub(super) const REQUESTS_MAX: u64 = 6;
/// A page that no list reaches.
const FAR: u64 = 1_000;

/// What became of `page` and `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heed {
    Both,
    OnlyCount,
    Neither,
    Odd,
}

impl Heed {
    fn as_str(self) -> &'static str {
        match self {
            Self::Both => "page and count are heeded",
            Self::OnlyCount => "count is heeded, page is not",
            Self::Neither => "neither page nor count is heeded",
            Self::Odd => "not settled: other rows came than page 1 told",
        }
    }
}

impl Probe<'_> {
    /// Asks for the halves of the longest list, and for what follows.
    pub(super) async fn paging(&mut self) -> Result<(), Stop> {
        let longest = self.longest(Paging::Page);
        let Some(listed) = longest else {
            if let Some(first) = self.lists.first() {
                let name = first.kind.name.clone();
                self.find(&name, "paging", "not settled: no list shows two rows", String::new());
            }
            return self.offset().await;
        };
        let (kind, first) = (&listed.kind, listed.page.ids());
        let half = u32::try_from(first.len().div_ceil(2)).unwrap_or(u32::MAX);
        let second = self.list(kind, page_query(kind, 2, half)).await?;
        let heed = heed(&first, half as usize, &second);
        let seen = format!("page 1 has {} rows; page=2 count={half} {}", first.len(), second.what);
        self.find(&kind.name, "paging", heed.as_str(), seen);
        if heed == Heed::Both {
            self.end(&listed, half, &second).await?;
        }
        self.default_count(&listed).await?;
        self.offset().await
    }

    /// The longest list that is paged so, of two rows or more.
    fn longest(&self, paging: Paging) -> Option<Listed> {
        // Of equals the first.
        let paged = self.lists.iter().rev().filter(|listed| listed.kind.paging == paging);
        let total = |listed: &Listed| listed.page.list.as_ref().and_then(|list| list.total);
        let longest = paged.max_by_key(|listed| (listed.page.ids().len(), total(listed)))?;
        (longest.page.ids().len() > 1).then(|| longest.clone())
    }

    /// What follows after the first page's rows: more of them, where `count` is capped, or the end.
    async fn end(&mut self, listed: &Listed, half: u32, second: &Page) -> Result<(), Stop> {
        let (kind, first) = (&listed.kind, listed.page.ids());
        let asked = listed.asked.unwrap_or_default();
        let received = u32::try_from(listed.received()).unwrap_or(u32::MAX);
        let third = self.list(kind, page_query(kind, 3, half)).await?;
        let goes_on = third.ids().iter().any(|id| !first.contains(id));
        let seen = format!("asked for {asked} rows, received {received}; page=3 count={half} {}", third.what);
        if goes_on && received < asked {
            self.count_max = Some(received);
            self.find(&kind.name, "count_cap", format!("{received} rows"), seen);
        } else if received < asked {
            let answer = format!("not reached: the longest list has {received} rows");
            self.find(&kind.name, "count_cap", answer, seen);
        } else {
            self.larger(listed, asked).await?;
        }
        if !goes_on {
            let answer = ending(&third, &[second, &listed.page]);
            let seen = format!("page=3 count={half} of a list of {received} rows: {}", third.what);
            self.find(&kind.name, "past_the_end", answer, seen);
            return Ok(());
        }
        let far = self.list(kind, page_query(kind, FAR, self.count)).await?;
        let answer = ending(&far, &[&listed.page]);
        self.find(
            &kind.name,
            "past_the_end",
            answer,
            format!("page={FAR} count={} {}", self.count, far.what),
        );
        Ok(())
    }

    /// As many rows came as were asked for: would more come?
    async fn larger(&mut self, listed: &Listed, asked: u32) -> Result<(), Stop> {
        let kind = &listed.kind;
        let larger = asked.saturating_mul(5);
        let page = self.list(kind, page_query(kind, 1, larger)).await?;
        let received = page.rows().len();
        let answer = match usize::try_from(asked) {
            _ if page.list.is_none() => format!("{asked} is taken, {larger} is not"),
            Ok(asked) if received > asked => format!("{received} rows or more"),
            _ => format!("{asked} rows, or the list has no more"),
        };
        let seen = format!("count={asked} brought {asked} rows; count={larger} {}", page.what);
        self.find(&kind.name, "count_cap", answer, seen);
        Ok(())
    }

    /// How many rows come where nobody says how many.
    async fn default_count(&mut self, listed: &Listed) -> Result<(), Stop> {
        let page = self.list(&listed.kind, Vec::new()).await?;
        let received = page.rows().len();
        let answer = if page.list.is_none() {
            format!("none: {}", page.what)
        } else if received < listed.received() {
            format!("{received} rows")
        } else {
            format!("not settled: {received} rows or more")
        };
        self.find(
            &listed.kind.name,
            "count_default",
            answer,
            format!("without page and count: {}", page.what),
        );
        Ok(())
    }

    /// Whether `start` is an offset in rows.
    async fn offset(&mut self) -> Result<(), Stop> {
        let Some(listed) = self.longest(Paging::Start) else { return Ok(()) };
        let (kind, first) = (&listed.kind, listed.page.ids());
        let start = first.len() / 2;
        let page = self.list(kind, page_query(kind, start as u64, 1)).await?;
        let answer = match page.ids().as_slice() {
            [id] if *id == first[start] => "an offset in rows, from 0",
            [id] if *id == first[start - 1] => "an offset in rows, from 1",
            [id] if *id == first[0] => "not heeded",
            ids if *ids == first => "neither start nor count is heeded",
            _ => "not settled: other rows came than page 1 told",
        };
        self.find(&kind.name, "start", answer, format!("start={start} count=1 {}", page.what));
        Ok(())
    }
}

/// What page 2 says, of pages of half the rows that page 1 brought.
fn heed(first: &[i64], half: usize, second: &Page) -> Heed {
    let ids = second.ids();
    let (before, after) = first.split_at(half);
    if !ids.is_empty() && ids.len() <= half && ids.starts_with(after) {
        Heed::Both
    } else if ids == before {
        Heed::OnlyCount
    } else if ids == first {
        Heed::Neither
    } else {
        Heed::Odd
    }
}

/// What a page past the end brought, compared with pages that have rows.
fn ending(page: &Page, others: &[&Page]) -> String {
    let ids = page.ids();
    match &page.list {
        Some(list) if list.rows.is_empty() => "an empty list".to_owned(),
        Some(_) => match others {
            [last, ..] if last.ids() == ids && others.len() > 1 => "the last page again".to_owned(),
            [.., first] if first.ids().starts_with(&ids) => "the first page again".to_owned(),
            _ => "rows".to_owned(),
        },
        None => page.what.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind;
    use crate::pull::RawAnswer;

    fn page(ids: &[i64]) -> Page {
        let rows: Vec<String> = ids.iter().map(|id| format!(r#"{{"objectId":{id}}}"#)).collect();
        let answer = RawAnswer {
            status: 200,
            status_text: "200 OK".into(),
            content_type: None,
            rate_limits: Vec::new(),
            date: None,
            text: format!("[{}]", rows.join(",")),
            is_whole: true,
            refusal: None,
        };
        Page::of(Ok(answer), &kind::catalogue()[2])
    }

    #[test]
    fn the_second_half_shows_what_is_heeded() {
        for (second, expected) in [
            (&[4, 5][..], Heed::Both),
            (&[1, 2, 3], Heed::OnlyCount),
            (&[1, 2, 3, 4, 5], Heed::Neither),
            (&[4, 5, 6], Heed::Both),
            (&[9], Heed::Odd),
            (&[], Heed::Odd),
        ] {
            assert_eq!(heed(&[1, 2, 3, 4, 5], 3, &page(second)), expected, "{second:?}");
        }
    }

    #[test]
    fn the_end_is_told_by_what_comes_past_it() {
        let (first, last) = (page(&[1, 2, 3, 4]), page(&[3, 4]));
        assert_eq!(ending(&page(&[]), &[&last, &first]), "an empty list");
        assert_eq!(ending(&page(&[3, 4]), &[&last, &first]), "the last page again");
        assert_eq!(ending(&page(&[1, 2]), &[&last, &first]), "the first page again");
        assert_eq!(ending(&page(&[7, 8]), &[&first]), "rows");
    }
}
