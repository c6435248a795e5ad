//! The cases in which the program pulls: one process each, from its start to its end.

use std::path::Path;
use std::time::Duration;

use crate::account::{Account, CONCURRENCY, FAR, Store, bytes_of};
use crate::floor;
use crate::postgres::Postgres;
use crate::program::{self, PROGRAM};
use crate::service;
use crate::table::{Line, Report};

/// Settings of a connection that reads lists and nothing else.
pub(crate) const LISTS: &str = "measure_data = \"off\"\ndetails = \"off\"\n";
/// What the simulator takes for the values of one measure: a quick server's time.
const SINGLE_READ: Duration = Duration::from_millis(4);
/// Elements of the account that most goals speak of.
pub(crate) const COMMON: usize = 200_000;
/// One element in so many is changed.
const FEW: usize = 100;

/// An account under measurement, and the program's configuration for it.
struct Bench<'r> {
    report: &'r mut Report,
    account: Account,
    name: String,
    /// Whether the program keeps its copy in the account's file, and not elsewhere.
    is_file: bool,
}

impl<'r> Bench<'r> {
    fn of(report: &'r mut Report, account: Account) -> Self {
        let name = thousands(account.elements);
        Self { report, account, name, is_file: true }
    }

    /// Runs the program and keeps what it took, beside `floor`, which is told what was asked for.
    fn case(
        &mut self,
        what: &str,
        config: &Path,
        mode: &str,
        floor: impl Fn(&Account, &[String]) -> Duration,
    ) -> Line {
        self.account.asked();
        let took = program::run(config, &["sync", mode]);
        let asked = self.account.asked();
        let database = self.account.database();
        let line = Line {
            case: format!("{}: {what}", self.name),
            floor: Some(floor(&self.account, &asked)),
            took: Some(took),
            elements: self.account.elements,
            requests: asked.len() as u64,
            rows_written: self.is_file.then(|| rows_written(&database)),
            store_bytes: self.is_file.then(|| bytes_of(&database)),
        };
        self.report.line(line).clone()
    }
}

/// The bare client's time for the same pages.
fn pull(account: &Account, asked: &[String]) -> Duration {
    Account::as_client(floor::pull(&account.simulator.base_url(), asked, CONCURRENCY))
}

/// The same, and a bare table's for the same documents.
fn pull_and_insert(account: &Account, asked: &[String]) -> Duration {
    pull(account, asked) + floor::insert(&account.database(), &account.file(""))
}

/// Every pass over an account of so many elements.
pub(crate) fn passes(report: &mut Report, elements: usize) {
    let mut bench = Bench::of(report, Account::of(elements));
    let config = bench.account.configure(&Store::Sqlite, LISTS, "");
    let first = bench.case("first sync", &config, "--full", pull_and_insert);
    let unchanged = bench.case("unchanged full pass", &config, "--full", pull);
    bench.account.edit(FEW);
    let few = bench.case("1 % changed, full pass", &config, "--full", pull);
    // The first incremental pass learns that the filter can be trusted.
    program::run(&config, &["sync", "--incremental"]);
    bench.account.edit(FEW);
    bench.case("1 % changed, incremental pass", &config, "--incremental", pull);
    bench.account.edit(1);
    bench.case("everything changed", &config, "--full", pull_and_insert);
    if elements == COMMON {
        let ratio = |line: &Line| line.ratio().unwrap_or(f64::NAN);
        let Bench { report, account, .. } = bench;
        report.goal("first sync of 200,000, times both floors", ratio(&first), 1.3, "");
        report.goal("unchanged full pass of 200,000, times the pull floor", ratio(&unchanged), 1.15, "");
        report.goal("unchanged full pass, rows written", unchanged.rows_written.unwrap() as f64, 0.0, "");
        report.goal("unchanged full pass, CPU an element", unchanged.cpu_us().unwrap(), 10.0, " µs");
        report.goal("1 % of 200,000 changed, times the pull floor", ratio(&few), 1.2, "");
        report.goal("first sync of 200,000, peak memory", first.peak_mb().unwrap(), 64.0, " MB");
        service::ready(report, &account);
    }
}

/// A first and an unchanged pass over a million elements.
pub(crate) fn million(report: &mut Report) {
    let mut bench = Bench::of(report, Account::of(1_000_000));
    let config = bench.account.configure(&Store::Sqlite, LISTS, "");
    let first = bench.case("first sync", &config, "--full", pull_and_insert);
    bench.case("unchanged full pass", &config, "--full", pull);
    report.goal("first sync of 1,000,000, peak memory", first.peak_mb().unwrap(), 128.0, " MB");
}

/// Time and memory from 20,000 to 1,000,000 elements, where all were measured.
pub(crate) fn growth(report: &mut Report) {
    for pass in ["first sync", "unchanged full pass"] {
        let line = |size: &str| report.lines.iter().find(|line| line.case == format!("{size}: {pass}"));
        let (Some(small), Some(middle), Some(large)) = (line("20,000"), line("200,000"), line("1,000,000"))
        else {
            continue;
        };
        let time = |line: &Line| line.took.unwrap().wall.as_secs_f64() / line.elements as f64;
        let time = time(large) / time(small);
        let bytes = (large.peak_mb().unwrap() - middle.peak_mb().unwrap()) * 1e6;
        let bytes = bytes / (large.elements - middle.elements) as f64;
        report.goal(format!("{pass}, time an element at 1,000,000, times that at 20,000"), time, 1.1, "");
        // What the two goals for peak memory leave.
        report.goal(format!("{pass}, memory of one more element above 200,000"), bytes, 80.0, " B");
    }
}

/// A first sync and an unchanged pass of 200,000 elements into PostgreSQL, where that is installed.
pub(crate) fn postgres(report: &mut Report) {
    let Ok(server) = std::panic::catch_unwind(|| Postgres::with(&["fsync = on"])) else {
        println!("PostgreSQL is not installed, and so left out");
        return;
    };
    let database = server.database();
    let account = Account::of(COMMON);
    // The documents of the floor are read from a SQLite store of the same account.
    program::run(&account.configure(&Store::Sqlite, LISTS, ""), &["sync", "--full"]);
    let config = account.configure(&Store::Postgres(&database), LISTS, "");
    let mut bench = Bench::of(report, account);
    bench.name += " in PostgreSQL";
    bench.is_file = false;
    let pull_and_copy = |account: &Account, asked: &[String]| {
        pull(account, asked) + floor::copy(&account.database(), &database)
    };
    bench.case("first sync (COPY into jsonb)", &config, "--full", pull_and_copy);
    bench.case("unchanged full pass", &config, "--full", pull);
}

/// The values of 20,000 measures.
pub(crate) fn values(report: &mut Report) {
    let account = Account::of_measures(20_000, SINGLE_READ);
    let config = account.configure(&Store::Sqlite, "details = \"off\"\n", "");
    let mut bench = Bench::of(report, account);
    bench.name += " measures";
    let line = bench.case("first sync with values", &config, "--full", pull);
    report.goal("values of 20,000 measures, times the bare client", line.ratio().unwrap(), 1.25, "");
}

/// A thousand connections to twenty hosts, one after the other.
pub(crate) fn connections(report: &mut Report) {
    let account = Account::of(200).on_hosts(20);
    let config = account.configure_many(1_000, FAR, LISTS, "");
    let mut bench = Bench::of(report, account);
    bench.account.elements *= 1_000;
    bench.name = "1,000 connections of 200".into();
    bench.case("first sync", &config, "--full", pull_and_insert);
    bench.case("unchanged full pass", &config, "--full", pull);
}

/// The program's file.
pub(crate) fn program_size(report: &mut Report) {
    let bytes = std::fs::metadata(PROGRAM).unwrap().len();
    report.goal("the program's file", bytes as f64 / 1e6, 12.0, " MB");
}

/// Elements that the last runs wrote: of every connection the last one.
fn rows_written(database: &Path) -> u64 {
    let sql = rusqlite::Connection::open(database).unwrap();
    let of_last = "SELECT sum(inserted + updated + restored + removed) FROM runs
                   WHERE id IN (SELECT max(id) FROM runs GROUP BY connection)";
    sql.query_row(of_last, [], |row| row.get(0)).unwrap()
}

/// `200,000`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}
