//! One kind, from what was pulled to what is stored: plan, evidence, limits, commit.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::evidence::{self, Case};
use super::failure::Stop;
use super::{Pass, Weighed};
use crate::element::ElementId;
use crate::kind::Kind;
use crate::limits::{self, Removals};
use crate::memory::KindMemory;
use crate::plan::{Operation, Plan, Verdicts, Write};
use crate::pull::{PullError, Pulled, Source};
use crate::run::{Counts, KindOutcome, KindRun, Mode, RunId};
use crate::snapshot::{Extent, Span};
use crate::store::{Committed, KindCommit, RejectedRow};
use crate::trust;

impl<S: Source> Pass<'_, S> {
    /// Reconciles what was pulled of one kind and stores it, or keeps it for the preview.
    pub(super) async fn settle(
        &mut self,
        kind: &Kind,
        before: &KindMemory,
        started_at: DateTime<Utc>,
        pulled: Pulled,
    ) -> Result<(), Stop> {
        self.rows += pulled.snapshot.entries.len() as u64;
        if let [first, .., last] | [first @ last] = pulled.snapshot.entries.as_slice() {
            self.canaries = Some((kind.clone(), [first.id, last.id]));
        }
        let weighed = self.weigh(kind, pulled).await?;
        let kind_run = kind_run(&weighed, started_at);
        match self.id {
            Some(_) if weighed.lacks_documents() => {
                let message = format!("{}: what is stored changed while they were listed", kind.name);
                self.lose(kind, before, started_at, PullError::Transient { message, is_server: false }).await
            }
            Some(id) => self.commit(id, before, &weighed, kind_run).await,
            None => {
                self.kinds.push(kind_run);
                self.previewed.push(weighed);
                Ok(())
            }
        }
    }

    async fn weigh(&mut self, kind: &Kind, pulled: Pulled) -> Result<Weighed, Stop> {
        let store = self.job.store;
        let name = &self.job.connection.name;
        let plan = store.plan(name, &kind.name, &pulled.snapshot).await?;
        let before = store.held(name, &kind.name).await?;
        let mut verdicts = Verdicts::default();
        if !pulled.snapshot.is_complete() {
            // Only a snapshot shows whether what is held is still missing.
            return Ok(Weighed { kind: kind.clone(), pulled, plan, verdicts, held: before });
        }
        let limits = &self.job.connection.limits;
        let limit = Removals { max_percent: limits.removals_max, min: limits.removals_min };
        if self.has_changed_key {
            verdicts = self.spare(&plan, kind).await?;
            verdicts.listing_contradicted =
                limits::exceeds(limit, verdicts.undecided.len() as u64, plan.known);
            return Ok(Weighed { kind: kind.clone(), pulled, plan, verdicts, held: before });
        }
        let now = self.job.clock.now();
        if !plan.missing.is_empty() {
            let ids: Vec<ElementId> = plan.missing.iter().map(|row| row.id).collect();
            let known = store.missing(name, &kind.name).await?;
            let case = Case {
                kind,
                plan: &plan,
                known: known.into_iter().map(|missing| (missing.id, missing)).collect(),
                held: before.as_ref(),
                placements: store.placements_of(name, &kind.name, &ids).await?,
                visible: &self.visible,
                canaries: self.canaries(&pulled),
                concurrency: self.job.connection.limits.concurrency as usize,
                now,
            };
            verdicts = self.or_stop(evidence::weigh(self.job.source, &case)).await??;
        }
        let judged = limits::judge(limit, &plan, verdicts, before.as_ref(), now);
        let mut verdicts = judged.verdicts;
        // A list that lacks so many elements which nobody saw go is no picture of the account.
        verdicts.listing_contradicted |= limits::exceeds(limit, verdicts.undecided.len() as u64, plan.known);
        Ok(Weighed { kind: kind.clone(), pulled, plan, verdicts, held: judged.held })
    }

    /// Listed elements to compare direct reads with: of the same kind where it lists any, else of
    /// another, provided that this kind's list was a list.
    fn canaries(&self, pulled: &Pulled) -> Vec<(&Kind, ElementId)> {
        let listed = self.canaries.as_ref().filter(|_| !pulled.is_empty_claim);
        let Some((kind, [first, last])) = listed else { return Vec::new() };
        let mut canaries = vec![(kind, *first), (kind, *last)];
        canaries.dedup();
        canaries
    }

    async fn commit(
        &mut self,
        run: RunId,
        before: &KindMemory,
        weighed: &Weighed,
        mut kind_run: KindRun,
    ) -> Result<(), Stop> {
        let store = self.job.store;
        let name = &self.job.connection.name;
        let Weighed { kind, pulled, plan, verdicts, held } = weighed;
        let memory = KindMemory { unavailable: None, ..pulled.memory.clone() };
        let commit_at = self.job.clock.now();
        let commit = KindCommit {
            run,
            connection: name,
            kind,
            now: commit_at,
            snapshot: &pulled.snapshot,
            spool: &pulled.spool,
            imprints: &pulled.imprints,
            plan,
            verdicts,
            held: held.as_ref(),
            memory: &memory,
            rejected: &pulled.rejected,
            kind_run: &kind_run,
        };
        let committed = store.commit_kind(commit).await?;
        let rejected = store.rejected(name, &kind.name).await?;
        kind_run.counts = committed.counts;
        kind_run.counts.rejected = self.rejected_against(&rejected, &committed);
        // An incremental run lists a kind without a filter again and again: there a full one adds nothing.
        let is_listed_again = self.mode == Mode::Incremental && !trust::has_filter(kind, &memory, commit_at);
        self.needs_full |= pulled.has_shifted && !is_listed_again;
        self.needs_full |= !before.ever_complete && memory.ever_complete;
        self.notices.settled(name, weighed, &rejected, &committed);
        self.kinds.push(kind_run);
        Ok(())
    }

    /// Rejected rows that keep this run from being ok. For a full run those that are not yet a standing
    /// notice; for an incremental one, which comes again within minutes, those that no run has told yet.
    fn rejected_against(&self, rejected: &[RejectedRow], committed: &Committed) -> u64 {
        let count = match self.mode {
            Mode::Full => rejected.iter().filter(|row| !row.is_standing()).count(),
            Mode::Incremental => committed.rejected_new.len(),
        };
        count as u64
    }
}

impl Weighed {
    /// Whether the plan writes what was stored already when the pull began: then somebody else wrote meanwhile.
    fn lacks_documents(&self) -> bool {
        let span = |write: &Write| self.pulled.snapshot.entries[write.entry].span;
        self.plan.writes.iter().any(|write| span(write) == Span::NOWHERE)
    }
}

/// The kind's record: how it ended and what was counted.
fn kind_run(weighed: &Weighed, started_at: DateTime<Utc>) -> KindRun {
    let Weighed { kind, pulled, plan, verdicts, held } = weighed;
    let (outcome, reason) = match &pulled.snapshot.extent {
        Extent::Incomplete(reason) => (KindOutcome::Incomplete, Some(reason.clone())),
        Extent::Incremental => (KindOutcome::Incremental, None),
        Extent::Complete if verdicts.listing_contradicted => {
            let count = verdicts.undecided.len();
            let reason =
                format!("{}: {count} known elements are not listed and not seen to be gone", kind.name);
            (KindOutcome::Incomplete, Some(reason))
        }
        Extent::Complete => (KindOutcome::Complete, None),
    };
    let written = operations(plan);
    let count = |operation| written.get(&operation).copied().unwrap_or(0);
    let counts = Counts {
        inserted: count(Operation::Insert),
        updated: count(Operation::Update),
        restored: count(Operation::Restore),
        removed: (verdicts.removals.len() + verdicts.unlisted.len()) as u64,
        unchanged: plan.unchanged,
        held: held.as_ref().map_or(0, |held| held.ids.len() as u64),
        missing: verdicts.undecided.len() as u64,
        rejected: pulled.rejected.len() as u64,
        requests: pulled.requests,
    };
    KindRun { kind: kind.name.clone(), outcome, reason, started_at, counts }
}

fn operations(plan: &Plan) -> BTreeMap<Operation, u64> {
    let mut counts = BTreeMap::new();
    for write in &plan.writes {
        *counts.entry(write.operation).or_insert(0) += 1;
    }
    counts
}
