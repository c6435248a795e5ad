//! The patience of one pull: how many of its requests may still be sent again.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::retry;

/// How often the requests of one pull may still be sent again, and how many were sent.
#[derive(Debug)]
pub(super) struct Tries {
    left: AtomicU32,
    sent: AtomicU64,
}

impl Tries {
    pub(super) fn new() -> Self {
        Self::again(retry::TRIES_PER_PULL)
    }

    /// So many requests may be sent again.
    pub(super) fn again(left: u32) -> Self {
        Self { left: AtomicU32::new(left), sent: AtomicU64::new(0) }
    }

    /// One more is sent.
    pub(super) fn count(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether there is one more try, taken by asking.
    pub(super) fn take(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }
}
