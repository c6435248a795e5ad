//! Warnings on their way to the targets of the configuration.

use std::time::Duration;

use futures_util::future::join_all;

use super::{AppError, Engine};
use crate::deliver::Courier;
use crate::notify::Notifier;
use crate::watch;

/// One round to all targets at once, for at most `limit`; what is left waits for the next process.
pub async fn deliver_once(mut couriers: Vec<Courier>, limit: Duration) {
    join_all(couriers.iter_mut().map(|courier| courier.round_within(limit))).await;
}

impl Engine {
    /// Ends the warnings of connections that were taken out of the configuration. For the daemon alone: a
    /// `sync` may be given a part of the settings.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn retire_warnings(&self) -> Result<(), AppError> {
        let targets = &self.warnings().targets;
        let has_told =
            watch::retire(&self.store, targets, &self.config.connections, self.clock.now()).await?;
        self.note_queued(has_told);
        Ok(())
    }

    /// A courier to each target. What waits for targets that are no longer configured is dropped, and
    /// targets that are new are to be told what is open.
    ///
    /// # Errors
    /// The network settings or the store cannot be used.
    pub async fn couriers(&self) -> Result<Vec<Courier>, AppError> {
        let targets = &self.config.warnings.targets;
        watch::introduce(&self.store, targets).await?;
        let couriers = match targets.as_slice() {
            [] => Vec::new(),
            targets => {
                let notifier = Notifier::new(&self.config.network)?;
                let courier = |target: &_| {
                    Courier::new(
                        self.store.clone(),
                        notifier.clone(),
                        self.clock.clone(),
                        Clone::clone(target),
                    )
                };
                targets.iter().map(courier).collect()
            }
        };
        // Last of all: settings that turn out to be of no use must have cost no message.
        let names: Vec<_> = targets.iter().map(|target| &target.name).collect();
        let dropped = self.store.keep_targets(&names).await?;
        if dropped > 0 {
            tracing::info!(
                event = "delivery_dropped",
                dropped,
                "messages for targets that are no longer configured were dropped"
            );
        }
        Ok(couriers)
    }
}
