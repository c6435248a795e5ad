//! A simulated account of a given size, served over HTTP on loopback, and the configuration with which the
//! program reaches it.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clearpoint_sync::clock::Clock;
use clearpoint_sync::simulator::{ApiKey, Fault, Simulator, Size, Switches, What, World};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::postgres::Database;

/// The kind that holds all elements but [`SCORECARDS`]: one kind is the hardest case for memory.
pub(crate) const KIND: &str = "objectives";
/// Scorecards of an account.
const SCORECARDS: usize = 100;
/// Requests at once, of the program and of the bare client: the program's default.
pub(crate) const CONCURRENCY: usize = 4;

/// A daemon has nothing to do as long as that.
pub(crate) const FAR: Duration = Duration::from_hours(12);

/// Which store the program is told to use.
pub(crate) enum Store<'a> {
    /// The file of [`Account::database`].
    Sqlite,
    Postgres(&'a Database),
}

/// An account that is served until dropped.
pub(crate) struct Account {
    pub(crate) simulator: Simulator,
    /// Further hosts with the same elements.
    others: Vec<Simulator>,
    pub(crate) elements: usize,
    folder: TempDir,
    runtime: Runtime,
}

impl Account {
    /// So many elements in documents of realistic size, nearly all of one kind.
    pub(crate) fn of(elements: usize) -> Self {
        let size = Size::realistic().none().with("scorecards", SCORECARDS.min(elements / 2));
        Self::serve(size.with(KIND, elements - SCORECARDS.min(elements / 2)), elements)
    }

    /// So many measures, each with 3 series of 24 periods, on a server that takes `pause` for an answer.
    pub(crate) fn of_measures(measures: usize, pause: Duration) -> Self {
        let size = Size::realistic().none().with("scorecards", SCORECARDS).with("measures", measures);
        let account = Self::serve(size.with_forecasts(), measures);
        let what = What::Slow { bytes: usize::MAX, pause };
        account.simulator.fault(Fault::ending("/measureData", what).times(u32::MAX));
        account
    }

    fn serve(size: Size, elements: usize) -> Self {
        let mut world = World::generate(1, &size);
        world.now = Clock::System.now();
        let runtime = Runtime::new().unwrap();
        let simulator = Simulator::start(world, Switches::default(), Clock::System);
        let simulator = runtime.block_on(simulator).unwrap();
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let account = Self { simulator, others: Vec::new(), elements, folder, runtime };
        account.write_secret("access-key", World::ACCESS_KEY);
        account.write_secret("secret-key", World::SECRET_KEY);
        account
    }

    /// The same elements on so many hosts: each allows 1,000 requests a second, which many connections to one would
    /// use up.
    pub(crate) fn on_hosts(mut self, hosts: usize) -> Self {
        let world = self.simulator.world().clone();
        let start = |_| Simulator::start(world.clone(), Switches::default(), Clock::System);
        self.others = (1..hosts).map(|n| self.runtime.block_on(start(n)).unwrap()).collect();
        self
    }

    /// The hosts, the first one first.
    fn hosts(&self) -> impl Iterator<Item = &Simulator> + Clone {
        std::iter::once(&self.simulator).chain(&self.others)
    }

    fn write_secret(&self, name: &str, secret: &str) {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(self.file(name));
        file.unwrap().write_all(secret.as_bytes()).unwrap();
    }

    /// The SQLite store.
    pub(crate) fn database(&self) -> PathBuf {
        self.file("clearpoint.db")
    }

    /// A path in the account's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration of one connection. `more` are lines of its section, `service` sections of
    /// their own.
    pub(crate) fn configure(&self, store: &Store<'_>, more: &str, service: &str) -> PathBuf {
        let mut text = head(store) + service;
        self.connect(&mut text, &self.simulator, ("city", "access-key"), FAR, more);
        self.write(&text)
    }

    /// Writes the configuration of so many connections, from host to host, each with a key of its own and a run
    /// once a day, the next one `due_in` so long.
    pub(crate) fn configure_many(
        &self,
        connections: usize,
        due_in: Duration,
        more: &str,
        service: &str,
    ) -> PathBuf {
        let mut text = head(&Store::Sqlite) + service;
        for (n, host) in (0..connections).zip(self.hosts().cycle()) {
            let (name, access) = (format!("c{n:04}"), format!("access-{n}"));
            self.write_secret(&access, &access);
            self.connect(&mut text, host, (&name, &access), due_in, more);
            let (secret, user) = (World::SECRET_KEY.to_owned(), World::USER.to_owned());
            host.world().add_key(ApiKey { access, secret, expires: None, user });
        }
        self.write(&text)
    }

    fn connect(
        &self,
        text: &mut String,
        host: &Simulator,
        (name, access_key): (&str, &str),
        due_in: Duration,
        more: &str,
    ) {
        let url = host.base_url();
        let once = (Clock::System.now() + due_in).format("%S %M %H * * *");
        write!(
            text,
            "[connections.{name}]\nbase_url = \"{url}\"\nschedule = \"{once}\"\n\
             schedule_full = \"{once}\"\nkinds = [\"{KIND}\", \"measures\"]\n{more}\
             [connections.{name}.limits]\nrequests_per_second = 1000\n\
             [connections.{name}.key]\nname = \"Key\"\nexpires = 2099-12-31\n\
             access_key = {{ file = \"{access_key}\" }}\nsecret_key = {{ file = \"secret-key\" }}\n"
        )
        .unwrap();
    }

    fn write(&self, text: &str) -> PathBuf {
        let path = self.file("config.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Renames one element in `every` so many.
    pub(crate) fn edit(&self, every: usize) {
        let mut world = self.simulator.world();
        world.now = Clock::System.now();
        let name = format!("Renamed at {}", world.now.to_rfc3339());
        for id in world.ids(KIND).into_iter().step_by(every) {
            world.edit(KIND, id, "name", Value::from(name.as_str()));
        }
    }

    /// The paths and queries that were asked for since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        let log = self.hosts().flat_map(Simulator::log).collect::<Vec<_>>();
        self.hosts().for_each(Simulator::clear_log);
        let place =
            |path: String, query: String| if query.is_empty() { path } else { format!("{path}?{query}") };
        log.into_iter().map(|record| place(record.path, record.query)).collect()
    }

    /// Runs what needs a runtime that is not the server's.
    pub(crate) fn as_client<T>(work: impl Future<Output = T>) -> T {
        Runtime::new().unwrap().block_on(work)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // The server's tasks end before the world they serve is taken down.
        let _inside = self.runtime.enter();
    }
}

fn head(store: &Store<'_>) -> String {
    let store = match store {
        Store::Sqlite => "[store.sqlite]\npath = \"clearpoint.db\"\n".to_owned(),
        Store::Postgres(database) => format!(
            "[store.postgres]\nhost = \"{}\"\nport = {}\ndatabase = \"{}\"\nuser = \"{}\"\n",
            database.folder.display(),
            database.port,
            database.name,
            database.user
        ),
    };
    store + "[log]\nformat = \"json\"\n[host_limits]\nrequests_per_second = 1000\nconcurrency = 64\n"
}

/// The bytes that a store takes on the disk.
pub(crate) fn bytes_of(database: &Path) -> u64 {
    let wal = database.with_extension("db-wal");
    [database, &wal].iter().filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.len()).sum()
}
