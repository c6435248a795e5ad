//! The copy of the store for readers, made by the daemon and by `sync`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{AppError, Engine};
use crate::publish;
use crate::quiet::Quiet;

/// The daemon looks this often whether the copy is to be made anew.
const LOOK_EVERY: Duration = Duration::from_secs(60);

impl Engine {
    /// Makes the copy anew if the settings want one and it is due.
    ///
    /// # Errors
    /// It cannot be made: the old one stays.
    pub async fn publish(&self) -> Result<(), AppError> {
        if let Some(settings) = self.config.store.publish() {
            publish::if_due(&self.store, settings, self.clock.now()).await?;
        }
        Ok(())
    }
}

/// Keeps the copy in step with the store, beside the runs and under the settings in force, for as long as
/// it is let.
pub async fn keep_published(current: watch::Receiver<Arc<Engine>>) {
    let mut quiet = Quiet::default();
    loop {
        let engine = Arc::clone(&current.borrow());
        let (tried, now) = (engine.publish().await, engine.clock.now());
        match tried {
            Ok(()) => {
                if let Some(over) = quiet.recovered() {
                    let failures = over.count;
                    tracing::info!(
                        event = "publish_recovered",
                        failures,
                        "copy for readers can be made again"
                    );
                }
            }
            Err(error) => {
                if let Some(said) = quiet.failed(&error.to_text(), now) {
                    let (error, failures) = (error.to_text(), said.count);
                    tracing::warn!(event = "publish_failed", error, failures, "copy for readers is not made");
                }
            }
        }
        engine.clock.sleep(LOOK_EVERY).await;
    }
}
