//! A telling made fit to leave the house. Names and messages may have come over the network: control
//! characters and those that turn the reading direction are taken out, and every text has its bound.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::warning::{Event, Notice, Phase, Severity};

/// Most characters of a message, an action, a fact.
const TEXT_MAX: usize = 1000;
/// Most characters of the name of a fact, and of what a warning is about.
const NAME_MAX: usize = 200;
/// Most facts of one telling.
const FACTS_MAX: usize = 24;

/// The program and its version.
pub(super) const PROGRAM: &str = concat!("clearpoint-sync ", env!("CARGO_PKG_VERSION"));

/// What every format is made from.
#[derive(Debug)]
pub(super) struct Told {
    /// Names this message: the same on every try.
    pub(super) delivery: String,
    /// Names the warning, in every phase.
    pub(super) warning_id: String,
    pub(super) event: Event,
    pub(super) connection: String,
    pub(super) subject: String,
    pub(super) severity: Severity,
    pub(super) phase: Phase,
    pub(super) message: String,
    pub(super) action: String,
    /// In the order they are logged; no name twice.
    pub(super) facts: Vec<(String, String)>,
    pub(super) raised_at: DateTime<Utc>,
    pub(super) at: DateTime<Utc>,
}

impl Told {
    pub(super) fn new(notice: &Notice, delivery: &str) -> Self {
        let Notice { warning, phase, raised_at, at } = notice;
        let mut facts: Vec<(String, String)> = Vec::new();
        for (name, value) in &warning.fields {
            let name = plain(name, NAME_MAX);
            if facts.len() < FACTS_MAX && facts.iter().all(|(known, _)| *known != name) {
                facts.push((name, plain(value, TEXT_MAX)));
            }
        }
        Self {
            delivery: plain(delivery, NAME_MAX),
            warning_id: plain(&warning.id.to_string(), NAME_MAX),
            event: warning.id.event,
            connection: warning.id.connection.to_string(),
            subject: plain(&warning.id.subject, NAME_MAX),
            severity: warning.severity,
            phase: *phase,
            message: plain(&warning.message, TEXT_MAX),
            action: plain(&warning.action, TEXT_MAX),
            facts,
            raised_at: *raised_at,
            // A clock that was set back must not end a warning before it began.
            at: (*at).max(*raised_at),
        }
    }

    pub(super) fn is_resolved(&self) -> bool {
        self.phase == Phase::Resolved
    }

    /// The first line for people: `ERROR key expires soon: city`.
    pub(super) fn headline(&self) -> String {
        let word = match self.severity {
            _ if self.is_resolved() => "RESOLVED",
            _ if self.event == Event::NotifyTest => "TEST",
            Severity::Info => "INFO",
            Severity::Warn => "WARN",
            Severity::Error => "ERROR",
        };
        format!("{word} {}: {}", self.message, self.connection)
    }

    /// What is to be done about it.
    pub(super) fn what_to_do(&self) -> &str {
        if self.is_resolved() { "Nothing: this is no longer so." } else { &self.action }
    }

    /// Since when it is so, or from when to when it was.
    pub(super) fn since(&self) -> String {
        let raised = stamp(self.raised_at);
        match self.phase {
            Phase::Resolved => format!("from {raised} to {}", stamp(self.at)),
            Phase::Raised => format!("since {raised}"),
            Phase::Escalated => format!("since {raised}; more urgent since {}", stamp(self.at)),
            Phase::Reminded => format!("since {raised}; still so on {}", stamp(self.at)),
        }
    }
}

/// An instant, to the second.
pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Text of one line and at most `max` characters.
pub(super) fn plain(text: &str, max: usize) -> String {
    // Zero-width characters, and those that turn the reading direction.
    let is_unseen = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let seen = text.chars().filter(|c| !is_unseen(*c)).map(|c| if is_break(c) { ' ' } else { c });
    cut(&seen.collect::<String>(), max)
}

/// At most `max` characters, the last one `…` where more were there.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    kept + "…"
}
