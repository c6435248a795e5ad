//! What changed lately in the account, without what stood there before and after.

use chrono::{DateTime, Utc};

use super::words::{Moment, grouped, plural, spaced};
use crate::status::{ChangeGroup, ChangeStatus};

/// So many fields are named.
const FIELDS_MAX: usize = 8;

/// So many changes stand open; the others are folded.
const OPEN_MAX: usize = 10;

/// The latest changes, the newest first.
pub(super) struct Changes<'a> {
    pub(super) open: Vec<Change<'a>>,
    pub(super) folded: Vec<Change<'a>>,
}

pub(super) struct Change<'a> {
    pub(super) status: &'a ChangeStatus,
    /// Where one run did this alike to many: `60 measures`.
    pub(super) many: Option<String>,
    pub(super) at: Moment,
}

impl<'a> Changes<'a> {
    pub(super) fn new(latest: &'a [ChangeGroup], now: DateTime<Utc>) -> Self {
        let mut open: Vec<Change<'_>> = latest.iter().map(|group| Change::new(group, now)).collect();
        let folded = open.split_off(OPEN_MAX.min(open.len()));
        Self { open, folded }
    }

    /// What the fold holds.
    pub(super) fn folded_text(&self) -> String {
        plural(self.folded.len() as u64, "earlier change")
    }
}

impl<'a> Change<'a> {
    fn new(group: &'a ChangeGroup, now: DateTime<Utc>) -> Self {
        let ChangeGroup { latest: status, count, has_more } = group;
        let least = if *has_more { " or more" } else { "" };
        let many = format!("{}{least} {}", grouped(*count), spaced(status.kind.as_str()));
        Self { status, many: (*count > 1).then_some(many), at: Moment::new(status.at, now) }
    }

    /// What happened; `update of values` where it is not the list row that changed.
    pub(super) fn operation(&self) -> String {
        let operation = self.status.operation.as_str();
        match self.status.part.as_str() {
            "doc" => operation.to_owned(),
            part => format!("{operation} of {part}"),
        }
    }

    /// What differs, or what showed a removal.
    pub(super) fn what(&self) -> String {
        let ChangeStatus { fields, evidence, .. } = self.status;
        if self.many.is_some() {
            return String::new();
        }
        match (evidence, fields.len().saturating_sub(FIELDS_MAX)) {
            (Some(evidence), _) => evidence.clone(),
            (None, 0) => fields.join(", "),
            (None, more) => format!("{} and {more} more", fields[..FIELDS_MAX].join(", ")),
        }
    }
}
