//! How long the first load of a kind takes, and a pass that finds nothing changed, beside the fastest way there
//! is to put the same documents into the same engine: `COPY` into a table of two columns, and a prepared
//! insert in one transaction. Prints a table with the ratios.
//!
//! `cargo bench --bench store -- [ELEMENTS [ROUNDS]]`; the least of all rounds counts. Starts its own server.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails like a test")]

use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use clearpoint_sync::kind::{Kind, catalogue};
use clearpoint_sync::memory::KindMemory;
use clearpoint_sync::name::ConnectionName;
use clearpoint_sync::plan::Verdicts;
use clearpoint_sync::run::{Counts, KindOutcome, KindRun, Mode, Outcome};
use clearpoint_sync::simulator::{Size, Switches, World};
use clearpoint_sync::snapshot::{Entry, Extent, PageImprints, Snapshot};
use clearpoint_sync::spool::{Budget, Spool};
use clearpoint_sync::store::postgres::{Host, Settings};
use clearpoint_sync::store::{KindCommit, Place, Store};
use clearpoint_sync::tolerate;

#[path = "support/plain.rs"]
mod plain;
#[path = "../tests/support/postgres.rs"]
mod postgres;

/// The name under which all is stored.
const KIND: &str = "objectives";

/// What one pull brought.
struct Pull {
    kind: Kind,
    connection: ConnectionName,
    now: DateTime<Utc>,
    snapshot: Snapshot,
    spool: Spool,
    bytes: u64,
}

impl Pull {
    /// Documents as the simulator draws them: median 1.5 KB, some of 40 KB.
    fn of(elements: usize, folder: &Path) -> Self {
        let kind = catalogue().into_iter().find(|kind| kind.name.as_str() == KIND).unwrap();
        let size = Size::realistic().none().with("scorecards", 100).with("users", 50).with(KIND, elements);
        let world = World::generate(1, &size);
        let mut spool = Spool::new(&Budget::new(8 << 30), folder);
        let (mut entries, mut placements, mut bytes) = (Vec::new(), Vec::new(), 0);
        for document in world.visible(KIND, World::USER, &Switches::default()).into_values() {
            let row = tolerate::row(&document, &kind, &kind.id_fields[0]).unwrap();
            let span = spool.append(row.document.as_bytes()).unwrap();
            bytes += u64::from(span.length);
            entries.push(Entry { id: row.id, fingerprint: row.fingerprint, span });
            placements.extend(row.scorecard_id.map(|scorecard| (row.id, scorecard)));
        }
        entries.sort_by_key(|entry| entry.id);
        placements.sort_unstable();
        Self {
            kind,
            connection: ConnectionName::parse("city").unwrap(),
            now: "2026-03-01T12:00:00Z".parse().unwrap(),
            snapshot: Snapshot { entries, placements, extent: Extent::Complete },
            spool,
            bytes,
        }
    }

    /// A whole run that stores it.
    async fn store(&self, store: &Store) -> Counts {
        let Self { kind, connection, now, snapshot, spool, .. } = self;
        let run = store.begin_run(connection, Mode::Full, *now).await.unwrap();
        let plan = store.plan(connection, &kind.name, snapshot).await.unwrap();
        let kind_run = KindRun {
            kind: kind.name.clone(),
            outcome: KindOutcome::Complete,
            reason: None,
            started_at: *now,
            counts: Counts::default(),
        };
        let commit = KindCommit {
            run,
            connection,
            kind,
            now: *now,
            snapshot,
            spool,
            imprints: &PageImprints::default(),
            plan: &plan,
            verdicts: &Verdicts::default(),
            held: None,
            memory: &KindMemory { ever_complete: true, ..KindMemory::default() },
            rejected: &[],
            kind_run: &kind_run,
        };
        let counts = store.commit_kind(commit).await.unwrap().counts;
        store.end_run(run, connection, Outcome::Ok, None, false, &counts, *now).await.unwrap();
        counts
    }

    /// The first load, then a pass that finds nothing changed.
    async fn twice(&self, store: &Store) -> [Duration; 2] {
        let start = Instant::now();
        let counts = self.store(store).await;
        let first = start.elapsed();
        assert_eq!(counts.inserted, self.snapshot.entries.len() as u64);
        let start = Instant::now();
        let counts = self.store(store).await;
        assert_eq!(counts.unchanged, self.snapshot.entries.len() as u64);
        [first, start.elapsed()]
    }

    /// Its documents, each with its id.
    fn documents(&self) -> impl Iterator<Item = (i64, String)> {
        let read = |entry: &Entry| self.spool.read(entry.span).unwrap().into_owned();
        self.snapshot.entries.iter().map(move |entry| (entry.id.0, read(entry)))
    }
}

/// The least of all rounds.
struct Least {
    what: &'static str,
    plain: Duration,
    first: Duration,
    unchanged: Duration,
}

impl Least {
    fn new(what: &'static str) -> Self {
        Self { what, plain: Duration::MAX, first: Duration::MAX, unchanged: Duration::MAX }
    }

    fn take(&mut self, plain: Duration, [first, unchanged]: [Duration; 2]) {
        self.plain = self.plain.min(plain);
        self.first = self.first.min(first);
        self.unchanged = self.unchanged.min(unchanged);
    }

    fn print(&self) {
        let Self { what, plain, first, unchanged } = self;
        let [plain, first, unchanged] = [plain, first, unchanged].map(Duration::as_secs_f64);
        println!(
            "{what:<34} {plain:>7.2} s {first:>9.2} s {:>6.2} {unchanged:>9.2} s {:>6.2}",
            first / plain,
            unchanged / plain
        );
    }
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let elements = numbers.first().copied().unwrap_or(200_000);
    let rounds = numbers.get(1).copied().unwrap_or(3);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(elements, rounds));
}

async fn measure(elements: usize, rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let pull = Pull::of(elements, folder.path());
    println!("{elements} elements, {} MB of documents, the least of {rounds} rounds", pull.bytes / 1_000_000);
    println!(
        "{:<34} {:>9} {:>11} {:>6} {:>11} {:>6}",
        "", "plain", "first load", "ratio", "unchanged", "ratio"
    );
    let mut all = [
        Least::new("PostgreSQL, COPY into jsonb"),
        Least::new("PostgreSQL, COPY into text"),
        Least::new("SQLite, prepared insert"),
    ];
    let server = postgres::Postgres::start();
    for round in 0..rounds {
        let database = server.database();
        let [jsonb, text] = ["jsonb", "text"]
            .map(|doc| tokio::task::block_in_place(|| plain::copy(&database, doc, &mut pull.documents())));
        let store = Store::open(&place(&database), pull.now).await.unwrap();
        let took = pull.twice(&store).await;
        all[0].take(jsonb, took);
        all[1].take(text, took);
        drop(store);
        server.psql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", database.name));
        let plain = plain::insert(&folder.path().join(format!("plain{round}.db")), &mut pull.documents());
        let path = folder.path().join(format!("store{round}.db"));
        let store = Store::open(&Place::file(path), pull.now).await.unwrap();
        all[2].take(plain, pull.twice(&store).await);
    }
    for least in &all {
        least.print();
    }
}

fn place(database: &postgres::Database) -> Place {
    Place::Server(Box::new(Settings {
        hosts: vec![(Host::Socket(database.folder.clone()), database.port)],
        database: database.name.clone(),
        user: database.user.into(),
        password: None,
        password_file: None,
        schema: "clearpoint".into(),
        tls: None,
        ca_file: None,
        client_certificate: None,
        connect_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(300),
        connections_max: 4,
        lease: Duration::from_secs(60),
        release_timeout: Duration::from_secs(2),
    }))
}
