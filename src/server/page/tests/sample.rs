//! How things stand, for tests: everything well at one instant, to be changed from there.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use crate::element::ElementId;
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::plan::Operation;
use crate::run::{Counts, Mode, Outcome, Run, RunId};
use crate::status::{
    ChangeGroup, ChangeStatus, ConnectionStatus, DaemonStatus, KeyStatus, KindStatus, ProgramStatus, Status,
    StoreStatus, WarningStatus,
};

pub(super) fn at() -> DateTime<Utc> {
    "2027-03-31T12:00:00Z".parse().unwrap()
}

pub(super) fn status(connections: Vec<ConnectionStatus>) -> Status {
    let started_at = at() - TimeDelta::days(3);
    Status {
        at: at(),
        program: ProgramStatus::THIS,
        daemon: Some(DaemonStatus { started_at, turned_at: Some(at()), hang: None, is_stopping: false }),
        store: StoreStatus { bytes: 4_200_000, ..StoreStatus::default() },
        connections: connections.into_iter().map(Arc::new).collect(),
        warnings: Vec::new(),
        passed: Vec::new(),
        changes: Vec::new(),
    }
}

/// One that is well.
pub(super) fn connection(name: &str) -> ConnectionStatus {
    let started_at = at() - TimeDelta::minutes(12);
    ConnectionStatus {
        connection: name.to_owned(),
        is_configured: true,
        running: None,
        last_run: Some(Run {
            id: RunId(7),
            connection: ConnectionName::parse(name).unwrap(),
            mode: Mode::Incremental,
            started_at,
            finished_at: Some(started_at + TimeDelta::minutes(2)),
            outcome: Some(Outcome::Ok),
            reason: None,
            needs_full: false,
            counts: Counts { updated: 3, unchanged: 1231, requests: 20, ..Counts::default() },
            kinds: Vec::new(),
        }),
        last_success: Some(started_at),
        last_full_success: Some(at() - TimeDelta::hours(9)),
        next_run: Some(at() + TimeDelta::minutes(5)),
        next_full_run: Some(at() + TimeDelta::hours(14)),
        asks_for_full: false,
        waits: None,
        mapped_user: Some(format!("reporting@{name}.example")),
        scorecards_visible: Some(40),
        keys: vec![key(name, Some(200))],
        kinds: vec![kind(name, "measures")],
    }
}

pub(super) fn key(connection: &str, days_left: Option<i64>) -> KeyStatus {
    let expires = days_left.map(|days| at().date_naive() + TimeDelta::days(days));
    KeyStatus {
        connection: connection.to_owned(),
        slot: "key",
        key: "Integration".to_owned(),
        mapped_user: None,
        expires,
        days_left,
        lapses_at: expires
            .and_then(|date: NaiveDate| Some((date + TimeDelta::days(1)).and_hms_opt(0, 0, 0)?.and_utc())),
        state: match days_left {
            None => "unknown",
            Some(days) if days < 0 => "expired",
            Some(_) => "valid",
        },
        asked_at: Some(at() - TimeDelta::minutes(12)),
        refused_since: None,
        leads: false,
        warnings: Vec::new(),
    }
}

pub(super) fn kind(connection: &str, name: &str) -> KindStatus {
    KindStatus {
        connection: connection.to_owned(),
        kind: name.to_owned(),
        present: 1234,
        unlisted: 0,
        removed: 41,
        missing: 0,
        held: 0,
        rejected: 0,
        complete_as_of: Some("2027-03-31T02:30:00.000Z".to_owned()),
        changes_as_of: Some("2027-03-31T11:48:00.000Z".to_owned()),
        details_as_of: None,
        values_as_of: None,
        is_end_told: false,
        outcome: "complete".to_owned(),
        reason: None,
    }
}

pub(super) fn warning(connection: &str, severity: &'static str) -> WarningStatus {
    WarningStatus {
        warning_id: format!("{connection}/key_expiring"),
        connection: connection.to_owned(),
        event: "key_expiring",
        subject: String::new(),
        severity,
        raised_at: at() - TimeDelta::hours(3),
        age: "3h 0m".to_owned(),
        said_at: at() - TimeDelta::hours(3),
        said: 1,
        message: "key expires soon".to_owned(),
        facts: vec![("key".to_owned(), "Integration".to_owned()), ("days_left".to_owned(), "5".to_owned())],
        action: "look at the key".to_owned(),
    }
}

pub(super) fn change(name: &str) -> ChangeGroup {
    let latest = ChangeStatus {
        sequence: 1,
        at: at() - TimeDelta::minutes(12),
        connection: "city".to_owned(),
        kind: KindName::new("measures"),
        id: ElementId(8_070_001),
        name: Some(name.to_owned()),
        part: "doc".to_owned(),
        operation: Operation::Update,
        fields: vec!["name".to_owned()],
        evidence: None,
    };
    ChangeGroup { latest, count: 1, has_more: false }
}
