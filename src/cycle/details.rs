//! `details = auto`: whether single reads of a kind carry more than its list rows. The union of three
//! single reads tells, once a week; what it tells is kept as a finding.

use chrono::TimeDelta;

use super::Pass;
use super::failure::Stop;
use crate::config::Details;
use crate::kind::Kind;
use crate::pull::{Single, Source};
use crate::run::{Mode, RunId};
use crate::tolerate::Comparison;

/// Single reads compared with their list rows.
const PROBED: u32 = 3;
/// How long a comparison stands.
const STANDS_FOR: TimeDelta = TimeDelta::days(7);

impl<S: Source> Pass<'_, S> {
    /// Whether elements of this kind are read by themselves.
    pub(super) async fn wants_details(&mut self, run: RunId, kind: &Kind) -> Result<bool, Stop> {
        match self.job.connection.details {
            Details::Off => Ok(false),
            Details::Changed | Details::All => Ok(true),
            Details::Auto => {
                self.probe(run, kind).await?;
                let found = self
                    .job
                    .store
                    .finding(&self.job.connection.name, &kind.name, Comparison::FINDING)
                    .await?;
                Ok(found.is_some_and(|(value, _)| Comparison::is_richer(&value)))
            }
        }
    }

    /// Compares at a full run, once a week.
    async fn probe(&mut self, run: RunId, kind: &Kind) -> Result<(), Stop> {
        let (store, connection, now) = (self.job.store, &self.job.connection.name, self.job.clock.now());
        let found = store.finding(connection, &kind.name, Comparison::FINDING).await?;
        // The `probe` command compares too.
        let probed_at = store.probed_at(connection, &kind.name).await?.max(found.map(|(_, at)| at));
        // A time in the future (the clock was set back) counts as due.
        let stands = probed_at.is_some_and(|at| at <= now && now - at < STANDS_FOR);
        if self.mode != Mode::Full || stands || self.must_yield() {
            return Ok(());
        }
        let mut seen = Comparison::default();
        let mut asked = Vec::new();
        for (id, row) in store.to_probe(connection, &kind.name, PROBED).await? {
            match self.or_stop(self.job.source.read(kind, id)).await?? {
                Single::Readable { document, .. } => seen.add(&row, &document),
                Single::Forbidden | Single::Absent => {}
                // Asked again by the next full run.
                Single::Unclear(_) => continue,
            }
            asked.push(id);
        }
        if asked.is_empty() {
            return Ok(());
        }
        if let Some(finding) = seen.finding(kind) {
            store.record_finding(connection, &kind.name, Comparison::FINDING, &finding, now).await?;
        }
        let requests = asked.len() as u64;
        store.record_probe(run, connection, &kind.name, &asked, now).await?;
        store.record_singles(run, &self.job.connection.name, &kind.name, requests, None).await?;
        if let Some(kind_run) = self.kinds.iter_mut().find(|kind_run| kind_run.kind == kind.name) {
            kind_run.counts.requests += requests;
        }
        Ok(())
    }
}
