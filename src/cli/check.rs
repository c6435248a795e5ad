//! `check`: everything that could keep a run from working, told before it does: settings, schedules,
//! keys, one door request with each, one write that is taken back.

mod text;

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::Args;
use serde::Serialize;

use super::cost;
use super::keys;
use super::{Exit, Output};
use crate::app::{self, AppError, Engine, Settings};
use crate::clock::Clock;
use crate::config::postgres::Tls;
use crate::config::{self, Connection, Publish, Target};
use crate::memory::KindMemory;
use crate::notify;
use crate::publish;
use crate::pull::PullError;
use crate::rotation::KeyStanding;
use crate::run::Mode;
use crate::schedule::Schedule;
use crate::secrets::{self, TargetSecrets};
use crate::status::KeyStatus;
use crate::store;

/// Due times that are shown of each schedule.
const SHOWN: usize = 3;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Ask no network
    #[arg(long)]
    offline: bool,
    /// Check the whole store file, which takes its time
    #[arg(long)]
    deep: bool,
    /// Exit 3 when a key is refused, expired, or has at most DAYS left
    #[arg(long, value_name = "DAYS")]
    fail_within: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Checked {
    config: String,
    connections: Vec<CheckedConnection>,
    keys: Vec<KeyStatus>,
    targets: Vec<CheckedTarget>,
    store: CheckedStore,
}

/// A target of warnings, to which nothing is sent.
#[derive(Debug, Serialize)]
struct CheckedTarget {
    target: String,
    #[serde(rename = "type")]
    kind: &'static str,
    least_severity: &'static str,
    /// Why it cannot be used as it is.
    error: Option<String>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct CheckedConnection {
    connection: String,
    base_url: String,
    timezone: String,
    schedules: Vec<CheckedSchedule>,
    /// One for each key.
    doors: Vec<CheckedDoor>,
    notes: Vec<String>,
}

/// The door, asked with one key.
#[derive(Debug, Serialize)]
struct CheckedDoor {
    slot: &'static str,
    key: String,
    /// `open`, `refused`, `closed`, or `not asked`.
    door: &'static str,
    /// Why the door is not open, where it was to be asked.
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct CheckedSchedule {
    schedule: &'static str,
    line: String,
    next: Vec<DateTime<Tz>>,
    /// Requests for lists; single reads come on top.
    requests_a_day: u64,
    /// Whether some kind was never pulled, so that the truth is higher.
    is_lower_bound: bool,
}

#[derive(Debug, Serialize)]
struct CheckedStore {
    path: String,
    /// What keeps it; `None`: it cannot be used.
    engine: Option<String>,
    /// The copy for readers, if one is wanted.
    publish: Option<CheckedCopy>,
    /// Whether the whole file was read.
    is_deep: bool,
    faults: Vec<String>,
    notes: Vec<String>,
}

/// The copy for readers, which is not made.
#[derive(Debug, Serialize)]
struct CheckedCopy {
    path: String,
    /// Why it cannot be made.
    error: Option<String>,
}

pub(super) fn run(settings: Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let (checked, exits) = app::block_on(check(settings, arguments))??;
    out.result(&checked, || text::of(&checked))?;
    Ok(Exit::worst(exits.into_iter().chain([keys::exit(&checked.keys, arguments.fail_within, out)])))
}

async fn check(settings: Settings, arguments: &Arguments) -> Result<(Checked, Vec<Exit>), AppError> {
    let (engine, mut exits, mut faults) = open(&settings, arguments.deep).await?;
    if let Err(error) = app::refuse_shared_keys(&engine.config) {
        exits.push(error.exit());
        faults.push(error.to_text());
    }
    let mut connections = Vec::new();
    for connection in &engine.config.connections {
        let (checked, exit) = check_connection(&engine, connection, arguments.offline).await?;
        connections.push(checked);
        exits.push(exit);
    }
    let keys = keys::rows(&settings, &engine.clock, &engine.store).await?;
    let targets: Vec<CheckedTarget> = settings.config.warnings.targets.iter().map(check_target).collect();
    if targets.iter().any(|target| target.error.is_some()) {
        exits.push(Exit::MustChange);
    }
    let path = engine.config.store.to_string();
    let config = settings.path.display().to_string();
    let publish = settings.config.store.publish().map(check_copy);
    if publish.as_ref().is_some_and(|copy| copy.error.is_some()) {
        exits.push(Exit::MustChange);
    }
    let mut notes = store_notes(&engine.config.store);
    let is_file = engine.config.store.sqlite_path().is_some();
    if arguments.deep && !is_file {
        notes.push("whether its files are sound, the server's own tools tell (pg_amcheck)".to_owned());
    }
    let kept = if faults.is_empty() { engine.store.engine().await.ok() } else { None };
    let store =
        CheckedStore { path, engine: kept, publish, is_deep: arguments.deep && is_file, faults, notes };
    Ok((Checked { config, connections, keys, targets, store }, exits))
}

/// Whether a target's secrets can be read and are of the right form.
fn check_target(target: &Target) -> CheckedTarget {
    let error = match TargetSecrets::read(target) {
        Ok(secrets) => notify::check(target, &secrets).err().map(|error| error.to_string()),
        Err(error) => Some(AppError::from(error).to_text()),
    };
    CheckedTarget {
        target: target.name.to_string(),
        kind: target.way.as_str(),
        least_severity: target.least_severity.as_str(),
        error,
        notes: secrets::target_exposures(target),
    }
}

/// Opens the store; one that cannot be used is a fault among others, and hides none of them.
async fn open(settings: &Settings, deep: bool) -> Result<(Engine, Vec<Exit>, Vec<String>), AppError> {
    let (config, clock) = (settings.config.clone(), Clock::System);
    let fault = match Engine::open(config.clone(), clock.clone()).await {
        Ok(engine) => match probe(&engine, deep).await {
            Ok(faults) => {
                let exit = if faults.is_empty() { Exit::Done } else { Exit::MustChange };
                return Ok((engine, vec![exit], faults));
            }
            Err(error) => error,
        },
        Err(error) => error,
    };
    let engine = Engine::on_scratch(config, clock).await?;
    Ok((engine, vec![fault.exit()], vec![fault.to_text()]))
}

async fn probe(engine: &Engine, deep: bool) -> Result<Vec<String>, AppError> {
    engine.store.write_probe().await?;
    // A write that is taken back does not meet a disk that is full.
    engine.store.answers().await?;
    let mut faults = if deep { engine.store.quick_check().await? } else { Vec::new() };
    // Root may do all of the above, whatever the service may.
    if rustix::process::geteuid().is_root() {
        faults.extend(engine.config.store.sqlite_path().map(store::unusable_by_owner).unwrap_or_default());
    }
    Ok(faults)
}

async fn check_connection(
    engine: &Engine,
    connection: &Connection,
    offline: bool,
) -> Result<(CheckedConnection, Exit), AppError> {
    let now = engine.clock.now();
    let mut notes = secrets::exposures(connection);
    for key in connection.keys().filter(|key| key.expires.is_none()) {
        notes.push(format!("{}.expires is not set: nobody can be warned before the key lapses", key.slot));
    }
    let schedules = schedules(engine, connection, now, &mut notes).await?;
    let (doors, exit) = if offline { (Vec::new(), Exit::Done) } else { doors(engine, connection).await? };
    let checked = CheckedConnection {
        connection: connection.name.to_string(),
        base_url: connection.base_url.to_string(),
        timezone: connection.timezone.to_string(),
        schedules,
        doors,
        notes,
    };
    Ok((checked, exit))
}

/// The door, asked with every key; what is said of them is remembered.
async fn doors(engine: &Engine, connection: &Connection) -> Result<(Vec<CheckedDoor>, Exit), AppError> {
    let mut ring = engine.ring(connection).await?;
    let (mut doors, mut exits) = (Vec::new(), Vec::new());
    for key in connection.keys() {
        let (door, error, exit) = match engine.knock(&mut ring, key.slot).await {
            Ok(Some(Ok(()))) => ("open", None, Exit::Done),
            Ok(Some(Err(error @ PullError::Refused(_)))) => {
                ("refused", Some(error.to_string()), Exit::Refused)
            }
            Ok(Some(Err(error))) => ("closed", Some(error.to_string()), Exit::Failed),
            Ok(None) => {
                let KeyStanding::Unreadable(reason) = ring.standing(key.slot) else { continue };
                ("not asked", Some(reason.to_owned()), Exit::MustChange)
            }
            Err(error) => ("not asked", Some(error.to_text()), error.exit()),
        };
        doors.push(CheckedDoor { slot: key.slot.as_str(), key: key.name.clone(), door, error });
        exits.push(exit);
    }
    Ok((doors, Exit::worst(exits)))
}

/// Both schedules with their next due times, and notes on what they cost.
async fn schedules(
    engine: &Engine,
    connection: &Connection,
    now: DateTime<Utc>,
    notes: &mut Vec<String>,
) -> Result<Vec<CheckedSchedule>, AppError> {
    let mut memories: Vec<KindMemory> = Vec::new();
    for kind in &connection.kinds {
        memories.push(engine.store.memory(&connection.name, &kind.name).await?);
    }
    let pairs = || connection.kinds.iter().zip(&memories);
    let both = [
        ("schedule", &connection.schedule, Mode::Incremental),
        ("schedule_full", &connection.schedule_full, Mode::Full),
    ];
    let mut checked = Vec::new();
    for (name, schedule, mode) in both {
        let run = cost::of_run(pairs(), mode, now);
        let (fires, shortest) = cost::due_in_a_day(schedule, now);
        if !run.left_out.is_empty() {
            notes.push(format!("{name}: leaves to schedule_full: {}", run.left_out.join(", ")));
        }
        notes.extend(too_much(engine, connection, name, run.requests, shortest));
        checked.push(CheckedSchedule {
            schedule: name,
            line: schedule.line().to_owned(),
            next: next(schedule, now),
            requests_a_day: run.requests * fires,
            is_lower_bound: run.is_lower_bound,
        });
    }
    Ok(checked)
}

/// The next due times, in the schedule's own zone.
fn next(schedule: &Schedule, now: DateTime<Utc>) -> Vec<DateTime<Tz>> {
    let due = std::iter::successors(Some(schedule.next_after(now)), |last| Some(schedule.next_after(*last)));
    due.take(SHOWN).map(|due| due.with_timezone(&schedule.zone())).collect()
}

/// Says when a run's requests do not fit between two due times.
#[expect(clippy::cast_precision_loss, reason = "requests of one run stay far below 2^52")]
fn too_much(
    engine: &Engine,
    connection: &Connection,
    schedule: &str,
    requests: u64,
    shortest: chrono::TimeDelta,
) -> Option<String> {
    let own = connection.limits.requests_per_second;
    let sharing = engine
        .config
        .connections
        .iter()
        .filter(|other| other.base_url.host_str() == connection.base_url.host_str());
    let host = engine.config.host_limits.requests_per_second / sharing.count() as f64;
    let seconds = requests as f64 / own.min(host);
    let room = shortest.as_seconds_f64();
    (seconds > room).then(|| {
        format!(
            "{schedule}: {requests} requests take {seconds:.0} s at the limits of this connection and its host, \
             but runs are {room:.0} s apart; schedule less often or raise requests_per_second"
        )
    })
}

/// What is worth knowing of a store's settings.
fn store_notes(store: &config::Store) -> Vec<String> {
    let Some(postgres) = store.postgres() else {
        return store.sqlite_path().and_then(asked_as_root).into_iter().collect();
    };
    let mut notes = secrets::postgres_exposures(postgres);
    if postgres.tls == Tls::Off && postgres.hosts.iter().any(|address| address.host.is_remote()) {
        notes.push("store.postgres.tls is off: what goes over the network can be read on the way".to_owned());
    }
    notes
}

/// Root may do what the service's user may not.
fn asked_as_root(store: &Path) -> Option<String> {
    let owner = std::fs::metadata(store::folder_of(store)).ok()?.uid();
    let is_other = rustix::process::geteuid().is_root() && owner != 0;
    is_other.then(|| {
        format!(
            "asked as root: what user {owner} may do there, and in the sandbox of its unit, is not looked at"
        )
    })
}

fn check_copy(settings: &Publish) -> CheckedCopy {
    let error = publish::refusal(settings);
    CheckedCopy { path: settings.path.display().to_string(), error }
}
