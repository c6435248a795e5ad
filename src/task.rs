//! Work that goes on by itself, on whichever thread is free.

use tokio::task::{JoinError, JoinHandle};
use tracing::Instrument as _;

/// Work that goes on by itself, and ends when this is dropped.
#[derive(Debug)]
pub struct Task<T> {
    handle: JoinHandle<T>,
}

impl<T: Send + 'static> Task<T> {
    /// Begins it, in the span it is begun in.
    pub fn begin(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { handle: tokio::spawn(work.in_current_span()) }
    }

    /// Waits for its end.
    pub async fn end(mut self) -> T {
        match (&mut self.handle).await.map_err(JoinError::try_into_panic) {
            Ok(done) => done,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime is taken down, and with it whoever waits.
            Err(Err(_)) => std::future::pending().await,
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn it_goes_on_while_nobody_waits_for_it() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let task = Task::begin(async move { tell.send(7) });
        assert_eq!(told.await, Ok(7));
        assert_eq!(task.end().await, Ok(()));
    }

    #[tokio::test]
    async fn it_ends_when_it_is_dropped() {
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        let task = Task::begin(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        tokio::task::yield_now().await;
        drop(task);
        assert!(dropped.await.is_err());
    }

    #[tokio::test]
    async fn while_the_runtime_ends_nobody_is_told_of_it() {
        let task = Task::begin(std::future::pending::<()>());
        task.handle.abort();
        tokio::task::yield_now().await;
        assert_eq!(task.end().now_or_never(), None);
    }

    #[tokio::test]
    #[should_panic(expected = "out of order")]
    async fn its_panic_is_that_of_whoever_waits() {
        Task::begin(async { panic!("out of order") }).end().await;
    }
}
