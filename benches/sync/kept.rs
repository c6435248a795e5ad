//! The last figures, kept in `docs/performance.md` with what they were measured on.

use std::process::Command;

/// Where the figures stand.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
/// The lines around them.
const BEGIN: &str = "<!-- figures: written by scripts/bench -->\n";
const END: &str = "<!-- end of figures -->\n";

/// Puts the tables in the place of those before.
pub(crate) fn keep(tables: &str) {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page says where its figures begin");
    let (_, after) = rest.split_once(END).expect("the page says where its figures end");
    let about = format!("`scripts/bench`, {}, at commit {}: {}.", today(), commit(), machine());
    std::fs::write(PAGE, format!("{before}{BEGIN}\n{about}\n\n{tables}\n{END}{after}")).unwrap();
    println!("kept in docs/performance.md");
}

fn today() -> String {
    clearpoint_sync::clock::Clock::System.now().format("%Y-%m-%d").to_string()
}

fn commit() -> String {
    let said = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    said.map_or_else(|_| "unknown".to_owned(), |said| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// Processor, cores, memory and kernel.
fn machine() -> String {
    let line = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_once(':'))
            .map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kib: f64 = line("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processor = line("/proc/cpuinfo", "model name");
    format!("{cores} cores of {processor}, {:.0} GiB, Linux {}", kib / f64::from(1 << 20), kernel.trim())
}
