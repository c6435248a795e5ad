//! What the rows of a page looked like, byte for byte: a row that comes again as it was sent before is
//! recognised, and not read again.
//!
//! An imprint claims nothing of what is stored. It hides the fingerprint of a document behind the hash of the
//! row's bytes: only the same bytes bring it forth, and it counts only while the store holds the element with
//! just this fingerprint. So an imprint that is out of date, or of another list, costs a hash and no more.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use super::row::Row;
use crate::element::{ElementId, Fingerprint};
use crate::kind::Kind;
use crate::snapshot::Known;

/// Goes up when something else is read from the same bytes: earlier imprints are then of no use.
const READING: u64 = 1;

/// A page is kept anew once this part of its rows had to be read: to write it for each that changed would cost
/// more than to read those few again.
const READ_PART: usize = 20;

/// How far ahead a row is looked for: what came or went in between are mostly few.
const AHEAD_MAX: usize = 64;

/// A row as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Imprint<'a> {
    /// In bytes.
    length: u32,
    /// The document's fingerprint, masked with the hash of the row's bytes.
    masked: [u8; 16],
    id: i64,
    scorecard_id: Option<i64>,
    last_edited: Option<&'a str>,
}

/// The imprints of one page: those of an earlier pull, by which its rows are recognised, and its own.
#[derive(Debug, Default)]
pub struct Imprints<'a> {
    known: Option<&'a Known>,
    kept: &'a [u8],
    before: Vec<Imprint<'a>>,
    /// Which of those the next row is compared with.
    next: usize,
    now: Vec<Imprint<'a>>,
    /// How many rows were not recognised.
    read: usize,
    /// What a row is read by besides its bytes.
    seed: u64,
}

impl<'a> Imprints<'a> {
    /// No imprints: every row is read, and nothing is to be kept.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Those that were `kept` of a page; none, where they cannot be read. What is `known` is stored now.
    #[must_use]
    pub fn of_page(known: &'a Known, kept: &'a [u8]) -> Self {
        let before = postcard::from_bytes(kept).unwrap_or_default();
        Self { known: Some(known), kept, before, ..Self::default() }
    }

    /// What is to be kept of the page, unless what was kept recognised nearly all of it.
    #[must_use]
    pub fn news(&self) -> Option<Vec<u8>> {
        self.known?;
        if self.read * READ_PART <= self.now.len() && !self.kept.is_empty() {
            return None;
        }
        // It is made of numbers and texts, and memory takes them all.
        let now = postcard::to_stdvec(&self.now).unwrap_or_default();
        (now != self.kept).then_some(now)
    }

    /// Begins with the first row of the page.
    pub(super) fn begin(&mut self, kind: &Kind, id_field: &str) {
        self.next = 0;
        self.now.clear();
        self.read = 0;
        let seed = xxh3_64_with_seed(id_field.as_bytes(), READING);
        let seed = xxh3_64_with_seed(&[u8::from(kind.signed_links)], seed);
        self.seed = kind.volatile.iter().fold(seed, |seed, name| xxh3_64_with_seed(name.as_bytes(), seed));
    }

    /// The row that `text` begins with, if it was sent before and what it says is stored.
    #[inline]
    pub(super) fn recognise(&mut self, text: &'a str) -> Option<Row<'a>> {
        let imprint = *self.before.get(self.next)?;
        let row = text.get(..usize::try_from(imprint.length).ok()?)?;
        let Imprint { id, scorecard_id, last_edited, masked, .. } = imprint;
        let id = ElementId(id);
        let fingerprint = self.mask(row, (scorecard_id, last_edited), Fingerprint::from_bytes(masked));
        self.known?.holds(id, fingerprint).then(|| {
            self.next += 1;
            self.now.push(imprint);
            let last_edited = last_edited.map(Cow::Borrowed);
            Row { id, fingerprint, document: Cow::Borrowed(row), scorecard_id, last_edited }
        })
    }

    /// Takes note of a row that was read.
    pub(super) fn note(&mut self, row: &Row<'a>) {
        if self.known.is_none() {
            return;
        }
        self.read += 1;
        let Row { id, fingerprint, scorecard_id, .. } = *row;
        // Rows come in the order of the last time, but for those that are new or gone.
        let later = self.before.get(self.next..).unwrap_or_default();
        let later = &later[..later.len().min(AHEAD_MAX)];
        self.next += later.iter().position(|imprint| imprint.id == id.0).map_or(0, |at| at + 1);
        let last_edited = match &row.last_edited {
            None => None,
            Some(Cow::Borrowed(stamp)) => Some(*stamp),
            Some(Cow::Owned(_)) => return,
        };
        let Cow::Borrowed(text) = row.document else { return };
        let Ok(length) = u32::try_from(text.len()) else { return };
        let masked = self.mask(text, (scorecard_id, last_edited), fingerprint).to_bytes();
        self.now.push(Imprint { length, masked, id: id.0, scorecard_id, last_edited });
    }

    /// Masks a fingerprint with the hash of a text and of what is kept beside it, or brings it forth again.
    fn mask(&self, text: &str, facts: (Option<i64>, Option<&str>), fingerprint: Fingerprint) -> Fingerprint {
        let (scorecard_id, last_edited) = facts;
        let scorecard_id = scorecard_id.map_or(u64::MAX, i64::cast_unsigned);
        let seed =
            last_edited.map_or(scorecard_id, |stamp| xxh3_64_with_seed(stamp.as_bytes(), scorecard_id));
        Fingerprint(fingerprint.0 ^ xxh3_128_with_seed(text.as_bytes(), self.seed ^ seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::catalogue;
    use crate::tolerate::row;

    const ROW: &str = r#"{"objectId":5,"name":"Föhn","scorecardId":7,"lastEdited":"2026-03-01"}"#;

    fn kind() -> Kind {
        catalogue().into_iter().find(|kind| kind.name.as_str() == "objectives").unwrap()
    }

    fn known(rows: &[&str]) -> Known {
        let rows = rows.iter().map(|text| row(text, &kind(), "objectId").unwrap());
        Known::new(rows.map(|row| (row.id, row.fingerprint)).collect())
    }

    /// What is kept of a page of one row.
    fn kept() -> Vec<u8> {
        let (known, kind) = (known(&[]), kind());
        let mut imprints = Imprints::of_page(&known, &[]);
        imprints.begin(&kind, "objectId");
        imprints.note(&row(ROW, &kind, "objectId").unwrap());
        imprints.news().unwrap()
    }

    /// What is recognised of a text by what was kept of [`ROW`].
    fn recognised(text: &str, known: &Known, kind: &Kind, id_field: &str) -> Option<String> {
        let kept = kept();
        let mut imprints = Imprints::of_page(known, &kept);
        imprints.begin(kind, id_field);
        imprints.recognise(text).map(|row| format!("{row:?}"))
    }

    #[test]
    fn the_same_bytes_are_recognised_as_what_reading_them_gives() {
        let read = format!("{:?}", row(ROW, &kind(), "objectId").unwrap());
        for behind in ["", ",{\"objectId\":6}]", "x"] {
            let text = format!("{ROW}{behind}");
            assert_eq!(recognised(&text, &known(&[ROW]), &kind(), "objectId").as_ref(), Some(&read));
        }
    }

    #[test]
    fn no_other_bytes_are_recognised() {
        let known = known(&[ROW]);
        for other in [
            ROW.replace("name", "Name"),
            ROW.replace("2026", "2027"),
            ROW.replace(",", ", "),
            ROW[..ROW.len() - 1].to_owned(),
            String::new(),
        ] {
            assert_eq!(recognised(&other, &known, &kind(), "objectId"), None, "{other}");
        }
        // A character that ends behind the row.
        let longer = ROW.replace("}", "").replace("01\"", "é");
        assert_eq!(recognised(&longer, &known, &kind(), "objectId"), None);
    }

    #[test]
    fn what_the_store_does_not_hold_just_so_is_not_recognised() {
        let edited = ROW.replace("Föhn", "Bise");
        for stored in [vec![], vec![edited.as_str()]] {
            assert_eq!(recognised(ROW, &known(&stored), &kind(), "objectId"), None, "{stored:?}");
        }
    }

    #[test]
    fn what_is_read_in_another_way_is_not_recognised() {
        let known = known(&[ROW]);
        assert_eq!(recognised(ROW, &known, &kind(), "scorecardId"), None);
        let volatile = Kind { volatile: vec!["views".into()], ..kind() };
        let signed = Kind { signed_links: !kind().signed_links, ..kind() };
        for kind in [volatile, signed] {
            assert_eq!(recognised(ROW, &known, &kind, "objectId"), None);
        }
    }

    #[test]
    fn what_is_kept_beside_the_hash_cannot_be_another_than_was_read() {
        let (known, kind, kept) = (known(&[ROW]), kind(), kept());
        let imprint = postcard::from_bytes::<Vec<Imprint<'_>>>(&kept).unwrap()[0];
        let damaged = [
            Imprint { scorecard_id: Some(8), ..imprint },
            Imprint { scorecard_id: None, ..imprint },
            Imprint { last_edited: Some("2026-03-02"), ..imprint },
            Imprint { last_edited: None, ..imprint },
            Imprint { id: 6, ..imprint },
        ];
        for (imprint, is_recognised) in damaged.into_iter().map(|i| (i, false)).chain([(imprint, true)]) {
            let kept = postcard::to_stdvec(&[imprint][..]).unwrap();
            let mut imprints = Imprints::of_page(&known, &kept);
            imprints.begin(&kind, "objectId");
            assert_eq!(imprints.recognise(ROW).is_some(), is_recognised, "{imprint:?}");
        }
    }

    #[test]
    fn a_page_is_kept_anew_once_a_twentieth_of_it_was_read() {
        let row_of = |id: usize, end: &str| format!(r#"{{"objectId":{id}{end}}}"#);
        let page = |changed| -> Vec<String> {
            (0..40).map(|id| row_of(id, if id < changed { r#","name":"new""# } else { "" })).collect()
        };
        let known = known(&page(0).iter().map(String::as_str).collect::<Vec<_>>());
        let news = |kept: &[u8], changed| {
            let rows = page(changed);
            let mut imprints = Imprints::of_page(&known, kept);
            imprints.begin(&kind(), "objectId");
            for text in &rows {
                if imprints.recognise(text).is_none() {
                    imprints.note(&row(text, &kind(), "objectId").unwrap());
                }
            }
            imprints.news()
        };
        let kept = news(&[], 0).unwrap();
        assert_eq!([0, 2].map(|changed| news(&kept, changed)), [None, None]);
        assert_eq!(news(&kept, 3), news(&[], 3));
    }

    #[test]
    fn a_row_that_is_stored_otherwise_than_it_was_sent_is_read_each_time_and_nothing_kept_anew() {
        let (known, kind, odd) = (known(&[]), kind(), r#"{"objectId":5,"a":1,"a":2}"#);
        let news = |kept| {
            let mut imprints = Imprints::of_page(&known, kept);
            imprints.begin(&kind, "objectId");
            assert!(imprints.recognise(odd).is_none());
            imprints.note(&row(odd, &kind, "objectId").unwrap());
            imprints.news()
        };
        let kept = news(&[]).unwrap();
        assert_eq!(news(&kept), None);
    }

    #[test]
    fn imprints_that_cannot_be_read_are_none() {
        let (known, kept) = (known(&[ROW]), kept());
        for damaged in [&kept[..kept.len() - 1], b"\xff\xff\xff\xff\xff\xff", b"\x01"] {
            let mut imprints = Imprints::of_page(&known, damaged);
            imprints.begin(&kind(), "objectId");
            assert!(imprints.recognise(ROW).is_none());
            imprints.note(&row(ROW, &kind(), "objectId").unwrap());
            assert_eq!(imprints.news().as_deref(), Some(&kept[..]));
        }
    }
}
