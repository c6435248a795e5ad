//! A run, start to end: the door, the identity gate, then kind after kind, pulled, reconciled, weighed,
//! limited and stored, and at last the single reads. The same for the daemon and for `sync`.
//!
//! Writes nothing but the run's own record before the gate is open. Never logs an element.

mod account;
mod batch;
mod details;
mod due;
mod evidence;
mod failure;
mod keys;
mod mapped_user;
mod notices;
mod settle;
mod singles;
mod skew;
#[cfg(test)]
mod tests;
mod visibility;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Connection;
use crate::element::ElementId;
use crate::kind::{Kind, KindName};
use crate::memory::KindMemory;
use crate::plan::{Held, Plan, Verdicts};
use crate::pull::{Ask, PullError, Pulled, Source};
use crate::retry::NextTry;
use crate::run::{Counts, KindOutcome, KindRun, Mode, Outcome, Run, RunId};
use crate::store::{Store, StoreError};
use crate::trust;

use failure::Stop;
pub use notices::Notices;
pub use skew::SKEW_MAX;

/// Elements with the cursor's own stamp that an incremental pull must bring back, at most.
const EXPECTED_MAX: u32 = 20;

/// What a run needs: one connection, what can be pulled, where it goes, and the time.
#[derive(Debug)]
pub struct Job<'a, S> {
    /// Which connection.
    pub connection: &'a Connection,
    /// Its account.
    pub source: &'a S,
    /// Where it goes.
    pub store: &'a Store,
    /// The time.
    pub clock: &'a Clock,
    /// Turns true when the program is asked to stop: the run then ends at the next safe point.
    pub cancel: watch::Receiver<bool>,
    /// When the connection's next run is due: single reads then leave the rest to it.
    pub next_due: Option<DateTime<Utc>>,
    /// Told how far the run is, for whoever draws it.
    pub progress: watch::Sender<Option<Progress>>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The kind being pulled.
    pub kind: KindName,
    /// How many kinds are done.
    pub position: u64,
    /// How many there are.
    pub of: u64,
}

/// A finished run and what it has to say.
#[derive(Debug)]
pub struct Report {
    /// The run as recorded.
    pub run: Run,
    /// What a person must act on, and what this run looked at.
    pub notices: Notices,
    /// How far the server's clock is ahead of ours, if the door told its time.
    pub server_ahead: Option<TimeDelta>,
    /// When it is tried again, where it stored nothing.
    pub next_try: NextTry,
}

/// What would change in one kind: what `plan` prints and a run stores.
#[derive(Debug)]
pub struct Weighed {
    /// Which kind.
    pub kind: Kind,
    /// What was listed.
    pub pulled: Pulled,
    /// The difference to what is stored.
    pub plan: Plan,
    /// What becomes of the missing ones.
    pub verdicts: Verdicts,
    /// What a limit holds back.
    pub held: Option<Held>,
}

/// Runs one pass over one connection.
///
/// # Errors
/// Only those of the store; whatever the network does is part of the report.
pub async fn run<S: Source>(job: &Job<'_, S>, mode: Mode) -> Result<Report, StoreError> {
    run_sparing(job, mode, due::ALL_UP_TO).await
}

/// As [`run`]: of more than `all_up_to` elements of a kind, a full run reads only a share again.
async fn run_sparing<S: Source>(
    job: &Job<'_, S>,
    mode: Mode,
    all_up_to: usize,
) -> Result<Report, StoreError> {
    let started_at = job.clock.now();
    let id = job.store.begin_run(&job.connection.name, mode, started_at).await?;
    let mut pass = Pass { all_up_to, ..Pass::new(job, Some(id), mode, started_at) };
    match pass.walk().await {
        Err(Stop::Store(error)) => {
            // Where the store takes nothing at all, the record stays open, as after a kill.
            let (name, now) = (&job.connection.name, job.clock.now());
            let _stays_open = job.store.break_run_off(id, name, &error.to_string(), now).await;
            Err(error)
        }
        Ok(()) => {
            let mut report = pass.finish(None).await?;
            mapped_user::look(job, &mut report).await?;
            Ok(report)
        }
        Err(stop) => pass.finish(Some(stop)).await,
    }
}

/// What a full run would change, kind by kind; writes nothing at all.
///
/// # Errors
/// Only those of the store; whatever the network does is part of the report.
pub async fn preview<S: Source>(job: &Job<'_, S>) -> Result<(Report, Vec<Weighed>), StoreError> {
    let mut pass = Pass::new(job, None, Mode::Full, job.clock.now());
    match pass.walk().await {
        Err(Stop::Store(error)) => Err(error),
        end => {
            let weighed = std::mem::take(&mut pass.previewed);
            Ok((pass.report(end.err()), weighed))
        }
    }
}

/// A run under way.
struct Pass<'a, S> {
    job: &'a Job<'a, S>,
    /// `None`: a preview, which writes nothing.
    id: Option<RunId>,
    mode: Mode,
    started_at: DateTime<Utc>,
    server_ahead: Option<TimeDelta>,
    /// Whether the gate was open: the key works, and the account is the accepted one.
    is_let_in: bool,
    /// Whether a key was refused and another one took over: another mapped user may see less, so nothing
    /// is removed.
    has_changed_key: bool,
    /// The scorecards visible in this run, ascending.
    visible: Vec<ElementId>,
    /// Elements this run has listed, to compare direct reads with: the first and the last of a kind.
    canaries: Option<(Kind, [ElementId; 2])>,
    kinds: Vec<KindRun>,
    rows: u64,
    needs_full: bool,
    kinds_lost: u32,
    /// Up to this many elements of a kind are all read singly again by each full run.
    all_up_to: usize,
    notices: Notices,
    previewed: Vec<Weighed>,
}

impl<'a, S: Source> Pass<'a, S> {
    fn new(job: &'a Job<'a, S>, id: Option<RunId>, mode: Mode, started_at: DateTime<Utc>) -> Self {
        Self {
            job,
            id,
            mode,
            started_at,
            server_ahead: None,
            is_let_in: false,
            has_changed_key: false,
            visible: Vec::new(),
            canaries: None,
            kinds: Vec::new(),
            rows: 0,
            needs_full: false,
            kinds_lost: 0,
            all_up_to: due::ALL_UP_TO,
            notices: Notices::default(),
            previewed: Vec::new(),
        }
    }

    /// The journey of the data.
    async fn walk(&mut self) -> Result<(), Stop> {
        let others = &self.job.connection.kinds[1..];
        self.enter_under_any_key().await?;
        for kind in others {
            while let Err(stop) = self.kind(kind).await {
                self.change_key(stop).await?;
            }
        }
        if self.rows == 0 {
            return Err(Stop::NothingVisible);
        }
        while let Err(stop) = self.singles().await {
            self.change_key(stop).await?;
        }
        Ok(())
    }

    /// Pulls one kind and stores it; its failure does not stop the others.
    async fn kind(&mut self, kind: &Kind) -> Result<(), Stop> {
        self.tell(kind);
        let memory = self.job.store.memory(&self.job.connection.name, &kind.name).await?;
        let started_at = self.job.clock.now();
        let Some(mode) = trust::choose(kind, &memory, self.mode, started_at) else {
            let outcome = match memory.unavailable {
                Some(_) => KindOutcome::Unavailable,
                None => KindOutcome::Skipped,
            };
            return self.record(kind_run(kind, started_at, outcome, memory.unavailable), None).await;
        };
        match self.pull(kind, mode, &memory).await? {
            Ok(pulled) => self.settle(kind, &memory, started_at, pulled).await,
            Err(error) => self.lose(kind, &memory, started_at, error).await,
        }
    }

    /// Asks for one kind, and says what of it is stored. Until that is settled only this run writes it: whoever
    /// runs or forgets holds the connection's lock.
    async fn pull(
        &self,
        kind: &Kind,
        mode: Mode,
        memory: &KindMemory,
    ) -> Result<Result<Pulled, PullError>, Stop> {
        let (store, name) = (self.job.store, &self.job.connection.name);
        let expected = match (&memory.cursor, mode) {
            (Some(cursor), Mode::Incremental) => {
                store.expected(name, &kind.name, cursor, EXPECTED_MAX).await?
            }
            _ => Vec::new(),
        };
        let known = match mode {
            Mode::Full if !memory.rows_differ => Some(store.known(name, &kind.name).await?),
            _ => None,
        };
        let ask = Ask { kind, mode, memory, expected: &expected, known: known.as_ref() };
        self.or_stop(self.job.source.pull(ask)).await
    }

    fn tell(&self, kind: &Kind) {
        let (position, of) = (self.kinds.len() as u64, self.job.connection.kinds.len() as u64);
        self.job.progress.send_replace(Some(Progress { kind: kind.name.clone(), position, of }));
    }

    /// Waits for the network, unless the program is asked to stop.
    async fn or_stop<T>(
        &self,
        asking: impl Future<Output = Result<T, PullError>>,
    ) -> Result<Result<T, PullError>, Stop> {
        let mut cancel = self.job.cancel.clone();
        tokio::select! {
            biased;
            // A sender that is gone will never ask to stop.
            Ok(_) = cancel.wait_for(|stop| *stop) => Err(Stop::Asked),
            answer = asking => Ok(answer),
        }
    }

    /// Records what became of a kind that brought no snapshot, and what is remembered of it.
    async fn record(&mut self, kind_run: KindRun, memory: Option<&KindMemory>) -> Result<(), Stop> {
        if let Some(id) = self.id {
            self.job.store.record_kind(id, &self.job.connection.name, &kind_run, memory).await?;
        }
        self.kinds.push(kind_run);
        Ok(())
    }

    async fn finish(self, stop: Option<Stop>) -> Result<Report, StoreError> {
        let (store, now) = (self.job.store, self.job.clock.now());
        let report = self.report(stop);
        let Run { id, outcome, reason, needs_full, counts, .. } = &report.run;
        let outcome = outcome.expect("a reported run has ended");
        store
            .end_run(*id, &report.run.connection, outcome, reason.as_deref(), *needs_full, counts, now)
            .await?;
        Ok(report)
    }

    /// Whether a full run that was broken off must be made again: what it did not come to is not made up
    /// for by incremental ones. Kinds behind three that the server cannot give are not asked for again at once.
    fn owes_kinds(&self, stop: &Stop) -> bool {
        let is_whole = self.kinds.len() == self.job.connection.kinds.len();
        self.mode == Mode::Full && !is_whole && !matches!(stop, Stop::Lost(_))
    }

    fn report(self, stop: Option<Stop>) -> Report {
        let is_owed = stop.as_ref().is_some_and(|stop| self.owes_kinds(stop));
        let mut notices = self.notices;
        let connection = &self.job.connection.name;
        let outcome = stop.as_ref().map_or_else(|| outcome(&self.kinds), |stop| stop.outcome(&self.kinds));
        let reason =
            stop.as_ref().map_or_else(|| failure::reasons(&self.kinds), |stop| Some(stop.to_string()));
        if self.is_let_in {
            notices.arrived(connection);
        }
        if let Some(ahead) = self.server_ahead {
            notices.clock(connection, ahead);
        }
        if let Some(stop) = &stop {
            notices.stopped(connection, stop);
        }
        let next_try = stop.as_ref().map_or(NextTry::Soon, Stop::next_try);
        let mut run = Run {
            id: self.id.unwrap_or(RunId(0)),
            connection: connection.clone(),
            mode: self.mode,
            started_at: self.started_at,
            finished_at: Some(self.job.clock.now()),
            outcome: Some(outcome),
            reason,
            needs_full: self.needs_full || (outcome == Outcome::Partial && is_owed),
            counts: Counts::default(),
            kinds: self.kinds,
        };
        for kind in &run.kinds {
            run.counts.add(&kind.counts);
        }
        Report { run, notices, server_ahead: self.server_ahead, next_try }
    }
}

/// The record of a kind that brought no snapshot.
fn kind_run(kind: &Kind, started_at: DateTime<Utc>, outcome: KindOutcome, reason: Option<String>) -> KindRun {
    KindRun { kind: kind.name.clone(), outcome, reason, started_at, counts: Counts::default() }
}

/// How a run that went all its way ended.
fn outcome(kinds: &[KindRun]) -> Outcome {
    let is_stored = |kind: &KindRun| {
        matches!(kind.outcome, KindOutcome::Complete | KindOutcome::Incremental | KindOutcome::Incomplete)
    };
    let is_whole = |kind: &KindRun| {
        kind.counts.held == 0
            && kind.counts.rejected == 0
            && match kind.outcome {
                KindOutcome::Unavailable => true,
                // A reason is what its single reads fell short of.
                KindOutcome::Complete | KindOutcome::Incremental | KindOutcome::Skipped => {
                    kind.reason.is_none()
                }
                _ => false,
            }
    };
    match (kinds.iter().any(is_stored), kinds.iter().all(is_whole)) {
        (false, _) => Outcome::Failed,
        (true, true) => Outcome::Ok,
        (true, false) => Outcome::Partial,
    }
}
