//! What a raw answer is: a list, nothing, or one of the many things that are neither, each with the words
//! for it. Pure.

use std::collections::BTreeSet;

use super::outline::outline;
use crate::kind::Kind;
use crate::pull::RawAnswer;
use crate::stamp::{Settling, StampFormat};
use crate::tolerate::{self, Body};

/// Bytes of documents kept of a page, to compare them with what comes later.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// An answer, judged.
#[derive(Debug, Clone)]
pub(super) struct Page {
    /// 0: there was no answer.
    pub(super) status: u16,
    /// What came, for people: `404 Not Found`, `200 OK, 25 rows under measures`.
    pub(super) what: String,
    /// The names in it.
    pub(super) outline: String,
    /// The list, perhaps an empty one.
    pub(super) list: Option<Rows>,
}

/// Fields that differ between two answers in rows whose stamp did not move, and how many rows were
/// compared.
#[must_use]
pub(super) fn moved(before: &Page, after: &Page) -> (BTreeSet<String>, usize) {
    let mut moved = BTreeSet::new();
    let mut compared = 0;
    for old in before.rows() {
        let new =
            after.rows().iter().find(|new| new.id.is_some() && new.id == old.id && new.stamp == old.stamp);
        let Some((old, new)) = old.document.as_ref().zip(new.and_then(|new| new.document.as_ref())) else {
            continue;
        };
        compared += 1;
        moved.extend(tolerate::changed_fields(old, new, &[]).into_iter().map(|change| change.field));
    }
    (moved, compared)
}

/// A list's rows and what stands beside them.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    /// Keys that lead to the list.
    pub(super) at: Vec<String>,
    pub(super) total: Option<u64>,
    pub(super) page_count: Option<u64>,
    pub(super) id_field: Option<String>,
    pub(super) rows: Vec<Row>,
}

/// A row, without what it says.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: Option<i64>,
    pub(super) stamp: Option<String>,
    /// Of the first rows only, as far as there is room.
    pub(super) document: Option<String>,
}

impl Page {
    /// Judges an answer to a list request; the error is why there is none.
    #[must_use]
    pub(super) fn of(answer: Result<RawAnswer, String>, kind: &Kind) -> Self {
        let none = |status, what: String| Self { status, what, outline: "nothing".into(), list: None };
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => return none(0, why),
        };
        let RawAnswer { status, status_text, text, is_whole, .. } = &answer;
        if !is_whole {
            return none(*status, format!("{status_text}, more than 16 MB"));
        }
        if !(200..300).contains(status) {
            return Self { outline: outline(text), ..none(*status, status_text.clone()) };
        }
        let (what, list) = match tolerate::body(text, &kind.list_name, None) {
            Body::List(list) => {
                let rows = Rows::of(&list, kind);
                (place(&rows, kind), Some(rows))
            }
            Body::Nothing if text.trim().is_empty() => ("an empty body".to_owned(), None),
            Body::Nothing => ("null".to_owned(), None),
            Body::Error(_) => ("an error in its body".to_owned(), None),
            Body::NoList(_) => ("JSON without a list".to_owned(), None),
            Body::NotJson(what) => (what, None),
        };
        let what = format!("{status_text}, {what}");
        Self { status: *status, what, outline: outline(text), list }
    }

    /// The ids of its rows; empty when there are none.
    #[must_use]
    pub(super) fn ids(&self) -> Vec<i64> {
        self.rows().iter().filter_map(|row| row.id).collect()
    }

    /// Its rows; none where it is no list.
    #[must_use]
    pub(super) fn rows(&self) -> &[Row] {
        self.list.as_ref().map_or(&[], |list| &list.rows)
    }

    /// Whether the server objects to what it was asked.
    #[must_use]
    pub(super) fn objects(&self) -> bool {
        matches!(self.status, 400 | 422)
    }
}

impl Rows {
    fn of(list: &tolerate::List<&str>, kind: &Kind) -> Self {
        let id_field = tolerate::choose_id_field(&list.rows, &kind.id_fields);
        let field = id_field.as_deref().unwrap_or_default();
        let mut kept = 0;
        let row = |text: &&str| {
            kept += text.len();
            let read = tolerate::row(text, kind, field).ok();
            let columns = || tolerate::columns(text);
            Row {
                id: read.as_ref().map(|row| row.id.0),
                stamp: match &read {
                    Some(row) => row.last_edited.as_ref().map(|stamp| stamp.clone().into_owned()),
                    None => columns().last_edited,
                },
                document: (kept <= KEPT_BYTES_MAX).then(|| (*text).to_owned()),
            }
        };
        Self {
            at: list.list_at.clone(),
            total: list.total,
            page_count: list.page_count,
            rows: list.rows.iter().map(row).collect(),
            id_field,
        }
    }

    /// Where the list stands, in words that fit every kind.
    #[must_use]
    pub(super) fn place(&self, kind: &Kind) -> String {
        let name = |key: &String| match *key == kind.list_name {
            true => "the kind's name".to_owned(),
            false => key.clone(),
        };
        match self.at.as_slice() {
            [] => "a bare array".to_owned(),
            keys => format!("under {}", keys.iter().map(name).collect::<Vec<_>>().join(", ")),
        }
    }

    /// How its stamps are written, if exactly one way fits all.
    #[must_use]
    pub(super) fn format(&self) -> Option<StampFormat> {
        let mut settling = Settling::default();
        self.stamps().for_each(|stamp| settling.see(stamp));
        settling.settled()
    }

    /// The stamps of its rows.
    pub(super) fn stamps(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(|row| row.stamp.as_deref())
    }
}

fn place(rows: &Rows, kind: &Kind) -> String {
    let count = rows.rows.len();
    let noun = if count == 1 { "row" } else { "rows" };
    format!("{count} {noun}, {}", rows.place(kind))
}
