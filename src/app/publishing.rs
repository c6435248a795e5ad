//! The copy of the store for readers, made by the daemon and by `sync`.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
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
    /// It cannot be made: the old one, if there is one, stays.
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
        if engine.config.store.publish().is_some() {
            let tried = engine.publish().await;
            say(&mut quiet, tried, engine.clock.now());
        } else {
            // Nobody wants one any more: that is no recovery.
            quiet = Quiet::default();
        }
        engine.clock.sleep(LOOK_EVERY).await;
    }
}

fn say(quiet: &mut Quiet, tried: Result<(), AppError>, now: DateTime<Utc>) {
    match tried {
        Ok(()) => {
            if let Some(over) = quiet.recovered() {
                let failures = over.count;
                tracing::info!(event = "publish_recovered", failures, "copy for readers can be made again");
            }
        }
        Err(error) => {
            let error = error.to_text();
            if let Some(said) = quiet.failed(&error, now) {
                let failures = said.count;
                tracing::warn!(event = "publish_failed", error, failures, "copy for readers is not made");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use chrono::TimeDelta;

    use super::*;
    use crate::clock::{Clock, Simulated};
    use crate::config::Config;
    use crate::telemetry::{self, Look};

    fn config(dir: &std::path::Path, publish: &str) -> Config {
        let text = format!(
            "[store.sqlite]\npath = \"store.db\"\n{publish}[connections.city.key]\nname = \"k\"\n\
             access_key = {{ file = \"access\" }}\nsecret_key = {{ file = \"secret\" }}"
        );
        Config::parse(&text, &dir.join("config.toml")).unwrap()
    }

    async fn minute_later(hand: &Simulated) {
        for minutes in [0, 1] {
            hand.advance_to(hand.now() + TimeDelta::minutes(minutes));
            while hand.next_wake() != Some(hand.now() + TimeDelta::minutes(1)) {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn a_copy_that_fails_names_the_way_out_and_one_that_nobody_wants_any_more_has_not_recovered() {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (clock, hand) = Clock::stepped("2026-03-01T12:00:00Z".parse().unwrap());
        let log = Arc::clone(&lines);
        let write = move |line: &str| log.lock().unwrap().push(line.trim_end().to_owned());
        let heard = telemetry::subscriber(Look::Journal, "info", clock.clone(), write).unwrap();
        let _logging = telemetry::listen(heard);
        let dir = tempfile::tempdir().unwrap();
        let wanted = config(dir.path(), "publish = \"gone/copy.db\"\n");
        let engine = Engine::open(wanted, clock).await.unwrap();
        let sql = rusqlite::Connection::open(dir.path().join("store.db")).unwrap();
        // As if something had changed.
        sql.execute("INSERT OR REPLACE INTO sequences (name, last) VALUES ('changes', 7)", []).unwrap();
        let (settings, current) = watch::channel(Arc::new(engine));
        let publishing = tokio::spawn(keep_published(current));
        minute_later(&hand).await;
        let unwanted = settings.borrow().with_config(config(dir.path(), ""));
        settings.send_replace(Arc::new(unwanted));
        minute_later(&hand).await;
        publishing.abort();
        let lines = lines.lock().unwrap().clone();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("event=publish_failed"), "{lines:?}");
        assert!(lines[0].contains("make the folder of store.sqlite.publish"), "{lines:?}");
        assert!(!lines[0].contains("the old one stays"), "{lines:?}");
    }
}
