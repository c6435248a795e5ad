//! How urgent something on the page is. It is always said in a word as well as in a colour.

use crate::status::WarningStatus;
use crate::warning::Severity;

/// How urgent, the mildest first. Its word is the style's class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    /// Nothing can be said.
    Unknown,
    /// As it should be.
    Well,
    /// Worth knowing.
    Info,
    /// Act within days.
    Warn,
    /// Act now.
    Error,
}

impl Tone {
    /// The class of the style.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Well => "well",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// That of a warning, in a word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Error => "Error",
            Self::Warn => "Warning",
            Self::Unknown | Self::Well | Self::Info => "Note",
        }
    }

    /// That of a warning.
    pub(super) fn of(warning: &WarningStatus) -> Self {
        match Severity::WORDS.iter().find(|(word, _)| *word == warning.severity) {
            Some((_, Severity::Error)) => Self::Error,
            Some((_, Severity::Warn)) => Self::Warn,
            Some((_, Severity::Info)) | None => Self::Info,
        }
    }
}
