//! The rows of one pull on their way to a snapshot: documents go to the spool, small entries stay.
//! Any order of the same pages gives the same snapshot.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::element::{ElementId, Fingerprint};
use crate::fingerprint;
use crate::kind::Kind;
use crate::pull::firsts::{Firsts, Listed};
use crate::pull::query::{Rows, Use};
use crate::pull::stamps::{Newest, Stamps};
use crate::snapshot::{Entry, Known, PageImprints, Rejected, Span};
use crate::spool::{Budget, Spool};
use crate::stamp::StampFormat;
use crate::tolerate::{self, List, Row};

/// Rejected rows kept of one pull.
const REJECTED_MAX: usize = 100;

/// A row of an element that was listed before.
#[derive(Debug, Clone, Copy)]
struct Rival {
    listed: Listed,
    scorecard_id: Option<i64>,
}

/// The rows that one pull has brought so far.
#[derive(Debug)]
pub(super) struct Gather<'a> {
    known: Option<&'a Known>,
    spool: Spool,
    /// The first row of each element.
    firsts: Firsts,
    /// Where the first rows were placed.
    placements: Vec<(ElementId, i64)>,
    /// All other rows: of what is placed in several scorecards, or was listed twice.
    rivals: Vec<Rival>,
    stamps: Stamps,
    imprints: PageImprints,
    rejected: BTreeSet<Rejected>,
    digests_rejected: HashSet<Fingerprint>,
}

/// What a pull gathered, in its final shape.
#[derive(Debug)]
pub(super) struct Gathered {
    /// Distinct elements in ascending id order.
    pub(super) entries: Vec<Entry>,
    /// Sorted and distinct.
    pub(super) placements: Vec<(ElementId, i64)>,
    /// The documents.
    pub(super) spool: Spool,
    /// What the pages looked like, where what is known was not put aside.
    pub(super) imprints: PageImprints,
    /// At most 100, sorted and distinct.
    pub(super) rejected: Vec<Rejected>,
    /// Distinct rows: elements, and rows that were rejected.
    pub(super) distinct: u64,
    /// The same, an element counted once for each scorecard that it is placed in.
    pub(super) pairs: u64,
    /// Whether a row came on two pages: the list shifted while it was paged.
    pub(super) has_duplicates: bool,
    /// Whether an element came in rows that differ. Of such rows the newest was found only where nothing
    /// was known.
    pub(super) rows_differ: bool,
    /// The newest stamp and the format, where one was settled.
    pub(super) newest: Option<Newest>,
}

/// The rows of one page, read but not yet taken.
#[derive(Debug)]
pub(super) struct PageRows<'p> {
    rows: Vec<Result<Row<'p>, Rejected>>,
    /// The elements that no page before has listed.
    fresh: BTreeSet<ElementId>,
    /// What the end's proof wants to know of them.
    pub(super) facts: Rows,
}

impl<'a> Gather<'a> {
    /// Nothing gathered yet. Stamps after `server_now` are nobody's cursor.
    #[must_use]
    pub(super) fn new((budget, spool_dir): (&Budget, &Path), server_now: DateTime<Utc>) -> Self {
        Self {
            known: None,
            spool: Spool::new(budget, spool_dir),
            firsts: Firsts::default(),
            placements: Vec::new(),
            rivals: Vec::new(),
            stamps: Stamps::new(server_now),
            imprints: PageImprints::default(),
            rejected: BTreeSet::new(),
            digests_rejected: HashSet::new(),
        }
    }

    /// The same, that does not put aside what is known.
    #[must_use]
    pub(super) fn knowing(self, known: Option<&'a Known>) -> Self {
        Self { known, ..self }
    }

    /// Looks at a page's rows.
    #[must_use]
    pub(super) fn look<'p>(&self, list: List<Result<Row<'p>, Rejected>>) -> PageRows<'p> {
        let List { rows, total, page_count, list_at: _ } = list;
        let mut ids = BTreeSet::new();
        let mut digests = BTreeSet::new();
        for row in &rows {
            match row {
                Ok(row) => drop(ids.insert(row.id)),
                Err(rejected) => drop(digests.insert(rejected.digest)),
            }
        }
        let signature = signature(&ids, &digests);
        ids.retain(|id| !self.has(*id));
        let is_fresh = |digest: &&Fingerprint| !self.digests_rejected.contains(digest);
        let fresh = ids.len() + digests.iter().filter(is_fresh).count();
        let facts = Rows {
            received: u32::try_from(rows.len()).unwrap_or(u32::MAX),
            fresh: u32::try_from(fresh).unwrap_or(u32::MAX),
            signature,
            total,
            page_count,
        };
        PageRows { rows, fresh: ids, facts }
    }

    /// Takes a page's rows.
    ///
    /// # Errors
    /// The spool cannot be written.
    pub(super) fn take(&mut self, page: u32, rows: PageRows<'_>, usage: Use) -> io::Result<()> {
        let page = if usage == Use::Page { page } else { 0 };
        let PageRows { rows, mut fresh, facts: _ } = rows;
        for row in rows {
            match row {
                Ok(row) => self.take_row(page, &row, fresh.remove(&row.id))?,
                Err(rejected) => self.reject(rejected),
            }
        }
        Ok(())
    }

    /// Keeps what a page looked like, where it looked otherwise before.
    ///
    /// # Errors
    /// The spool cannot be written.
    pub(super) fn keep_imprints(&mut self, page: u32, imprints: Option<Vec<u8>>) -> io::Result<()> {
        self.imprints.pages = self.imprints.pages.max(page);
        if let Some(bytes) = imprints {
            self.imprints.changed.insert(page, self.spool.append(&bytes)?);
        }
        Ok(())
    }

    /// Whether an element was gathered.
    #[must_use]
    pub(super) fn has(&self, id: ElementId) -> bool {
        self.firsts.has(id)
    }

    /// Brings what was gathered into its final shape. `format` is the one remembered, for when this
    /// pull's stamps do not settle one.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub(super) fn finish(mut self, format: Option<StampFormat>) -> io::Result<Gathered> {
        let newest = self.stamps.newest(format);
        let format = newest.as_ref().map(|newest| newest.format);
        let mut firsts = self.firsts.into_sorted();
        self.placements.sort_unstable();
        let mut pairs = firsts.len() as u64;
        let (mut has_duplicates, mut rows_differ) = (false, false);
        let mut further = Vec::new();
        self.rivals.sort_unstable_by_key(|rival| rival.listed.id);
        for rivals in self.rivals.chunk_by(|a, b| a.listed.id == b.listed.id) {
            let id = rivals[0].listed.id;
            let first = firsts.binary_search_by_key(&id, |first| first.id).expect("a rival has a first row");
            let placed = self.placements.binary_search_by_key(&id, |(id, _)| *id);
            let scorecard_id = placed.ok().map(|at| self.placements[at].1);
            let first = &mut firsts[first];
            let mut rivals = [rivals, &[Rival { listed: *first, scorecard_id }]].concat();
            rivals.sort_unstable_by_key(|rival| rival.scorecard_id);
            for placed in rivals.chunk_by(|a, b| a.scorecard_id == b.scorecard_id) {
                has_duplicates |= came_on_two_pages(placed);
                pairs += 1;
                further.extend(placed[0].scorecard_id.map(|to| (id, to)));
            }
            pairs -= 1;
            rows_differ |= rivals.iter().any(|rival| rival.listed.fingerprint != first.fingerprint);
            // Rows that are known and equal are one as good as the other.
            if rivals.iter().all(|rival| rival.listed.span != Span::NOWHERE) {
                *first = winner(&self.spool, &rivals, format)?;
            }
        }
        if !further.is_empty() {
            self.placements.append(&mut further);
            self.placements.sort_unstable();
            self.placements.dedup();
        }
        let entries: Vec<Entry> = firsts.into_iter().map(Listed::entry).collect();
        let rejected_count = self.digests_rejected.len() as u64;
        Ok(Gathered {
            distinct: entries.len() as u64 + rejected_count,
            pairs: pairs + rejected_count,
            entries,
            placements: self.placements,
            spool: self.spool,
            imprints: self.imprints,
            rejected: self.rejected.into_iter().collect(),
            has_duplicates,
            rows_differ,
            newest,
        })
    }

    fn take_row(&mut self, page: u32, row: &Row<'_>, is_first: bool) -> io::Result<()> {
        if let Some(stamp) = &row.last_edited {
            self.stamps.see(stamp);
        }
        let Row { id, fingerprint, scorecard_id, .. } = *row;
        let span = match self.known {
            Some(known) if known.holds(id, fingerprint) => Span::NOWHERE,
            _ => self.spool.append(row.document.as_bytes())?,
        };
        let listed = Listed { id, fingerprint, span, page };
        if is_first {
            self.firsts.push(listed);
            self.placements.extend(scorecard_id.map(|to| (id, to)));
        } else {
            self.rivals.push(Rival { listed, scorecard_id });
        }
        Ok(())
    }

    /// Keeps a row aside.
    pub(super) fn reject(&mut self, rejected: Rejected) {
        self.digests_rejected.insert(rejected.digest);
        self.rejected.insert(rejected);
        if self.rejected.len() > REJECTED_MAX {
            // The least are kept, so that any order of pages keeps the same.
            self.rejected.pop_last();
        }
    }
}

/// Settles the id field on the first rows of a kind: the remembered one while most rows have it, else
/// the first candidate that stands in every row and is distinct, else (odd rows, links) the one that
/// tells the most rows apart, if that is more than half of them.
#[must_use]
pub(super) fn settle_id_field(rows: &[&str], kind: &Kind, remembered: Option<&str>) -> Option<String> {
    let read = |field: &str| rows.iter().map(|row| tolerate::row(row, kind, field)).collect::<Vec<_>>();
    if let Some(field) = remembered
        && have_ids(&read(field))
    {
        return Some(field.to_owned());
    }
    if let Some(field) = tolerate::choose_id_field(rows, &kind.id_fields) {
        return Some(field);
    }
    let counts = kind.id_fields.iter().map(|field| (distinct(&read(field)), field));
    // `max_by_key` keeps the last of equals: the best candidate comes first in the catalogue.
    let (count, field) = counts.rev().max_by_key(|(count, _)| *count)?;
    (count * 2 > rows.len()).then(|| field.clone())
}

/// Whether ids tell more than half of the rows apart.
#[must_use]
pub(super) fn have_ids(rows: &[Result<Row<'_>, Rejected>]) -> bool {
    distinct(rows) * 2 > rows.len()
}

/// How many elements rows tell of.
fn distinct(rows: &[Result<Row<'_>, Rejected>]) -> usize {
    rows.iter().flatten().map(|row| row.id).collect::<HashSet<_>>().len()
}

fn signature(ids: &BTreeSet<ElementId>, digests: &BTreeSet<Fingerprint>) -> Fingerprint {
    let mut bytes = Vec::with_capacity(ids.len() * 8 + digests.len() * 16);
    bytes.extend(ids.iter().flat_map(|id| id.0.to_be_bytes()));
    bytes.extend(digests.iter().flat_map(|digest| digest.to_bytes()));
    fingerprint::of_bytes(&bytes)
}

/// Rows of one element and scorecard: twice on one page is the server's way, on two pages a shift.
fn came_on_two_pages(placed: &[Rival]) -> bool {
    let mut pages = placed.iter().map(|rival| rival.listed.page).filter(|page| *page > 0);
    let first = pages.next();
    pages.any(|page| Some(page) != first)
}

/// Of several rows of one element the later `lastEdited`, then the least canonical bytes.
fn winner(spool: &Spool, rivals: &[Rival], format: Option<StampFormat>) -> io::Result<Listed> {
    let mut best: Option<(Rank, Listed)> = None;
    for rival in rivals {
        let rank = Rank::of(&spool.read(rival.listed.span)?, format);
        if best.as_ref().is_none_or(|(leader, _)| rank.beats(leader)) {
            best = Some((rank, rival.listed));
        }
    }
    Ok(best.expect("a chunk is never empty").1)
}

struct Rank {
    edited: Option<DateTime<Utc>>,
    canonical: String,
    text: String,
}

impl Rank {
    fn of(document: &str, format: Option<StampFormat>) -> Self {
        let stamp = tolerate::columns(document).last_edited;
        let edited = format.zip(stamp).and_then(|(format, stamp)| format.parse(&stamp));
        let value = serde_json::from_str::<Value>(document);
        let canonical = value.map_or_else(|_| String::new(), |value| value.to_string());
        Self { edited, canonical, text: document.to_owned() }
    }

    fn beats(&self, other: &Self) -> bool {
        let newer = self.edited.cmp(&other.edited);
        let older_text = (&other.canonical, &other.text).cmp(&(&self.canonical, &self.text));
        newer.then(older_text).is_gt()
    }
}
