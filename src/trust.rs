//! When the `lastEdited` filter may stand in for a full list. Nobody has seen the filter work, so trust
//! is earned by incremental pulls that brought what they had to, and checked by every full pull. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use crate::kind::Kind;
use crate::memory::{Filter, KindMemory};
use crate::run::Mode;

/// A full pull of at most this many requests is cheap enough for the short schedule.
pub const CHEAP_REQUESTS: u32 = 20;
/// Full pulls without an element that changed under an unmoved stamp, until the filter is tried again.
pub const CLEAN_FULL_PULLS: u64 = 14;
/// How long a contradicted filter is left alone.
const CONTRADICTED_FOR: TimeDelta = TimeDelta::days(7);

/// How a run of `mode` asks for a kind; `None`: not in this run.
#[must_use]
pub fn choose(kind: &Kind, memory: &KindMemory, mode: Mode, now: DateTime<Utc>) -> Option<Mode> {
    match mode {
        Mode::Full => Some(Mode::Full),
        // What is visible decides whether anything may be written, so it is always asked whole.
        Mode::Incremental if kind.is_scorecards() => Some(Mode::Full),
        Mode::Incremental if memory.unavailable.is_some() => None,
        Mode::Incremental if has_filter(kind, memory, now) => Some(Mode::Incremental),
        Mode::Incremental => (memory.full_requests <= CHEAP_REQUESTS).then_some(Mode::Full),
    }
}

/// Whether a kind's filter is worth trying: it is not known to fail, and a full pull has set a cursor.
#[must_use]
pub fn has_filter(kind: &Kind, memory: &KindMemory, now: DateTime<Utc>) -> bool {
    let may_try = match memory.filter {
        Filter::Untried | Filter::Trusted { .. } => true,
        Filter::Contradicted { since } => since > now || now - since >= CONTRADICTED_FOR,
        Filter::Unreliable { .. } => false,
    };
    may_try && kind.last_edited && memory.ever_complete && memory.cursor.is_some() && memory.stamp.is_some()
}

/// What a complete full pull says of the filter: `unstamped` elements changed under an unmoved stamp,
/// and `clean` full pulls were made since such an element was last found.
#[must_use]
pub fn after_full_pull(filter: &Filter, unstamped: u64, clean: u64, now: DateTime<Utc>) -> Filter {
    match filter {
        _ if unstamped > 0 => Filter::Unreliable { since: now },
        Filter::Unreliable { .. } if clean >= CLEAN_FULL_PULLS => Filter::Untried,
        unchanged => unchanged.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind;
    use crate::stamp::StampFormat;

    fn now() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn large(filter: Filter) -> KindMemory {
        KindMemory {
            ever_complete: true,
            cursor: Some("2026-03-01T11:00:00Z".into()),
            stamp: Some(StampFormat::IsoZoned),
            full_requests: 64,
            filter,
            ..KindMemory::default()
        }
    }

    #[track_caller]
    fn check(name: &str, memory: &KindMemory, expected: Option<Mode>) {
        let kind = kind::catalogue().into_iter().find(|kind| kind.name.as_str() == name).unwrap();
        assert_eq!(choose(&kind, memory, Mode::Incremental, now()), expected);
    }

    #[test]
    fn a_large_kind_without_a_trusted_filter_waits_for_the_full_run() {
        check("measures", &large(Filter::Untried), Some(Mode::Incremental));
        check("measures", &large(Filter::Unreliable { since: now() }), None);
        check("files", &large(Filter::Untried), None);
    }

    #[test]
    fn a_cheap_kind_is_pulled_whole_instead() {
        let cheap = KindMemory { full_requests: 20, ..large(Filter::Unreliable { since: now() }) };
        check("measures", &cheap, Some(Mode::Full));
        check("scorecards", &large(Filter::Untried), Some(Mode::Full));
    }

    #[test]
    fn an_unavailable_kind_is_asked_by_full_runs_only() {
        let memory = KindMemory { unavailable: Some("403".into()), ..KindMemory::default() };
        check("users", &memory, None);
    }

    #[test]
    fn a_contradicted_filter_is_tried_again_after_a_week() {
        let since = |days| large(Filter::Contradicted { since: now() - TimeDelta::days(days) });
        check("measures", &since(6), None);
        check("measures", &since(7), Some(Mode::Incremental));
        check("measures", &since(-1), Some(Mode::Incremental));
    }

    #[test]
    fn an_unreliable_stamp_is_forgiven_after_14_clean_full_pulls() {
        let unreliable = Filter::Unreliable { since: now() };
        let trusted = Filter::Trusted { contradictions: 0 };
        assert_eq!(after_full_pull(&trusted, 1, 0, now()), unreliable);
        assert_eq!(after_full_pull(&unreliable, 0, 13, now()), unreliable);
        assert_eq!(after_full_pull(&unreliable, 0, 14, now()), Filter::Untried);
        assert_eq!(after_full_pull(&trusted, 0, 99, now()), trusted);
    }
}
