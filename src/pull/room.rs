//! Memory for one body: taken from the budget of all runs when the answer begins, grown while the body
//! comes, given back when it has been read.
//!
//! Who waits for room must hold none: so a request that is sent ahead of its turn takes only what is
//! free. And who waits for a server holds none either, unless memory is short.

use crate::spool::{Budget, Buffer, Reservation};

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

/// The room that a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// For most bodies, if there is any now.
    Ahead,
    /// For most bodies.
    Most,
    /// For every body.
    Largest,
}

impl Need {
    fn bytes(self) -> usize {
        match self {
            Self::Ahead | Self::Most => FIRST_BYTES,
            Self::Largest => BODY_BYTES_MAX,
        }
    }
}

impl Room {
    /// The room that is needed, if there is that much now.
    pub(super) fn now(budget: &Budget, need: Need) -> Option<Self> {
        let bytes = need.bytes();
        let reservation = budget.try_reserve(bytes as u64)?;
        Some(Self { bytes, reserved: vec![reservation], budget: budget.clone() })
    }

    /// The same, as soon as there is that much.
    pub(super) async fn wait(budget: &Budget, need: Need) -> Self {
        let bytes = need.bytes();
        let reservation = budget.reserve(bytes as u64).await;
        Self { bytes, reserved: vec![reservation], budget: budget.clone() }
    }

    /// An empty place for the body.
    pub(super) fn place(&self) -> Buffer {
        self.budget.spares.buffer()
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
