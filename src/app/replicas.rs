//! Whose a due run is, where others work on the same store: daemons on one database, or a command by hand. Each
//! daemon tries at each due time; who has the connection's lock looks whether another one served that time
//! already.

use chrono::{DateTime, TimeDelta, Utc};

use super::{AppError, Asker, Engine};
use crate::config::Connection;
use crate::daemon::Served;
use crate::run::{Mode, Outcome, Run};
use crate::store::{ConnectionLock, StoreError};

/// A command by hand that has a connection of a store in a file is waited for so long each time.
const BUSY_AGAIN_IN: TimeDelta = TimeDelta::minutes(1);

/// Whose a due run is.
#[derive(Debug)]
pub enum Claim {
    /// This program's.
    Ours {
        /// Held while it lasts.
        lock: ConnectionLock,
        /// What it is to be.
        mode: Mode,
    },
    /// Another one's, who has done it.
    Served(Served),
    /// Another one's, who is at it, or died there: to be tried again after this.
    Elsewhere(TimeDelta),
}

impl Engine {
    /// Claims the run that was due at `due_at`, for the daemon. `mode` is what it is to be as far as this
    /// program knows.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn claim(
        &self,
        connection: &Connection,
        due_at: DateTime<Utc>,
        mode: Mode,
    ) -> Result<Claim, AppError> {
        let name = &connection.name;
        if let Some(served) = self.served(connection, due_at).await? {
            return Ok(Claim::Served(served));
        }
        let lock = match self.store.lock(name, Asker::Schedule.as_str(), self.clock.now()).await {
            Ok(lock) => lock,
            Err(StoreError::Busy(_)) => return Ok(Claim::Elsewhere(self.again_in())),
            Err(error) => return Err(error.into()),
        };
        // Who had the lock until now may have ended its run since the look.
        if let Some(served) = self.served(connection, due_at).await? {
            return Ok(Claim::Served(served));
        }
        if self.store.lease().is_none() {
            return Ok(Claim::Ours { lock, mode });
        }
        let last_full = self.store.last_full_done(name).await?;
        let is_owed = connection.schedule_full.is_owed(last_full, self.clock.now());
        let mode = if is_owed { Mode::Full } else { Mode::Incremental };
        Ok(Claim::Ours { lock, mode })
    }

    /// When to try again what another process is at: often enough that the work of a replica that died goes on
    /// within twice the lease.
    #[must_use]
    pub fn again_in(&self) -> TimeDelta {
        self.store.lease().and_then(|lease| TimeDelta::from_std(lease / 2).ok()).unwrap_or(BUSY_AGAIN_IN)
    }

    async fn served(
        &self,
        connection: &Connection,
        due_at: DateTime<Utc>,
    ) -> Result<Option<Served>, AppError> {
        let name = &connection.name;
        let (now, is_shared) = (self.clock.now(), self.store.lease().is_some());
        // A run in the future is a clock that was set back. What failed is left to whoever failed, if there is
        // another daemon.
        let serves = |run: &Run| {
            let has_stored = matches!(run.outcome, Some(Outcome::Ok | Outcome::Partial));
            run.finished_at.is_some_and(|at| at <= now) && (has_stored || is_shared)
        };
        let Some(run) = self.store.served_since(name, due_at).await?.filter(serves) else { return Ok(None) };
        let last_full = self.store.last_full_done(name).await?;
        // A full run that came due while another kind of run was under way is still to be made.
        if run.mode == Mode::Incremental && connection.schedule_full.is_owed(last_full, now) {
            return Ok(None);
        }
        let (Some(outcome), Some(finished_at)) = (run.outcome, run.finished_at) else { return Ok(None) };
        Ok(Some(Served { mode: run.mode, outcome, started_at: run.started_at, finished_at, last_full }))
    }
}

#[cfg(test)]
mod tests;
