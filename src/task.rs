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
        let ended = (&mut self.handle).await.map_err(JoinError::into_panic);
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

#[cfg(test)]
mod tests {
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
    #[should_panic(expected = "out of order")]
    async fn its_panic_is_that_of_whoever_waits() {
        Task::begin(async { panic!("out of order") }).end().await;
    }
}
