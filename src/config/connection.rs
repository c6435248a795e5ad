//! `[connections.NAME]`: one API key on one account.

use std::path::Path;

use chrono_tz::Tz;
use toml::Value;

use super::raw::Section;
use super::{Connection, Details, Limits, MeasureData, address, kinds, problems, values};
use crate::key::{Key, KeySlot, SecretSource};
use crate::kind::Kind;
use crate::name::ConnectionName;
use crate::schedule::Schedule;

/// ClearPoint's own service; private clouds and local installations have another.
pub(super) const BASE_URL: &str = "https://app.clearpointstrategy.com/api/v1";
const SCHEDULE: &str = "*/15 * * * *";
const SCHEDULE_FULL: &str = "30 2 * * *";

/// Reads every connection; those with faults are left out, for the faults are reported.
/// Relative paths count from `folder`.
pub(super) fn read_all(root: &mut Section<'_>, known: &[Kind], folder: &Path) -> Vec<Connection> {
    let sections = root.sections("connections");
    if sections.is_empty() {
        root.fault("connections", "is missing; write [connections.NAME] for each API key");
    }
    let mut taken = Vec::new();
    let read = |(name, section): (String, _)| read(&name, section, known, folder, &mut taken);
    sections.into_iter().filter_map(read).collect()
}

/// Access keys met so far, each with the path it stands at.
type Taken = Vec<(String, SecretSource)>;

fn read(
    typed_name: &str,
    mut section: Section<'_>,
    known: &[Kind],
    folder: &Path,
    taken: &mut Taken,
) -> Option<Connection> {
    let name = ConnectionName::parse(typed_name).map_err(|error| section.fault_here(error.to_string())).ok();
    let allow_http = section.read("allow_http", values::flag).unwrap_or(false);
    let base_url = section.take("base_url").unwrap_or_else(|| Value::String(BASE_URL.into()));
    let base_url = values::string(&base_url, "a URL in quotes")
        .and_then(|text| address::base_url(text, allow_http))
        .map_err(|text| section.fault("base_url", text))
        .ok();
    let mapped_user = section.read("mapped_user", values::text);
    let timezone = section.read("timezone", timezone).unwrap_or(Tz::UTC);
    let schedule = read_schedule(&mut section, "schedule", SCHEDULE, timezone);
    let schedule_full = read_schedule(&mut section, "schedule_full", SCHEDULE_FULL, timezone);
    let measure_data = section.read("measure_data", values::choice(&MeasureData::WORDS));
    let details = section.read("details", values::choice(&Details::WORDS));
    let kinds = kinds::choose(&mut section, known);
    let key = read_key(section.section("key"), KeySlot::Key, folder, taken);
    let next_key = section.optional("next_key").map(|below| read_key(below, KeySlot::NextKey, folder, taken));
    let limits = read_limits(section.section("limits"));
    Some(Connection {
        name: name?,
        base_url: base_url?,
        mapped_user,
        schedule: schedule?,
        schedule_full: schedule_full?,
        timezone,
        kinds,
        measure_data: measure_data.unwrap_or(MeasureData::Changed),
        details: details.unwrap_or(Details::Auto),
        key: key?,
        next_key: next_key.flatten(),
        limits,
    })
}

fn read_key(mut section: Section<'_>, slot: KeySlot, folder: &Path, taken: &mut Taken) -> Option<Key> {
    let name = section.require(
        "name",
        "write the name entered in ClearPoint under API Key Name (Application)",
        values::text,
    );
    let expires = section.read("expires", values::date);
    let cure = "write where it comes from: { file = … }, { credential = … } or { env = … }";
    let access_key = section.require("access_key", cure, |value| secret_source(value, folder));
    let secret_key = section.require("secret_key", cure, |value| secret_source(value, folder));
    if let Some(access_key) = &access_key {
        if secret_key.as_ref() == Some(access_key) {
            section.fault("access_key", "is the same source as secret_key; each half has its own");
        }
        // One access key behind two connections would pull one account twice, under two names.
        match taken.iter().find(|(_, source)| source == access_key) {
            Some((twin, _)) => {
                section.fault("access_key", format!("is the same source as {twin}; every key has its own"));
            }
            None => taken.push((section.path_of("access_key"), access_key.clone())),
        }
    }
    Some(Key { slot, name: name?, expires, access_key: access_key?, secret_key: secret_key? })
}

fn read_limits(mut section: Section<'_>) -> Limits {
    let default = Limits::default();
    let rate = section.read("requests_per_second", values::rate(1000.0));
    let timeout = section.read("request_timeout", values::duration("1s", "1h"));
    let removals_min = section.read("removals_min", values::whole(0, u32::MAX));
    Limits {
        requests_per_second: rate.unwrap_or(default.requests_per_second),
        concurrency: section.read("concurrency", values::whole(1, 64)).unwrap_or(default.concurrency),
        page_size: section.read("page_size", values::whole(1, 1000)).unwrap_or(default.page_size),
        request_timeout: timeout.unwrap_or(default.request_timeout),
        removals_max: section.read("removals_max", values::percent).unwrap_or(default.removals_max),
        removals_min: removals_min.map_or(default.removals_min, u64::from),
    }
}

fn read_schedule(
    section: &mut Section<'_>,
    key: &'static str,
    default: &str,
    timezone: Tz,
) -> Option<Schedule> {
    let value = section.take(key).unwrap_or_else(|| Value::String(default.into()));
    values::string(&value, "a crontab line in quotes (for example \"*/15 * * * *\")")
        .and_then(|line| Schedule::parse(line, timezone).map_err(|error| error.to_string()))
        .map_err(|text| section.fault(key, text))
        .ok()
}

fn timezone(value: &Value) -> Result<Tz, String> {
    let typed = values::string(value, "a time zone in quotes (for example \"Europe/Berlin\")")?;
    typed.parse().map_err(|_| {
        let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let city = |name: &str| name.rsplit('/').next().unwrap_or_default().to_lowercase();
        // The right city under the wrong continent is the nearest of all.
        let near =
            names().find(|name| city(name) == city(typed)).or_else(|| problems::nearest(typed, names()));
        let cure = near.map_or_else(
            || "write one like \"America/New_York\"".to_owned(),
            |zone| format!("did you mean {zone:?}?"),
        );
        format!("{typed:?} is no time zone; {cure}")
    })
}

/// Where a secret comes from. What was typed is never shown: it may be the secret itself.
pub(super) fn secret_source(value: &Value, folder: &Path) -> Result<SecretSource, String> {
    let sources = "{ file = \"/path\" }, { credential = \"name\" } or { env = \"NAME\" }";
    let Value::Table(table) = value else {
        return Err(format!("stands in the file itself, where secrets never stand; write {sources}"));
    };
    let mut entries = table.iter();
    let (Some((kind, Value::String(place))), None) = (entries.next(), entries.next()) else {
        return Err(format!("is not one place; write one of {sources}"));
    };
    match kind.as_str() {
        "file" if !place.is_empty() && !place.contains('\0') => Ok(SecretSource::File(folder.join(place))),
        "file" => Err("is no path; write { file = \"/path\" }".into()),
        "credential" if is_file_name(place) => Ok(SecretSource::Credential(place.clone())),
        "credential" => Err("is no credential's name; write the one in the unit's LoadCredential=".into()),
        "env" if is_variable(place) => Ok(SecretSource::Env(place.clone())),
        "env" => Err("is no variable's name; use A-Z, 0-9 and \"_\"".into()),
        _ => Err(format!("is no known place; write {sources}")),
    }
}

fn is_file_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ':');
    !name.is_empty() && name != "." && name != ".." && name.chars().all(plain)
}

fn is_variable(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(plain)
}
