//! Work that goes on by itself, on whichever thread is free.

use std::iter;
use std::sync::mpsc;
use std::thread;

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

/// Makes something of each item and works with it, in order. Where there are several, the next is made by a thread
/// of its own meanwhile; no more than one waits.
///
/// # Errors
/// The first of `work`; what comes after is not worked with.
pub fn made_ahead<I, T: Send, E>(
    items: impl Iterator<Item = I> + Send,
    mut make: impl FnMut(I) -> T + Send,
    mut work: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E>
where
    I: Send,
{
    let mut items = items.peekable();
    let Some(first) = items.next() else { return Ok(()) };
    if items.peek().is_none() {
        return work(make(first));
    }
    thread::scope(|scope| {
        let (give, take) = mpsc::sync_channel(0);
        scope.spawn(move || {
            // Who does not take any more has met an error.
            let _not_taken = iter::once(first).chain(items).map(make).try_for_each(|made| give.send(made));
        });
        take.into_iter().try_for_each(work)
    })
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

    #[test]
    fn everything_is_made_and_worked_with_in_order() {
        for count in 0..4 {
            let mut done = Vec::new();
            let work = |made: String| -> Result<(), ()> {
                done.push(made);
                Ok(())
            };
            made_ahead(0..count, |item| format!("{item}"), work).unwrap();
            assert_eq!(done, (0..count).map(|item| item.to_string()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_next_is_made_while_one_is_worked_with() {
        let (tell, told) = mpsc::channel();
        let make = move |item: u32| tell.send(item).unwrap();
        let mut worked = 0;
        // The second is waited for before the first is done with: without a thread that would never end.
        made_ahead(0..2, make, |()| {
            worked += 1;
            (worked..2).try_for_each(|_| (0..2).try_for_each(|_| told.recv().map(drop)))
        })
        .unwrap();
        assert_eq!(worked, 2);
    }

    #[test]
    fn after_an_error_nothing_more_is_made_than_waits() {
        let made = std::sync::atomic::AtomicU32::new(0);
        let count = || made.load(std::sync::atomic::Ordering::Relaxed);
        let make = |_| made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(made_ahead(0..1000, make, |item| if item == 1 { Err(item) } else { Ok(()) }), Err(1));
        assert!((2..=4).contains(&count()), "{}", count());
    }
}
