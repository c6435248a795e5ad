//! The daemon's loop: starts each connection's run when it is due, never two of one connection, and
//! drains on request. What a run is, it does not know: it is given a callback.
//!
//! A run that stores nothing is logged here, quietly; a run that stores something logs its own closing
//! line.

mod deliveries;
mod signals;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use crate::clock::Clock;
use crate::quiet::Quiet;
use crate::run::Outcome;
use crate::systemd::Systemd;

pub use deliveries::Deliveries;
pub use signals::listen;
pub use turns::{Ended, Member, Skipped, Turn, Turns, Work};

/// The wait is worked out anew from the wall clock at least this often, so that suspend and clock
/// steps are noticed.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long runs may take to reach a safe point once asked to stop.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// How the daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every run reached a safe point.
    Whole,
    /// So many runs were cut off; the next run repeats what they had not committed.
    Cut(usize),
}

/// Serves the connections until asked to stop.
///
/// `pass` does one turn. Its receiver turns true when the daemon is asked to stop: the run then ends
/// at its next safe point. `stops` counts the requests: the first drains, the second ends at once.
pub async fn serve<P, F>(
    turns: Turns,
    clock: &Clock,
    systemd: &Systemd,
    mut stops: watch::Receiver<u32>,
    pass: P,
) -> Drained
where
    P: Fn(Turn, watch::Receiver<bool>) -> F,
    F: Future<Output = Ended> + Send + 'static,
{
    let cancel = watch::Sender::new(false);
    let mut floor = Floor {
        turns,
        under_way: JoinSet::new(),
        by_task: HashMap::new(),
        voices: HashMap::new(),
        is_draining: false,
    };
    systemd.ready();
    loop {
        let now = clock.now();
        for turn in floor.turns.take(now) {
            let task = floor.under_way.spawn(pass(turn, cancel.subscribe()));
            floor.by_task.insert(task.id(), turn);
        }
        systemd.pat_watchdog();
        systemd.status(&floor.status());
        let wait = floor.wait(now);
        tokio::select! {
            Some(ended) = floor.under_way.join_next_with_id() => floor.end(ended, clock.now()),
            () = clock.sleep(wait) => {}
            () = asked(&mut stops, 1) => break,
        }
    }
    systemd.stopping();
    cancel.send_replace(true);
    floor.drain(clock, stops).await
}

/// Waits for the given number of requests to stop; for ever where nobody can ask.
async fn asked(stops: &mut watch::Receiver<u32>, count: u32) {
    if stops.wait_for(|stops| *stops >= count).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What was said of one connection's runs.
#[derive(Debug, Default)]
struct Voice {
    failures: Quiet,
    skips: Quiet,
}

/// The runs under way and what they leave behind.
struct Floor {
    turns: Turns,
    under_way: JoinSet<Ended>,
    by_task: HashMap<Id, Turn>,
    voices: HashMap<usize, Voice>,
    is_draining: bool,
}

impl Floor {
    fn wait(&self, now: DateTime<Utc>) -> Duration {
        let next = self.turns.next_at().map(|at| (at - now).to_std().unwrap_or_default());
        next.unwrap_or(LOOK_EVERY).min(LOOK_EVERY)
    }

    fn status(&self) -> String {
        let running = self.turns.running();
        match self.turns.next_run() {
            Some((at, name)) => {
                format!("{running} running, next run {} ({name})", at.format("%Y-%m-%d %H:%M:%S UTC"))
            }
            None => format!("{running} running"),
        }
    }

    fn end(&mut self, ended: Result<(Id, Ended), JoinError>, now: DateTime<Utc>) {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, ended),
            Err(error) => (error.id(), broken()),
        };
        let Some(turn) = self.by_task.remove(&id) else { return };
        match self.turns.end(turn.member_idx, &ended, now) {
            // Of what comes next nothing is skipped once the daemon stops.
            Some(_) if self.is_draining => {}
            Some(skipped) => self.report_skip(turn.member_idx, skipped, now),
            None if turn.work != Work::Watch => {
                self.voices.entry(turn.member_idx).or_default().skips.recovered();
            }
            None => {}
        }
        self.report(turn.member_idx, &ended, now);
    }

    /// Says that a run outlasted its interval, once and every six hours while every run does.
    fn report_skip(&mut self, member_idx: usize, skipped: Skipped, now: DateTime<Utc>) {
        let Skipped { due_at, next_at } = skipped;
        let voice = self.voices.entry(member_idx).or_default();
        if let Some(said) = voice.skips.failed("outlasted", now) {
            tracing::warn!(
                event = "run_skipped",
                connection = %self.turns.name(member_idx),
                due = %time(due_at),
                next = %time(next_at),
                skips = said.count,
                "run outlasted its interval, skipped the next",
            );
        }
    }

    /// Logs a run that stored nothing: the first time, when it changes, every six hours, and once when
    /// it is over. A refused key is a warning's to say.
    fn report(&mut self, member_idx: usize, ended: &Ended, now: DateTime<Utc>) {
        let Ended::Ran { outcome, reason, standing, .. } = ended else { return };
        // What is asked to stop has not failed.
        if *outcome == Outcome::Refused || self.is_draining {
            return;
        }
        let connection = self.turns.name(member_idx);
        let quiet = &mut self.voices.entry(member_idx).or_default().failures;
        if matches!(outcome, Outcome::Ok | Outcome::Partial) {
            if let Some(over) = quiet.recovered() {
                tracing::info!(
                    event = "run_recovered",
                    connection = %connection,
                    failures = over.count,
                    since = %time(over.since),
                    "runs work again",
                );
            }
            return;
        }
        let reason = reason.as_deref().unwrap_or_default();
        if let Some(said) = quiet.failed(&format!("{} {reason}", outcome.as_str()), now) {
            tracing::warn!(
                event = "run_failed",
                connection = %connection,
                outcome = outcome.as_str(),
                error = reason,
                failures = said.count,
                since = %time(said.since),
                next = %time(self.turns.next_run_at(member_idx)),
                key_days_left = standing.as_ref().map(|standing| standing.key.days_left_text()),
                key_expires = standing.as_ref().map(|standing| standing.key.expires_text()),
                warnings_open = standing.as_ref().map(|standing| standing.warnings_open),
                "run failed, will try again",
            );
        }
    }

    /// Waits for the runs under way, but not for ever.
    async fn drain(mut self, clock: &Clock, mut stops: watch::Receiver<u32>) -> Drained {
        self.is_draining = true;
        let patience = clock.sleep(DRAIN_MAX);
        tokio::pin!(patience);
        loop {
            tokio::select! {
                ended = self.under_way.join_next_with_id() => match ended {
                    Some(ended) => self.end(ended, clock.now()),
                    None => return Drained::Whole,
                },
                () = &mut patience => break,
                () = asked(&mut stops, 2) => break,
            }
        }
        let count = self.under_way.len();
        self.under_way.shutdown().await;
        Drained::Cut(count)
    }
}

fn time(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A turn whose task panicked: the panic itself was printed where it happened.
fn broken() -> Ended {
    let reason = "the run broke off by a fault of this program; please report the panic above".to_owned();
    Ended::Ran { outcome: Outcome::Failed, reason: Some(reason), needs_full: false, standing: None }
}
