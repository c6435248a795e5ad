//! A store that goes away and comes back under a daemon that goes on.

use super::*;
use crate::board::Board;
use crate::daemon::watch_store;
use crate::store::{Place, Store};

#[tokio::test]
async fn a_store_that_is_gone_is_said_once_and_shown_until_it_is_back() {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let (clock, hand) = Clock::stepped(at(START));
    let log = Arc::clone(&lines);
    let write = move |line: &str| log.lock().unwrap().push(line.trim_end().to_owned());
    let heard = telemetry::subscriber(Look::Journal, "info", clock.clone(), write).unwrap();
    let _logging = tracing::subscriber::set_default(heard);
    let dir = tempfile::tempdir().unwrap();
    let (path, aside) = (dir.path().join("store.db"), dir.path().join("aside.db"));
    let store = Store::open(&Place::file(&path), clock.now()).await.unwrap();
    let board: Arc<Board> = Arc::default();
    let watching = tokio::spawn(watch_store(store, clock, Arc::clone(&board)));
    let minute_later = async || {
        for minutes in [0, 1] {
            hand.advance_to(hand.now() + TimeDelta::minutes(minutes));
            // It has asked, and waits for the next minute.
            while hand.next_wake() != Some(hand.now() + TimeDelta::minutes(1)) {
                tokio::task::yield_now().await;
            }
        }
        board.status(hand.now()).store.unreachable
    };
    assert_eq!(minute_later().await, None);
    std::fs::rename(&path, &aside).unwrap();
    for _ in 0..3 {
        assert!(minute_later().await.unwrap().contains("was removed or replaced"));
    }
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(minute_later().await, None);
    watching.abort();
    let lines = lines.lock().unwrap().clone();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("<3>ERROR store cannot be used event=store_unreachable"), "{lines:?}");
    assert!(lines[1].contains("event=store_reachable since=2026-03-01T00:07:00Z"), "{lines:?}");
}
