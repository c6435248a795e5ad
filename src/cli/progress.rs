//! A progress bar on stderr, on a terminal only. Draws what a pass tells; the pass knows no terminal.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::telemetry;

/// Cells of the bar.
const CELLS: u64 = 24;
/// It is drawn no more often, whatever is told.
const DRAW_EVERY: Duration = Duration::from_millis(50);

/// How far something is: done, of how many, and with what.
pub(super) type Step = (u64, u64, String);

/// A bar being drawn.
pub(super) struct Drawing {
    bar: Arc<Bar>,
    task: JoinHandle<()>,
}

impl Drawing {
    /// Takes the bar off the terminal.
    pub(super) fn finish(self) {
        self.task.abort();
        self.bar.show("", true);
    }
}

/// The place on the terminal.
#[derive(Debug, Default)]
struct Bar {
    is_over: Mutex<bool>,
}

impl Bar {
    /// Nothing is drawn after the last.
    fn show(&self, line: &str, is_last: bool) {
        let mut is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_over {
            telemetry::draw(line);
        }
        *is_over |= is_last;
    }
}

/// Draws until finished what `step` makes of what is told. Where stderr is no terminal nothing is drawn.
pub(super) fn draw<T: Clone + Send + Sync + 'static>(
    subject: impl Display,
    mut seen: watch::Receiver<Option<T>>,
    step: fn(T) -> Step,
) -> Drawing {
    let (bar, subject) = (Arc::<Bar>::default(), subject.to_string());
    let shown = Arc::clone(&bar);
    let task = tokio::spawn(async move {
        while seen.changed().await.is_ok() {
            let Some(told) = seen.borrow_and_update().clone() else { continue };
            shown.show(&line(&subject, step(told)), false);
            Clock::System.sleep(DRAW_EVERY).await;
        }
    });
    Drawing { bar, task }
}

/// `city ████████░░░░░░░░░░░░░░░░ 5/14 measures`
fn line(subject: &str, (position, of, what): Step) -> String {
    let cell = |n: u64| if n * of < position * CELLS { '█' } else { '░' };
    let bar: String = (0..CELLS).map(cell).collect();
    format!("{subject} {bar} {position}/{of} {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_grows_from_empty_to_full() {
        let cells = |position, of| line("city", (position, of, "it".into())).matches('█').count();
        assert_eq!(
            [(0, 0), (0, 14), (1, 14), (7, 14), (14, 14)].map(|(p, of)| cells(p, of)),
            [0, 0, 2, 12, 24]
        );
        assert_eq!(line("city", (7, 14, "measures".into())), "city ████████████░░░░░░░░░░░░ 7/14 measures");
    }
}
