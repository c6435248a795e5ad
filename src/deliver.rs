//! Takes to one target what waits for it: a round sends what is due, in order, and marks what became of
//! it. Called by the daemon, a task a target, and by `sync` at its end; a target that does not answer
//! costs nobody else anything.

#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::clock::Clock;
use crate::config::Target;
use crate::notify::{Notifier, NotifyError};
use crate::quiet::Quiet;
use crate::retry;
use crate::secrets::TargetSecrets;
use crate::store::{Again, Delivery, GivenUp, Store, StoreError};

/// How much longer than a send can take a message is claimed, so that no other process sends it.
const CLAIM_MARGIN: TimeDelta = TimeDelta::seconds(5);

/// The way from the store to one target, and what was said of it.
#[derive(Debug)]
pub struct Courier {
    store: Store,
    notifier: Notifier,
    clock: Clock,
    target: Target,
    voice: Quiet,
}

/// What a round came to.
#[derive(Debug, Default)]
struct Round {
    taken: u64,
    /// Why the first message that was not taken was not.
    failure: Option<String>,
}

impl Courier {
    /// A courier to one target.
    #[must_use]
    pub fn new(store: Store, notifier: Notifier, clock: Clock, target: Target) -> Self {
        Self { store, notifier, clock, target, voice: Quiet::default() }
    }

    /// Sends what is due, until nothing is, or until the target turns out to be out of reach. Gives when
    /// the next message is due; `None`: nothing waits. Whatever fails is logged, quietly, and is tried
    /// again.
    pub async fn round(&mut self) -> Option<DateTime<Utc>> {
        match self.try_round().await {
            Ok(next_at) => next_at,
            Err(error) => {
                let text = format!("{error}");
                if let Some(row) = self.voice.failed(&text, self.clock.now()) {
                    let (target, failures) = (self.target.name.as_str(), row.count);
                    tracing::error!(
                        event = "delivery_failed",
                        target,
                        error = text,
                        failures,
                        "warning not delivered"
                    );
                }
                None
            }
        }
    }

    /// A round that is cut short after `limit`; what is left waits for the next process.
    pub async fn round_within(&mut self, limit: Duration) {
        let clock = self.clock.clone();
        let is_whole = tokio::select! {
            _ = self.round() => true,
            () = clock.sleep(limit) => false,
        };
        if !is_whole {
            let failure = Some(format!("no answer within {} s", limit.as_secs()));
            // The store was just written to; if it fails now, the next round says so.
            let _ = self.report(Round { taken: 0, failure }).await;
        }
    }

    async fn try_round(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let round = self.send_due().await?;
        self.report(round).await?;
        self.store.next_delivery(&self.target.name, self.clock.now()).await
    }

    async fn send_due(&self) -> Result<Round, StoreError> {
        let Self { store, clock, target, .. } = self;
        let claim = self.patience() + CLAIM_MARGIN;
        let mut round = Round::default();
        while let Some(delivery) = store.claim_delivery(&target.name, claim, clock.now()).await? {
            let answer = self.send(&delivery).await;
            let now = clock.now();
            let error = match answer {
                Ok(answer) => {
                    store.delivered(&delivery, &answer, now).await?;
                    round.taken += 1;
                    continue;
                }
                Err(error) => error,
            };
            let again = match error {
                NotifyError::Refused(_) => Again::Alone(now + retry::TARGET_WAIT_MAX),
                NotifyError::Unreachable(_) | NotifyError::Settings(_) => {
                    Again::All(now + retry::target_wait(delivery.tries_of_target + 1))
                }
            };
            let text = error.to_string();
            store.not_delivered(&delivery, &text, again).await?;
            let given_up = store.give_up(&target.name, now - retry::TARGET_PATIENCE, now).await?;
            given_up.iter().for_each(|given_up| self.report_given_up(given_up));
            round.failure.get_or_insert(text);
            if matches!(again, Again::All(_)) {
                break;
            }
        }
        Ok(round)
    }

    /// How long a send may take.
    fn patience(&self) -> TimeDelta {
        TimeDelta::from_std(self.notifier.timeout(&self.target.way)).expect("a timeout is seconds")
    }

    /// The secrets are read before every send: they may have been replaced.
    async fn send(&self, delivery: &Delivery) -> Result<String, NotifyError> {
        let secrets =
            TargetSecrets::read(&self.target).map_err(|error| NotifyError::Settings(error.to_string()))?;
        let Delivery { name, notice, .. } = delivery;
        self.notifier.send(&self.target, &secrets, name, notice, self.clock.now()).await
    }

    /// Says that messages are not taken: the first time, when the reason changes, every six hours, and
    /// once when all that was tried is taken.
    async fn report(&mut self, round: Round) -> Result<(), StoreError> {
        let (name, now) = (&self.target.name, self.clock.now());
        let Round { taken, failure } = round;
        let waiting = self.store.waiting(name).await?;
        if let Some(error) = failure {
            if let Some(row) = self.voice.failed(&error, now) {
                tracing::warn!(
                    event = "delivery_failed",
                    target = name.as_str(),
                    error,
                    waiting = waiting.count,
                    tries = waiting.tries,
                    since = time(row.since),
                    "warnings not delivered, will try again"
                );
            }
        } else if taken > 0
            && waiting.tried == 0
            && let Some(over) = self.voice.recovered()
        {
            tracing::info!(
                event = "delivery_recovered",
                target = name.as_str(),
                failures = over.count,
                since = time(over.since),
                "warnings are delivered again"
            );
        }
        Ok(())
    }

    fn report_given_up(&self, given_up: &GivenUp) {
        let GivenUp { notice, tries, answer } = given_up;
        tracing::error!(
            event = "delivery_abandoned",
            target = self.target.name.as_str(),
            phase = notice.phase.as_str(),
            told_at = time(notice.at),
            tries,
            error = answer.as_deref(),
            warning_id = %notice.warning.id,
            "warning not delivered for seven days, given up"
        );
    }
}

fn time(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}
