//! A progress bar on stderr, on a terminal only. Draws what a pass tells; the pass knows no terminal.

use std::fmt::Display;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::output::clean;

/// How far something is: done, of how many, and with what.
pub(super) type Step = (u64, u64, String);

/// A bar being drawn.
pub(super) struct Drawing {
    bar: ProgressBar,
    task: JoinHandle<()>,
}

impl Drawing {
    /// Takes the bar off the terminal.
    pub(super) fn finish(self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

/// Draws until finished what `step` makes of what is told. Where stderr is no terminal nothing is drawn.
pub(super) fn draw<T: Clone + Send + Sync + 'static>(
    subject: impl Display,
    mut seen: watch::Receiver<Option<T>>,
    step: fn(T) -> Step,
) -> Drawing {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len} {msg}");
    bar.set_style(style.expect("the template is lawful"));
    bar.set_prefix(subject.to_string());
    let drawn = bar.clone();
    let task = tokio::spawn(async move {
        while seen.changed().await.is_ok() {
            let Some(told) = seen.borrow_and_update().clone() else { continue };
            let (position, of, what) = step(told);
            drawn.set_length(of);
            drawn.set_position(position);
            drawn.set_message(clean(&what));
        }
    });
    Drawing { bar, task }
}
