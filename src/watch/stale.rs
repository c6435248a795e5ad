//! Kinds that have gone without a complete pull for too long: each run may have had its reason, and all
//! of them together mean that nobody finds out what was removed. Looked at after each run and between
//! runs, so that a daemon that only fails says it too.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::config::Connection;
use crate::schedule::Schedule;
use crate::store::{KindAge, Store, StoreError};
use crate::warning::{Event, Severity, Warning, WarningId};

/// How far ahead the due times are looked at for their largest gap.
const AHEAD: TimeDelta = TimeDelta::days(70);
/// And how many of them, at most.
const DUE_MAX: usize = 300;
/// Runs may take longer than a short schedule's interval, so no kind is stale before this.
const LIMIT_MIN: TimeDelta = TimeDelta::hours(2);
/// What says already why nothing moves.
const SAID_BY: [Event; 4] =
    [Event::KeyRefused, Event::AccountChanged, Event::NothingVisible, Event::SecretUnreadable];

/// What a look came to: the warning if it holds, and that it was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Staleness {
    /// The one warning of the connection.
    pub hold: Option<Warning>,
    /// Its identity, unless something else says already why nothing moves.
    pub examined: Option<WarningId>,
}

/// Looks how long ago each configured kind was last pulled completely. A kind that never was counts from
/// the first look that missed it; `found` are the warnings that the run just raised.
///
/// # Errors
/// The store cannot be read or written.
pub async fn look(
    store: &Store,
    connection: &Connection,
    found: &[Warning],
    now: DateTime<Utc>,
) -> Result<Staleness, StoreError> {
    let name = &connection.name;
    let says = |warning: &Warning| warning.id.connection == *name && SAID_BY.contains(&warning.id.event);
    if found.iter().any(says) || store.open_warnings().await?.iter().any(|open| says(&open.warning)) {
        return Ok(Staleness::default());
    }
    let ages = store.kind_ages(name, &connection.kinds, now).await?;
    let limit = (full_interval(&connection.schedule_full, now) * 2).max(LIMIT_MIN);
    let id = WarningId { event: Event::SyncStale, connection: name.clone(), subject: String::new() };
    let hold = judge(&ages, limit, now).map(|stale| warning(id.clone(), &stale, limit));
    Ok(Staleness { hold, examined: Some(id) })
}

/// The kinds that are stale, and the oldest instant that any of them is complete as of.
#[derive(Debug, PartialEq, Eq)]
struct Stale<'a> {
    kinds: Vec<&'a str>,
    /// `None`: some of them never was.
    complete_as_of: Option<DateTime<Utc>>,
}

fn judge(ages: &[KindAge], limit: TimeDelta, now: DateTime<Utc>) -> Option<Stale<'_>> {
    // A time in the future is a clock that was set back.
    let is_stale = |age: &&KindAge| now - age.complete_as_of.unwrap_or(age.awaited_since) > limit;
    let stale: Vec<&KindAge> = ages.iter().filter(is_stale).collect();
    let oldest = stale.iter().map(|age| age.complete_as_of).min()?;
    Some(Stale { kinds: stale.iter().map(|age| age.kind.as_str()).collect(), complete_as_of: oldest })
}

/// The largest gap between the next due times.
fn full_interval(schedule: &Schedule, now: DateTime<Utc>) -> TimeDelta {
    let mut due = schedule.next_after(now);
    let mut largest = TimeDelta::zero();
    for _ in 0..DUE_MAX {
        let next = schedule.next_after(due);
        // Nothing is due any more at the end of the calendar.
        if next == DateTime::<Utc>::MAX_UTC {
            break;
        }
        largest = largest.max(next - due);
        due = next;
        if due - now > AHEAD {
            break;
        }
    }
    largest
}

fn warning(id: WarningId, stale: &Stale<'_>, limit: TimeDelta) -> Warning {
    let Stale { kinds, complete_as_of } = stale;
    let as_of =
        complete_as_of.map_or_else(|| "never".to_owned(), |at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
    let hours = limit.num_hours();
    Warning {
        message: format!("kinds without a complete pull for more than {hours} h, twice their full interval"),
        action: format!(
            "see what the runs say: clearpoint-sync status; until a full pull succeeds, what was removed \
             stays in the views. To try at once: clearpoint-sync sync {} --full",
            id.connection
        ),
        id,
        severity: Severity::Warn,
        level: 1,
        fields: vec![("kinds".into(), kinds.join(",")), ("complete_as_of".into(), as_of)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::KindName;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check_interval(line: &str, hours: i64) {
        let schedule = Schedule::parse(line, chrono_tz::UTC).unwrap();
        assert_eq!(full_interval(&schedule, at("2026-03-04T12:00:00Z")).num_hours(), hours, "{line}");
    }

    #[test]
    fn the_full_interval_is_the_largest_gap_that_the_schedule_leaves() {
        check_interval("30 2 * * *", 24);
        check_interval("30 2 * * 1-5", 72);
        check_interval("0 8-18 * * *", 14);
        check_interval("0 3 1 * *", 31 * 24);
    }

    fn age(kind: &str, complete_as_of: Option<&str>) -> KindAge {
        let kind = KindName::new(kind);
        KindAge { kind, complete_as_of: complete_as_of.map(at), awaited_since: at("2026-03-01T00:00:00Z") }
    }

    #[test]
    fn a_kind_is_stale_after_twice_its_interval_and_not_before() {
        let ages =
            [age("measures", Some("2026-03-02T02:30:00Z")), age("risks", Some("2026-03-03T02:30:00Z"))];
        let limit = TimeDelta::hours(48);
        assert_eq!(judge(&ages, limit, at("2026-03-04T02:30:00Z")), None);
        let stale = judge(&ages, limit, at("2026-03-04T02:31:00Z")).unwrap();
        assert_eq!((stale.kinds, stale.complete_as_of), (vec!["measures"], Some(at("2026-03-02T02:30:00Z"))));
    }

    #[test]
    fn a_kind_that_never_was_complete_counts_from_when_it_was_first_missed() {
        let ages = [age("measures", None), age("risks", Some("2026-02-28T02:30:00Z"))];
        let stale = judge(&ages, TimeDelta::hours(48), at("2026-03-03T00:00:01Z")).unwrap();
        assert_eq!((stale.kinds, stale.complete_as_of), (vec!["measures", "risks"], None));
    }
}
