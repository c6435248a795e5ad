//! The probe: asks the account what nobody has published, with few read-only requests, one after
//! another. What it finds is told with its evidence, kept as findings, and remembered where a pull has
//! use for it, so that the next run starts informed.
//!
//! An answer that nobody expected is a finding and no error. Evidence is statuses, counts and field
//! names: never a value, a document or a secret.

mod account;
mod ask;
mod filter;
mod learn;
mod lists;
mod measure_data;
mod outline;
mod page;
mod paging;
mod singles;
mod unlisted;

use serde::Serialize;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Connection;
use crate::kind::KindName;
use crate::pull::Raw;
use crate::pull::client::Client;
use crate::run::Outcome;
use crate::store::{Store, StoreError};
use crate::tolerate::Comparison;

use ask::Stop;
use lists::Listed;
pub use unlisted::Unlisted;

/// Requests, of all together, that may be sent again after a transient failure.
const AGAIN: u32 = 5;

/// What is asked only when a person says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// `POST /search`: it only reads, but it is no GET.
    pub search: bool,
    /// One request with a wrong secret half: a server may lock the key or the account out after several.
    pub wrong_secret: bool,
}

/// What a probe needs.
#[derive(Debug)]
pub struct Job<'a> {
    /// Which connection; its lock is held.
    pub connection: &'a Connection,
    /// Its account.
    pub client: &'a Client,
    /// Where findings are kept.
    pub store: &'a Store,
    /// The time.
    pub clock: &'a Clock,
    /// What to ask besides.
    pub options: Options,
    /// Turns true when the program is asked to stop.
    pub cancel: watch::Receiver<bool>,
    /// Told how far the probe is, for whoever draws it.
    pub progress: watch::Sender<Option<Progress>>,
}

/// How far a probe is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Requests so far.
    pub asked: u64,
    /// Requests at most.
    pub at_most: u64,
    /// What is being asked for: a path.
    pub about: String,
}

/// One question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The kind that was asked.
    pub kind: KindName,
    /// The question's name: one of a closed set.
    pub question: &'static str,
    /// The answer, or why there is none.
    pub answer: String,
    /// What it rests on: statuses, counts and field names.
    pub seen: String,
}

/// What a probe found.
#[derive(Debug)]
pub struct Report {
    /// In the order of the questions.
    pub findings: Vec<Finding>,
    /// Kinds that no catalogue and no configuration knows, and that answered with a list.
    pub unlisted: Vec<Unlisted>,
    /// Requests sent.
    pub requests: u64,
    /// Ok: every question was asked. Partial: the server went away in between. Refused, Failed: it never
    /// got in.
    pub outcome: Outcome,
    /// Why not every question was asked.
    pub reason: Option<String>,
}

/// How many requests a probe sends, at most.
#[must_use]
pub fn requests_max(connection: &Connection, options: Options) -> u64 {
    let kinds = connection.kinds.len() as u64;
    let filters = connection.kinds.iter().filter(|kind| kind.last_edited).count() as u64;
    let questions = lists::REQUESTS_MAX
        + kinds * (1 + singles::COMPARED as u64)
        + paging::REQUESTS_MAX
        + filters
        + filter::REQUESTS_MORE
        + singles::COMPARED as u64
        + singles::REQUESTS_MORE
        + unlisted::requests_max(connection)
        + account::requests_max(options);
    // A refused key is asked with once more.
    questions + u64::from(AGAIN) + 1
}

/// Asks every question, and keeps what it finds.
///
/// # Errors
/// Only those of the store; whatever the network does is part of the report.
pub async fn run(job: &Job<'_>) -> Result<Report, StoreError> {
    let mut probe = Probe {
        job,
        raw: job.client.raw(AGAIN),
        at_most: requests_max(job.connection, job.options),
        count: job.connection.limits.page_size,
        lost: 0,
        findings: Vec::new(),
        lists: Vec::new(),
        filters: Vec::new(),
        unlisted: Vec::new(),
        rate_limits: Vec::new(),
        is_let_in: false,
        count_max: None,
    };
    let stop = probe.walk().await.err();
    if probe.is_let_in {
        probe.rate_limit_headers();
        probe.keep().await?;
    }
    let Probe { findings, unlisted, raw, is_let_in, .. } = probe;
    let outcome = stop.as_ref().map_or(Outcome::Ok, |stop| stop.outcome(is_let_in));
    let reason = stop.map(|stop| stop.to_string());
    Ok(Report { findings, unlisted, requests: raw.sent(), outcome, reason })
}

/// A probe under way.
struct Probe<'a> {
    job: &'a Job<'a>,
    raw: Raw<'a>,
    at_most: u64,
    /// Rows to ask for in one page: fewer once the server has objected.
    count: u32,
    /// Questions in a row that the server gave no answer to.
    lost: u32,
    findings: Vec<Finding>,
    /// Page 1 of every kind.
    lists: Vec<Listed>,
    filters: Vec<(KindName, filter::Meaning)>,
    unlisted: Vec<Unlisted>,
    rate_limits: Vec<String>,
    is_let_in: bool,
    /// A cap that a longer list showed: the rows that come where more are asked for.
    count_max: Option<u32>,
}

impl Probe<'_> {
    async fn walk(&mut self) -> Result<(), Stop> {
        self.lists().await?;
        self.paging().await?;
        self.filters().await?;
        self.singles().await?;
        self.measure_data().await?;
        self.mapped_user().await?;
        self.unlisted().await?;
        self.search().await?;
        self.wrong_secret().await
    }

    fn find(&mut self, kind: &KindName, question: &'static str, answer: impl Into<String>, seen: String) {
        self.findings.push(Finding { kind: kind.clone(), question, answer: answer.into(), seen });
    }

    /// Keeps the findings, and what a pull has use for.
    async fn keep(&self) -> Result<(), StoreError> {
        let (store, connection) = (self.job.store, &self.job.connection.name);
        let now = self.job.clock.now();
        for Finding { kind, question, answer, seen } in &self.findings {
            // The pull reads this one.
            let value = match *question {
                Comparison::FINDING => answer.clone(),
                _ => format!("{answer}; seen: {seen}"),
            };
            store.record_finding(connection, kind, question, &value, now).await?;
        }
        for listed in &self.lists {
            let before = store.memory(connection, &listed.kind.name).await?;
            let after = self.learn(listed, &before, now);
            if after != before {
                store.remember(connection, &listed.kind.name, &after).await?;
            }
        }
        Ok(())
    }
}
