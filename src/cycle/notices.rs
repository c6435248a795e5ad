//! What a run has to say to people: the facts that hold now, and which it looked at, so that a warning
//! whose fact is gone can be resolved and one that was not looked at stays.

use super::Weighed;
use super::failure::Stop;
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::plan::Held;
use crate::snapshot::Rejected;
use crate::store::{Committed, HELD_VALUES, RejectedRow};
use crate::warning::{Event, Severity, Warning, WarningId};

/// What a run found, and what it looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices {
    /// Facts that hold now.
    pub hold: Vec<Warning>,
    /// Identities this run can speak about: those not among `hold` are resolved.
    pub examined: Vec<WarningId>,
    /// Kinds found unavailable for the first time, with what they answered: said once, as information.
    pub unavailable: Vec<(KindName, String)>,
    /// Kinds with rows kept aside for the first time, with the rows' keys: said once.
    pub rejected: Vec<(KindName, String)>,
    /// Kinds whose single reads have something to say that is no failure: said once a run.
    pub single_reads: Vec<(KindName, String)>,
    /// Why it cannot be told whether the mapped user is there, when that is new: said once.
    pub mapped_user_unknown: Option<String>,
}

impl Notices {
    pub(super) fn unavailable(&mut self, kind: &KindName, text: &str) {
        self.unavailable.push((kind.clone(), text.to_owned()));
    }

    pub(super) fn single_reads(&mut self, kind: &KindName, text: String) {
        self.single_reads.push((kind.clone(), text));
    }

    /// Measures whose values are held, looked at after a stage of single reads.
    pub(super) fn values_held(&mut self, connection: &ConnectionName, held: Option<&Held>) {
        let id = id(Event::RemovalsHeld, connection, HELD_VALUES);
        self.examined.push(id.clone());
        if let Some(held) = held.filter(|held| !held.is_released) {
            let count = held.ids.len();
            self.hold(
                id,
                Severity::Warn,
                format!("the values of {count} measures came empty, unrecognised or shrunken and are held"),
                format!(
                    "compare them with ClearPoint; if they are really gone: \
                     clearpoint-sync release {connection} {HELD_VALUES}"
                ),
                vec![("held".into(), count.to_string())],
            );
        }
    }

    /// A run that was let in: the account is the accepted one.
    pub(super) fn arrived(&mut self, connection: &ConnectionName) {
        for event in [Event::AccountChanged, Event::NothingVisible] {
            self.examined.push(id(event, connection, ""));
        }
    }

    /// A run that ended early. A refused key is not told here: whether another one works is not known.
    pub(super) fn stopped(&mut self, connection: &ConnectionName, stop: &Stop) {
        let text = stop.to_string();
        let (event, severity, message, action) = match stop {
            Stop::AccountChanged(reason) => (
                Event::AccountChanged,
                Severity::Error,
                format!("account changed: {reason}"),
                format!(
                    "nothing is written until the old view is back, or you accept the new one with: \
                     clearpoint-sync release {connection}"
                ),
            ),
            Stop::NothingVisible => (
                Event::NothingVisible,
                Severity::Warn,
                text,
                "tick scorecards for the mapped user in ClearPoint, or map the key to a user who sees them"
                    .to_owned(),
            ),
            _ => return,
        };
        let id = id(event, connection, "");
        self.hold.push(Warning { id, severity, level: 1, message, action, fields: Vec::new() });
    }

    /// A kind that was stored.
    pub(super) fn settled(
        &mut self,
        connection: &ConnectionName,
        weighed: &Weighed,
        rejected: &[RejectedRow],
        committed: &Committed,
    ) {
        let kind = &weighed.kind.name;
        let is_whole = weighed.pulled.snapshot.is_complete();
        for (event, is_told) in [
            (Event::RemovalsHeld, is_whole),
            (Event::RowsRejected, is_whole),
            (Event::FieldVolatile, is_whole),
            // It lasts until enough full pulls have found no such element.
            (Event::LastEditedUnreliable, is_whole && !committed.is_unreliable),
        ] {
            if is_told {
                self.examined.push(id(event, connection, kind.as_str()));
            }
        }
        if let Some(held) = weighed.held.as_ref().filter(|held| !held.is_released) {
            let count = held.ids.len();
            self.hold(
                id(Event::RemovalsHeld, connection, kind.as_str()),
                Severity::Warn,
                format!("{count} of {} {kind} would be removed and are held", weighed.plan.known),
                format!(
                    "was a scorecard unticked, or the mapped user changed? if they are really gone: \
                     clearpoint-sync release {connection} {kind}"
                ),
                vec![("held".into(), count.to_string())],
            );
        }
        let new: Vec<String> = committed.rejected_new.iter().map(describe).collect();
        if !new.is_empty() {
            self.rejected.push((kind.clone(), new.join("; ")));
        }
        let standing = rejected.iter().filter(|row| row.is_standing()).count();
        if standing > 0 {
            self.hold(
                id(Event::RowsRejected, connection, kind.as_str()),
                Severity::Warn,
                format!("{standing} {kind} cannot be stored, run after run"),
                "see the table `rejected` for their keys and the reason".into(),
                Vec::new(),
            );
        }
        self.volatile(connection, weighed, &committed.volatile);
        if committed.unstamped > 0 {
            self.hold(
                id(Event::LastEditedUnreliable, connection, kind.as_str()),
                Severity::Info,
                format!("{} {kind} changed while their lastEdited did not", committed.unstamped),
                "nothing to do: the kind is pulled in full until 14 full pulls find no other".into(),
                Vec::new(),
            );
        }
    }

    /// Fields that change in so many rows, run after run, that they tell nothing.
    fn volatile(&mut self, connection: &ConnectionName, weighed: &Weighed, fields: &[(String, u64)]) {
        if fields.is_empty() {
            return;
        }
        let kind = &weighed.kind;
        let told: Vec<String> =
            fields.iter().map(|(field, percent)| format!("{field} ({percent} % of the rows)")).collect();
        let listed = fields.iter().map(|(field, _)| field).chain(&kind.volatile);
        let listed: Vec<String> = listed.map(|field| format!("{field:?}")).collect();
        let name = &kind.name;
        self.hold(
            id(Event::FieldVolatile, connection, name.as_str()),
            Severity::Warn,
            format!("fields of {name} change at every full run: {}", told.join(", ")),
            format!(
                "if that means nothing to you, put under [kinds.{name}]: volatile = [{}]",
                listed.join(", ")
            ),
            Vec::new(),
        );
    }

    fn hold(
        &mut self,
        id: WarningId,
        severity: Severity,
        message: String,
        action: String,
        mut fields: Vec<(String, String)>,
    ) {
        fields.insert(0, ("kind".into(), id.subject.split(' ').next().unwrap_or_default().to_owned()));
        self.hold.push(Warning { id, severity, level: 1, message, action, fields });
    }
}

pub(super) fn id(event: Event, connection: &ConnectionName, subject: &str) -> WarningId {
    WarningId { event, connection: connection.clone(), subject: subject.to_owned() }
}

fn describe(rejected: &Rejected) -> String {
    format!("{} (keys {})", rejected.reason, rejected.keys.join(", "))
}
