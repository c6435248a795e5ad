//! The daemon: how soon it is ready, and what it costs while there is nothing to do.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::account::{Account, FAR, Store};
use crate::cases::LISTS;
use crate::program::{self, Running};
use crate::table::Report;

/// How long an idle daemon is watched.
const WATCHED: Duration = Duration::from_secs(15);
/// What a start left to do for each connection, which the daemon spreads over half a minute, is done by then.
const SETTLED_AFTER: Duration = Duration::from_secs(45);
/// When a daemon that is to have had a run has it.
const SOON: Duration = Duration::from_secs(5);
/// How often each thing is done; the median counts.
const TIMES: usize = 21;
/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon with a server.
struct Daemon {
    running: Running,
    address: SocketAddr,
}

impl Daemon {
    /// Starts one on the configuration that `configure` writes, given the section of its server, and waits until
    /// it says that it is ready; gives also the time that took.
    fn start(configure: impl FnOnce(&str) -> std::path::PathBuf) -> (Self, Duration) {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = configure(&format!("[server]\nlisten = \"{address}\"\n"));
        let daemon = Self { running: Running::start(&config, &["run"]), address };
        while !daemon.get("/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            assert!(daemon.running.started.elapsed() < PATIENCE, "the daemon does not get ready");
            thread::sleep(Duration::from_micros(500));
        }
        let took = daemon.running.started.elapsed();
        (daemon, took)
    }

    /// What it answers, unless nobody listens.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }

    fn answer_time(&self, path: &str) -> Duration {
        let start = Instant::now();
        let answer = self.get(path).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path} answers {answer}");
        start.elapsed()
    }
}

/// How soon the daemon is ready with the store that was filled from `account`.
pub(crate) fn ready(report: &mut Report, account: &Account) {
    let mut took = Vec::new();
    for _ in 0..TIMES {
        let (daemon, time) = Daemon::start(|service| account.configure(&Store::Sqlite, LISTS, service));
        took.push(time);
        daemon.running.stop();
    }
    report.goal("start to ready with a store of 200,000", median(took), 50.0, " ms");
}

/// A daemon that has nothing to do, with the account that it had pulled before.
struct Idle {
    daemon: Daemon,
    _account: Account,
}

impl Idle {
    /// Starts one whose every connection has had a run.
    fn start(connections: usize) -> Self {
        let account = Account::of(200);
        let due_in = if connections == 1 { SOON } else { FAR };
        if connections > 1 {
            // A daemon would spread so many runs over minutes. A first one calls for a second.
            let config = account.configure_many(connections, due_in, LISTS, "");
            program::run(&config, &["sync", "--full"]);
            program::run(&config, &["sync", "--full"]);
        }
        let (daemon, _) =
            Daemon::start(|service| account.configure_many(connections, due_in, LISTS, service));
        wait_for_runs(&account.database(), connections);
        Self { daemon, _account: account }
    }

    fn memory_mb(&self) -> f64 {
        self.daemon.running.status_kib("VmRSS") as f64 * 1024.0 / 1e6
    }
}

/// Idle daemons side by side: one has one connection, one three hundred.
pub(crate) fn idle(report: &mut Report) {
    let (one, many) = (Idle::start(1), Idle::start(300));
    thread::sleep(SETTLED_AFTER);
    let share = many.daemon.running.share_of_a_core(WATCHED);
    report.goal("idle daemon, memory", one.memory_mb(), 15.0, " MB");
    println!("an idle daemon with 300 connections holds {:.1} MB", many.memory_mb());
    report.goal("idle daemon with 300 connections, share of a core", share * 100.0, 0.1, " %");
    for path in ["/metrics", "/"] {
        let took = (0..TIMES).map(|_| many.daemon.answer_time(path)).collect();
        report.goal(format!("{path} with 300 connections"), median(took), 10.0, " ms");
    }
    one.daemon.running.stop();
    many.daemon.running.stop();
}

/// Waits until each connection has had a run that is over.
fn wait_for_runs(database: &Path, connections: usize) {
    let sql = rusqlite::Connection::open(database).unwrap();
    let start = Instant::now();
    let over = "SELECT count(DISTINCT connection) FROM runs WHERE finished_at IS NOT NULL";
    while sql.query_row(over, [], |row| row.get::<_, usize>(0)).unwrap() < connections {
        assert!(start.elapsed() < PATIENCE, "some connections have no run");
        thread::sleep(Duration::from_millis(100));
    }
}

/// The median, in milliseconds.
fn median(mut took: Vec<Duration>) -> f64 {
    took.sort_unstable();
    took[took.len() / 2].as_secs_f64() * 1e3
}
