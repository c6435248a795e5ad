//! Connections: how fresh each is, its last and its next run. Those in trouble first; of very many, the
//! healthy take a line each.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::kinds::Kinds;
use super::tone::Tone;
use super::words::{Moment, grouped, lasted, plural};
use crate::run::{Counts, Outcome, Run};
use crate::status::{ConnectionStatus, WarningStatus};

/// So many connections stand there whole; of more, only those in trouble do.
const WHOLE_MAX: usize = 40;
/// So many others take a line each; the rest are counted.
const LINES_MAX: usize = 500;

/// All connections, those in trouble first.
pub(super) struct Connections<'a> {
    pub(super) whole: Vec<Connection<'a>>,
    pub(super) lines: Vec<Connection<'a>>,
    /// How many more there are than are shown.
    pub(super) untold: usize,
    /// Those that are no longer configured.
    pub(super) left_behind: Vec<Connection<'a>>,
}

pub(super) struct Connection<'a> {
    pub(super) tone: Tone,
    /// How it stands, in a word or two.
    pub(super) word: &'static str,
    pub(super) status: &'a ConnectionStatus,
    pub(super) running: Option<String>,
    pub(super) last_run: Option<LastRun<'a>>,
    /// Why no run is to be expected at the times that are planned.
    pub(super) waits: Option<&'static str>,
    pub(super) next_run: Option<Moment>,
    pub(super) next_full_run: Option<Moment>,
    pub(super) kinds: Kinds<'a>,
}

pub(super) struct LastRun<'a> {
    pub(super) outcome: &'static str,
    /// `incremental, took 2s`
    pub(super) how: String,
    /// When it ended, or began where it never did.
    pub(super) at: Moment,
    pub(super) counts: String,
    pub(super) reason: Option<&'a str>,
}

impl<'a> Connections<'a> {
    pub(super) fn new(all: &'a [Arc<ConnectionStatus>], open: &[WarningStatus], now: DateTime<Utc>) -> Self {
        let mut urgency: HashMap<&str, Tone> = HashMap::new();
        for warning in open {
            let tone = urgency.entry(&warning.connection).or_insert(Tone::Well);
            *tone = Tone::of(warning).max(*tone);
        }
        let shown = all.iter().map(|status| {
            let said = urgency.get(status.connection.as_str()).copied().unwrap_or(Tone::Well);
            Connection::new(status, said, now)
        });
        let (mut whole, left_behind): (Vec<_>, Vec<_>) =
            shown.partition(|connection| connection.status.is_configured);
        whole.sort_by_key(|connection| Reverse(connection.tone));
        let mut lines = Vec::new();
        if whole.len() > WHOLE_MAX {
            let in_trouble = whole.partition_point(|connection| connection.tone >= Tone::Warn);
            lines = whole.split_off(in_trouble.min(WHOLE_MAX));
        }
        let untold = lines.len().saturating_sub(LINES_MAX);
        lines.truncate(LINES_MAX);
        Self { whole, lines, untold, left_behind }
    }

    /// What the table of the others holds.
    pub(super) fn lines_text(&self) -> String {
        plural(self.lines.len() as u64, "more connection")
    }
}

impl<'a> Connection<'a> {
    fn new(status: &'a ConnectionStatus, said: Tone, now: DateTime<Utc>) -> Self {
        let (tone, word) = stands(status, said);
        let running = status
            .running
            .map(|running| format!("{} run, for {}", running.mode.as_str(), lasted(now - running.since)));
        Self {
            tone,
            word,
            status,
            running,
            last_run: status.last_run.as_ref().map(|run| LastRun::new(run, now)),
            waits: waits(status),
            next_run: status.next_run.map(|at| Moment::due(at, now)),
            next_full_run: status.next_full_run.map(|at| Moment::due(at, now)),
            kinds: Kinds::new(&status.kinds, now),
        }
    }

    /// How many elements people see.
    pub(super) fn present(&self) -> String {
        grouped(self.kinds.present())
    }

    /// `reporting@city.example sees 40 scorecards`, as far as it is known.
    pub(super) fn sees(&self) -> Option<String> {
        let user = self.status.mapped_user.as_deref();
        match (user, self.status.scorecards_visible) {
            (None, None) => None,
            (Some(user), None) => Some(user.to_owned()),
            (user, Some(count)) => {
                let count = plural(count as u64, "scorecard");
                Some(format!("{} sees {count}", user.unwrap_or("the mapped user")))
            }
        }
    }
}

/// Why a connection asks for nothing although its turn will come: it rests for an hour after each refusal.
pub(super) fn waits(status: &ConnectionStatus) -> Option<&'static str> {
    status.next_run?;
    let are_all_refused = status.keys.iter().all(|key| key.state == "refused");
    match status.keys.len() {
        1 if are_all_refused => Some("the key is refused"),
        2.. if are_all_refused => Some("both keys are refused"),
        _ => None,
    }
}

/// How a connection stands: what is open about it weighs more than how its last run ended.
fn stands(status: &ConnectionStatus, said: Tone) -> (Tone, &'static str) {
    if !status.is_configured {
        return (Tone::Unknown, "Not configured");
    }
    match said {
        Tone::Error => return (said, "Error"),
        Tone::Warn => return (said, "Warning"),
        _ => {}
    }
    match status.last_run.as_ref().map(|run| run.outcome) {
        None => (Tone::Unknown, "Never run"),
        Some(Some(Outcome::Ok)) => (said, "Well"),
        Some(Some(Outcome::Deferred)) => (said, "Put off"),
        Some(Some(Outcome::Partial)) => (Tone::Warn, "Partial"),
        Some(Some(Outcome::Failed | Outcome::Refused)) => (Tone::Warn, "Failed"),
        Some(None) => (Tone::Unknown, "Unfinished"),
    }
}

impl<'a> LastRun<'a> {
    fn new(run: &'a Run, now: DateTime<Utc>) -> Self {
        let how = match run.finished_at {
            Some(finished_at) => {
                format!("{}, took {}", run.mode.as_str(), lasted(finished_at - run.started_at))
            }
            None => run.mode.as_str().to_owned(),
        };
        Self {
            outcome: run.outcome.map_or("unfinished", Outcome::as_str),
            how,
            at: Moment::new(run.finished_at.unwrap_or(run.started_at), now),
            counts: counted(&run.counts),
            reason: run.reason.as_deref(),
        }
    }
}

/// What a run did, without what it did not: `3 inserted, 17 updated, 980 unchanged`.
fn counted(counts: &Counts) -> String {
    let Counts { inserted, updated, restored, removed, unchanged, held, missing, rejected, requests } =
        *counts;
    let all = [
        (inserted, "inserted"),
        (updated, "updated"),
        (restored, "restored"),
        (removed, "removed"),
        (held, "held"),
        (missing, "missing"),
        (rejected, "rejected"),
        (unchanged, "unchanged"),
        (requests, "requests"),
    ];
    let told = all.into_iter().filter(|(count, _)| *count > 0);
    told.map(|(count, word)| format!("{} {word}", grouped(count))).collect::<Vec<_>>().join(", ")
}
