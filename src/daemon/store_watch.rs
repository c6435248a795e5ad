//! Asks the store whether it answers, beside the loop: once a minute, at once when a turn could not use it, and
//! every few seconds while it is away, so that probes say what is so. A store that does not is said, and
//! shown to whoever asks, and ends nothing. The runs try again by themselves. What runs left of the store in
//! memory goes back then.

use std::sync::Arc;
use std::time::Duration;

use chrono::SecondsFormat;
use tokio::task::JoinError;

use crate::board::Board;
use crate::causes;
use crate::clock::Clock;
use crate::quiet::{Quiet, Row};
use crate::store::{Store, StoreError};

const ASK_EVERY: Duration = Duration::from_secs(60);
/// The same while it cannot be used.
const ASK_EVERY_WHILE_AWAY: Duration = Duration::from_secs(5);
/// A store that says nothing for this long does not answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Watches the store for the life of the daemon. The board holds why it cannot be used, while it cannot.
pub async fn watch_store(store: Store, clock: Clock, board: Arc<Board>) {
    let ask = move || {
        let asked = store.clone();
        async move {
            let answer = asked.answers().await;
            asked.rest();
            answer
        }
    };
    watch(ask, clock, board).await;
}

pub(super) async fn watch<A, F>(ask: A, clock: Clock, board: Arc<Board>)
where
    A: Fn() -> F,
    F: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    let mut voice = Quiet::default();
    let mut show = |reason: Option<String>| {
        say(&mut voice, reason.as_deref(), &clock);
        let wait = if reason.is_some() { ASK_EVERY_WHILE_AWAY } else { ASK_EVERY };
        board.show_unreachable(reason, clock.now());
        wait
    };
    let mut wait = ASK_EVERY;
    loop {
        tokio::select! {
            () = clock.sleep(wait) => {}
            () = board.store_doubted() => {}
        }
        let mut answer = tokio::spawn(ask());
        wait = tokio::select! {
            answer = &mut answer => show(fault(answer)),
            () = clock.sleep(ANSWER_MAX) => {
                show(Some(format!("gave no answer within {} s", ANSWER_MAX.as_secs())));
                // A disk that hangs is asked one question at a time; what it says in the end counts.
                show(fault(answer.await))
            }
        };
    }
}

/// Why the store cannot be used by what it answered, if so.
fn fault(answer: Result<Result<(), StoreError>, JoinError>) -> Option<String> {
    match answer {
        Ok(answer) => answer.err().map(|error| causes::to_text(&error)),
        Err(fault) => Some(fault.to_string()),
    }
}

fn say(voice: &mut Quiet, reason: Option<&str>, clock: &Clock) {
    let since = |row: Row| row.since.to_rfc3339_opts(SecondsFormat::Secs, true);
    match reason {
        Some(error) => {
            if let Some(row) = voice.failed(error, clock.now()) {
                let since = since(row);
                tracing::error!(
                    event = "store_unreachable",
                    error,
                    since,
                    action = "mend what the message names; the daemon goes on by itself, and runs catch up",
                    "store cannot be used"
                );
            }
        }
        None => {
            if let Some(row) = voice.recovered() {
                tracing::info!(event = "store_reachable", since = since(row), "store can be used again");
            }
        }
    }
}
