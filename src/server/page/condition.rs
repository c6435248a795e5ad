//! How a connection stands: what orders the list, gives it its colour, and makes the headline.

use super::tone::Tone;
use crate::run::Outcome;
use crate::status::ConnectionStatus;

/// How a connection stands, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// Nobody asks for it any more.
    NotConfigured,
    /// Its last run ended well, and nothing is open.
    Well,
    /// The same, with a note to read.
    Noted,
    /// Its last run was put off.
    PutOff,
    /// Its last run has no end.
    Unfinished,
    /// It has had no run.
    NeverRan,
    /// No run has stored anything yet, and none has failed.
    NotYet,
    /// It has an open warning.
    Warned,
    /// Its last run stored a part.
    Partial,
    /// Its last run failed.
    Failing,
    /// No run has ever stored anything, and the last one failed.
    NeverSynced,
    /// It has an open error.
    Error,
}

impl Condition {
    /// `said`: the most urgent of what is open about it.
    pub(super) fn of(status: &ConnectionStatus, said: Tone) -> Self {
        if !status.is_configured {
            return Self::NotConfigured;
        }
        let has_stored = status.last_success.is_some();
        let ended = status.last_run.as_ref().map(|run| run.outcome);
        match (said, ended) {
            (Tone::Error, _) => Self::Error,
            (_, Some(Some(Outcome::Failed | Outcome::Refused))) if !has_stored => Self::NeverSynced,
            (_, Some(Some(Outcome::Failed | Outcome::Refused))) => Self::Failing,
            (Tone::Warn, _) => Self::Warned,
            (_, Some(Some(Outcome::Partial))) => Self::Partial,
            (_, None) => Self::NeverRan,
            (_, Some(_)) if !has_stored => Self::NotYet,
            (_, Some(None)) => Self::Unfinished,
            (_, Some(Some(Outcome::Deferred))) => Self::PutOff,
            (Tone::Info, Some(Some(Outcome::Ok))) => Self::Noted,
            (Tone::Well | Tone::Unknown, Some(Some(Outcome::Ok))) => Self::Well,
        }
    }

    /// How urgent.
    pub(super) fn tone(self) -> Tone {
        match self {
            Self::NotConfigured | Self::NeverRan | Self::NotYet | Self::Unfinished => Tone::Unknown,
            Self::Well | Self::PutOff => Tone::Well,
            Self::Noted => Tone::Info,
            Self::Warned | Self::Partial | Self::Failing | Self::NeverSynced => Tone::Warn,
            Self::Error => Tone::Error,
        }
    }

    /// The same in a word or two.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::NotConfigured => "Not configured",
            Self::Well | Self::Noted => "Well",
            Self::PutOff => "Put off",
            Self::Unfinished => "Unfinished",
            Self::NeverRan => "Never run",
            Self::NotYet => "Not synced yet",
            Self::Warned => "Warning",
            Self::Partial => "Partial",
            Self::Failing => "Failed",
            Self::NeverSynced => "Never synced",
            Self::Error => "Error",
        }
    }

    /// How urgent, and in a word, where nobody can look: that all was well was so before.
    pub(super) fn before(self) -> (Tone, &'static str) {
        match self.tone() {
            Tone::Well | Tone::Info => (Tone::Unknown, "Was well"),
            tone => (tone, self.word()),
        }
    }
}
