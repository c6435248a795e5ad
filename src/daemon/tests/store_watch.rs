//! A store that goes away and comes back under a daemon that goes on.

use tracing::subscriber::DefaultGuard;

use super::*;
use crate::board::Board;
use crate::daemon::watch_store;
use crate::store::{Place, Store};

type Lines = Arc<Mutex<Vec<String>>>;

/// What is logged until the guard is dropped.
fn log(clock: &Clock) -> (Lines, DefaultGuard) {
    let lines = Lines::default();
    let log = Arc::clone(&lines);
    let write = move |line: &str| log.lock().unwrap().push(line.trim_end().to_owned());
    let heard = telemetry::subscriber(Look::Journal, "info", clock.clone(), write).unwrap();
    (lines, telemetry::listen(heard))
}

#[tokio::test]
async fn a_store_that_is_gone_is_said_once_and_shown_until_it_is_back() {
    let (clock, hand) = Clock::stepped(at(START));
    let (lines, _logging) = log(&clock);
    let dir = tempfile::tempdir().unwrap();
    let (path, aside) = (dir.path().join("store.db"), dir.path().join("aside.db"));
    let store = Store::open(&Place::file(&path), clock.now()).await.unwrap();
    let board: Arc<Board> = Arc::default();
    let watching = tokio::spawn(watch_store(store, clock, Arc::clone(&board)));
    let look = async |next_after: i64| look(&hand, &board, next_after).await;
    waits(&hand, 60).await;
    assert_eq!(look(60).await, None);
    std::fs::rename(&path, &aside).unwrap();
    for _ in 0..3 {
        assert!(look(5).await.unwrap().contains("was removed or replaced"));
    }
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(look(60).await, None);
    watching.abort();
    let lines = lines.lock().unwrap().clone();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("<3>ERROR store cannot be used event=store_unreachable"), "{lines:?}");
    assert!(lines[1].contains("event=store_reachable since=2026-03-01T00:07:00Z"), "{lines:?}");
}

#[tokio::test]
async fn a_store_that_failed_a_turn_is_looked_at_at_once() {
    let (clock, hand) = Clock::stepped(at(START));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = Store::open(&Place::file(&path), clock.now()).await.unwrap();
    let board: Arc<Board> = Arc::default();
    let watching = tokio::spawn(watch_store(store, clock, Arc::clone(&board)));
    waits(&hand, 60).await;
    std::fs::rename(&path, dir.path().join("aside.db")).unwrap();
    board.doubt_store();
    waits(&hand, 5).await;
    assert!(board.vitals(Duration::ZERO).store_unreachable.is_some());
    watching.abort();
}

/// Has it ask, and wait so many seconds for the next time; tells why the store cannot be used.
async fn look(hand: &Simulated, board: &Board, next_after: i64) -> Option<String> {
    hand.advance_to(hand.next_wake().unwrap());
    waits(hand, next_after).await;
    board.vitals(Duration::ZERO).store_unreachable
}

/// Until it has asked, and waits so many seconds for the next time.
async fn waits(hand: &Simulated, seconds: i64) {
    while hand.next_wake() != Some(hand.now() + TimeDelta::seconds(seconds)) {
        tokio::task::yield_now().await;
    }
}

/// The answer that came late is the newest that there is.
#[tokio::test]
async fn an_answer_that_comes_late_counts_at_once() {
    let (clock, hand) = Clock::stepped(at(START));
    let board: Arc<Board> = Arc::default();
    let (answer, answered) = watch::channel(false);
    let ask = move || {
        let mut answered = answered.clone();
        async move {
            let _ = answered.wait_for(|answered| *answered).await;
            Ok(())
        }
    };
    let watching = tokio::spawn(crate::daemon::store_watch::watch(ask, clock, Arc::clone(&board)));
    let settle = async || {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        board.status(hand.now()).store.unreachable
    };
    settle().await;
    for seconds in [60, 30] {
        hand.advance_to(hand.now() + TimeDelta::seconds(seconds));
        settle().await;
    }
    assert_eq!(settle().await.as_deref(), Some("gave no answer within 30 s"));
    answer.send_replace(true);
    assert_eq!(settle().await, None);
    watching.abort();
}
