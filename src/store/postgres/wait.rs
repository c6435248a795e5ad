//! Waits for the server with an end: the connections live on a thread of their own, and whoever asks, from a
//! thread of any kind, stands still until the answer or the deadline.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// The thread on which connections and timers live.
#[derive(Debug)]
pub(super) struct Waiting {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Waiting {
    /// Starts the thread.
    pub(super) fn new() -> io::Result<Self> {
        // With a worker of its own it turns by itself, while nobody waits too.
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).max_blocking_threads(2).thread_name("postgres").enable_io().enable_time();
        Ok(Self { runtime: Some(builder.build()?) })
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is taken when dropped")
    }

    /// Lets `task` go on by itself.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime().spawn(task);
    }

    /// Waits for the outcome of `work`, but no longer than `limit`; `None`: it came to no end in time.
    pub(super) fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let _entered = self.runtime().enter();
        // The caller may stand on another runtime, whose share of work must not count here.
        let timed = tokio::task::unconstrained(async { tokio::time::timeout(limit, work).await });
        futures_executor::block_on(timed).ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Does not wait, as a runtime by itself would: it may be dropped on another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Poll;
    use tokio::task::coop;

    #[test]
    fn a_deadline_holds_for_a_task_that_has_used_up_its_share_of_a_runtime() {
        let waiting = Waiting::new().unwrap();
        let caller = Builder::new_current_thread().build().unwrap();
        let answer = caller.block_on(async {
            std::future::poll_fn(|context| {
                while coop::has_budget_remaining() {
                    let _ = pin!(coop::consume_budget()).poll(context);
                }
                Poll::Ready(waiting.within(Duration::from_millis(20), std::future::pending::<()>()))
            })
            .await
        });
        assert_eq!(answer, None);
    }
}
