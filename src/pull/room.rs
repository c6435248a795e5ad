//! Memory for one body: taken from the budget of all runs before a request is sent, grown while the
//! body comes, given back when the answer has been read.
//!
//! Who waits for room must hold none: so a request that is sent ahead of its turn takes only what is
//! free.

use crate::spool::{Budget, Reservation};

/// The largest body that is read, in decompressed bytes.
pub(super) const BODY_BYTES_MAX: usize = 16 << 20;
/// Room to begin with: most pages are smaller.
const FIRST_BYTES: usize = 512 << 10;

/// Room for a body.
#[derive(Debug)]
pub(super) struct Room {
    bytes: usize,
    reserved: Vec<Reservation>,
    budget: Budget,
}

impl Room {
    /// Room for most bodies, if there is any now.
    pub(super) fn now(budget: &Budget) -> Option<Self> {
        let reservation = budget.try_reserve(FIRST_BYTES as u64)?;
        Some(Self { bytes: FIRST_BYTES, reserved: vec![reservation], budget: budget.clone() })
    }

    /// Room for most bodies, as soon as there is some.
    pub(super) async fn some(budget: &Budget) -> Self {
        Self::of(budget, FIRST_BYTES).await
    }

    /// Room for every body, as soon as there is that much.
    pub(super) async fn largest(budget: &Budget) -> Self {
        Self::of(budget, BODY_BYTES_MAX).await
    }

    async fn of(budget: &Budget, bytes: usize) -> Self {
        let reservation = budget.reserve(bytes as u64).await;
        Self { bytes, reserved: vec![reservation], budget: budget.clone() }
    }

    /// Makes room for `bytes` in all, if there is that much now.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        if bytes <= self.bytes {
            return true;
        }
        let step = (bytes - self.bytes).max(self.bytes);
        let Some(reservation) = self.budget.try_reserve(step as u64) else {
            return false;
        };
        self.reserved.push(reservation);
        self.bytes += step;
        true
    }
}
