//! An element: one record of a kind, an integer id and a JSON document.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id ClearPoint gave an element. Unique within a connection and a kind; elements are matched by
/// it and never by name, because a yearly roll-over makes new ids under old names (the vendor says so).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ElementId(pub i64);

impl fmt::Display for ElementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// 128-bit canonical hash of an element's document. Equal fingerprints mean nothing to write.
// Aligned like its neighbours: a pull holds one an element, and a `u128` would leave a gap beside it.
#[repr(C, packed(8))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u128);

impl Fingerprint {
    /// The 16 bytes the store keeps.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// A fingerprint as the store kept it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::LowerHex for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(hash) = *self;
        fmt::LowerHex::fmt(&hash, f)
    }
}

/// Whether people see a stored element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// In the last snapshot, or not yet proved gone: in the views.
    Present,
    /// Readable one by one but out of the list for a week: kept, not in the views.
    Unlisted,
    /// Gone on evidence: kept, not in the views.
    Removed,
}

impl State {
    /// The word the store keeps.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Unlisted => "unlisted",
            Self::Removed => "removed",
        }
    }

    /// The state behind a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Present, Self::Unlisted, Self::Removed].into_iter().find(|state| state.as_str() == word)
    }
}

/// Why an element was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It exists, out of the mapped user's sight: a direct read answered 403, or every scorecard it is
    /// placed in is out of sight.
    Hidden,
    /// A direct read answered 404 or 410: deleted, or hidden by an API that does not tell.
    Absent,
}

impl Reason {
    /// The word the store keeps.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Absent => "absent",
        }
    }
}
