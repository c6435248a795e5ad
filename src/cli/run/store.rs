//! Looks the store file over, beside the runs.

use std::sync::Arc;
use std::time::Duration;

use crate::app::{AppError, Engine};

/// The store file is looked over this long after the start, never before READY.
const FIRST_LOOK_AFTER: Duration = Duration::from_hours(1);
/// And again this long after each look.
const LOOK_EVERY: Duration = Duration::from_hours(7 * 24);

/// Looks the whole store file over once a week, beside the runs: damage that nobody notices spreads into
/// every backup.
pub(super) async fn look_over(engine: Arc<Engine>) {
    let (store, clock, shown) = (engine.store.clone(), engine.clock.clone(), engine.config.store.to_string());
    // The settings at the start are not those in force for ever.
    drop(engine);
    let mut wait = FIRST_LOOK_AFTER;
    loop {
        clock.sleep(wait).await;
        wait = LOOK_EVERY;
        match store.quick_check().await {
            Ok(faults) if faults.is_empty() => {}
            Ok(faults) => tracing::error!(
                event = "store_damaged",
                store = shown,
                faults = faults.join("; "),
                action = "stop the daemon and restore the file from a backup; the next full run catches up",
                "store is damaged"
            ),
            Err(error) => {
                let error = AppError::from(error).to_text();
                tracing::warn!(event = "store_unchecked", error, "store could not be looked over");
            }
        }
    }
}
