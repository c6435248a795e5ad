//! What the end's proof speaks in: pages to ask for, what came, and what the rows are good for.

use std::fmt;

use crate::element::Fingerprint;

/// One page to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Query {
    /// Its number for people, from 1.
    pub(super) page: u32,
    /// Where it begins.
    pub(super) at: At,
    /// How many rows are asked for; `None`: as many as the server likes.
    pub(super) count: Option<u32>,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// `page=`, from 1.
    Page(u32),
    /// `start=`, in rows.
    Start(u64),
    /// There is one page only.
    Whole,
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "page {}", self.page)
    }
}

/// What a page brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Came {
    /// Rows, at least one.
    Rows(Rows),
    /// None: what it was, for people (`an empty list`, `null`, `404 Not Found`), and the total that
    /// came along.
    Nothing(String, Option<u64>),
    /// A status that some servers use past the end and others for a fault (`400 Bad Request`).
    Strange(String),
}

/// What there is to know about the rows of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rows {
    /// How many.
    pub(super) received: u32,
    /// How many were not seen before in this pull.
    pub(super) fresh: u32,
    /// The same for pages of the same rows, in any order.
    pub(super) signature: Fingerprint,
    /// How many rows the server says there are in all.
    pub(super) total: Option<u64>,
    /// How many pages the server says there are in all.
    pub(super) page_count: Option<u64>,
}

/// What the rows of a page are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// New territory: a row seen before means that the list shifted.
    Page,
    /// Rows asked for before: seeing them again means nothing.
    Again,
}
