//! What the page says first: whether anything needs a person.

use super::connections::Connections;
use super::tone::Tone;
use super::words::{named, plural};
use crate::status::Status;

/// The first sentence, and the few words of the browser's tab.
pub(super) struct Headline {
    pub(super) tone: Tone,
    pub(super) text: String,
    /// What else there is to say about it.
    pub(super) more: String,
    pub(super) tab: String,
}

impl Headline {
    pub(super) fn new(status: &Status, connections: &Connections<'_>) -> Self {
        let count = |tone| status.warnings.iter().filter(|warning| Tone::of(warning) == tone).count();
        let (errors, warnings, notes) = (count(Tone::Error), count(Tone::Warn), count(Tone::Info));
        let is_stopping = status.daemon.as_ref().is_some_and(|daemon| daemon.is_stopping);
        let open = [(errors, "error"), (warnings, "warning")];
        let open: Vec<String> =
            open.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| plural(n as u64, word)).collect();
        if status.store.unreachable.is_some() {
            return Self::of(Tone::Error, "The store cannot be used", also(&open), "store unreachable");
        }
        if let Some(first) = open.first() {
            let tone = if errors > 0 { Tone::Error } else { Tone::Warn };
            let verb = if errors + warnings == 1 { "needs" } else { "need" };
            return Self::of(tone, &format!("{} {verb} a person", open.join(" and ")), String::new(), first);
        }
        let tab = if is_stopping { "stopping" } else { "all well" };
        let notes = match notes {
            0 => String::new(),
            notes => format!("{} to read; nothing to do at once.", plural(notes as u64, "note")),
        };
        Self { more: notes, ..Self::without_warnings(connections, tab) }
    }

    fn without_warnings(connections: &Connections<'_>, tab: &str) -> Self {
        let all = || connections.whole.iter().chain(&connections.lines);
        if all().all(|connection| connection.status.last_run.is_none()) {
            return Self::of(Tone::Unknown, "Waiting for the first run", String::new(), "no run yet");
        }
        let odd: Vec<&str> = all()
            .filter(|connection| connection.tone == Tone::Warn)
            .map(|connection| connection.status.connection.as_str())
            .collect();
        if odd.is_empty() {
            return Self::of(Tone::Well, "All is well", String::new(), tab);
        }
        let text = format!("The last run of {} did not end well", named(&odd));
        Self::of(Tone::Warn, &text, String::new(), &format!("{} not well", plural(odd.len() as u64, "run")))
    }

    fn of(tone: Tone, text: &str, more: String, tab: &str) -> Self {
        Self { tone, text: text.to_owned(), more, tab: tab.to_owned() }
    }
}

/// What is open besides.
fn also(open: &[String]) -> String {
    if open.is_empty() { String::new() } else { format!("Also open: {}.", open.join(" and ")) }
}
