//! Connections: how fresh each is, its last and its next run. Those in trouble first; of very many, the
//! healthy take a line each.

use std::cmp::Reverse;
use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::condition::Condition;
use super::kinds::Kinds;
use super::tone::Tone;
use super::words::{Moment, grouped, lasted, plural};
use crate::run::{Counts, Outcome, Run};
use crate::status::{ConnectionStatus, Status};

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
    pub(super) condition: Condition,
    pub(super) tone: Tone,
    /// How it stands, in a word or two.
    pub(super) word: &'static str,
    pub(super) status: &'a ConnectionStatus,
    pub(super) running: Option<String>,
    pub(super) last_run: Option<LastRun<'a>>,
    pub(super) next: NextRun,
    /// Where that is another one than the next run.
    pub(super) next_full: Option<Moment>,
    pub(super) kinds: Kinds<'a>,
}

/// When a connection runs next.
pub(super) enum NextRun {
    /// Not at the times that are planned; why.
    Waits(&'static str),
    /// After the run under way.
    AfterThis,
    /// Then; `true`: it is a full one.
    At(Moment, bool),
    /// Nobody plans any.
    None,
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
    pub(super) fn new(status: &'a Status) -> Self {
        let mut urgency: HashMap<&str, Tone> = HashMap::new();
        for warning in &status.warnings {
            let tone = urgency.entry(&warning.connection).or_insert(Tone::Well);
            *tone = Tone::of(warning).max(*tone);
        }
        let is_known = status.store.unreachable.is_none();
        let shown = status.connections.iter().map(|connection| {
            let said = urgency.get(connection.connection.as_str()).copied().unwrap_or(Tone::Well);
            Connection::new(connection, said, is_known, status.at)
        });
        let (mut whole, left_behind): (Vec<_>, Vec<_>) =
            shown.partition(|connection| connection.status.is_configured);
        whole.sort_by_key(|connection| Reverse(connection.condition));
        let mut lines = Vec::new();
        if whole.len() > WHOLE_MAX {
            let in_trouble = whole.partition_point(|connection| connection.condition >= Condition::Warned);
            lines = whole.split_off(in_trouble.min(WHOLE_MAX));
            whole.iter_mut().for_each(|connection| connection.kinds.is_brief = true);
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
    fn new(status: &'a ConnectionStatus, said: Tone, is_known: bool, now: DateTime<Utc>) -> Self {
        let condition = Condition::of(status, said);
        let (tone, word) = if is_known { (condition.tone(), condition.word()) } else { condition.before() };
        let running = status
            .running
            .map(|running| format!("{} run, for {}", running.mode.as_str(), lasted(now - running.since)));
        let next = NextRun::of(status, now);
        let has_two = !matches!(next, NextRun::Waits(_) | NextRun::At(_, true));
        Self {
            condition,
            tone,
            word,
            status,
            running,
            last_run: status.last_run.as_ref().map(|run| LastRun::new(run, now)),
            next,
            next_full: status.next_full_run.filter(|_| has_two).map(|at| Moment::due(at, now)),
            kinds: Kinds::new(&status.kinds, now),
        }
    }

    pub(super) fn name(&self) -> &'a str {
        &self.status.connection
    }

    /// Whether its last run failed and no error says why.
    pub(super) fn is_failing(&self) -> bool {
        let ended = self.status.last_run.as_ref().and_then(|run| run.outcome);
        match self.condition {
            Condition::Failing | Condition::NeverSynced => true,
            // A refusal is what an error tells of.
            Condition::Error => ended == Some(Outcome::Failed),
            _ => false,
        }
    }

    /// How many elements people see.
    pub(super) fn present(&self) -> String {
        grouped(self.kinds.present())
    }

    /// `reporting@city.example sees 40 scorecards`, as far as it is known: who, and the rest.
    pub(super) fn sees(&self) -> Option<(&'a str, String)> {
        let user = self.status.mapped_user.as_deref();
        let count = self.status.scorecards_visible.map(|count| plural(count as u64, "scorecard"));
        match (user, count) {
            (None, None) => None,
            (Some(user), None) => Some((user, String::new())),
            (user, Some(count)) => Some((user.unwrap_or("the mapped user"), format!(" sees {count}"))),
        }
    }
}

impl NextRun {
    fn of(status: &ConnectionStatus, now: DateTime<Utc>) -> Self {
        match (status.running, status.waits, status.next_run) {
            (Some(_), _, _) => Self::AfterThis,
            (None, Some(why), Some(_)) => Self::Waits(why),
            (None, None, Some(at)) => Self::At(Moment::due(at, now), status.is_next_run_full()),
            (None, _, None) => Self::None,
        }
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
