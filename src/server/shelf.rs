//! Answers that tell how everything stands, on their way out. Each is put together once for all who ask at
//! the same time, few copies of it are under way, and none is kept for later: with hundreds of connections one
//! takes megabytes, and who asks and does not read keeps it for as long as it is let.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;

/// An answer that is on its way is shared for so long, unless the board has changed: what is counted may be that
/// old.
const AGE_MAX: Duration = Duration::from_secs(1);

/// Copies of one answer at a time. While so many are on their way, whoever asks gets the newest of them, as
/// old as it may be by then: no older than a connection's life.
const COPIES_MAX: usize = 4;

/// What an answer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// The page that reloads itself.
    Live,
    /// The page that does not.
    Still,
    /// The same facts as JSON.
    Json,
    /// What Prometheus scrapes.
    Metrics,
}

impl View {
    const COUNT: usize = 4;
}

/// The answers that are on their way.
#[derive(Debug, Default)]
pub(super) struct Shelf([Mutex<Copies>; View::COUNT]);

/// One answer's copies, the newest last. Nothing is kept of one that nobody is given any more.
#[derive(Debug, Default)]
struct Copies(Vec<Made>);

#[derive(Debug)]
struct Made {
    copy: Weak<String>,
    /// By the clock that nobody sets.
    made_at: Duration,
    revision: u64,
}

/// A copy in the hands of one who is given it.
struct Held(Arc<String>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Shelf {
    /// The answer as of `revision` of the board or later; put together by `render` if there is none. `now` is
    /// the time of the clock that nobody sets.
    pub(super) async fn take(
        &self,
        view: View,
        revision: u64,
        now: Duration,
        render: impl FnOnce() -> String,
    ) -> Bytes {
        self.0[view as usize].lock().await.take(revision, now, render)
    }
}

impl Copies {
    fn take(&mut self, revision: u64, now: Duration, render: impl FnOnce() -> String) -> Bytes {
        self.0.retain(|made| made.copy.strong_count() > 0);
        let are_many = self.0.len() >= COPIES_MAX;
        let is_good = |made: &&Made| {
            are_many || (made.revision >= revision && now.saturating_sub(made.made_at) <= AGE_MAX)
        };
        let newest = self.0.last().filter(is_good).and_then(|made| made.copy.upgrade());
        let copy = newest.unwrap_or_else(|| {
            let mut text = render();
            text.shrink_to_fit();
            let copy = Arc::new(text);
            self.0.push(Made { copy: Arc::downgrade(&copy), made_at: now, revision });
            copy
        });
        Bytes::from_owner(Held(copy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_answer_is_shared_until_the_board_changes_or_a_second_is_over() {
        let (mut copies, mut held) = (Copies::default(), Vec::new());
        let mut check = |revision, now, text: &str, expected: &str| {
            held.push(copies.take(revision, now, || text.to_owned()));
            assert_eq!(held.last().unwrap(), expected);
        };
        check(1, at(10), "first", "first");
        check(1, at(11), "again", "first");
        check(2, at(11), "changed", "changed");
        check(1, at(10), "of one who waited meanwhile", "changed");
        check(2, at(13), "old", "old");
    }

    #[test]
    fn there_are_few_copies_however_many_do_not_read_theirs_and_none_once_they_are_gone() {
        let mut copies = Copies::default();
        let mut held: Vec<Bytes> =
            (0..100).map(|second| copies.take(second, at(10 * second), || second.to_string())).collect();
        assert_eq!(copies.0.len(), COPIES_MAX);
        assert_eq!(held.pop().unwrap(), "3");
        held.truncate(1);
        assert_eq!(copies.take(100, at(1000), || "new".to_owned()), "new");
        assert_eq!(copies.0[0].copy.strong_count(), 1);
        drop(held);
        assert_eq!(copies.0[0].copy.strong_count(), 0);
    }
}
