//! Requests to one connection's server, counted where they are sent: by what came of each, and how many
//! were sent again. Written by `pull`, read by `metrics`; counts from the start of the process.

use std::sync::atomic::{AtomicU64, Ordering};

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// An answer worth reading.
    Ok,
    /// No answer, not all of it, or one that may be another the next time (429, 5xx).
    Transient,
    /// The key was refused.
    Refused,
    /// 403 behind the door: this is not for the mapped user.
    Forbidden,
    /// 404 or 410.
    Absent,
    /// Any other status.
    Broken,
    /// An answer whose body had no room in memory just then; it is asked for again.
    Unread,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Ok, Self::Transient, Self::Refused, Self::Forbidden, Self::Absent, Self::Broken, Self::Unread];

    /// The word in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Transient => "transient",
            Self::Refused => "refused",
            Self::Forbidden => "forbidden",
            Self::Absent => "absent",
            Self::Broken => "broken",
            Self::Unread => "unread",
        }
    }

    /// What an answer with this status is, where it neither refuses the key nor is transient.
    #[must_use]
    pub fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Ok,
            403 => Self::Forbidden,
            404 | 410 => Self::Absent,
            _ => Self::Broken,
        }
    }
}

/// The requests of one connection.
#[derive(Debug, Default)]
pub struct Traffic {
    requests: [AtomicU64; Class::ALL.len()],
    retries: AtomicU64,
}

impl Traffic {
    /// Counts a request that was sent.
    pub fn count(&self, class: Class) {
        self.requests[class as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts that one is sent again after a transient failure.
    pub fn count_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests of this class.
    #[must_use]
    pub fn requests(&self, class: Class) -> u64 {
        self.requests[class as usize].load(Ordering::Relaxed)
    }

    /// Requests that were sent again.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }
}
