//! The bench that every test works at: a simulated account, a folder with a configuration, and the
//! binary. Looks at the store only with SQL, never through the program. Included twice: where the path says
//! `a_real_postgres`, the store is a database.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::NaiveDate;
use clearpoint_sync::clock::Clock;
use clearpoint_sync::kind::catalogue;
use clearpoint_sync::simulator::{ApiKey, Simulator, Switches, World};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tempfile::TempDir;

use crate::looking::{Look, Row};
use crate::patience::{in_flight, patient};
use crate::postgres_server::{Database, Postgres};
use crate::program::{Ran, Running};
use crate::rows::{Rows, unsign};

/// Tables that every run writes, whatever it finds.
const RUN_RECORDS: [&str; 4] = ["runs", "run_kinds", "run_reads", "leases"];

/// Columns that tell when, in which run or from which port a row came, and so differ between two ways
/// to the same state.
const WHEN: [&str; 7] = ["at", "run", "changed_run", "sequence", "since", "checks", "base_url"];

/// What a bench is made from; the fields left out are those of [`Setup::of`].
pub(super) struct Setup {
    pub(super) world: World,
    pub(super) switches: Switches,
    pub(super) page_size: u32,
    pub(super) concurrency: u32,
    pub(super) removals_max: &'static str,
    pub(super) measure_data: &'static str,
    pub(super) details: &'static str,
    /// When a daemon is due, and when in full.
    pub(super) schedules: [&'static str; 2],
    /// Kinds besides scorecards; empty: all.
    pub(super) kinds: &'static [&'static str],
    pub(super) access_key: String,
    pub(super) secret_key: String,
    pub(super) expires: Option<NaiveDate>,
    pub(super) next_key: Option<ApiKey>,
}

impl Setup {
    pub(super) fn of(world: World) -> Self {
        Self {
            world,
            switches: Switches::default(),
            page_size: 25,
            concurrency: 4,
            removals_max: "10%",
            measure_data: "changed",
            details: "auto",
            schedules: ["*/15 * * * *", "30 2 * * *"],
            kinds: &[],
            access_key: World::ACCESS_KEY.to_owned(),
            secret_key: World::SECRET_KEY.to_owned(),
            expires: NaiveDate::from_ymd_opt(2099, 12, 31),
            next_key: None,
        }
    }

    /// The same with a second key, which acts under `user`.
    pub(super) fn with_next_key(mut self, user: &str) -> Self {
        let (access, secret) = ("next-access-key".to_owned(), "next-secret-key".to_owned());
        let expires = NaiveDate::from_ymd_opt(2099, 6, 30);
        let key = ApiKey { access, secret, expires, user: user.to_owned() };
        self.world.add_key(key.clone());
        self.next_key = Some(key);
        self
    }

    /// Starts the server and writes the configuration.
    pub(super) async fn start(self) -> Bench {
        let is_postgres = module_path!().contains("a_real_postgres");
        self.start_with(is_postgres.then(|| Postgres::shared().database())).await
    }

    /// As [`Setup::start`], with this database as the store, or with a file.
    pub(super) async fn start_with(self, database: Option<Database>) -> Bench {
        let Self { world, switches, .. } = &self;
        let simulator = Simulator::start(world.clone(), switches.clone(), Clock::System).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = || Look::File(folder.path().join("clearpoint.db"));
        let look = database.map_or_else(file, Look::Database);
        let bench = Bench { base_url: simulator.base_url(), simulator, folder, look, setup: self };
        bench.write_config();
        bench
    }
}

/// A simulated account, and a configuration with one connection to it, `city`.
pub(super) struct Bench {
    pub(super) simulator: Simulator,
    folder: TempDir,
    pub(super) look: Look,
    setup: Setup,
    base_url: String,
}

impl Bench {
    /// A bench with the plainest settings on this world.
    pub(super) async fn new(world: World) -> Self {
        Setup::of(world).start().await
    }

    /// Points the connection at another server.
    pub(super) fn move_to(&mut self, base_url: String) {
        self.base_url = base_url;
        self.write_config();
    }

    /// A file of the bench's folder.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_config(&self) {
        let Setup { page_size, concurrency, removals_max, measure_data, details, .. } = &self.setup;
        let [schedule, schedule_full] = self.setup.schedules;
        let expires = self.setup.expires.map_or_else(String::new, |date| format!("expires = {date}"));
        let kinds = match self.setup.kinds {
            [] => String::new(),
            kinds => format!("kinds = {kinds:?}"),
        };
        let next_key = self.setup.next_key.as_ref().map(|key| self.write_next_key(key)).unwrap_or_default();
        let base_url = &self.base_url;
        let store = match &self.look {
            Look::File(_) => "[store.sqlite]\npath = \"clearpoint.db\"\n".to_owned(),
            Look::Database(database) => {
                format!("{}[daemon]\nspool_dir = {:?}\n", database.toml(), self.folder.path())
            }
        };
        let text = format!(
            r#"
{store}
[connections.city]
base_url = "{base_url}"
mapped_user = "{user}"
schedule = "{schedule}"
schedule_full = "{schedule_full}"
measure_data = "{measure_data}"
details = "{details}"
{kinds}

[connections.city.key]
name = "Integration"
{expires}
access_key = {{ file = "access-key" }}
secret_key = {{ file = "secret-key" }}
{next_key}
[connections.city.limits]
requests_per_second = 1000
concurrency = {concurrency}
page_size = {page_size}
removals_max = "{removals_max}"

[host_limits]
requests_per_second = 1000
concurrency = 64

[log]
format = "json"
"#,
            user = World::USER
        );
        std::fs::write(self.file("config.toml"), text).unwrap();
        self.write_secret("access-key", &self.setup.access_key);
        self.write_secret("secret-key", &self.setup.secret_key);
    }

    fn write_next_key(&self, key: &ApiKey) -> String {
        self.write_secret("next-access-key", &key.access);
        self.write_secret("next-secret-key", &key.secret);
        let expires = key.expires.map_or_else(String::new, |date| format!("expires = {date}"));
        format!(
            r#"
[connections.city.next_key]
name = "Integration-2"
{expires}
access_key = {{ file = "next-access-key" }}
secret_key = {{ file = "next-secret-key" }}
"#
        )
    }

    pub(super) fn write_secret(&self, name: &str, secret: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(self.file(name), secret).unwrap();
        std::fs::set_permissions(self.file(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Runs the program to its end.
    pub(super) async fn run(&self, arguments: &[&str]) -> Ran {
        self.start(arguments).end().await
    }

    /// Syncs in full, and expects all to go well.
    #[track_caller]
    pub(super) fn sync_full(&self) -> impl Future<Output = Ran> {
        let caller = std::panic::Location::caller();
        async move {
            let ran = self.run(&["sync", "--full"]).await;
            assert!(ran.code == 0, "at {caller}: {ran}");
            ran
        }
    }

    /// Starts the program.
    pub(super) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&self.file("config.toml"), arguments)
    }

    /// Starts the program, and leaves it waiting for its first answer; [`Simulator::release`] lets it go
    /// on.
    pub(super) async fn start_held(&self, arguments: &[&str]) -> Running {
        self.simulator.hold();
        let running = self.start(arguments);
        in_flight(&self.simulator, 1).await;
        running
    }

    /// The store, to be looked at.
    pub(super) fn store(&self) -> Connection {
        patient(Connection::open_with_flags(self.file("clearpoint.db"), OpenFlags::SQLITE_OPEN_READ_ONLY))
    }

    /// The rows of a query as text, columns parted by `|`, and NULL as `-`.
    #[track_caller]
    pub(super) fn sql(&self, query: &str) -> Vec<String> {
        self.look.rows(query).into_iter().map(joined).collect()
    }

    /// The one number a query answers.
    #[track_caller]
    pub(super) fn number(&self, query: &str) -> i64 {
        let rows = self.sql(query);
        let [row] = &rows[..] else { panic!("{query}: {rows:?}") };
        row.parse().unwrap_or_else(|error| panic!("{query}: {row}: {error}"))
    }

    /// The elements of a kind that people see, by id.
    pub(super) fn stored(&self, kind: &str) -> BTreeMap<i64, Value> {
        let query = format!(
            "SELECT id, doc FROM elements WHERE connection = 'city' AND kind = '{kind}' AND state = 'present'"
        );
        let rows = self.look.rows(&query).into_iter();
        rows.map(|row| (row[0].1.parse().unwrap(), serde_json::from_str(&row[1].1).unwrap())).collect()
    }

    /// What the account shows of a kind, as the store should hold it.
    pub(super) fn visible(&self, kind: &str) -> BTreeMap<i64, Value> {
        let rows = self.simulator.visible(kind, World::USER);
        let has_links = matches!(kind, "attachments" | "files");
        rows.into_iter()
            .map(|(id, row)| {
                let mut row = serde_json::from_str(&row).unwrap();
                if has_links {
                    unsign(&mut row);
                }
                (id, row)
            })
            .collect()
    }

    /// Every visible element of every kind stands in the store, document by document, and nothing else
    /// does; the views show as many.
    #[track_caller]
    pub(super) fn assert_mirrors(&self) {
        for kind in catalogue() {
            self.assert_mirrors_kind(kind.name.as_str());
        }
    }

    /// As [`Bench::assert_mirrors`], for one kind.
    #[track_caller]
    pub(super) fn assert_mirrors_kind(&self, kind: &str) {
        let (stored, visible) = (self.stored(kind), self.visible(kind));
        let lost: Vec<_> = visible.keys().filter(|id| !stored.contains_key(id)).collect();
        let kept: Vec<_> = stored.keys().filter(|id| !visible.contains_key(id)).collect();
        assert!(lost.is_empty() && kept.is_empty(), "{kind}: lost {lost:?}, kept {kept:?}");
        for (id, row) in &visible {
            assert_eq!(&stored[id], row, "{kind} {id}: stored, and as the account shows it");
        }
        let shown = self.number(&format!("SELECT count(*) FROM \"{kind}\""));
        assert_eq!(usize::try_from(shown).unwrap(), stored.len(), "{kind}: rows of the view");
    }

    /// The elements of a kind that left it, by id, with the reason.
    pub(super) fn removed(&self, kind: &str) -> BTreeMap<i64, String> {
        let query = format!("SELECT id, reason FROM elements WHERE kind = '{kind}' AND state = 'removed'");
        let rows = self.look.rows(&query).into_iter();
        rows.map(|row| (row[0].1.parse().unwrap(), row[1].1.clone())).collect()
    }

    /// How a kind ended in the last run.
    pub(super) fn outcome(&self, kind: &str) -> String {
        let of_kind =
            format!("SELECT outcome FROM run_kinds WHERE kind = '{kind}' ORDER BY run DESC LIMIT 1");
        self.sql(&of_kind).pop().unwrap_or_else(|| "none".to_owned())
    }

    /// Every row of every table but the run records: what a run that finds nothing changed must leave
    /// as it was.
    pub(super) fn digest(&self) -> Rows {
        self.every_table(&RUN_RECORDS, |_| true)
    }

    /// What was learned of the account, whenever and in however many runs: what an interrupted run and an
    /// uninterrupted one must both arrive at.
    pub(super) fn content(&self) -> Rows {
        let records = [
            &RUN_RECORDS[..],
            &[
                "warnings",
                "missing",
                "cursors",
                "findings",
                "migrations",
                "key_states",
                "mark_key",
                "made_views",
                "sequences",
            ],
        ]
        .concat();
        let content =
            self.every_table(&records, |column| !column.ends_with("_at") && !WHEN.contains(&column));
        content.canonical()
    }

    fn every_table(&self, left_out: &[&str], column: impl Fn(&str) -> bool) -> Rows {
        let names = self.look.names("table").into_iter().filter(|name| !left_out.contains(&name.as_str()));
        let tables = names.map(|name| {
            let mut counted = BTreeMap::new();
            for mut row in self.look.rows(&format!("SELECT * FROM \"{name}\"")) {
                row.retain(|(name, _)| column(name));
                row.sort();
                *counted.entry(joined(row)).or_default() += 1;
            }
            (name, counted)
        });
        Rows(tables.collect())
    }

    /// Lets hours go by since all that was run and first missed.
    pub(super) fn let_hours_pass_since_runs(&self, hours: u32) {
        let earlier = |column| self.look.earlier(column, hours, "hours");
        let started_at = earlier("started_at");
        self.change(&format!(
            "UPDATE runs SET {started_at}, {}; UPDATE run_kinds SET {started_at}; UPDATE findings SET {};",
            earlier("finished_at"),
            earlier("found_at"),
        ));
    }

    /// Lets a day go by since the mapped user was last looked for.
    pub(super) fn look_again_for_the_mapped_user(&self) {
        let earlier = self.look.earlier("mapped_user_looked_at", 1, "days");
        self.change(&format!("UPDATE connections SET {earlier}"));
    }

    fn change(&self, sql: &str) {
        self.look.change(sql);
    }

    /// Lets hours go by since the keys were last asked with.
    pub(super) fn let_hours_pass_for_keys(&self, hours: u32) {
        let earlier = |column| self.look.earlier(column, hours, "hours");
        let columns = ["asked_at", "refused_since", "refused_at"].map(earlier).join(", ");
        self.change(&format!("UPDATE key_states SET {columns}"));
    }

    /// The events of the open warnings, in the order of the alphabet.
    #[track_caller]
    pub(super) fn open_warnings(&self) -> Vec<String> {
        self.sql("SELECT event FROM warnings WHERE resolved_at IS NULL ORDER BY event")
    }

    /// How many requests were refused since the log of requests was last cleared, which is done here.
    pub(super) fn refused(&self) -> usize {
        let log = self.simulator.log();
        self.simulator.clear_log();
        log.iter().filter(|request| request.status == 401).count()
    }

    /// Lets days go by for the elements in question, so that they are asked for again.
    pub(super) fn let_days_pass(&self, days: u32) {
        let earlier = |column| self.look.earlier(column, days, "days");
        self.change(&format!("UPDATE missing SET {}, {}", earlier("since"), earlier("checked_at")));
    }
}

fn joined(row: Row) -> String {
    row.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("|")
}
