//! The store's promises, on real SQLite files.

mod account;
mod changes;
mod deliveries;
mod export;
mod file;
mod forget;
mod history;
mod publish;
pub(crate) mod reading;
mod records;
mod singles;
mod views;

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use serde_json::value::RawValue;
use tempfile::TempDir;

use super::{Committed, KindCommit, Place, Store, StoreError};
use crate::config;
use crate::element::{ElementId, Reason};
use crate::fingerprint;
use crate::kind::{self, Kind};
use crate::memory::KindMemory;
use crate::name::ConnectionName;
use crate::plan::{Held, Missing, Plan, Removal, Verdicts};
use crate::run::{Counts, KindOutcome, KindRun, Mode, Outcome, RunId};
use crate::snapshot::{Entry, Extent, Rejected, Snapshot};
use crate::spool::{Budget, Spool};
use crate::tolerate;

pub(crate) fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn city() -> ConnectionName {
    ConnectionName::parse("city").unwrap()
}

fn kind(name: &str) -> Kind {
    kind::catalogue().into_iter().find(|kind| kind.name.as_str() == name).unwrap()
}

async fn open(path: impl Into<PathBuf>) -> Result<Store, StoreError> {
    Store::open(&Place::file(path), noon()).await
}

/// A store on a fresh file, and a pull that a test shapes.
pub(crate) struct Bench {
    store: Store,
    dir: TempDir,
    connection: ConnectionName,
    kind: Kind,
    now: DateTime<Utc>,
}

/// What a pull of one kind brought and what became of it, ready to commit.
struct Pull {
    snapshot: Snapshot,
    spool: Spool,
    verdicts: Verdicts,
    held: Option<Held>,
    memory: KindMemory,
    rejected: Vec<Rejected>,
}

impl Bench {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = open(dir.path().join("store.db")).await.unwrap();
        Self::of(store, dir)
    }

    pub(crate) async fn on(store: Store) -> Self {
        Self::of(store, TempDir::new().unwrap())
    }

    fn of(store: Store, dir: TempDir) -> Self {
        Self { store, dir, connection: city(), kind: kind("objectives"), now: noon() }
    }

    /// A complete list of `documents`.
    fn pull(&self, documents: &[&str]) -> Pull {
        let mut spool = Spool::new(&Budget::new(1 << 20), self.dir.path());
        let mut entries = Vec::new();
        let mut placements = Vec::new();
        for document in documents {
            let raw: Box<RawValue> = serde_json::from_str(document).unwrap();
            let row = tolerate::row(&raw, &self.kind, &self.kind.id_fields[0]).unwrap();
            let span = spool.append(row.document.as_bytes()).unwrap();
            entries.push(Entry { id: row.id, fingerprint: row.fingerprint, span });
            placements.extend(row.scorecard_id.map(|scorecard| (row.id, scorecard)));
        }
        entries.sort_by_key(|entry| entry.id);
        placements.sort_unstable();
        Pull {
            snapshot: Snapshot { entries, placements, extent: Extent::Complete },
            spool,
            verdicts: Verdicts::default(),
            held: None,
            memory: KindMemory { ever_complete: true, ..KindMemory::default() },
            rejected: Vec::new(),
        }
    }

    async fn plan(&self, pull: &Pull) -> Plan {
        self.store.plan(&self.connection, &self.kind.name, &pull.snapshot).await.unwrap()
    }

    async fn begin(&self) -> RunId {
        self.store.begin_run(&self.connection, Mode::Full, self.now).await.unwrap()
    }

    async fn try_commit(&self, run: RunId, pull: &Pull) -> Result<Committed, StoreError> {
        let plan = self.plan(pull).await;
        let kind_run = KindRun {
            kind: self.kind.name.clone(),
            outcome: match pull.snapshot.extent {
                Extent::Complete => KindOutcome::Complete,
                Extent::Incomplete(_) => KindOutcome::Incomplete,
                Extent::Incremental => KindOutcome::Incremental,
            },
            reason: None,
            started_at: self.now,
            counts: Counts { requests: 1, ..Counts::default() },
        };
        let commit = KindCommit {
            run,
            connection: &self.connection,
            kind: &self.kind,
            now: self.now,
            snapshot: &pull.snapshot,
            spool: &pull.spool,
            plan: &plan,
            verdicts: &pull.verdicts,
            held: pull.held.as_ref(),
            memory: &pull.memory,
            rejected: &pull.rejected,
            kind_run: &kind_run,
        };
        self.store.commit_kind(commit).await
    }

    /// A whole run that stores one pull, a minute after the one before.
    async fn sync(&mut self, pull: &Pull) -> Committed {
        self.now += TimeDelta::minutes(1);
        let run = self.begin().await;
        let committed = self.try_commit(run, pull).await.unwrap();
        let ended =
            self.store.end_run(run, &city(), Outcome::Ok, None, false, &committed.counts, self.now).await;
        ended.unwrap();
        self.store.refresh_views().await.unwrap();
        committed
    }

    pub(crate) async fn sync_rows(&mut self, documents: &[&str]) -> Committed {
        let pull = self.pull(documents);
        self.sync(&pull).await
    }

    fn sql(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("store.db")
    }

    fn rows(&self, query: &str) -> Vec<String> {
        reading::rows(&self.path(), query)
    }

    fn one(&self, query: &str) -> String {
        reading::one(&self.path(), query)
    }

    fn digest(&self) -> BTreeMap<String, Vec<String>> {
        reading::digest(&self.path())
    }
}

fn gone(id: i64) -> Removal {
    Removal { id: ElementId(id), reason: Reason::Absent, evidence: "GET answered 404".into() }
}

fn in_question(id: i64) -> Missing {
    Missing { id: ElementId(id), since: noon(), checked_at: None, checks: 0, answer: None }
}
