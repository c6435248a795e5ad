//! What the page says first: whether anything needs a person, and whether everything is looked after.

use super::condition::Condition;
use super::connections::Connections;
use super::tone::Tone;
use super::words::{named, plural, sentence};
use crate::status::Status;

/// The first sentence, and the few words of the browser's tab.
pub(super) struct Headline {
    pub(super) tone: Tone,
    pub(super) text: String,
    /// What else there is to say about it.
    pub(super) more: String,
    pub(super) tab: String,
}

/// The connections that the headline counts, by name.
struct Counted<'a> {
    /// How many there are.
    all: usize,
    /// Those whose last run failed, and no error says why.
    failing: Vec<&'a str>,
    /// Those, and the ones whose last run stored a part only.
    unwell: Vec<&'a str>,
    /// Those of which nothing is stored yet.
    not_yet: Vec<&'a str>,
    /// Whether some of these have had a run.
    has_tried: bool,
}

impl<'a> Counted<'a> {
    fn new(connections: &Connections<'a>) -> Self {
        let all = || connections.whole.iter().chain(&connections.lines);
        let those = |fits: fn(&super::connections::Connection<'_>) -> bool| {
            all().filter(|connection| fits(connection)).map(|connection| connection.name()).collect()
        };
        Self {
            all: all().count() + connections.untold,
            failing: those(|connection| connection.is_failing()),
            unwell: those(|connection| connection.is_failing() || connection.condition == Condition::Partial),
            not_yet: those(|connection| {
                matches!(connection.condition, Condition::NeverRan | Condition::NotYet)
            }),
            has_tried: all().any(|connection| connection.condition == Condition::NotYet),
        }
    }

    /// `The last run of city did not end well.`
    fn unwell_text(&self) -> Option<String> {
        (!self.unwell.is_empty()).then(|| format!("The last run of {} did not end well", named(&self.unwell)))
    }

    /// `2 connections have not run yet`
    fn not_yet_text(&self) -> Option<String> {
        let count = self.not_yet.len();
        let have = if count == 1 { "has" } else { "have" };
        let what = if self.has_tried { "synced" } else { "run" };
        (count > 0).then(|| format!("{} {have} not {what} yet", plural(count as u64, "connection")))
    }
}

impl Headline {
    pub(super) fn new(status: &Status, connections: &Connections<'_>) -> Self {
        let count = |tone| status.warnings.iter().filter(|warning| Tone::of(warning) == tone).count();
        let (errors, warnings, notes) = (count(Tone::Error), count(Tone::Warn), count(Tone::Info));
        let counted = Counted::new(connections);
        let open = [(errors, "error"), (warnings, "warning")];
        let open: Vec<String> =
            open.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| plural(n as u64, word)).collect();
        if status.store.unreachable.is_some() {
            return Self::of(Tone::Error, "The store cannot be used", also(&open), "store unreachable");
        }
        if let Some(reason) = status.daemon.as_ref().and_then(|daemon| daemon.hang.as_deref()) {
            let more = format!("{}: no run begins. {}", sentence(reason), also(&open));
            return Self::of(Tone::Error, "The daemon hangs", more.trim_end().to_owned(), "daemon hangs");
        }
        if !open.is_empty() {
            return Self::with_warnings(errors, warnings, &open, &counted);
        }
        let notes = match notes {
            0 => String::new(),
            notes => format!("{} to read; nothing to do at once.", plural(notes as u64, "note")),
        };
        let is_stopping = status.daemon.as_ref().is_some_and(|daemon| daemon.is_stopping);
        let calm = Self::without_warnings(&counted, if is_stopping { "stopping" } else { "all well" });
        Self { more: format!("{} {notes}", calm.more).trim().to_owned(), ..calm }
    }

    fn with_warnings(errors: usize, warnings: usize, open: &[String], counted: &Counted<'_>) -> Self {
        let tone = if errors > 0 { Tone::Error } else { Tone::Warn };
        let need = if errors + warnings == 1 { "needs" } else { "need" };
        let mut text = format!("{} {need} a person", open.join(" and "));
        let mut tab = open[0].clone();
        let failing = counted.failing.len();
        if failing > 0 {
            let fail = if failing == 1 { "fails" } else { "fail" };
            text += &format!("; {} {fail}", plural(failing as u64, "connection"));
            tab += &format!(", {failing} failing");
        }
        Self::of(tone, &text, sentences([counted.unwell_text(), counted.not_yet_text()]), &tab)
    }

    fn without_warnings(counted: &Counted<'_>, tab: &str) -> Self {
        let not_yet = counted.not_yet_text();
        if let Some(text) = counted.unwell_text() {
            let tab = format!("{} not well", plural(counted.unwell.len() as u64, "run"));
            return Self::of(Tone::Warn, &text, sentences([not_yet]), &tab);
        }
        match not_yet {
            _ if counted.not_yet.len() == counted.all && !counted.has_tried => {
                Self::of(Tone::Unknown, "Waiting for the first run", String::new(), "no run yet")
            }
            Some(text) => {
                let what = text.rsplit_once(" not ").map_or("run yet", |(_, what)| what);
                let tab = format!("{} not {what}", counted.not_yet.len());
                Self::of(Tone::Unknown, &text, String::new(), &tab)
            }
            None => Self::of(Tone::Well, "All is well", String::new(), tab),
        }
    }

    fn of(tone: Tone, text: &str, more: String, tab: &str) -> Self {
        Self { tone, text: text.to_owned(), more, tab: tab.to_owned() }
    }
}

/// What is open besides.
fn also(open: &[String]) -> String {
    if open.is_empty() { String::new() } else { format!("Also open: {}.", open.join(" and ")) }
}

fn sentences<const N: usize>(texts: [Option<String>; N]) -> String {
    texts.into_iter().flatten().map(|text| text + ".").collect::<Vec<_>>().join(" ")
}
