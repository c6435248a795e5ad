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
}

impl Deliveries {
    /// Sends the couriers on their ways. `queued` changes when there may be something new to deliver.
    #[must_use]
    pub fn start(couriers: Vec<Courier>, clock: &Clock, queued: &watch::Receiver<u64>) -> Self {
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        for courier in couriers {
            tasks.spawn(serve(courier, clock.clone(), queued.clone(), stop.subscribe()));
        }
        Self { tasks, stop, clock: clock.clone() }
    }

    /// Lets each courier make one last round, all at once and for a few seconds; what is left waits in
    /// the store for the next process.
    pub async fn end(mut self) {
        self.stop.send_replace(true);
        let all_home = async { while self.tasks.join_next().await.is_some() {} };
        tokio::select! {
            () = all_home => {}
            () = self.clock.sleep(LAST_ROUND_MAX) => {}
        }
        self.tasks.shutdown().await;
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
            // A sender that is gone queues nothing any more.
            Ok(()) = queued.changed() => {}
            () = clock.sleep(wait.clamp(ROUND_EVERY_MIN, LOOK_EVERY)) => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    courier.round().await;
}
