//! A real PostgreSQL for tests: throw-away servers, and a fresh database for each test. A server ends with
//! the process that started it, however that ends, and leaves nothing behind (`postgres.sh` sees to it).
//!
//! Included by path, by the library's tests and by those of the program. The path of each test that uses it
//! holds `a_real_postgres`, by which `scripts/test` leaves it out where no PostgreSQL is installed.

#![allow(dead_code, reason = "whoever includes this uses a part of it")]

use std::hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

const SCRIPT: &str = include_str!("postgres.sh");

/// A server of this process. What it takes for granted is unlike what people expect: its time zone is
/// Asia/Kolkata, its days are written as Germans do, its text is sorted as in a dictionary.
///
/// Everyone is let in as anyone through the socket, and from 127.0.0.1, with these exceptions: members of
/// the role `with_password` need one (SCRAM), and the user `certified` needs TLS and a certificate of his.
pub(crate) struct Postgres {
    /// The folder of its socket.
    pub(crate) folder: PathBuf,
    /// Its port on 127.0.0.1, and in the name of its socket.
    pub(crate) port: u16,
    psql: PathBuf,
    is_shared: bool,
    has_small_disk: bool,
    databases: AtomicU32,
    keeper: Mutex<Keeper>,
}

/// The shell that keeps the server.
struct Keeper {
    child: Child,
    /// Its end is the shell's sign to clean up.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// Files for TLS, all in one authority's trust but the stranger.
pub(crate) struct Certificates {
    /// The authority that vouches for the server, whose name is `localhost` (and not 127.0.0.1).
    pub(crate) authority: PathBuf,
    /// An authority that vouches for nobody here.
    pub(crate) stranger: PathBuf,
    /// What the user `certified` shows.
    pub(crate) client_certificate: PathBuf,
    /// Its key.
    pub(crate) client_key: PathBuf,
}

/// A database of one test, and how to get there.
pub(crate) struct Database {
    /// Its name.
    pub(crate) name: String,
    /// The folder of the server's socket.
    pub(crate) folder: PathBuf,
    /// The server's port.
    pub(crate) port: u16,
    /// Who asks: a superuser who needs no password, unless a test puts another there.
    pub(crate) user: &'static str,
    psql: PathBuf,
    is_dropped: bool,
}

impl Postgres {
    /// The server that the tests of this process share. Nobody may stop or freeze it, nor change what holds
    /// for the whole server.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self { is_shared: true, ..Self::start() })
    }

    /// A server of one's own.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// A server of one's own with these lines in its `postgresql.conf` (`fsync = on`, `ssl = off`).
    #[track_caller]
    pub(crate) fn with(settings: &[&str]) -> Self {
        Self::keep("none", 0, settings)
    }

    /// A server whose databases lie on a disk of so many mebibytes, which [`Postgres::fill_disk`] fills;
    /// `None` where this user may mount nothing.
    #[track_caller]
    pub(crate) fn on_small_disk(mebibytes: u32) -> Option<Self> {
        let mount = "mount -t tmpfs tmpfs /mnt";
        let tried =
            Command::new("unshare").args(["--mount", "sh", "-c", mount]).stderr(Stdio::null()).status();
        let may_mount = tried.is_ok_and(|status| status.success());
        may_mount.then(|| Self::keep("none", mebibytes, &[]))
    }

    /// A read-only copy of this server that follows it; `SELECT pg_promote()` makes it writable.
    #[track_caller]
    pub(crate) fn standby(&self) -> Self {
        Self::keep(&format!("{}:{}", self.port, self.folder.display()), 0, &[])
    }

    #[track_caller]
    fn keep(from: &str, mebibytes: u32, settings: &[&str]) -> Self {
        let mut command = Command::new(if mebibytes == 0 { "sh" } else { "unshare" });
        if mebibytes > 0 {
            command.args(["--mount", "sh"]);
        }
        let mut child = command
            .args(["-c", SCRIPT, "postgres.sh"])
            .arg(template())
            .args([some_port().to_string(), mebibytes.to_string(), from.to_owned()])
            .args(settings)
            // Signals to this process and its like pass it by.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a POSIX shell is installed");
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut keeper = Keeper { child, orders, answers };
        let started = keeper.answer();
        let [port, bin, folder] = *started.split(' ').collect::<Vec<_>>() else {
            panic!("it says its port, where its programs are, and its folder: {started}");
        };
        Self {
            folder: folder.into(),
            port: port.parse().expect("a port is a number"),
            psql: Path::new(bin).join("psql"),
            is_shared: false,
            has_small_disk: mebibytes > 0,
            databases: AtomicU32::new(0),
            keeper: Mutex::new(keeper),
        }
    }

    /// Makes an empty database. It is dropped with its holder where others share the server.
    #[track_caller]
    pub(crate) fn database(&self) -> Database {
        let name = format!("test_{}", self.databases.fetch_add(1, Relaxed));
        let place = if self.has_small_disk { " TABLESPACE small" } else { "" };
        self.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0{place}"));
        self.existing(name, self.is_shared)
    }

    /// The way to a database that is there, such as that of [`Postgres::standby`].
    pub(crate) fn existing(&self, name: String, is_dropped: bool) -> Database {
        let Self { folder, port, psql, .. } = self;
        Database {
            name,
            folder: folder.clone(),
            port: *port,
            user: "postgres",
            psql: psql.clone(),
            is_dropped,
        }
    }

    /// What statements answer in a database, asked by PostgreSQL's own client as superuser: a line a row,
    /// columns parted by `|`.
    #[track_caller]
    pub(crate) fn psql(&self, database: &str, sql: &str) -> String {
        self.existing(database.to_owned(), false).psql(sql)
    }

    /// Stops it as a crash would: the next start recovers.
    #[track_caller]
    pub(crate) fn crash(&self) {
        self.order("crash");
    }

    /// Stops it in order; who is connected is told (57P01).
    #[track_caller]
    pub(crate) fn stop(&self) {
        self.order("stop");
    }

    /// Starts it again, on the same port.
    #[track_caller]
    pub(crate) fn up(&self) {
        self.order("up");
    }

    /// Lets it hang: it takes connections, and never answers.
    #[track_caller]
    pub(crate) fn freeze(&self) {
        self.order("freeze");
    }

    /// Lets it go on.
    #[track_caller]
    pub(crate) fn thaw(&self) {
        self.order("thaw");
    }

    /// Puts a line before all others of its `pg_hba.conf`, and makes it hold from now on.
    #[track_caller]
    pub(crate) fn admit(&self, line: &str) {
        self.order(&format!("admit {line}"));
    }

    /// Leaves no room on the disk of [`Postgres::on_small_disk`].
    #[track_caller]
    pub(crate) fn fill_disk(&self) {
        self.order("fill");
    }

    /// Takes back [`Postgres::fill_disk`].
    #[track_caller]
    pub(crate) fn make_room(&self) {
        self.order("make_room");
    }

    /// The files for TLS, which it speaks unless it was told not to.
    pub(crate) fn certificates(&self) -> Certificates {
        let file = |name: &str| self.folder.join("tls").join(name);
        Certificates {
            authority: file("ca.pem"),
            stranger: file("stranger.pem"),
            client_certificate: file("certified.pem"),
            client_key: file("certified.key"),
        }
    }

    #[track_caller]
    fn order(&self, order: &str) {
        assert!(!self.is_shared, "a test that needs `{order}` starts a server of its own");
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner).obey(order);
    }
}

impl Database {
    /// What statements answer, asked by PostgreSQL's own client: a line a row, columns parted by `|`.
    #[track_caller]
    pub(crate) fn psql(&self, sql: &str) -> String {
        let (succeeded, said) = self.run_psql(&self.name, sql);
        assert!(succeeded, "{}: {sql}: {said}", self.name);
        said
    }

    /// Why statements are refused.
    #[track_caller]
    pub(crate) fn refusal(&self, sql: &str) -> String {
        let (succeeded, said) = self.run_psql(&self.name, sql);
        assert!(!succeeded, "{}: {sql}: {said}", self.name);
        said
    }

    /// Its section of a configuration file.
    pub(crate) fn toml(&self) -> String {
        let Self { name, folder, port, user, .. } = self;
        format!("[store.postgres]\nhost = {folder:?}\nport = {port}\ndatabase = {name:?}\nuser = {user:?}\n")
    }

    fn run_psql(&self, database: &str, sql: &str) -> (bool, String) {
        let mut child = Command::new(&self.psql)
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
            .args(["--username", self.user, "--dbname", database, "--port", &self.port.to_string()])
            .arg("--host")
            .arg(&self.folder)
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql comes with the server");
        let mut input = child.stdin.take().expect("its input is piped");
        // One that cannot connect reads nothing, and says why.
        let _ = input.write_all(sql.as_bytes());
        drop(input);
        let output = child.wait_with_output().expect("it is a child of this process");
        let said = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8_lossy(&said).trim_end().to_owned())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.is_dropped {
            let _ = self.run_psql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

impl Keeper {
    #[track_caller]
    fn obey(&mut self, order: &str) {
        let orders = self.orders.as_mut().expect("it is taken at the end only");
        writeln!(orders, "{order}").expect("the shell lives as long as its input");
        self.answer();
    }

    /// What it says next.
    #[track_caller]
    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the shell's answer is text");
        match line.trim_end().strip_prefix("ok") {
            Some(said) => said.trim_start().to_owned(),
            None => panic!("no PostgreSQL for tests: {line}"),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}

/// Where the template of all clusters lies: with what cargo builds, one for each version of the script.
fn template() -> PathBuf {
    let program = std::env::current_exe().expect("a test knows where it lies");
    let folder = program.ancestors().nth(2).expect("a test lies in a folder of the target folder");
    let mut hasher = DefaultHasher::new();
    SCRIPT.hash(&mut hasher);
    folder.join(format!("postgres-{:016x}", hasher.finish()))
}

/// A port that the system gives to nobody who asks for just any.
fn some_port() -> u64 {
    20_000 + RandomState::new().hash_one(0) % 12_000
}
