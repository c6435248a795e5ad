//! The sections that are not about a connection: store, host limits, daemon, network, history,
//! warnings, log; `server` has a file of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Value;

use super::raw::Section;
use super::{
    Daemon, History, HostLimits, LogFormat, Network, Proxy, Publish, Warnings, address, targets, values,
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn read_store(mut section: Section<'_>, folder: &Path) -> (Option<PathBuf>, Option<Publish>) {
    let mut sqlite = section.section("sqlite");
    let cure = "write the file's path (for example \"/var/lib/clearpoint-sync/clearpoint.db\")";
    let path = sqlite.require("path", cure, |value| database_path(folder, value));
    let every = sqlite.read("publish_every", values::duration("1m", "30d"));
    let wants_copy = sqlite.has("publish");
    let publish = sqlite.read("publish", |value| {
        let copy = database_path(folder, value)?;
        match path.as_ref() == Some(&copy) {
            true => Err("is the store itself; name another file".to_owned()),
            false => Ok(copy),
        }
    });
    if !wants_copy && every.is_some() {
        sqlite.fault("publish_every", "stands without publish; write both, or neither");
    }
    (path, publish.map(|path| Publish { path, every: every.unwrap_or(HOUR) }))
}

/// SQLite would take some texts for something else than a file.
fn database_path(folder: &Path, value: &Value) -> Result<PathBuf, String> {
    let typed = values::string(value, "a path in quotes")?;
    if typed.starts_with(':') || typed.starts_with("file:") || typed.ends_with('/') {
        return Err(format!("{typed:?} is no file; write a plain path"));
    }
    values::path(folder, value)
}

pub(super) fn read_host_limits(mut section: Section<'_>) -> HostLimits {
    let rate = section.read("requests_per_second", values::rate(1000.0));
    HostLimits {
        requests_per_second: rate.unwrap_or(10.0),
        concurrency: section.read("concurrency", values::whole(1, 64)).unwrap_or(8),
    }
}

/// Spools spill `beside` the store unless another folder is named: a container has no other.
pub(super) fn read_daemon(mut section: Section<'_>, folder: &Path, beside: Option<&Path>) -> Daemon {
    let spool_dir = section.read("spool_dir", |value| values::path(folder, value));
    Daemon {
        runs_max: section.read("runs_max", values::whole(1, 10_000)).unwrap_or(64),
        memory_max: section.read("memory_max", values::size("8MB")).unwrap_or(48_000_000),
        spool_dir: spool_dir.unwrap_or_else(|| beside.unwrap_or(folder).to_owned()),
    }
}

pub(super) fn read_network(mut section: Section<'_>, folder: &Path) -> Network {
    Network {
        proxy: section.read("proxy", proxy).unwrap_or(Proxy::Env),
        ca_file: section.read("ca_file", |value| values::path(folder, value)),
    }
}

fn proxy(value: &Value) -> Result<Proxy, String> {
    match values::string(value, "\"env\", \"off\" or a URL in quotes")? {
        "env" => Ok(Proxy::Env),
        "off" => Ok(Proxy::Off),
        url => address::proxy(url).map(Proxy::Url),
    }
}

pub(super) fn read_history(mut section: Section<'_>) -> History {
    let keep = section.read("keep", values::duration("1d", "36500d"));
    let runs_keep = section.read("runs_keep", values::duration("1d", "36500d"));
    History { keep: keep.unwrap_or(400 * DAY), runs_keep: runs_keep.unwrap_or(30 * DAY) }
}

pub(super) fn read_warnings(mut section: Section<'_>, folder: &Path) -> Warnings {
    let days = section.read("key_expiry_days", descending_days);
    let remind_every = section.read("remind_every", values::duration("1h", "30d"));
    Warnings {
        key_expiry_days: days.unwrap_or_else(|| vec![30, 14, 7, 3, 1]),
        remind_every: remind_every.unwrap_or(DAY),
        targets: targets::read_all(&mut section, folder),
    }
}

fn descending_days(value: &Value) -> Result<Vec<u32>, String> {
    let expected = "days from 1 to 3650, falling (for example [30, 14, 7, 3, 1])";
    let list = value.as_array().ok_or_else(|| values::wrong_type(value, expected))?;
    let days: Vec<u32> = list
        .iter()
        .map(values::whole(1, 3650))
        .collect::<Result<_, _>>()
        .map_err(|fault| format!("holds an entry that {fault}"))?;
    if days.is_empty() {
        return Err(format!("is empty, so nobody would be told; write {expected}"));
    }
    if !days.is_sorted_by(|earlier, later| earlier > later) {
        return Err(format!("does not fall from each entry to the next; write {expected}"));
    }
    Ok(days)
}

pub(super) fn read_log(mut section: Section<'_>) -> LogFormat {
    let format = section.read("format", values::choice(&LogFormat::WORDS));
    format.unwrap_or(LogFormat::Auto)
}
