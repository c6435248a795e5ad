//! Answers that tell how everything stands, on their way out. Each is put together once for all who ask at
//! the same time, and there are few copies of it: with hundreds of connections one takes megabytes, and who
//! asks and does not read keeps it for as long as it is let.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;

/// An answer is given again for so long, unless the board has changed: what is counted may be that old.
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

/// The answers that are kept.
#[derive(Debug, Default)]
pub(super) struct Shelf([Mutex<Copies>; View::COUNT]);

/// One answer's copies.
#[derive(Debug, Default)]
struct Copies {
    newest: Option<Newest>,
    /// Each copy holds one more of it.
    count: Arc<()>,
}

#[derive(Debug)]
struct Newest {
    body: Bytes,
    /// By the clock that nobody sets.
    made_at: Duration,
    revision: u64,
}

/// One copy, until the last who was given it has read it or is gone.
struct Copy {
    text: String,
    _count: Arc<()>,
}

impl AsRef<[u8]> for Copy {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
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
        let are_many = self.count() >= COPIES_MAX;
        let is_good = |newest: &&Newest| {
            are_many || (newest.revision >= revision && now.saturating_sub(newest.made_at) <= AGE_MAX)
        };
        if let Some(newest) = self.newest.as_ref().filter(is_good) {
            return newest.body.clone();
        }
        // Before the next one is there: mostly nobody reads it any more.
        self.newest = None;
        let mut text = render();
        text.shrink_to_fit();
        let body = Bytes::from_owner(Copy { text, _count: Arc::clone(&self.count) });
        self.newest = Some(Newest { body: body.clone(), made_at: now, revision });
        body
    }

    fn count(&self) -> usize {
        Arc::strong_count(&self.count) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_answer_is_given_again_until_the_board_changes_or_a_second_is_over() {
        let mut copies = Copies::default();
        let mut taken = |revision, now, text: &str| copies.take(revision, now, || text.to_owned());
        assert_eq!(taken(1, at(10), "first"), "first");
        assert_eq!(taken(1, at(11), "again"), "first");
        assert_eq!(taken(2, at(11), "changed"), "changed");
        assert_eq!(taken(1, at(10), "of one who waited meanwhile"), "changed");
        assert_eq!(taken(2, at(13), "old"), "old");
    }

    #[test]
    fn there_are_few_copies_however_many_do_not_read_theirs() {
        let mut copies = Copies::default();
        let mut held: Vec<Bytes> =
            (0..100).map(|second| copies.take(second, at(10 * second), || second.to_string())).collect();
        assert_eq!(copies.count(), COPIES_MAX);
        assert_eq!(held.pop().unwrap(), "3");
        held.clear();
        assert_eq!(copies.take(100, at(1000), || "new".to_owned()), "new");
        assert_eq!(copies.count(), 1);
    }
}
