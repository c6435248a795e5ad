//! The sections that are not about a connection: host limits, daemon, network, history, warnings, log;
//! `store` and `server` have files of their own.

use std::path::Path;
use std::time::Duration;

use toml::Value;

use super::raw::Section;
use super::{Daemon, History, HostLimits, LogFormat, Network, Proxy, Warnings, address, targets, values};

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn read_host_limits(mut section: Section<'_>) -> HostLimits {
    let rate = section.read("requests_per_second", values::rate(1000.0));
    HostLimits {
        requests_per_second: rate.unwrap_or(10.0),
        concurrency: section.read("concurrency", values::whole(1, 64)).unwrap_or(8),
    }
}

/// Spools spill to the folder `spool_dir` unless another one is named.
pub(super) fn read_daemon(mut section: Section<'_>, folder: &Path, spool_dir: &Path) -> Daemon {
    let named = section.read("spool_dir", |value| values::path(folder, value));
    Daemon {
        runs_max: section.read("runs_max", values::whole(1, 10_000)).unwrap_or(64),
        memory_max: section.read("memory_max", values::size("8MB")).unwrap_or(48_000_000),
        spool_dir: named.unwrap_or_else(|| spool_dir.to_owned()),
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
