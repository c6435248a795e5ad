//! Whether single reads of a kind carry more than its list rows: what the finding `details` says.

use std::collections::BTreeSet;

use super::document::fields;
use crate::kind::Kind;

/// What the finding says where there is nothing more; else it begins as below, and names the fields.
const SAME: &str = "same";
const RICHER: &str = "richer: ";
/// Fields that are named.
const NAMED_MAX: usize = 20;

/// The top-level fields seen in list rows, and in single reads of the same elements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    listed: BTreeSet<String>,
    single: BTreeSet<String>,
    compared: u32,
}

impl Comparison {
    /// The name that its finding is kept under.
    pub const FINDING: &'static str = "details";

    /// Takes a list row, and the document that a single read of the same element brought.
    pub fn add(&mut self, row: &str, document: &str) {
        let names = |document| fields(document).into_iter().map(|(field, _)| field);
        self.compared += 1;
        self.listed.extend(names(row));
        self.single.extend(names(document));
    }

    /// How many elements were compared.
    #[must_use]
    pub fn compared(&self) -> u32 {
        self.compared
    }

    /// The fields seen in list rows.
    #[must_use]
    pub fn listed(&self) -> &BTreeSet<String> {
        &self.listed
    }

    /// The fields seen in single reads.
    #[must_use]
    pub fn single(&self) -> &BTreeSet<String> {
        &self.single
    }

    /// The finding; `None` where nothing was compared. Other names of the id tell nothing, and volatile
    /// fields are not worth a read.
    #[must_use]
    pub fn finding(&self, kind: &Kind) -> Option<String> {
        let more: Vec<&str> = self
            .single
            .difference(&self.listed)
            .filter(|field| !kind.volatile.contains(field) && !kind.id_fields.contains(field))
            .map(String::as_str)
            .take(NAMED_MAX)
            .collect();
        let finding = if more.is_empty() { SAME.to_owned() } else { format!("{RICHER}{}", more.join(", ")) };
        (self.compared > 0).then_some(finding)
    }

    /// Whether a finding says that single reads carry more.
    #[must_use]
    pub fn is_richer(finding: &str) -> bool {
        finding.starts_with(RICHER)
    }
}
