//! The stage of single reads, after all kinds have committed: the values of measures, and details where
//! they carry more than list rows. Batch after batch, each with its position, so that it can be cut off
//! anywhere and goes on with the next run. Its failure never undoes a kind; it makes the run partial.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::Pass;
use super::batch::{Batch, Keeper, unseen};
use super::due::{self, Due, FULL_RUNS, Rule, UNAVAILABLE_MIN};
use super::failure::Stop;
use crate::config::{Details, MeasureData};
use crate::kind::{Kind, KindName};
use crate::pull::{PullError, Single, Source};
use crate::run::{KindOutcome, Mode, RunId};
use crate::store::{HELD_VALUES, Part, StoreError, ValuesDone};
use crate::task::Task;

/// Kinds whose reads were mostly in vain, after which a run asks no more.
const LOST_MAX: u32 = 3;
/// Ids that are named to people.
const NAMED_MAX: usize = 5;

/// One element's answer, and when it was asked.
type Answered = (Due, DateTime<Utc>, Single);

impl<S: Source> Pass<'_, S> {
    /// Reads singly what is due, kind after kind.
    pub(super) async fn singles(&mut self) -> Result<(), Stop> {
        let Some(run) = self.id else { return Ok(()) };
        let connection = self.job.connection;
        let kinds: Vec<&Kind> = connection.kinds.iter().filter(|kind| self.may_read(&kind.name)).collect();
        let mut lost = 0;
        let measures = kinds.iter().find(|kind| kind.name.as_str() == KindName::MEASURES);
        if let Some(measures) = measures.filter(|_| connection.measure_data != MeasureData::Off) {
            let all = connection.measure_data == MeasureData::All;
            lost += u32::from(self.read_part(run, measures, Part::Values, all).await?);
        }
        for kind in kinds {
            if self.wants_details(run, kind).await? {
                let all = connection.details == Details::All;
                lost += u32::from(self.read_part(run, kind, Part::Detail, all).await?);
            }
            // The rest would only wait for the same server.
            if lost == LOST_MAX {
                break;
            }
        }
        Ok(())
    }

    /// A kind that this run could not list is left alone.
    fn may_read(&self, kind: &KindName) -> bool {
        let kind = self.kinds.iter().find(|kind_run| kind_run.kind == *kind);
        kind.is_some_and(|kind| {
            matches!(
                kind.outcome,
                KindOutcome::Complete
                    | KindOutcome::Incremental
                    | KindOutcome::Incomplete
                    | KindOutcome::Skipped
            )
        })
    }

    /// Whether the rest waits, because another run is due.
    pub(super) fn must_yield(&self) -> bool {
        self.job.next_due.is_some_and(|due| self.job.clock.now() >= due)
    }

    /// Reads one part of a kind; `true`: most of it in vain.
    async fn read_part(&mut self, run: RunId, kind: &Kind, part: Part, all: bool) -> Result<bool, Stop> {
        let job = self.job;
        let (store, name) = (job.store, &job.connection.name);
        let held = match part {
            Part::Values => store.held(name, &KindName::new(HELD_VALUES)).await?,
            Part::Detail => None,
        };
        let (due, was_read) = {
            let states = store.read_states(name, &kind.name, part).await?;
            let all = all || states.len() <= self.all_up_to;
            let moves_unseen = store.finding(name, &kind.name, unseen(part)).await?.is_some();
            let rule = Rule {
                is_full: self.mode == Mode::Full,
                all: all || moves_unseen,
                last_full: store.full_run(name, run, 1).await?,
                seventh_full: store.full_run(name, run, FULL_RUNS).await?,
                released: held.as_ref().filter(|held| held.is_released).map_or(&[], |held| &held.ids),
            };
            (due::choose(&states, &rule), states.iter().any(|state| state.was_read))
        };
        if due.is_empty() {
            return Ok(false);
        }
        let mut tally = Tally::new(part, due.len(), was_read);
        let end = self.read_batches(run, kind, due, &mut tally).await;
        self.conclude(run, kind, &tally).await?;
        end.map(|()| tally.is_lost())
    }

    /// Asks for one element. Borrows the job and not the pass.
    fn ask<'k>(
        &self,
        kind: &'k Kind,
        part: Part,
        due: Due,
    ) -> impl Future<Output = Result<Answered, PullError>> + Send + use<'_, 'k, S> {
        let job = self.job;
        async move {
            let asked_at = job.clock.now();
            let single = match part {
                Part::Detail => job.source.read(kind, due.id).await?,
                Part::Values => job.source.measure_data(due.id).await?,
            };
            Ok((due, asked_at, single))
        }
    }

    /// Stores batch after batch, each while the next is read. What was read before the end of a run is asked for
    /// is stored too.
    async fn read_batches(
        &self,
        run: RunId,
        kind: &Kind,
        due: Vec<Due>,
        tally: &mut Tally,
    ) -> Result<(), Stop> {
        let concurrency = self.job.connection.limits.concurrency.max(1) as usize;
        let keeper = Arc::new(Keeper {
            store: self.job.store.clone(),
            run,
            connection: self.job.connection.name.clone(),
            kind: kind.clone(),
            part: tally.part,
            spares: self.has_changed_key,
        });
        let mut due = due.into_iter();
        let mut asking = FuturesUnordered::new();
        let mut keeping = None;
        let mut stop = None;
        while stop.is_none() && tally.goes_on() && !self.must_yield() {
            let mut batch = Batch::default();
            while tally.goes_on() && !batch.is_full() && stop.is_none() {
                let free = concurrency.saturating_sub(asking.len());
                asking.extend(due.by_ref().take(free).map(|due| self.ask(kind, tally.part, due)));
                match self.or_stop(async { asking.next().await.transpose() }).await {
                    Ok(Ok(Some((due, asked_at, single)))) => {
                        tally.count(&single);
                        batch.push(due, asked_at, single);
                    }
                    Ok(Ok(None)) => break,
                    Ok(Err(error)) => stop = Some(error.into()),
                    Err(asked) => stop = Some(asked),
                }
            }
            tally.keep(keeping.take()).await?;
            keeping = Some(Task::begin(Arc::clone(&keeper).keep(batch)));
        }
        tally.keep(keeping).await?;
        stop.map_or(Ok(()), Err)
    }

    /// Counts the requests, and says what fell short: a stored kind with a reason makes a run partial.
    async fn conclude(&mut self, run: RunId, kind: &Kind, tally: &Tally) -> Result<(), Stop> {
        let reason = tally.shortfall();
        self.job
            .store
            .record_singles(run, &self.job.connection.name, &kind.name, tally.requests, reason.as_deref())
            .await?;
        if let Some(kind_run) = self.kinds.iter_mut().find(|kind_run| kind_run.kind == kind.name) {
            kind_run.counts.requests += tally.requests;
            kind_run.reason = match (kind_run.reason.take(), reason) {
                (Some(before), Some(more)) => Some(format!("{before}; {more}")),
                (before, more) => before.or(more),
            };
        }
        if tally.part == Part::Values {
            let (store, name) = (self.job.store, &self.job.connection.name);
            let held = store.held(name, &KindName::new(HELD_VALUES)).await?;
            self.notices.values_held(name, held.as_ref());
        }
        if let Some(text) = tally.remark() {
            self.notices.single_reads(&kind.name, text);
        }
        Ok(())
    }
}

/// What the single reads of one kind came to.
#[derive(Debug)]
struct Tally {
    part: Part,
    /// Not read yet.
    left: usize,
    /// Whether any element was ever read.
    was_read: bool,
    requests: u64,
    fruitless: usize,
    unclear: usize,
    /// Without a clear answer since the last clear one.
    unclear_running: usize,
    /// What the first without a clear answer brought.
    first_unclear: String,
    held: Vec<String>,
    unrecognised: usize,
    /// Those of the first of them.
    keys: Option<Vec<String>>,
}

impl Tally {
    fn new(part: Part, left: usize, was_read: bool) -> Self {
        Self {
            part,
            left,
            was_read,
            requests: 0,
            fruitless: 0,
            unclear: 0,
            unclear_running: 0,
            first_unclear: String::new(),
            held: Vec::new(),
            unrecognised: 0,
            keys: None,
        }
    }

    fn count(&mut self, single: &Single) {
        self.left -= 1;
        self.requests += 1;
        self.unclear_running =
            if matches!(single, Single::Unclear(_)) { self.unclear_running + 1 } else { 0 };
        match single {
            Single::Readable { .. } => self.was_read = true,
            Single::Forbidden | Single::Absent => self.fruitless += 1,
            Single::Unclear(what) => {
                if self.unclear == 0 {
                    self.first_unclear.clone_from(what);
                }
                self.unclear += 1;
            }
        }
    }

    /// Waits for a batch to be stored.
    async fn keep(
        &mut self,
        keeping: Option<Task<Result<ValuesDone, StoreError>>>,
    ) -> Result<(), StoreError> {
        let Some(keeping) = keeping else { return Ok(()) };
        let ValuesDone { changed: _, unrecognised, held } = keeping.end().await?;
        self.held.extend(held.iter().map(ToString::to_string));
        self.unrecognised += unrecognised.len();
        if let Some((_, keys)) = unrecognised.into_iter().next() {
            self.keys.get_or_insert(keys);
        }
        Ok(())
    }

    fn goes_on(&self) -> bool {
        self.left > 0 && !self.is_lost() && !self.is_unavailable()
    }

    /// Most answers are unclear, or the server has gone away: asking on is no use now.
    fn is_lost(&self) -> bool {
        let is_most = self.unclear as u64 * 2 > self.requests;
        self.unclear_running >= UNAVAILABLE_MIN || (self.unclear >= UNAVAILABLE_MIN && is_most)
    }

    /// Nothing was ever read, often enough: the API has no such reads.
    fn is_unavailable(&self) -> bool {
        self.fruitless >= UNAVAILABLE_MIN && !self.was_read
    }

    fn what(&self) -> &'static str {
        match self.part {
            Part::Detail => "details",
            Part::Values => "values",
        }
    }

    /// Why the run is not whole, if so.
    fn shortfall(&self) -> Option<String> {
        let mut reasons = Vec::new();
        if self.unclear > 0 {
            let Self { unclear, first_unclear, .. } = self;
            reasons.push(format!(
                "{unclear} single reads of {} failed and are asked again ({first_unclear})",
                self.what()
            ));
        }
        if !self.held.is_empty() {
            let named = self.held.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
            reasons.push(format!(
                "the values of {} measures ({named}) came empty, unrecognised or shrunken by half, and those \
                 stored before stay",
                self.held.len()
            ));
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// What people may want to know and that is no failure, said once a run.
    fn remark(&self) -> Option<String> {
        let mut remarks = Vec::new();
        if self.unrecognised > 0 {
            remarks.push(format!(
                "the values of {} measures are of an unknown shape and kept as they came (keys {})",
                self.unrecognised,
                self.keys.as_deref().unwrap_or_default().join(", ")
            ));
        }
        if self.is_unavailable() {
            remarks.push(format!(
                "{} single reads of {} were answered 403 or 404 and none otherwise: no more are asked now",
                self.fruitless,
                self.what()
            ));
        } else if self.left > 0 {
            remarks.push(format!("{} single reads of {} wait for a later run", self.left, self.what()));
        }
        (!remarks.is_empty()).then(|| remarks.join("; "))
    }
}
