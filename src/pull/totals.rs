//! What a server says of how much there is in all: never a proof of the end, always a check of it.

/// The totals that the pages of one list told.
#[derive(Debug, Clone, Default)]
pub(super) struct Totals {
    total: Option<u64>,
    page_count: Option<u64>,
    has_moved: bool,
    /// A page told a total that was not its own number of rows.
    total_is_of_all: bool,
    page_count_is_of_all: bool,
}

impl Totals {
    /// Takes what a page of so many rows told.
    pub(super) fn see(&mut self, received: u32, total: Option<u64>, page_count: Option<u64>) {
        if let Some(total) = total {
            self.see_total(total);
            self.total_is_of_all |= total != u64::from(received);
        }
        if let Some(page_count) = page_count {
            self.page_count = Some(page_count);
            self.page_count_is_of_all |= page_count != u64::from(received);
        }
    }

    /// Takes the total that came with an empty page.
    pub(super) fn see_total(&mut self, total: u64) {
        self.has_moved |= self.total.is_some_and(|before| before != total);
        self.total = Some(total);
    }

    /// How many rows there are in all.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    /// Whether the total changed from page to page: rows came or went while the list was paged. (One
    /// that was each page's own number of rows is no total.)
    pub(super) fn has_moved(&self) -> bool {
        self.has_moved && self.total_is_of_all
    }

    /// What contradicts a list of so many distinct elements, and so many distinct pairs of element and
    /// scorecard (an element placed in two scorecards may count twice), on so many pages.
    pub(super) fn contradiction(&self, elements: u64, pairs: u64, pages: u32) -> Option<String> {
        let is_of_page = !self.total_is_of_all && pages > 1;
        if let Some(total) = self.total.filter(|_| !is_of_page)
            && total != elements
            && total != pairs
        {
            return Some(format!(
                "page {pages} was the last with rows, {elements} distinct ones came, \
                 and the server says there are {total}"
            ));
        }
        let page_count = self.page_count.filter(|_| self.page_count_is_of_all)?;
        (u64::from(pages) < page_count).then(|| {
            format!("page {pages} was the last with rows, and the server says there are {page_count} pages")
        })
    }
}
