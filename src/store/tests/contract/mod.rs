//! What the store promises on either engine. Included once for each: the path tells which one is meant.

mod account;
mod changes;
mod deliveries;
mod export;
mod forget;
mod history;
mod known;
mod lately;
mod odd;
mod records;
mod singles;
mod views;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

use crate::element::{ElementId, Reason};
use crate::fingerprint;
use crate::kind::{self, Kind};
use crate::memory::KindMemory;
use crate::name::ConnectionName;
use crate::plan::{Held, Missing, Plan, Removal, Verdicts};
use crate::run::{Counts, KindOutcome, KindRun, Mode, Outcome, RunId};
use crate::snapshot::{Entry, Extent, PageImprints, Rejected, Snapshot};
use crate::spool::{Budget, Spool};
use crate::store::postgres::tests::a_real_postgres::settings;
use crate::store::postgres::tests::server::{Database, Postgres};
use crate::store::tests::reading;
use crate::store::{Committed, KindCommit, Place, Store, StoreError};
use crate::tolerate;

pub(in crate::store) fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub(super) fn city() -> ConnectionName {
    ConnectionName::parse("city").unwrap()
}

pub(super) fn kind(name: &str) -> Kind {
    kind::catalogue().into_iter().find(|kind| kind.name.as_str() == name).unwrap()
}

/// A fresh store, and a pull that a test shapes.
pub(super) struct Bench {
    pub(super) store: Store,
    place: Place,
    pub(super) dir: TempDir,
    _database: Option<Database>,
    pub(super) connection: ConnectionName,
    pub(super) kind: Kind,
    pub(super) now: DateTime<Utc>,
}

/// What a pull of one kind brought and what became of it, ready to commit.
pub(super) struct Pull {
    snapshot: Snapshot,
    spool: Spool,
    imprints: PageImprints,
    verdicts: Verdicts,
    held: Option<Held>,
    memory: KindMemory,
    rejected: Vec<Rejected>,
}

impl Pull {
    /// Has a page look like this.
    pub(super) fn show(&mut self, page: u32, bytes: &str) {
        self.imprints.pages = self.imprints.pages.max(page);
        self.imprints.changed.insert(page, self.spool.append(bytes.as_bytes()).unwrap());
    }
}

impl Bench {
    pub(super) async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let is_postgres = module_path!().contains("a_real_postgres");
        let database = is_postgres.then(|| Postgres::shared().database());
        let place = match &database {
            Some(database) => Place::Server(Box::new(settings(database))),
            None => Place::file(dir.path().join("store.db")),
        };
        Self::at(place, dir, database).await
    }

    /// A bench whose store is at this place.
    pub(super) async fn at(place: Place, dir: TempDir, database: Option<Database>) -> Self {
        let store = Store::open(&place, noon()).await.unwrap();
        let (connection, kind) = (city(), kind("objectives"));
        Self { store, place, dir, _database: database, connection, kind, now: noon() }
    }

    /// The same store, opened by another process.
    async fn another(&self) -> Store {
        Store::open(&self.place, noon()).await.unwrap()
    }

    /// A complete list of `documents`.
    pub(super) fn pull(&self, documents: &[&str]) -> Pull {
        let mut spool = Spool::new(&Budget::new(1 << 20), self.dir.path());
        let mut entries = Vec::new();
        let mut placements = Vec::new();
        for document in documents {
            let document = tolerate::clean(document.as_bytes());
            let row = tolerate::row(&document.text, &self.kind, &self.kind.id_fields[0]).unwrap();
            let span = spool.append(row.document.as_bytes()).unwrap();
            entries.push(Entry { id: row.id, fingerprint: row.fingerprint, span });
            placements.extend(row.scorecard_id.map(|scorecard| (row.id, scorecard)));
        }
        entries.sort_by_key(|entry| entry.id);
        placements.sort_unstable();
        Pull {
            snapshot: Snapshot { entries, placements, extent: Extent::Complete },
            spool,
            imprints: PageImprints::default(),
            verdicts: Verdicts::default(),
            held: None,
            memory: KindMemory { ever_complete: true, ..KindMemory::default() },
            rejected: Vec::new(),
        }
    }

    async fn plan(&self, pull: &Pull) -> Plan {
        self.store.plan(&self.connection, &self.kind.name, &pull.snapshot).await.unwrap()
    }

    pub(super) async fn begin(&self) -> RunId {
        self.store.begin_run(&self.connection, Mode::Full, self.now).await.unwrap()
    }

    pub(super) async fn try_commit(&self, run: RunId, pull: &Pull) -> Result<Committed, StoreError> {
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
            imprints: &pull.imprints,
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
        let ended = self
            .store
            .end_run(run, &self.connection, Outcome::Ok, None, false, &committed.counts, self.now)
            .await;
        ended.unwrap();
        self.store.refresh_views_of(&self.connection).await.unwrap();
        committed
    }

    pub(super) async fn sync_rows(&mut self, documents: &[&str]) -> Committed {
        let pull = self.pull(documents);
        self.sync(&pull).await
    }

    pub(super) fn rows(&self, query: &str) -> Vec<String> {
        reading::rows(&self.store, query)
    }

    pub(super) fn one(&self, query: &str) -> String {
        reading::one(&self.store, query)
    }

    pub(super) fn digest(&self) -> BTreeMap<String, Vec<String>> {
        reading::digest(&self.store)
    }

    /// The columns of a table or a view, in their order.
    pub(super) fn columns(&self, view: &str) -> Vec<String> {
        match self.store {
            Store::Sqlite(_) => {
                self.rows(&format!("SELECT name FROM pragma_table_info('{view}') ORDER BY cid"))
            }
            Store::Postgres(_) => self.rows(&format!(
                "SELECT column_name FROM information_schema.columns
                 WHERE table_schema = current_schema() AND table_name = '{view}' ORDER BY ordinal_position"
            )),
        }
    }

    /// Changes the store in a way that the program does not.
    fn meddle(&self, script: &str) {
        reading::script(&self.store, script);
    }

    /// As [`Bench::meddle`], in statements that the engines spell differently.
    fn script(&self, sqlite: &str, postgres: &str) {
        reading::script(&self.store, if matches!(self.store, Store::Sqlite(_)) { sqlite } else { postgres });
    }
}

fn gone(id: i64) -> Removal {
    Removal { id: ElementId(id), reason: Reason::Absent, evidence: "GET answered 404".into() }
}

fn in_question(id: i64) -> Missing {
    Missing { id: ElementId(id), since: noon(), checked_at: None, checks: 0, answer: None }
}
