//! One task a target beside the runs: takes warnings to it at once when one was queued, when a try is due
//! again, and every minute, for what other processes queued.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::LOOK_EVERY;
use crate::clock::Clock;
use crate::deliver::Courier;

/// How long the last round may take when the daemon stops.
const LAST_ROUND_MAX: Duration = Duration::from_secs(3);
/// However often something is queued, rounds do not follow each other faster.
const ROUND_EVERY_MIN: Duration = Duration::from_secs(1);

/// The couriers under way.
#[derive(Debug)]
pub struct Deliveries {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    clock: Clock,
    queued: watch::Receiver<u64>,
}

impl Deliveries {
    /// Sends the couriers on their ways. `queued` changes when there may be something new to deliver.
    #[must_use]
    pub fn start(couriers: Vec<Courier>, clock: &Clock, queued: &watch::Receiver<u64>) -> Self {
        let (stop, clock) = (watch::Sender::new(false), clock.clone());
        let mut deliveries = Self { tasks: JoinSet::new(), stop, clock, queued: queued.clone() };
        deliveries.send(couriers);
        deliveries
    }

    /// Sends others in the place of those under way, who end their round first. What they cannot take any
    /// more waits in the store for the others.
    pub async fn replace(&mut self, couriers: Vec<Courier>) {
        self.end().await;
        self.stop.send_replace(false);
        self.send(couriers);
    }

    fn send(&mut self, couriers: Vec<Courier>) {
        for courier in couriers {
            let (clock, queued) = (self.clock.clone(), self.queued.clone());
            self.tasks.spawn(serve(courier, clock, queued, self.stop.subscribe()));
        }
    }

    /// Lets each courier make one last round, all at once and for a few seconds; what is left waits in
    /// the store for the next process.
    pub async fn end(&mut self) {
        self.stop.send_replace(true);
        let all_home = async { while self.tasks.join_next().await.is_some() {} };
        tokio::select! {
            () = all_home => {}
            () = self.clock.sleep(LAST_ROUND_MAX) => {}
        }
        // Not waited for: whoever is deep in a write that hangs would keep the program from its end.
        self.tasks.abort_all();
    }
}

async fn serve(
    mut courier: Courier,
    clock: Clock,
    mut queued: watch::Receiver<u64>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        queued.mark_unchanged();
        let next_at = courier.round().await;
        let wait = next_at.map_or(LOOK_EVERY, |at| (at - clock.now()).to_std().unwrap_or_default());
        tokio::select! {
            () = rest(&clock, &mut queued, wait) => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    courier.round().await;
}

/// Waits between two rounds: until something is queued, at most `wait`, and at least [`ROUND_EVERY_MIN`].
async fn rest(clock: &Clock, queued: &mut watch::Receiver<u64>, wait: Duration) {
    clock.sleep(ROUND_EVERY_MIN).await;
    tokio::select! {
        // A sender that is gone queues nothing any more.
        Ok(()) = queued.changed() => {}
        () = clock.sleep(wait.clamp(ROUND_EVERY_MIN, LOOK_EVERY) - ROUND_EVERY_MIN) => {}
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[tokio::test]
    async fn rounds_do_not_follow_each_other_faster_however_often_something_is_queued() {
        let (clock, hand) = Clock::stepped("2026-03-01T12:00:00Z".parse().unwrap());
        let (queue, mut queued) = watch::channel(0);
        queue.send_replace(1);
        let resting = tokio::spawn(async move { rest(&clock, &mut queued, LOOK_EVERY).await });
        tokio::task::yield_now().await;
        for tenths in 0..10 {
            assert!(!resting.is_finished(), "{tenths} tenths of a second after the last round");
            queue.send_modify(|count| *count += 1);
            hand.advance_to(hand.now() + TimeDelta::milliseconds(100));
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
        }
        assert!(resting.is_finished());
    }
}
