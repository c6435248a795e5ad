//! The table: one line a case, its goal beside it, on the terminal and in `docs/performance.md`.

use std::fmt::Write as _;
use std::time::Duration;

use crate::program::Took;

/// One case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    pub(crate) case: String,
    /// What it is measured against, if against anything.
    pub(crate) floor: Option<Duration>,
    pub(crate) took: Option<Took>,
    /// Elements that the processor time is divided by.
    pub(crate) elements: usize,
    pub(crate) requests: u64,
    /// Elements that the run says it wrote; `None`: not looked at.
    pub(crate) rows_written: Option<u64>,
    /// What the store takes on the disk; `None`: not looked at.
    pub(crate) store_bytes: Option<u64>,
}

impl Line {
    /// How many times the floor it took.
    pub(crate) fn ratio(&self) -> Option<f64> {
        Some(self.took?.wall.as_secs_f64() / self.floor?.as_secs_f64())
    }

    /// Processor time an element.
    pub(crate) fn cpu_us(&self) -> Option<f64> {
        Some(self.took?.cpu.as_secs_f64() * 1e6 / self.elements as f64)
    }

    /// The most memory, in MB.
    pub(crate) fn peak_mb(&self) -> Option<f64> {
        Some(self.took?.peak_kib as f64 * 1024.0 / 1e6)
    }

    fn cells(&self) -> [String; 10] {
        let seconds = |time: Option<Duration>| show(time.map(|time| time.as_secs_f64()), 2);
        [
            self.case.clone(),
            seconds(self.floor),
            seconds(self.took.map(|took| took.wall)),
            show(self.ratio(), 2),
            show(self.cpu_us(), 1),
            show(self.peak_mb(), 0),
            show(self.took.map(|took| took.written as f64 / 1e6), 0),
            self.requests.to_string(),
            show(self.rows_written.map(|rows| rows as f64), 0),
            show(self.store_bytes.map(|bytes| bytes as f64 / 1e6), 0),
        ]
    }
}

/// The heads of the columns of [`Line`].
const HEADS: [&str; 10] = [
    "case",
    "floor s",
    "took s",
    "ratio",
    "CPU µs/element",
    "peak MB",
    "written MB",
    "requests",
    "rows written",
    "store MB",
];

/// A goal, and whether it was met.
#[derive(Debug, Clone)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) most: f64,
    pub(crate) found: f64,
    pub(crate) unit: &'static str,
}

impl Goal {
    /// A goal that is met by at most so much.
    pub(crate) fn at_most(what: impl Into<String>, found: f64, most: f64, unit: &'static str) -> Self {
        Self { what: what.into(), most, found, unit }
    }

    fn cells(&self) -> [String; 4] {
        let verdict = if self.found <= self.most {
            "met".to_owned()
        } else {
            format!("missed by {:.0} %", (self.found / self.most - 1.0) * 100.0)
        };
        let Self { what, most, found, unit } = self;
        [what.clone(), format!("≤ {most}{unit}"), format!("{}{unit}", significant(*found)), verdict]
    }
}

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) lines: Vec<Line>,
    pub(crate) goals: Vec<Goal>,
}

impl Report {
    /// Keeps a case, and says at once how it went.
    pub(crate) fn line(&mut self, line: Line) -> &Line {
        println!("{}", line.cells().join("  "));
        self.lines.push(line);
        self.lines.last().expect("one was just kept")
    }

    pub(crate) fn goal(&mut self, what: impl Into<String>, found: f64, most: f64, unit: &'static str) {
        self.goals.push(Goal::at_most(what, found, most, unit));
    }

    /// Both tables, as Markdown that a terminal shows well.
    pub(crate) fn to_markdown(&self) -> String {
        let lines = self.lines.iter().map(|line| line.cells().to_vec()).collect();
        let goals = self.goals.iter().map(|goal| goal.cells().to_vec()).collect();
        let heads = ["goal", "", "found", ""];
        format!("{}\n{}", table(&HEADS, lines), table(&heads, goals))
    }
}

/// A Markdown table whose columns stand under each other.
fn table(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&heads]).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut out = String::new();
    let mut line = |row: &[String]| {
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let _ =
                if column == 0 { write!(out, "| {cell:<width$} ") } else { write!(out, "| {cell:>width$} ") };
        }
        out.push_str("|\n");
    };
    line(&heads);
    let rule = |column: usize, width: &usize| {
        if column == 0 { "-".repeat(*width) } else { format!("{}:", "-".repeat(width - 1)) }
    };
    line(&widths.iter().enumerate().map(|(column, width)| rule(column, width)).collect::<Vec<_>>());
    rows.iter().for_each(|row| line(row));
    out
}

fn show(number: Option<f64>, decimals: usize) -> String {
    number.map_or_else(|| "–".to_owned(), |number| format!("{number:.decimals$}"))
}

/// Three figures, as few decimals as that takes.
fn significant(number: f64) -> String {
    let decimals = match number {
        ..0.1 => 4,
        ..1.0 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}")
}
