//! One thread a process, beside all work: prolongs the leases that are held, and looks at the server's clock.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::pool::Postgres;
use crate::store::StoreError;

impl Postgres {
    /// Starts the thread, which ends with the last handle to the store.
    ///
    /// # Errors
    /// The system starts no thread.
    pub(in crate::store) fn start_keeper(self: &Arc<Self>) -> Result<(), StoreError> {
        let (alive, ended) = mpsc::channel();
        let (db, every) = (Arc::downgrade(self), self.settings.lease / 3);
        let keeper = move || keep(&db, &ended, every);
        std::thread::Builder::new().name("leases".into()).spawn(keeper).map_err(|error| {
            StoreError::Failed {
                context: "cannot start the thread that keeps leases".into(),
                source: error.into(),
            }
        })?;
        // It is there to be dropped with the store; who starts a second thread ends the first.
        *self.keeper.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(alive);
        Ok(())
    }
}

fn keep(db: &Weak<Postgres>, ended: &Receiver<()>, every: Duration) {
    let mut wait = every;
    while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
        let Some(db) = db.upgrade() else { return };
        let kept = db.prolong_all().and_then(|()| db.refresh_clock());
        // Whoever works says what the matter is; here it is only tried again, and sooner.
        wait = if kept.is_ok() { every } else { every / 4 };
    }
}
