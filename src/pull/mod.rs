//! The pull: asks the API for elements under the mapped user, and never takes a strange answer for an
//! empty account. The only room that speaks HTTP to ClearPoint. Called by the jobs; knows no store.

pub mod client;
mod door;
mod firsts;
mod gather;
pub mod hosts;
mod incremental;
mod keyring;
mod limiter;
mod listing;
mod page;
mod pages;
mod query;
mod raw;
mod reads;
mod room;
mod stamps;
mod totals;
mod transport;
mod tries;
mod users;
mod window;

pub use raw::{Ground, Question, Raw, RawAnswer};

use std::future::Future;

use chrono::{DateTime, Utc};

use crate::element::ElementId;
use crate::kind::Kind;
use crate::memory::KindMemory;
use crate::run::Mode;
use crate::snapshot::{Known, PageImprints, Rejected, Snapshot};
use crate::spool::Spool;

/// What is asked of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Which kind.
    pub kind: &'a Kind,
    /// Everything, or what changed since `memory.cursor`.
    pub mode: Mode,
    /// What is remembered of the kind.
    pub memory: &'a KindMemory,
    /// For an incremental pull: known elements whose stamp lies in the overlap, so that they must come
    /// back; if none of them does, the filter is not to be trusted and this pull is full.
    pub expected: &'a [ElementId],
    /// For a full pull: what is stored, whose documents the caller does not need. `None`: it needs all.
    pub known: Option<&'a Known>,
}

/// What one pull of one kind brought.
#[derive(Debug)]
pub struct Pulled {
    /// The elements, and whether they are all.
    pub snapshot: Snapshot,
    /// Their documents, but for those that were asked for as known.
    pub spool: Spool,
    /// What the pages looked like, for the next time; it stands in the spool too.
    pub imprints: PageImprints,
    /// Rows that could not be stored, at most 100, sorted and distinct.
    pub rejected: Vec<Rejected>,
    /// The list answered 204, an empty body or `null` where it once had rows: an *empty claim*.
    pub is_empty_claim: bool,
    /// Duplicates or a moving total were seen: the list shifted, and another full pull must follow.
    pub has_shifted: bool,
    /// Requests sent.
    pub requests: u64,
    /// Characters no store can hold, replaced.
    pub replaced: u64,
    /// What is remembered from now on.
    pub memory: KindMemory,
}

/// What the door (page 1 of `/scorecards`) showed.
#[derive(Debug, Clone)]
pub struct Door {
    /// The server's clock by its `Date` header.
    pub server_time: Option<DateTime<Utc>>,
}

/// What a single read answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Single {
    /// 200 with a document.
    Readable {
        /// The document, fit for the store.
        document: String,
        /// Its `name`, where it has one.
        name: Option<String>,
    },
    /// 403.
    Forbidden,
    /// 404 or 410.
    Absent,
    /// Anything else, after retries: what came, for people.
    Unclear(String),
}

/// Why a pull brought nothing, by what the caller does about it. Messages name kind, page and what
/// came; they hold no URL, no secret, no body.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The key is refused: stop the run, tell the watch.
    #[error("the key is refused: {0}")]
    Refused(String),
    /// Transient at the door the first time (another redirect, an HTML page): refused when two runs in
    /// a row see it.
    #[error("{0}")]
    DoorClosed(String),
    /// This kind answers 403: the others go on.
    #[error("{0}")]
    Forbidden(String),
    /// The kind never made a snapshot and answers that it cannot: no part of the outcome.
    #[error("{0}")]
    Unavailable(String),
    /// The list, which once worked, answers 204, nothing or `null`, for the first time: remember it
    /// (`KindMemory::empty_claims` = 1). The next time running it is a [`Pulled`] with
    /// `is_empty_claim`.
    #[error("{0}")]
    FirstEmptyClaim(String),
    /// Tried as often as is polite; connection failures and 5xx count towards ending the run.
    #[error("{message}")]
    Transient {
        /// What came, and how often it was tried.
        message: String,
        /// Whether the whole server is out of reach (connect, timeout, 5xx).
        is_server: bool,
    },
    /// The answer is not what a list looks like.
    #[error("{0}")]
    Broken(String),
    /// The server said when to come back, later than this run may wait.
    #[error("{message}")]
    Deferred {
        /// What came.
        message: String,
        /// When to come back.
        until: DateTime<Utc>,
    },
    /// The spool cannot be written.
    #[error("cannot write the spool: {0}")]
    Spool(#[from] std::io::Error),
}

impl PullError {
    /// The same error with its text changed.
    #[must_use]
    pub fn map_text(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Refused(text) => Self::Refused(change(text)),
            Self::DoorClosed(text) => Self::DoorClosed(change(text)),
            Self::Forbidden(text) => Self::Forbidden(change(text)),
            Self::Unavailable(text) => Self::Unavailable(change(text)),
            Self::FirstEmptyClaim(text) => Self::FirstEmptyClaim(change(text)),
            Self::Transient { message, is_server } => Self::Transient { message: change(message), is_server },
            Self::Broken(text) => Self::Broken(change(text)),
            Self::Deferred { message, until } => Self::Deferred { message: change(message), until },
            Self::Spool(error) => Self::Spool(error),
        }
    }
}

/// What can be pulled. The only trait of this program: ClearPoint over HTTP, or a world in memory for
/// the property tests.
pub trait Source: Send + Sync {
    /// Page 1 of `/scorecards`, alone, before anything else.
    ///
    /// # Errors
    /// [`PullError`], by what to do about it.
    fn door(&self) -> impl Future<Output = Result<Door, PullError>> + Send;

    /// Moves on to the next key, for the one in use is refused (`what` came); `false`: there is none. What
    /// was asked before belongs to the old key: the door is to be opened anew.
    fn fall_over(&self, what: &str) -> bool {
        // What has no keys has no other one.
        let _ = what;
        false
    }

    /// Pulls one kind.
    ///
    /// # Errors
    /// [`PullError`], by what to do about it.
    fn pull(&self, ask: Ask<'_>) -> impl Future<Output = Result<Pulled, PullError>> + Send;

    /// Reads one element directly.
    ///
    /// # Errors
    /// Only [`PullError::Refused`] and [`PullError::Deferred`]; all else is [`Single::Unclear`].
    fn read(&self, kind: &Kind, id: ElementId) -> impl Future<Output = Result<Single, PullError>> + Send;

    /// Reads `/measures/{id}/measureData`: the body as text, fit for the store.
    ///
    /// # Errors
    /// As [`Source::read`].
    fn measure_data(&self, id: ElementId) -> impl Future<Output = Result<Single, PullError>> + Send;

    /// Looks for the user with an e-mail address by one request: the addresses of whoever came, which
    /// may be others, or nobody although there is such a user.
    ///
    /// # Errors
    /// [`PullError`], by what to do about it.
    fn users_with(
        &self,
        users: &Kind,
        email: &str,
    ) -> impl Future<Output = Result<Vec<String>, PullError>> + Send;
}

#[cfg(test)]
mod tests;
