//! SIGHUP: takes on the configuration as it stands in its file now, all of it or nothing. What is under
//! way goes on under the settings it began with.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Mutex, watch};

use super::seating;
use crate::app::{AppError, Engine, Settings};
use crate::config::{Config, Connection};
use crate::daemon::{Deliveries, Seating};

/// What a reload replaces.
pub(super) struct Reloads {
    /// The configuration's file.
    pub(super) path: PathBuf,
    pub(super) engine: watch::Sender<Arc<Engine>>,
    pub(super) seats: watch::Sender<Option<Seating>>,
    pub(super) deliveries: Arc<Mutex<Deliveries>>,
}

/// How many connections a reload concerned.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    added: usize,
    removed: usize,
    changed: usize,
}

impl Reloads {
    /// Reloads whenever it is asked for; requests that come meanwhile are one more reload.
    pub(super) async fn serve(self, mut requests: watch::Receiver<u32>) {
        let board = Arc::clone(&self.engine.borrow().board);
        // What was looked at under the settings before must not be shown after that.
        board.has_come().await;
        // An early request found nothing to replace yet.
        while requests.wait_for(|requests| *requests > 0).await.is_ok() {
            self.reload_and_say().await;
            if requests.changed().await.is_err() {
                return;
            }
        }
    }

    async fn reload_and_say(&self) {
        let connections = |reloads: &Self| reloads.engine.borrow().config.connections.len();
        match self.reload().await {
            Ok(Some(Difference { added, removed, changed })) => {
                let connections = connections(self);
                tracing::info!(event = "reloaded", connections, added, removed, changed, "settings reloaded");
            }
            Ok(None) => {
                let connections = connections(self);
                let (added, removed, changed) = (0, 0, 0);
                tracing::info!(
                    event = "reloaded",
                    connections,
                    added,
                    removed,
                    changed,
                    "settings are unchanged"
                );
            }
            Err(error) => {
                let action = match &error {
                    AppError::Store(_) => {
                        "the settings of before stay in force; the file is good, so mend the store and reload again"
                    }
                    _ => "the settings of before stay in force; mend the file and reload again",
                };
                let error = one_line(&error.to_text());
                tracing::error!(event = "reload_refused", error, action, "settings refused");
            }
        }
    }

    /// `None`: the file says what it said before.
    async fn reload(&self) -> Result<Option<Difference>, AppError> {
        let before = Arc::clone(&self.engine.borrow());
        let settings = Settings::read(&self.path)?;
        if settings.config == before.config {
            return Ok(None);
        }
        settings.refuse_fixed(&before.config)?;
        settings.check()?;
        let engine = Arc::new(before.with_config(settings.config));
        let seating = seating(&engine).await?;
        let (was, now) = (&before.config, &engine.config);
        let has_other_ways = was.warnings.targets != now.warnings.targets || was.network != now.network;
        // First, so that what is told from here on is told to the new targets.
        engine.put_in_force();
        let couriers = match has_other_ways {
            true => Some(engine.couriers().await.inspect_err(|_| before.put_in_force())?),
            false => None,
        };
        // The room before the engine, and that before the seats: who is given a turn is found and counted.
        engine.make_room();
        self.engine.send_replace(Arc::clone(&engine));
        if let Some(couriers) = couriers {
            self.deliveries.lock().await.replace(couriers).await;
        }
        engine.look_at_secrets();
        // Told before the seats, too: who has one tells of the same by itself.
        let told = tell(&before.config, &engine).await;
        self.seats.send_replace(Some(seating));
        // Also where that failed: nobody else looks at all of them before the next reload.
        if let Err(error) = engine.survey().await.and(told) {
            let error = error.to_text();
            tracing::error!(event = "watch_failed", error, "could not tell what the new settings change");
        }
        Ok(Some(difference(was, now)))
    }
}

/// Tells of keys whose dates were written down, and of connections that are gone.
async fn tell(before: &Config, engine: &Engine) -> Result<(), AppError> {
    engine.retire_warnings().await?;
    for connection in &engine.config.connections {
        if find(before, connection).is_none_or(|known| known != connection) {
            engine.look_at_start(connection).await?;
        }
    }
    Ok(())
}

fn difference(before: &Config, now: &Config) -> Difference {
    let kept = now.connections.iter().filter_map(|connection| Some((find(before, connection)?, connection)));
    let changed = kept.clone().filter(|(before, now)| before != now).count();
    let kept = kept.count();
    Difference { added: now.connections.len() - kept, removed: before.connections.len() - kept, changed }
}

fn find<'a>(config: &'a Config, connection: &Connection) -> Option<&'a Connection> {
    config.connections.iter().find(|known| known.name == connection.name)
}

/// A text of several lines as one, for the log: every fault of a file on one line.
fn one_line(text: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = text.lines().map(words);
    let head = lines.next().unwrap_or_default();
    let rest: Vec<_> = lines.collect();
    if rest.is_empty() { head } else { format!("{head}: {}", rest.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_stand_on_one_line() {
        assert_eq!(one_line("no such file"), "no such file");
        let faults = "/etc/x.toml: 2 problems\n  a.name        is empty\n  a.schedule    is no line";
        assert_eq!(one_line(faults), "/etc/x.toml: 2 problems: a.name is empty; a.schedule is no line");
    }
}
