//! A key that is refused, and the next one that takes over: the door is opened anew, the gate judges
//! anew, and what was in flight starts again.

use super::Pass;
use super::failure::Stop;
use crate::kind::Kind;
use crate::plan::{Missing, Plan, Verdicts};
use crate::pull::Source;

impl<S: Source> Pass<'_, S> {
    /// Comes in under the first key that is taken.
    pub(super) async fn enter_under_any_key(&mut self) -> Result<(), Stop> {
        match self.enter().await {
            Err(stop) => self.change_key(stop).await,
            Ok(()) => Ok(()),
        }
    }

    /// Comes in under the next key, if that is what the stop asks for and there is one; what was in flight
    /// then starts again. Kinds that were stored stay.
    ///
    /// # Errors
    /// The stop, which ends the run.
    pub(super) async fn change_key(&mut self, mut stop: Stop) -> Result<(), Stop> {
        while let Stop::Refused(text) = &stop {
            if !self.job.source.fall_over(text) {
                break;
            }
            self.has_changed_key = true;
            self.is_let_in = false;
            // Judges what is missing by the normal rules.
            self.needs_full = true;
            if self.id.is_some() {
                // It was given for what the refused key shows.
                self.job.store.withdraw_release(&self.job.connection.name).await?;
            }
            match self.enter().await {
                Ok(()) => return Ok(()),
                Err(next) => stop = next,
            }
        }
        Err(stop)
    }

    /// The door, the scorecards, the gate. Scorecards that this run has stored are only looked at.
    async fn enter(&mut self) -> Result<(), Stop> {
        let job = self.job;
        let scorecards = job.connection.kinds.first().expect("scorecards come first");
        self.tell(scorecards);
        self.open_door().await?;
        let memory = job.store.memory(&job.connection.name, &scorecards.name).await?;
        let pulled = self.pull_scorecards(scorecards, &memory).await?;
        self.pass_gate(&pulled).await?;
        if self.kinds.iter().any(|kind_run| kind_run.kind == scorecards.name) {
            return Ok(());
        }
        self.settle(scorecards, &memory, self.started_at, pulled).await
    }

    /// What becomes of missing elements after a change of keys: all stay in question, and nobody is asked.
    pub(super) async fn spare(&self, plan: &Plan, kind: &Kind) -> Result<Verdicts, Stop> {
        let now = self.job.clock.now();
        let known = self.job.store.missing(&self.job.connection.name, &kind.name).await?;
        let undecided = plan.missing.iter().map(|row| {
            let known =
                known.binary_search_by_key(&row.id, |missing| missing.id).map(|idx| known[idx].clone());
            known.unwrap_or(Missing { id: row.id, since: now, checked_at: None, checks: 0, answer: None })
        });
        Ok(Verdicts { undecided: undecided.collect(), ..Verdicts::default() })
    }
}
