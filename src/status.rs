//! How everything stands: what `status`, `keys`, the page, `/api/status.json` and the metrics tell. Put
//! together by `survey`; holds no secret and no document.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Serialize, Serializer};

use crate::element::ElementId;
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::plan::Operation;
use crate::run::{Mode, Run};
use crate::version;
use crate::warning::{OpenWarning, Severity, span};

/// How everything stands.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// When it was put together.
    pub at: DateTime<Utc>,
    /// The program that tells it.
    pub program: ProgramStatus,
    /// The daemon that tells it; `None`: a command does, which knows of no turns.
    pub daemon: Option<DaemonStatus>,
    /// The store.
    pub store: StoreStatus,
    /// Each connection, in name order; those that are no longer configured stand last. Shared, for a large
    /// installation has hundreds, and whoever asks only reads them.
    pub connections: Vec<Arc<ConnectionStatus>>,
    /// Open warnings of all connections, the most urgent first.
    pub warnings: Vec<WarningStatus>,
    /// What passed lately: warnings that were told once and do not last, the newest first.
    pub passed: Vec<WarningStatus>,
    /// The latest changes of all connections, the newest first; many alike of one run as one.
    pub changes: Vec<ChangeGroup>,
}

/// Which program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ProgramStatus {
    /// Its version (`1.2.0`).
    pub version: &'static str,
    /// The short hash of the commit it was built from, where that is known.
    pub commit: Option<&'static str>,
}

impl ProgramStatus {
    /// This program.
    pub const THIS: Self = Self { version: version::NUMBER, commit: version::COMMIT };
}

/// How the daemon itself stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DaemonStatus {
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When its loop last turned; `None`: not yet.
    pub turned_at: Option<DateTime<Utc>>,
    /// Why it is of no use, for people, if its loop hangs.
    pub hang: Option<String>,
    /// Whether it was asked to stop.
    pub is_stopping: bool,
}

/// How the store stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StoreStatus {
    /// What it takes on the disk.
    pub bytes: u64,
    /// Why it cannot be used now, for people.
    pub unreachable: Option<String>,
    /// When that was noticed first; all else that is told of the store is from before.
    pub unreachable_since: Option<DateTime<Utc>>,
}

/// How one connection stands.
#[derive(Debug, Clone, Serialize)]
pub struct ConnectionStatus {
    /// Its name.
    pub connection: String,
    /// Whether the configuration still has it.
    pub is_configured: bool,
    /// The run under way; only the daemon knows.
    pub running: Option<Running>,
    /// The last run that ended.
    pub last_run: Option<Run>,
    /// When the last run began that stored what it could.
    pub last_success: Option<DateTime<Utc>>,
    /// When the last full run began that stored what it could.
    pub last_full_success: Option<DateTime<Utc>>,
    /// When the next run is due; `None`: after the run under way.
    pub next_run: Option<DateTime<Utc>>,
    /// When the next full run is due; `None`: after the run under way.
    pub next_full_run: Option<DateTime<Utc>>,
    /// Whether something in the store asks for a full run, whatever the schedules say.
    #[serde(skip)]
    pub asks_for_full: bool,
    /// Why the daemon asks for nothing at the times that are planned, for people: it rests for an hour after
    /// each refusal.
    pub waits: Option<&'static str>,
    /// As declared.
    pub mapped_user: Option<String>,
    /// Scorecards that the mapped user sees, as accepted.
    pub scorecards_visible: Option<usize>,
    /// Its keys, the first one first.
    pub keys: Vec<KeyStatus>,
    /// Its kinds, in the order they were last pulled.
    pub kinds: Vec<KindStatus>,
}

impl ConnectionStatus {
    /// A connection of which nothing is known but its name, and that it is not configured.
    #[must_use]
    pub fn unknown(name: &ConnectionName) -> Self {
        Self {
            connection: name.to_string(),
            is_configured: false,
            running: None,
            last_run: None,
            last_success: None,
            last_full_success: None,
            next_run: None,
            next_full_run: None,
            asks_for_full: false,
            waits: None,
            mapped_user: None,
            scorecards_visible: None,
            keys: Vec::new(),
            kinds: Vec::new(),
        }
    }

    /// Why the daemon asks for nothing with these keys, if it does not: the server refuses each of them.
    #[must_use]
    pub fn why_waits(keys: &[KeyStatus]) -> Option<&'static str> {
        let are_all_refused = keys.iter().all(|key| key.state == "refused");
        match keys.len() {
            1 if are_all_refused => Some("the key is refused"),
            2.. if are_all_refused => Some("both keys are refused"),
            _ => None,
        }
    }

    /// Whether the next run is the next full one: it begins when that is due, or a little later.
    #[must_use]
    pub fn is_next_run_full(&self) -> bool {
        self.next_run.zip(self.next_full_run).is_some_and(|(next, full)| full <= next)
    }
}

/// A run under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Running {
    /// How much it asks for.
    pub mode: Mode,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// How a key stands.
#[derive(Debug, Clone, Serialize)]
pub struct KeyStatus {
    /// Whose.
    pub connection: String,
    /// Which of the connection's keys: `key` or `next_key`.
    pub slot: &'static str,
    /// Its name.
    pub key: String,
    /// As declared.
    pub mapped_user: Option<String>,
    /// The last day it is usable.
    pub expires: Option<NaiveDate>,
    /// Days until then, in the connection's time zone; negative: past.
    pub days_left: Option<i64>,
    /// The end of the last day it is usable.
    pub lapses_at: Option<DateTime<Utc>>,
    /// `valid`, `expired`, `refused`, or `unknown` where no date is written down.
    pub state: &'static str,
    /// When the server was last heard of it, as it is now; `None`: it was never asked with.
    pub asked_at: Option<DateTime<Utc>>,
    /// When the server first refused it, as it is now.
    pub refused_since: Option<DateTime<Utc>>,
    /// Whether the next run asks with it first.
    pub leads: bool,
    /// What is open about it.
    pub warnings: Vec<WarningStatus>,
}

/// How fresh one kind of one connection is. Times are text as stored (ISO 8601, UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KindStatus {
    /// Whose.
    pub connection: String,
    /// Which kind.
    pub kind: String,
    /// Elements people see.
    pub present: u64,
    /// Elements kept but out of the views because they stay readable and are no longer listed.
    pub unlisted: u64,
    /// Elements kept but out of the views because they are gone or hidden.
    pub removed: u64,
    /// Known elements not listed, in question.
    pub missing: u64,
    /// Removals held back by a limit.
    pub held: u64,
    /// Rows kept aside.
    pub rejected: u64,
    /// When the last pull began that listed all elements, its end proved.
    pub complete_as_of: Option<String>,
    /// When the last pull began that would have seen any change.
    pub changes_as_of: Option<String>,
    /// The oldest single read; `None`: not all were read.
    pub details_as_of: Option<String>,
    /// The oldest read of series of values; `None`: not all were read.
    pub values_as_of: Option<String>,
    /// Whether the server told how long the list is; else nothing but pages without rows shows its end.
    pub is_end_told: bool,
    /// How its last pull ended.
    pub outcome: String,
    /// Why, where the outcome does not say it all.
    pub reason: Option<String>,
}

impl KindStatus {
    /// Why its last pull ended as it did, or what a list without any total leaves open; may be empty.
    #[must_use]
    pub fn why(&self) -> &str {
        match (&self.reason, self.outcome.as_str()) {
            (Some(reason), _) => reason,
            (None, "complete") if !self.is_end_told => "end unproven: no total, only pages without rows",
            (None, _) => "",
        }
    }
}

/// An open warning.
#[derive(Debug, Clone, Serialize)]
pub struct WarningStatus {
    /// Its identity (`city/key_expiring/key 2027-03-31`).
    pub warning_id: String,
    /// Whose.
    pub connection: String,
    /// What it is about.
    pub event: &'static str,
    /// What in the connection; may be empty.
    pub subject: String,
    /// How urgent.
    pub severity: &'static str,
    /// When it was first raised.
    pub raised_at: DateTime<Utc>,
    /// For how long it had been open when it was looked at. Not for programs: what is served may be older, and
    /// `raised_at` says it for good.
    #[serde(skip)]
    pub age: String,
    /// When it was last said.
    pub said_at: DateTime<Utc>,
    /// How often it was said.
    pub said: u32,
    /// What is so, for people.
    pub message: String,
    /// The facts of the log line (`key`, `expires`, `days_left`).
    #[serde(serialize_with = "as_map")]
    pub facts: Vec<(String, String)>,
    /// What to do.
    pub action: String,
}

impl WarningStatus {
    /// The warning as it stands at `now`, or stood when it ended.
    #[must_use]
    pub fn of(open: OpenWarning, now: DateTime<Utc>) -> Self {
        let OpenWarning { warning, raised_at, said_at, said } = open;
        Self {
            warning_id: warning.id.to_string(),
            connection: warning.id.connection.to_string(),
            event: warning.id.event.as_str(),
            subject: warning.id.subject,
            severity: warning.severity.as_str(),
            raised_at,
            age: span(now - raised_at),
            said_at,
            said,
            message: warning.message,
            facts: warning.fields,
            action: warning.action,
        }
    }

    /// Sorts the most urgent to the front, and leaves the order of equals.
    pub fn sort(warnings: &mut [Self]) {
        let rank = |warning: &Self| Severity::WORDS.iter().position(|(word, _)| *word == warning.severity);
        warnings.sort_by_key(|warning| std::cmp::Reverse(rank(warning)));
    }
}

/// Facts as an object, in the order of the log line.
fn as_map<S: Serializer>(facts: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(facts.iter().map(|(name, value)| (name, value)))
}

/// What one run did alike to many elements of a kind, or a single change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeGroup {
    /// The latest of them.
    #[serde(flatten)]
    pub latest: ChangeStatus,
    /// How many elements it happened to.
    pub count: u64,
    /// Whether there are more than were counted.
    pub has_more: bool,
}

/// A change, without what stood in the document before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeStatus {
    /// Its place in the log of changes.
    pub sequence: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Whose.
    pub connection: String,
    /// Which kind.
    pub kind: KindName,
    /// Which element.
    pub id: ElementId,
    /// The element's name as it is now.
    pub name: Option<String>,
    /// What of it changed: `doc`, `detail` or `values`.
    pub part: String,
    /// What happened.
    pub operation: Operation,
    /// The fields that differ, by name.
    pub fields: Vec<String>,
    /// What showed a removal.
    pub evidence: Option<String>,
}
