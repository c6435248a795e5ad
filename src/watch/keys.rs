//! What people are told of a connection's keys, given how each stands: a fall-over, a refusal, a key that
//! would not take over, a secret that cannot be read. Computes and asks nobody.
//!
//! What cannot be told now (a key that was replaced and not yet asked with) is neither held nor examined,
//! and so stays as it was said.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::expiry;
use crate::name::ConnectionName;
use crate::rotation::{Candidate, KeyStanding};
use crate::warning::{Event, Severity, Warning, WarningId};

/// A key is refused well before its date when more than so many days are left.
const EARLY_DAYS: i64 = 1;

const WHERE: &str = "ClearPoint > System Settings > System setup > Integrations > API Keys";

/// A connection's keys, and what the warnings about them name.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// Whose.
    pub connection: &'a ConnectionName,
    /// The account whose permissions the keys carry, as declared.
    pub mapped_user: Option<&'a str>,
    /// Days are counted in it.
    pub zone: Tz,
    /// The first key, then the next key if there is one.
    pub candidates: &'a [Candidate<'a>],
}

/// What holds now, and what was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Facts that hold.
    pub hold: Vec<Warning>,
    /// Identities that were looked at: those not among `hold` are over.
    pub examined: Vec<WarningId>,
}

/// What is to be told of a connection's keys now.
#[must_use]
pub fn facts(keys: &Keys<'_>, now: DateTime<Utc>) -> Facts {
    let mut facts = Facts::default();
    let Some((first, rest)) = keys.candidates.split_first() else { return facts };
    let next = rest.first();
    let standings: Vec<KeyStanding<'_>> = keys.candidates.iter().map(Candidate::standing).collect();
    let is_taken = |standing: &KeyStanding<'_>| matches!(standing, KeyStanding::Taken(_));
    let is_refused = |standing: &KeyStanding<'_>| matches!(standing, KeyStanding::Refused(_));
    let is_unreadable = |standing: &KeyStanding<'_>| matches!(standing, KeyStanding::Unreadable(_));
    let is_out = |standing: &KeyStanding<'_>| is_refused(standing) || is_unreadable(standing);

    if standings.iter().all(is_unreadable) {
        facts.hold.push(keys.unreadable());
    }
    facts.examine(keys, Event::SecretUnreadable);
    let are_all_out = standings.iter().all(is_out) && standings.iter().any(is_refused);
    if are_all_out {
        facts.hold.push(keys.all_refused(now));
        facts.hold.extend(keys.candidates.iter().filter_map(|candidate| keys.mismatch(candidate, now)));
    }
    if are_all_out || standings.iter().any(is_taken) {
        facts.examine(keys, Event::KeyRefused);
    }
    for candidate in keys.candidates.iter().filter(|candidate| is_taken(&candidate.standing())) {
        facts.examined.extend(keys.mismatch_id(candidate));
    }
    let Some(next) = next else {
        facts.examine(keys, Event::KeyFellOver);
        facts.examine(keys, Event::NextKeyUnusable);
        return facts;
    };
    let (first_stands, next_stands) = (&standings[0], &standings[1]);
    if is_out(first_stands) && is_taken(next_stands) {
        facts.hold.push(keys.fell_over(first, next, now));
    }
    if is_taken(first_stands) || (is_out(first_stands) && is_taken(next_stands)) {
        facts.examine(keys, Event::KeyFellOver);
    }
    // Where the first is out too, that is the graver word.
    let unusable = keys.unusable(next, next_stands).filter(|_| !is_out(first_stands));
    if unusable.is_some() || is_taken(next_stands) {
        facts.examine(keys, Event::NextKeyUnusable);
    }
    facts.hold.extend(unusable);
    facts
}

impl Facts {
    fn examine(&mut self, keys: &Keys<'_>, event: Event) {
        self.examined.push(keys.id(event));
    }
}

impl Keys<'_> {
    fn id(&self, event: Event) -> WarningId {
        WarningId { event, connection: self.connection.clone(), subject: String::new() }
    }

    fn warning(
        &self,
        event: Event,
        severity: Severity,
        message: String,
        action: String,
        fields: Vec<(String, String)>,
    ) -> Warning {
        Warning { id: self.id(event), severity, level: 1, message, action, fields }
    }

    fn unreadable(&self) -> Warning {
        let reasons: Vec<&str> = self
            .candidates
            .iter()
            .filter_map(|candidate| candidate.mark.as_ref().err().map(String::as_str))
            .collect();
        self.warning(
            Event::SecretUnreadable,
            Severity::Error,
            format!("secret cannot be read: {}", reasons.join("; ")),
            "mend what the message names; until then nothing is asked, and the data stays as it is".into(),
            self.named(),
        )
    }

    fn all_refused(&self, now: DateTime<Utc>) -> Warning {
        let message = match self.candidates {
            [only] => format!("key refused: {}", why(only)),
            all => {
                let each: Vec<String> =
                    all.iter().map(|one| format!("{}: {}", one.key.slot, why(one))).collect();
                format!("no key works: {}", each.join("; "))
            }
        };
        let mut fields = self.named();
        let first = self.candidates[0].key;
        fields.extend(first.expires.map(|date| field("expires", date)));
        fields.extend(self.mapped_user.map(|user| field("mapped_user", user)));
        fields.extend(self.candidates.get(1).into_iter().flat_map(|next| self.dates_of_next(next, now)));
        self.warning(
            Event::KeyRefused,
            Severity::Error,
            message,
            format!(
                "check the key in {WHERE}: is it there, unexpired, and is its mapped user active? then put \
                 its current values where the configuration reads them{}",
                if first.comes_from_systemd() { ", and restart the service" } else { "" }
            ),
            fields,
        )
    }

    /// A key that is refused although its date is days away: the date that was written down is wrong, or
    /// somebody has deleted the key.
    fn mismatch(&self, candidate: &Candidate<'_>, now: DateTime<Utc>) -> Option<Warning> {
        let KeyStanding::Refused(_) = candidate.standing() else { return None };
        let key = candidate.key;
        let expires = key.expires?;
        let days = expiry::days_left(expires, self.zone, now);
        let is_early = days > EARLY_DAYS;
        is_early.then(|| {
            let setting = format!("connections.{}.{}.expires", self.connection, key.slot);
            Warning {
                id: self.mismatch_id(candidate).expect("the key has a date"),
                severity: Severity::Warn,
                level: 1,
                message: "key is refused well before its date".into(),
                action: format!(
                    "compare the date with {WHERE}: was the key deleted, or its date changed there?"
                ),
                fields: vec![
                    field("key", &key.name),
                    field("expires", expires),
                    field("days_left", days),
                    field("setting", setting),
                ],
            }
        })
    }

    fn mismatch_id(&self, candidate: &Candidate<'_>) -> Option<WarningId> {
        let subject = expiry::subject(candidate.key)?;
        Some(WarningId { event: Event::KeyExpiryMismatch, connection: self.connection.clone(), subject })
    }

    fn fell_over(&self, first: &Candidate<'_>, next: &Candidate<'_>, now: DateTime<Utc>) -> Warning {
        let mut fields = self.named();
        fields.push(field("answer", why(first)));
        fields.extend(self.dates_of_next(next, now));
        let connection = self.connection;
        self.warning(
            Event::KeyFellOver,
            Severity::Warn,
            "key does not work, the next key is used in its place".into(),
            format!(
                "put a new key where connections.{connection}.key reads it, or move next_key to key; if the \
                 first key was renewed in place, clearpoint-sync check asks with it again"
            ),
            fields,
        )
    }

    /// Why the idle key would not take over, if it would not.
    ///
    /// A warning and no error: the data flows. It becomes urgent with the first key's own date.
    fn unusable(&self, next: &Candidate<'_>, stands: &KeyStanding<'_>) -> Option<Warning> {
        let reason = match stands {
            KeyStanding::Unreadable(reason) => format!("cannot be used: {reason}"),
            KeyStanding::Refused(refusal) => format!("is refused: {}", refusal.text),
            KeyStanding::Taken(state) => state.doubt.clone()?,
            KeyStanding::New => return None,
        };
        let mut fields = vec![field("next_key", &next.key.name)];
        fields.extend(next.key.expires.map(|date| field("next_key_expires", date)));
        Some(self.warning(
            Event::NextKeyUnusable,
            Severity::Warn,
            format!("next key would not take over: it {reason}"),
            format!("check it in {WHERE}, and where connections.{}.next_key reads it", self.connection),
            fields,
        ))
    }

    /// The names of all keys.
    fn named(&self) -> Vec<(String, String)> {
        let names = ["key", "next_key"].into_iter().zip(self.candidates);
        names.map(|(name, candidate)| field(name, &candidate.key.name)).collect()
    }

    fn dates_of_next(&self, next: &Candidate<'_>, now: DateTime<Utc>) -> Vec<(String, String)> {
        let Some(expires) = next.key.expires else { return Vec::new() };
        let days = expiry::days_left(expires, self.zone, now);
        vec![field("next_key_expires", expires), field("next_key_days_left", days)]
    }
}

/// What keeps a key from being used, for people.
fn why<'a>(candidate: &'a Candidate<'_>) -> &'a str {
    match candidate.standing() {
        KeyStanding::Unreadable(reason) => reason,
        KeyStanding::Refused(refusal) => &refusal.text,
        KeyStanding::Taken(_) | KeyStanding::New => "it works",
    }
}

fn field(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::key::{Key, KeyMark, KeySlot, KeyState};
    use crate::rotation::{proved, refused};

    const MARK: KeyMark = KeyMark(7);

    fn now() -> DateTime<Utc> {
        "2027-03-01T12:00:00Z".parse().unwrap()
    }

    #[derive(Clone, Copy)]
    enum Is {
        Taken,
        Refused,
        New,
        Lost,
        Strange,
    }

    use Is::{Lost, New, Refused, Strange, Taken};

    fn key(slot: KeySlot, expires: &str) -> Key {
        Key::sample(slot, Some(expires.parse::<NaiveDate>().unwrap()))
    }

    fn candidate(key: &Key, is: Is) -> Candidate<'_> {
        let taken = |doubt: Option<&str>| Some(proved(MARK, doubt.map(str::to_owned), now()));
        let state: Option<KeyState> = match is {
            Taken => taken(None),
            Strange => taken(Some("opens the door, but shows another account")),
            Refused => Some(refused(None, MARK, "page 1 answered 401".into(), now())),
            New | Lost => None,
        };
        let mark = if matches!(is, Lost) { Err("the file is gone".to_owned()) } else { Ok(MARK) };
        Candidate { key, mark, state }
    }

    fn of(slots: &[Is]) -> Facts {
        let keys = [key(KeySlot::Key, "2027-03-02"), key(KeySlot::NextKey, "2027-12-31")];
        let candidates: Vec<_> = keys.iter().zip(slots).map(|(key, is)| candidate(key, *is)).collect();
        let connection = ConnectionName::parse("city").unwrap();
        let keys =
            Keys { connection: &connection, mapped_user: None, zone: Tz::UTC, candidates: &candidates };
        facts(&keys, now())
    }

    /// What holds, then what is over, by the words of the events.
    #[track_caller]
    fn check(slots: &[Is], hold: &[&str], over: &[&str]) {
        let facts = of(slots);
        let held: Vec<&str> = facts.hold.iter().map(|warning| warning.id.event.as_str()).collect();
        assert_eq!(held, hold);
        let is_over = |id: &&WarningId| facts.hold.iter().all(|warning| warning.id != **id);
        let mut ended: Vec<&str> =
            facts.examined.iter().filter(is_over).map(|id| id.event.as_str()).collect();
        ended.sort_unstable();
        ended.dedup();
        assert_eq!(ended, over);
        for warning in &facts.hold {
            let id = &warning.id;
            let is_looked_at = id.event == Event::KeyExpiryMismatch || facts.examined.contains(id);
            assert!(is_looked_at, "{id} would never be examined");
        }
    }

    const MISMATCH: &str = "key_expiry_mismatch";

    #[test]
    fn one_key() {
        let rest = ["key_fell_over", "next_key_unusable", "secret_unreadable"];
        check(&[Taken], &[], &[&[MISMATCH][..], &rest[..1], &["key_refused"], &rest[1..]].concat());
        check(&[Refused], &["key_refused"], &rest);
        check(&[New], &[], &rest);
        check(&[Lost], &["secret_unreadable"], &rest[..2]);
    }

    #[test]
    fn two_keys_of_which_the_first_works() {
        let over = [MISMATCH, "key_fell_over", "key_refused", "next_key_unusable", "secret_unreadable"];
        let without = |left_out: &str| over.into_iter().filter(|word| *word != left_out).collect::<Vec<_>>();
        check(&[Taken, Taken], &[], &over);
        check(&[Taken, New], &[], &without("next_key_unusable"));
        for next in [Refused, Lost, Strange] {
            check(&[Taken, next], &["next_key_unusable"], &without("next_key_unusable"));
        }
    }

    #[test]
    fn a_fall_over_is_the_only_warning_of_it() {
        let over = [MISMATCH, "key_refused", "next_key_unusable", "secret_unreadable"];
        check(&[Refused, Taken], &["key_fell_over"], &over);
        check(&[Lost, Taken], &["key_fell_over"], &over);
        // What was replaced, or not asked with yet, leaves what was said as it is.
        check(&[New, Taken], &[], &over);
        check(&[Refused, New], &[], &["secret_unreadable"]);
    }

    #[test]
    fn no_key_that_works_is_one_error_that_names_both() {
        check(&[Refused, Refused], &["key_refused", MISMATCH], &["secret_unreadable"]);
        check(&[Refused, Lost], &["key_refused"], &["secret_unreadable"]);
        check(&[Lost, Refused], &["key_refused", MISMATCH], &["secret_unreadable"]);
        check(&[Lost, Lost], &["secret_unreadable"], &[]);
        let facts = of(&[Refused, Lost]);
        assert_eq!(
            facts.hold[0].message,
            "no key works: key: page 1 answered 401; next_key: the file is gone"
        );
    }

    #[test]
    fn only_a_key_with_more_than_a_day_left_is_refused_before_its_date() {
        let facts = of(&[Refused, Refused]);
        assert_eq!(facts.hold[1].id.subject, "next_key 2027-12-31");
        assert_eq!(facts.hold.len(), 2, "the first has one day left");
    }
}
