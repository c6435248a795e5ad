//! Which of a connection's keys a run asks with, in which order and how often. Pure: what the store
//! remembers, what can be read now, and `now` are arguments.
//!
//! The first key leads. Once it is refused the next key does, until the first one's secret or settings
//! change; then the first is asked first again. A key that cannot be read is passed over.

use chrono::{DateTime, TimeDelta, Utc};

use crate::key::{Key, KeyMark, KeySlot, KeyState, Refusal};

/// After a refusal the same key is tried by `run` once an hour, a little early so that an hourly
/// schedule does not miss it.
const ASK_AGAIN_AFTER: TimeDelta = TimeDelta::minutes(59);

/// An idle key is proved once a day, a little early so that a daily schedule does not miss it.
const PROVE_AFTER: TimeDelta = TimeDelta::hours(23);

/// A configured key as it is found now.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// The key.
    pub key: &'a Key,
    /// Its mark now, or why its secret cannot be read.
    pub mark: Result<KeyMark, String>,
    /// What is remembered of it, if it was ever asked with.
    pub state: Option<KeyState>,
}

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStanding<'a> {
    /// Its secret cannot be read; why.
    Unreadable(&'a str),
    /// This very key was refused when it was last asked with.
    Refused(&'a Refusal),
    /// This very key was taken when it was last asked with.
    Taken(&'a KeyState),
    /// It was never asked with, or its secret or settings have changed since.
    New,
}

impl<'a> Candidate<'a> {
    /// A key as it is remembered, its secret left unread: taken as unchanged.
    #[must_use]
    pub fn remembered(key: &'a Key, state: Option<KeyState>) -> Self {
        let mark = state.as_ref().map_or(KeyMark(0), |state| state.mark);
        Self { key, mark: Ok(mark), state }
    }

    /// How the key stands.
    #[must_use]
    pub fn standing(&self) -> KeyStanding<'_> {
        let mark = match &self.mark {
            Ok(mark) => *mark,
            Err(reason) => return KeyStanding::Unreadable(reason),
        };
        match self.state.as_ref().filter(|state| state.mark == mark) {
            None => KeyStanding::New,
            Some(KeyState { refusal: Some(refusal), .. }) => KeyStanding::Refused(refusal),
            Some(state) => KeyStanding::Taken(state),
        }
    }
}

/// A key's turn in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyTurn {
    /// Which key.
    pub slot: KeySlot,
    /// Whether it is asked with once more where it is refused: its secret may be half replaced. One that
    /// is known to be refused is asked with once.
    pub has_second_chance: bool,
}

/// The keys that a run asks with, in order: the next one where the one before is refused. Empty: none
/// can be read.
#[must_use]
pub fn line_up(candidates: &[Candidate<'_>]) -> Vec<KeyTurn> {
    let turns = |is_refused: bool| {
        let fits = move |candidate: &&Candidate<'_>| match candidate.standing() {
            KeyStanding::Unreadable(_) => false,
            KeyStanding::Refused(_) => is_refused,
            KeyStanding::Taken(_) | KeyStanding::New => !is_refused,
        };
        let turn = move |candidate: &Candidate<'_>| KeyTurn {
            slot: candidate.key.slot,
            has_second_chance: !is_refused,
        };
        candidates.iter().filter(fits).map(turn)
    };
    turns(false).chain(turns(true)).collect()
}

/// The key that leads: the first in the line-up, or the first of all where none can be read.
#[must_use]
pub fn leads(candidates: &[Candidate<'_>]) -> KeySlot {
    line_up(candidates).first().map_or(KeySlot::Key, |turn| turn.slot)
}

/// Why `run` does not ask now, if every key that can be read was refused, and the last of them less than
/// an hour ago. `sync` and `check` always ask.
#[must_use]
pub fn rests<'a>(candidates: &'a [Candidate<'_>], now: DateTime<Utc>) -> Option<&'a Refusal> {
    let mut last: Option<&Refusal> = None;
    for candidate in candidates {
        match candidate.standing() {
            KeyStanding::Unreadable(_) => {}
            KeyStanding::Refused(refusal) if last.is_none_or(|last| refusal.at > last.at) => {
                last = Some(refusal);
            }
            KeyStanding::Refused(_) => {}
            KeyStanding::Taken(_) | KeyStanding::New => return None,
        }
    }
    last.filter(|refusal| is_within(refusal.at, ASK_AGAIN_AFTER, now))
}

/// Whether the idle next key is to be proved after a run that went well under the first: once a day, at
/// once when it is new, and when the first was refused before this run and is taken now (what kept the
/// one out may have kept out the other).
#[must_use]
pub fn is_proof_due(candidates: &[Candidate<'_>], has_recovered: bool, now: DateTime<Utc>) -> bool {
    let [first, next] = candidates else { return false };
    if !matches!(first.standing(), KeyStanding::Taken(_)) {
        return false;
    }
    match next.standing() {
        KeyStanding::Unreadable(_) => false,
        KeyStanding::New => true,
        KeyStanding::Refused(refusal) => has_recovered || !is_within(refusal.at, PROVE_AFTER, now),
        KeyStanding::Taken(state) => !is_within(state.asked_at, PROVE_AFTER, now),
    }
}

/// What is remembered of a key that a run was let in with. Where it says nothing new, that is what was
/// remembered before: a run that finds nothing changed writes nothing.
#[must_use]
pub fn taken(before: Option<&KeyState>, mark: KeyMark, now: DateTime<Utc>) -> KeyState {
    let after = proved(mark, None, now);
    match before {
        Some(before) if KeyState { asked_at: now, ..before.clone() } == after => before.clone(),
        _ => after,
    }
}

/// What is remembered of a key that was asked with by itself, and taken; `doubt`: why it would be of no use
/// all the same.
#[must_use]
pub fn proved(mark: KeyMark, doubt: Option<String>, now: DateTime<Utc>) -> KeyState {
    KeyState { mark, asked_at: now, refusal: None, doubt }
}

/// What is remembered of a key that was just refused.
#[must_use]
pub fn refused(before: Option<&KeyState>, mark: KeyMark, text: String, now: DateTime<Utc>) -> KeyState {
    let earlier = before.filter(|before| before.mark == mark).and_then(|before| before.refusal.as_ref());
    let since = earlier.map_or(now, |refusal| refusal.since.min(now));
    KeyState { mark, asked_at: now, refusal: Some(Refusal { since, at: now, text }), doubt: None }
}

/// Whether less than `span` has gone by. A time in the future is a clock that was set back.
fn is_within(at: DateTime<Utc>, span: TimeDelta, now: DateTime<Utc>) -> bool {
    at <= now && now - at < span
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: KeyMark = KeyMark(7);

    fn at(text: &str) -> DateTime<Utc> {
        format!("2027-03-01T{text}:00Z").parse().unwrap()
    }

    fn keys() -> [Key; 2] {
        [Key::sample(KeySlot::Key, None), Key::sample(KeySlot::NextKey, None)]
    }

    fn candidate(key: &Key, state: Option<KeyState>) -> Candidate<'_> {
        Candidate { key, mark: Ok(MARK), state }
    }

    fn refused_at(time: &str) -> Option<KeyState> {
        Some(refused(None, MARK, "401".into(), at(time)))
    }

    fn taken_at(time: &str) -> Option<KeyState> {
        Some(proved(MARK, None, at(time)))
    }

    /// `key` is asked with once, `key+` gets a second chance.
    #[track_caller]
    fn check_line_up(first: Option<KeyState>, next: Option<KeyState>, expected: &str) {
        let keys = keys();
        let candidates = [candidate(&keys[0], first), candidate(&keys[1], next)];
        assert_eq!(said(&line_up(&candidates)), expected);
    }

    fn said(turns: &[KeyTurn]) -> String {
        let text = |turn: &KeyTurn| format!("{}{}", turn.slot, if turn.has_second_chance { "+" } else { "" });
        turns.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_first_key_leads_until_it_is_refused() {
        check_line_up(None, None, "key+ next_key+");
        check_line_up(taken_at("12:00"), refused_at("12:00"), "key+ next_key");
        check_line_up(refused_at("12:00"), None, "next_key+ key");
        check_line_up(refused_at("12:00"), taken_at("12:00"), "next_key+ key");
        check_line_up(refused_at("12:00"), refused_at("12:00"), "key next_key");
    }

    #[test]
    fn a_key_that_was_changed_is_asked_as_if_it_had_never_been_refused() {
        let keys = keys();
        let changed = Candidate { mark: Ok(KeyMark(8)), ..candidate(&keys[0], refused_at("12:00")) };
        let candidates = [changed, candidate(&keys[1], taken_at("12:00"))];
        assert_eq!(said(&line_up(&candidates)), "key+ next_key+");
        assert_eq!(rests(&candidates, at("12:01")), None);
    }

    #[test]
    fn a_key_that_cannot_be_read_is_passed_over() {
        let keys = keys();
        let lost = |key| Candidate { mark: Err("gone".into()), ..candidate(key, taken_at("12:00")) };
        assert_eq!(said(&line_up(&[lost(&keys[0]), candidate(&keys[1], None)])), "next_key+");
        assert_eq!(leads(&[lost(&keys[0]), candidate(&keys[1], None)]), KeySlot::NextKey);
        assert_eq!(said(&line_up(&[lost(&keys[0]), lost(&keys[1])])), "");
        assert_eq!(leads(&[lost(&keys[0]), lost(&keys[1])]), KeySlot::Key);
    }

    #[test]
    fn only_when_every_key_was_refused_within_the_hour_is_nobody_asked() {
        let keys = keys();
        let both = |first, next| [candidate(&keys[0], first), candidate(&keys[1], next)];
        let rests = |candidates: [Candidate<'_>; 2], now| rests(&candidates, at(now)).is_some();
        assert!(rests(both(refused_at("12:00"), refused_at("12:30")), "13:15"));
        assert!(!rests(both(refused_at("12:00"), refused_at("12:30")), "13:30"));
        assert!(!rests(both(refused_at("12:00"), taken_at("12:00")), "12:15"));
        assert!(!rests(both(refused_at("12:00"), None), "12:15"));
        // The clock was set back.
        assert!(!rests(both(refused_at("12:00"), refused_at("12:00")), "11:00"));
        let lost = Candidate { mark: Err("gone".into()), ..candidate(&keys[1], None) };
        assert!(rests([candidate(&keys[0], refused_at("12:00")), lost], "12:15"));
    }

    #[test]
    fn an_idle_key_is_proved_daily_when_it_is_new_and_after_an_outage() {
        let keys = keys();
        let is_due = |first, next, has_recovered, now: &str| {
            let candidates = [candidate(&keys[0], first), candidate(&keys[1], next)];
            is_proof_due(&candidates, has_recovered, format!("2027-03-02T{now}:00Z").parse().unwrap())
        };
        assert!(is_due(taken_at("12:00"), None, false, "00:00"));
        assert!(!is_due(taken_at("12:00"), taken_at("12:00"), false, "10:45"));
        assert!(is_due(taken_at("12:00"), taken_at("12:00"), false, "11:15"));
        assert!(!is_due(taken_at("12:00"), refused_at("12:00"), false, "10:45"));
        assert!(is_due(taken_at("12:00"), refused_at("12:00"), true, "10:45"));
        assert!(!is_due(refused_at("12:00"), taken_at("12:00"), false, "23:00"), "it leads");
        assert!(!is_proof_due(&[candidate(&keys[0], taken_at("12:00"))], true, at("23:00")));
    }

    #[test]
    fn what_is_remembered_moves_only_when_it_tells_something() {
        let before = proved(MARK, None, at("12:00"));
        assert_eq!(taken(Some(&before), MARK, at("20:00")), before);
        assert_ne!(taken(Some(&before), KeyMark(8), at("20:00")), before);
        let doubted = proved(MARK, Some("stranger".into()), at("12:00"));
        assert_eq!(taken(Some(&doubted), MARK, at("20:00")).doubt, None);
        let lost = refused(Some(&before), MARK, "401".into(), at("13:00"));
        let still = refused(Some(&lost), MARK, "403".into(), at("14:00"));
        let refusal = still.refusal.clone().unwrap();
        assert_eq!((refusal.since, refusal.at, refusal.text.as_str()), (at("13:00"), at("14:00"), "403"));
        let anew = refused(Some(&still), KeyMark(8), "401".into(), at("15:00"));
        assert_eq!(anew.refusal.unwrap().since, at("15:00"));
        assert_eq!(taken(Some(&still), MARK, at("15:00")).refusal, None);
    }
}
