//! How fast, small and calm the program is: it runs as a process against the simulator, and beside each case
//! stands the floor, measured in the same run. Prints a table with ratios, and the goals.
//!
//! `scripts/bench [CASE...]`: of `20000`, `200000`, `1000000`, `postgres`, `values`, `connections`, `idle`, or
//! all of them, which also keeps the figures in `docs/performance.md`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark fails like a test, and its figures are shown with three digits"
)]

mod account;
mod cases;
mod floor;
mod kept;
#[path = "../support/plain.rs"]
mod plain;
#[path = "../../tests/support/postgres.rs"]
mod postgres;
mod program;
mod service;
mod table;

use std::time::Instant;

use table::Report;

/// What measures a case.
type Measure = fn(&mut Report);

/// Every case by its name, in order.
const CASES: [(&str, Measure); 7] = [
    ("20000", |report| cases::passes(report, 20_000)),
    ("200000", |report| cases::passes(report, cases::COMMON)),
    ("1000000", cases::million),
    ("postgres", cases::postgres),
    ("values", cases::values),
    ("connections", cases::connections),
    ("idle", service::idle),
];

fn main() {
    let start = Instant::now();
    // Cargo adds `--bench` of its own.
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = wanted.iter().find(|name| !CASES.iter().any(|(case, _)| case == name)) {
        let names = CASES.map(|(case, _)| case).join(", ");
        println!("{unknown} is no case; there are {names}");
        std::process::exit(2);
    }
    let mut report = Report::default();
    for (case, measure) in CASES {
        if wanted.is_empty() || wanted.iter().any(|name| name == case) {
            measure(&mut report);
        }
    }
    cases::program_size(&mut report);
    cases::growth(&mut report);
    let tables = report.to_markdown();
    println!("\n{tables}\n{:.0} s in all", start.elapsed().as_secs_f64());
    if wanted.is_empty() {
        kept::keep(&tables);
    }
}
