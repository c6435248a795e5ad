//! A snapshot: all elements of one kind as listed by one pull, small entries that point into a spool.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::future::BoxFuture;

use crate::element::{ElementId, Fingerprint};

/// Where a document's text stands in the spool of its pull.
// Without the gap behind `length`: a pull holds one an element.
#[repr(C, packed(4))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub offset: u64,
    /// Length in bytes.
    pub length: u32,
}

impl Span {
    /// Of a document that was not put aside, for the store holds it as it is ([`Known`]): no spool reads it.
    pub const NOWHERE: Self = Self { offset: u64::MAX, length: 0 };
}

/// What the store holds of a kind, so that a pull puts aside only what says something else: 24 bytes an
/// element.
pub struct Known {
    present: Vec<(ElementId, Fingerprint)>,
    imprints: Option<ReadImprints>,
}

/// Reads what was kept of the pages from one on, of some of them, by their numbers.
type ReadImprints = Box<dyn Fn(u32) -> BoxFuture<'static, Vec<(u32, Vec<u8>)>> + Send + Sync>;

/// What is to be kept of the pages of a list, so that their rows are recognised the next time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageImprints {
    /// How many pages there were.
    pub pages: u32,
    /// The pages that looked otherwise before, and where it stands in the spool what they look like now: when they
    /// were last asked for, should that have been more than once.
    pub changed: BTreeMap<u32, Span>,
}

impl Known {
    /// The present elements and their fingerprints, in ascending id order. Others are not among them: what
    /// comes back is written again, and needs its document.
    #[must_use]
    pub fn new(present: Vec<(ElementId, Fingerprint)>) -> Self {
        debug_assert!(present.is_sorted(), "elements are found by their order");
        Self { present, imprints: None }
    }

    /// With what was kept of the pages of the list.
    #[must_use]
    pub fn with_imprints<F>(self, read: impl Fn(u32) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<(u32, Vec<u8>)>> + Send + 'static,
    {
        Self { imprints: Some(Box::new(move |page| Box::pin(read(page)))), ..self }
    }

    /// What was kept of the pages from one on: of some of them, by their numbers. `None`: nothing is kept of
    /// pages.
    pub async fn imprints(&self, page: u32) -> Option<Vec<(u32, Vec<u8>)>> {
        let read = self.imprints.as_ref()?;
        // Where nothing is stored, nothing can be recognised.
        Some(if self.present.is_empty() { Vec::new() } else { read(page).await })
    }

    /// Whether an element is stored with this fingerprint.
    #[must_use]
    pub fn holds(&self, id: ElementId, fingerprint: Fingerprint) -> bool {
        self.present.binary_search(&(id, fingerprint)).is_ok()
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("present", &self.present).finish_non_exhaustive()
    }
}

/// One listed element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: ElementId,
    /// Its document's fingerprint.
    pub fingerprint: Fingerprint,
    /// Its document's place in the spool, or [`Span::NOWHERE`].
    pub span: Span,
}

/// What a pull of one kind may be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// The end of the list was proved: these are *all* elements. The only extent that can find
    /// something missing.
    Complete,
    /// The end could not be proved, because of this: inserts, updates and restores only.
    Incomplete(String),
    /// Only what changed since the cursor was asked for.
    Incremental,
}

/// What one pull of one kind listed.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Distinct elements in ascending id order.
    pub entries: Vec<Entry>,
    /// Every (element, scorecard) pair seen, sorted and distinct: an element has one home scorecard
    /// and may appear in several others through links.
    pub placements: Vec<(ElementId, i64)>,
    /// Whether these are all elements.
    pub extent: Extent,
}

impl Snapshot {
    /// Whether an element was listed.
    #[must_use]
    pub fn contains(&self, id: ElementId) -> bool {
        self.entries.binary_search_by_key(&id, |entry| entry.id).is_ok()
    }

    /// Whether this is a proof of what is *not* there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.extent == Extent::Complete
    }
}

/// A row that has no usable id or document: kept aside, so that the rest of its kind is stored.
/// Carries the row's keys and never its values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rejected {
    /// Why (`no integer in objectId`, `nested deeper than 100`), a closed set of texts.
    pub reason: String,
    /// The row's top-level keys, sorted; empty when the row is no object.
    pub keys: Vec<String>,
    /// Fingerprint of the row's bytes, so that the same row is known again.
    pub digest: Fingerprint,
}
