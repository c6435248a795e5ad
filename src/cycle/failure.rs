//! What ends a run early, what costs it one kind, and how each is told.

use chrono::{DateTime, Utc};

use super::Pass;
use crate::kind::Kind;
use crate::memory::KindMemory;
use crate::pull::{PullError, Source};
use crate::retry::NextTry;
use crate::run::{KindOutcome, KindRun, Outcome, STOPPED};
use crate::store::StoreError;

/// Kinds lost to an unreachable server after which a run asks no more.
const KINDS_LOST_MAX: u32 = 3;

/// What ends a run before its last kind.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// The key is refused.
    #[error("{0}")]
    Refused(String),
    /// The door showed a page that is no answer of the API, for the first time.
    #[error("{0}")]
    DoorClosed(String),
    /// This is not the accepted account.
    #[error("nothing was written: {0}")]
    AccountChanged(String),
    /// Nothing at all is visible.
    #[error("nothing is visible: the mapped user sees no scorecard, or no element of any kind")]
    NothingVisible,
    /// The scorecards cannot be pulled, or the server is out of reach.
    #[error("{0}")]
    Lost(String),
    /// The server asks to come back later.
    #[error("{message}; next try not before {until}")]
    Deferred {
        /// What came.
        message: String,
        /// When to come back.
        until: DateTime<Utc>,
    },
    /// The program is asked to stop.
    #[error("{STOPPED}")]
    Asked,
    /// The store does not store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Stop {
    /// How the run ends, given what was stored before.
    pub(super) fn outcome(&self, kinds: &[KindRun]) -> Outcome {
        let has_stored = super::outcome(kinds) != Outcome::Failed;
        match self {
            Self::Refused(_) => Outcome::Refused,
            // What was not written is not lost: a person decides.
            Self::AccountChanged(_) => Outcome::Partial,
            Self::NothingVisible => Outcome::Failed,
            _ if has_stored => Outcome::Partial,
            Self::Deferred { .. } => Outcome::Deferred,
            Self::DoorClosed(_) | Self::Lost(_) | Self::Asked | Self::Store(_) => Outcome::Failed,
        }
    }

    /// When the run is tried again, where it stored nothing.
    pub(super) fn next_try(&self) -> NextTry {
        match self {
            Self::Lost(_) | Self::Store(_) => NextTry::Soon,
            // The second such page in a row counts as a refusal.
            Self::DoorClosed(_) => NextTry::Hourly,
            Self::Deferred { until, .. } => NextTry::NotBefore(*until),
            Self::Refused(_) | Self::AccountChanged(_) | Self::NothingVisible | Self::Asked => {
                NextTry::WhenDue
            }
        }
    }
}

/// What a pull's error means for the run when there is no going on without it.
impl From<PullError> for Stop {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Refused(text) => Self::Refused(text),
            PullError::DoorClosed(text) => Self::DoorClosed(text),
            PullError::Deferred { message, until } => Self::Deferred { message, until },
            other => Self::Lost(other.to_string()),
        }
    }
}

impl<S: Source> Pass<'_, S> {
    /// Records a kind that could not be pulled, and goes on with the others where that makes sense.
    pub(super) async fn lose(
        &mut self,
        kind: &Kind,
        memory: &KindMemory,
        started_at: DateTime<Utc>,
        error: PullError,
    ) -> Result<(), Stop> {
        let text = error.to_string();
        let mut memory = memory.clone();
        let outcome = match error {
            PullError::Refused(_) | PullError::DoorClosed(_) => return Err(error.into()),
            PullError::Unavailable(_) => {
                if memory.unavailable.as_ref() != Some(&text) {
                    self.notices.unavailable(&kind.name, &text);
                    memory.unavailable = Some(text.clone());
                }
                KindOutcome::Unavailable
            }
            PullError::Forbidden(_) => KindOutcome::Forbidden,
            PullError::Deferred { .. } => KindOutcome::Deferred,
            PullError::FirstEmptyClaim(_) => {
                memory.empty_claims += 1;
                KindOutcome::Failed
            }
            PullError::Transient { is_server, .. } => {
                self.kinds_lost += u32::from(is_server);
                KindOutcome::Failed
            }
            PullError::Broken(_) | PullError::Spool(_) => KindOutcome::Failed,
        };
        let kind_run = super::kind_run(kind, started_at, outcome, Some(text.clone()));
        self.record(kind_run, Some(&memory)).await?;
        if self.kinds_lost == KINDS_LOST_MAX {
            return Err(Stop::Lost(format!("{text}; {KINDS_LOST_MAX} kinds were lost, no more are asked")));
        }
        Ok(())
    }
}

/// Why a run is not whole: what each kind that failed has to say.
pub(super) fn reasons(kinds: &[KindRun]) -> Option<String> {
    let reasons: Vec<&str> = kinds
        .iter()
        .filter(|kind| kind.outcome != KindOutcome::Unavailable)
        .filter_map(|kind| kind.reason.as_deref())
        .collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}
