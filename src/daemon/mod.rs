//! The daemon's loop: starts each connection's run when it is due, never two of one connection, and
//! drains on request. What a run is, it does not know: it is given a callback.
//!
//! A run that stores nothing is logged here, quietly; a run that stores something logs its own closing
//! line.

mod deliveries;
mod seat;
mod signals;
mod signs;
mod store_watch;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use crate::clock::Clock;
use crate::name::ConnectionName;
use crate::quiet::Quiet;
use crate::retry::NextTry;
use crate::run::Outcome;

pub use deliveries::Deliveries;
pub use signals::{reloads, stops};
pub use signs::Signs;
pub use store_watch::watch_store;
pub use turns::{Ended, Member, Seating, Served, Skipped, Turn, Turns, Work};

/// The wait is worked out anew from the wall clock at least this often, so that suspend and clock
/// steps are noticed; more often where a watchdog is less patient.
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

/// What the loop is told while it turns.
#[derive(Debug)]
pub struct Orders {
    /// Counts the requests to stop: the first drains, the second ends at once.
    pub stops: watch::Receiver<u32>,
    /// Changes when others are to be served.
    pub seating: watch::Receiver<Option<Seating>>,
}

/// Serves the connections until asked to stop.
///
/// `pass` does one turn. Its receiver turns true when the turn is to end at its next safe point: the
/// daemon is asked to stop, or the connection was taken out of the configuration.
pub async fn serve<P, F>(turns: Turns, clock: &Clock, signs: &mut Signs, orders: Orders, pass: P) -> Drained
where
    P: Fn(Turn, watch::Receiver<bool>) -> F,
    F: Future<Output = Ended> + Send + 'static,
{
    let Orders { mut stops, mut seating } = orders;
    let mut floor = Floor { turns, tasks: JoinSet::new(), under_way: HashMap::new(), voices: HashMap::new() };
    signs.ready();
    loop {
        let now = clock.now();
        while let Some(turn) = floor.turns.take(now) {
            let cancel = watch::Sender::new(false);
            let task = floor.tasks.spawn(pass(turn.clone(), cancel.subscribe()));
            floor.under_way.insert(task.id(), UnderWay { turn, cancel });
        }
        signs.turned(&floor.status(), &floor.turns, now, clock.uptime());
        let wait = floor.wait(now).min(signs.wait_max());
        tokio::select! {
            Some(ended) = floor.tasks.join_next_with_id() => floor.end(ended, clock.now()),
            () = clock.sleep(wait) => {}
            seating = next_seating(&mut seating) => floor.reseat(seating, clock.now()),
            () = asked(&mut stops, 1) => break,
        }
    }
    signs.stopping();
    floor.under_way.values().for_each(UnderWay::cancel);
    floor.drain(clock, signs, stops).await
}

/// Waits for the given number of requests to stop; for ever where nobody can ask.
async fn asked(stops: &mut watch::Receiver<u32>, count: u32) {
    if stops.wait_for(|stops| *stops >= count).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until others are to be served; for ever where nobody can say so.
async fn next_seating(seating: &mut watch::Receiver<Option<Seating>>) -> Seating {
    loop {
        if seating.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        if let Some(seating) = seating.borrow_and_update().clone() {
            return seating;
        }
    }
}

/// A turn under way.
struct UnderWay {
    turn: Turn,
    cancel: watch::Sender<bool>,
}

impl UnderWay {
    fn cancel(&self) {
        self.cancel.send_replace(true);
    }

    fn is_asked_to_stop(&self) -> bool {
        *self.cancel.borrow()
    }
}

/// What was said of one connection's runs.
#[derive(Debug, Default)]
struct Voice {
    failures: Quiet,
    skips: Quiet,
}

/// The turns under way and what they leave behind.
struct Floor {
    turns: Turns,
    tasks: JoinSet<Ended>,
    under_way: HashMap<Id, UnderWay>,
    voices: HashMap<ConnectionName, Voice>,
}

impl Floor {
    fn wait(&self, now: DateTime<Utc>) -> Duration {
        let next = self.turns.next_at().map(|at| (at - now).to_std().unwrap_or_default());
        next.unwrap_or(LOOK_EVERY).min(LOOK_EVERY)
    }

    /// `1 running (city), 2 failing, next run 2026-03-01 12:15:00 UTC (town)`
    fn status(&self) -> String {
        let mut under_way = self.under_way.values().filter(|under_way| under_way.turn.work != Work::Watch);
        let mut text = match (self.turns.running(), under_way.next()) {
            (1, Some(UnderWay { turn, .. })) => format!("1 running ({})", turn.name),
            (running, _) => format!("{running} running"),
        };
        let failing = self.voices.values().filter(|voice| voice.failures.is_failing()).count();
        if failing > 0 {
            text += &format!(", {failing} failing");
        }
        if let Some((at, name)) = self.turns.next_run() {
            text += &format!(", next run {} ({name})", at.format("%Y-%m-%d %H:%M:%S UTC"));
        }
        text
    }

    /// Who is taken out in the middle of a turn ends it at its next safe point: its key may be about to
    /// be deleted, and whoever took it out expects nothing more of it.
    fn reseat(&mut self, seating: Seating, now: DateTime<Utc>) {
        for name in self.turns.reseat(seating, now) {
            let of_it = self.under_way.values().filter(|under_way| under_way.turn.name == name);
            of_it.for_each(UnderWay::cancel);
        }
        self.voices.retain(|name, _| self.turns.next_run_at(name).is_some());
    }

    fn end(&mut self, ended: Result<(Id, Ended), JoinError>, now: DateTime<Utc>) {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, ended),
            Err(error) => (error.id(), broken()),
        };
        let Some(under_way) = self.under_way.remove(&id) else { return };
        let Turn { name, work, .. } = &under_way.turn;
        let skipped = self.turns.end(name, &ended, now);
        let Some(next) = self.turns.next_run_at(name) else {
            // Who has left has nothing to say any more.
            self.voices.remove(name);
            return;
        };
        // What is asked to stop has not failed, and skips nothing.
        if *work == Work::Watch || under_way.is_asked_to_stop() {
            return;
        }
        let voice = self.voices.entry(name.clone()).or_default();
        match skipped {
            Some(skipped) => voice.report_skip(name, skipped, now),
            None => drop(voice.skips.recovered()),
        }
        voice.report(name, &ended, next, now);
    }

    /// Waits for the turns under way, but not for ever.
    async fn drain(mut self, clock: &Clock, signs: &Signs, mut stops: watch::Receiver<u32>) -> Drained {
        let patience = clock.sleep(DRAIN_MAX);
        tokio::pin!(patience);
        loop {
            signs.drains();
            tokio::select! {
                ended = self.tasks.join_next_with_id() => match ended {
                    Some(ended) => self.end(ended, clock.now()),
                    None => return Drained::Whole,
                },
                () = clock.sleep(signs.wait_max()) => {}
                () = &mut patience => break,
                () = asked(&mut stops, 2) => break,
            }
        }
        // Not waited for: whoever is deep in a write that hangs would keep the program from its end.
        self.tasks.abort_all();
        Drained::Cut(self.tasks.len())
    }
}

impl Voice {
    /// Says that a run outlasted its interval, once and every six hours while every run does.
    fn report_skip(&mut self, connection: &ConnectionName, skipped: Skipped, now: DateTime<Utc>) {
        let Skipped { due_at, next_at } = skipped;
        if let Some(said) = self.skips.failed("outlasted", now) {
            tracing::warn!(
                event = "run_skipped",
                %connection,
                due = %time(due_at),
                next = %time(next_at),
                skips = said.count,
                "run outlasted its interval, skipped the next",
            );
        }
    }

    /// Logs a run that stored nothing: the first time, when it changes, every six hours, and once when
    /// it is over. A refused key is a warning's to say.
    fn report(
        &mut self,
        connection: &ConnectionName,
        ended: &Ended,
        next: DateTime<Utc>,
        now: DateTime<Utc>,
    ) {
        let (outcome, reason, standing) = match ended {
            Ended::Ran { outcome, reason, standing, .. } => (outcome, reason, standing),
            Ended::Served(Served { outcome: outcome @ (Outcome::Ok | Outcome::Partial), .. }) => {
                (outcome, &None, &None)
            }
            // How another replica fared is said there.
            Ended::Served(_) | Ended::Elsewhere { .. } | Ended::Watched => return,
        };
        if *outcome == Outcome::Refused {
            return;
        }
        if matches!(outcome, Outcome::Ok | Outcome::Partial) {
            if let Some(over) = self.failures.recovered() {
                tracing::info!(
                    event = "run_recovered",
                    %connection,
                    failures = over.count,
                    since = %time(over.since),
                    "runs work again",
                );
            }
            return;
        }
        let reason = reason.as_deref().unwrap_or_default();
        if let Some(said) = self.failures.failed(&format!("{} {reason}", outcome.as_str()), now) {
            tracing::warn!(
                event = "run_failed",
                %connection,
                outcome = outcome.as_str(),
                error = reason,
                failures = said.count,
                since = %time(said.since),
                next = %time(next),
                key_days_left = standing.as_ref().map(|standing| standing.key.days_left_text()),
                key_expires = standing.as_ref().map(|standing| standing.key.expires_text()),
                warnings_open = standing.as_ref().map(|standing| standing.warnings_open),
                "run failed, will try again",
            );
        }
    }
}

fn time(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A turn whose task panicked: the panic itself was printed where it happened.
fn broken() -> Ended {
    let reason = "the run broke off by a fault of this program; please report the panic above".to_owned();
    Ended::Ran {
        outcome: Outcome::Failed,
        reason: Some(reason),
        needs_full: false,
        standing: None,
        next_try: NextTry::WhenDue,
    }
}
