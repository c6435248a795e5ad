//! A connection's keys around a run: read, marked, lined up, remembered, and told of.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{AppError, Engine};
use crate::causes;
use crate::config::Connection;
use crate::cycle::Notices;
use crate::element::ElementId;
use crate::key::{KeyPair, KeySlot, KeyState};
use crate::pull::PullError;
use crate::pull::client::{Contender, Heard, Word};
use crate::rotation::{self, Candidate, KeyStanding, KeyTurn};
use crate::secrets::SecretError;
use crate::warning::{Event, Warning, WarningId};
use crate::watch::{self, Facts, Found, Keys, Standing, skew, stale};

/// A connection's keys as they are now.
#[derive(Debug)]
pub struct Ring<'a> {
    connection: &'a Connection,
    mark_key: Vec<u8>,
    candidates: Vec<Candidate<'a>>,
    /// In the order of `candidates`.
    pairs: Vec<Result<KeyPair, SecretError>>,
    /// What the server said since this ring was made.
    heard: Vec<(KeySlot, bool)>,
    /// Keys with new secrets or settings that were refused as the old ones were.
    refused_anew: Vec<KeySlot>,
    has_recovered: bool,
}

/// How a key came to be asked with.
#[derive(Debug)]
enum Asked {
    InRun,
    /// One request at the door; `doubt`: why the key would be of no use although it is taken.
    ByItself {
        doubt: Option<String>,
    },
}

impl<'a> Ring<'a> {
    /// The key that leads.
    #[must_use]
    pub fn leads(&self) -> KeySlot {
        rotation::leads(&self.candidates)
    }

    /// The keys that can be read, in the order in which they are asked with.
    #[must_use]
    pub fn contenders(&self) -> Vec<Contender> {
        rotation::line_up(&self.candidates).into_iter().filter_map(|turn| self.contender(turn)).collect()
    }

    fn contender(&self, turn: KeyTurn) -> Option<Contender> {
        let KeyTurn { slot, has_second_chance } = turn;
        let idx = self.candidates.iter().position(|candidate| candidate.key.slot == slot)?;
        let pair = self.pairs[idx].as_ref().ok()?.clone();
        let (name, key) = (self.connection.name.clone(), self.candidates[idx].key.clone());
        let reread = Arc::new(move || KeyPair::read(&name, &key).map_err(|error| error.to_string()));
        Some(Contender { slot, pair, reread, has_second_chance })
    }

    /// Why no key can be read, if so.
    #[must_use]
    pub fn unreadable(self) -> Option<AppError> {
        let first = self.pairs.into_iter().collect::<Result<Vec<_>, _>>().err()?;
        Some(first.into())
    }

    /// Refuses a call by somebody who may not read what the service is given: nothing is wrong with the keys.
    ///
    /// # Errors
    /// A credential can be read by root alone, and this process was started by hand.
    pub(super) fn within_reach(self) -> Result<Self, AppError> {
        let mut pairs = Vec::new();
        for pair in self.pairs {
            match pair {
                Err(error @ SecretError::RootAlone { .. }) => return Err(error.into()),
                pair => pairs.push(pair),
            }
        }
        Ok(Self { pairs, ..self })
    }

    fn facts(&self, now: DateTime<Utc>) -> Facts {
        let Connection { name, mapped_user, timezone, .. } = self.connection;
        let keys = Keys {
            connection: name,
            mapped_user: mapped_user.as_deref(),
            zone: *timezone,
            candidates: &self.candidates,
        };
        watch::facts(&keys, now)
    }

    /// Takes in what the server said of a key; gives what is to be remembered of it.
    fn take_in(&mut self, heard: Heard, asked: Asked, now: DateTime<Utc>) -> Option<KeyState> {
        let Heard { slot, pair, word } = heard;
        let candidate = self.candidates.iter_mut().find(|candidate| candidate.key.slot == slot)?;
        // It may have been read again since the run began.
        let mark = pair.mark(candidate.key, &self.mark_key);
        let before = candidate.state.as_ref();
        let was_refused = before.is_some_and(|state| state.refusal.is_some());
        let state = match word {
            Word::Taken => {
                self.has_recovered |= slot == KeySlot::Key && was_refused;
                self.heard.push((slot, true));
                match asked {
                    Asked::InRun => rotation::taken(before, mark, now),
                    Asked::ByItself { doubt } => rotation::proved(mark, doubt, now),
                }
            }
            Word::Refused(text) => {
                if was_refused && before.is_some_and(|state| state.mark != mark) {
                    self.refused_anew.push(slot);
                }
                self.heard.push((slot, false));
                rotation::refused(before, mark, text, now)
            }
        };
        candidate.mark = Ok(mark);
        candidate.state = Some(state.clone());
        Some(state)
    }
}

impl Engine {
    /// Reads a connection's keys, and what is remembered of them.
    ///
    /// # Errors
    /// The store cannot be read. A key that cannot be read is part of the ring.
    pub async fn ring<'a>(&self, connection: &'a Connection) -> Result<Ring<'a>, AppError> {
        let mark_key = self.store.mark_key().await?;
        let states = self.store.key_states(&connection.name).await?;
        let (mut candidates, mut pairs) = (Vec::new(), Vec::new());
        for key in connection.keys() {
            let mut pair = KeyPair::read(&connection.name, key);
            if let (Ok(next), Some(Ok(first))) = (&pair, pairs.first())
                && next.shares_access_key(first)
            {
                pair =
                    Err(SecretError::Shared { at: format!("connections.{}.{}", connection.name, key.slot) });
            }
            let mark = match &pair {
                Ok(pair) => Ok(pair.mark(key, &mark_key)),
                Err(error) => Err(causes::to_text(error)),
            };
            let state = states.iter().find(|(slot, _)| *slot == key.slot).map(|(_, state)| state.clone());
            candidates.push(Candidate { key, mark, state });
            pairs.push(pair);
        }
        let (heard, refused_anew) = (Vec::new(), Vec::new());
        Ok(Ring { connection, mark_key, candidates, pairs, heard, refused_anew, has_recovered: false })
    }

    /// Why the daemon does not ask now: every key was refused, the last of them less than an hour ago, and
    /// none has changed since.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn rests(&self, connection: &Connection) -> Result<Option<String>, AppError> {
        let ring = self.ring(connection).await?;
        Ok(rotation::rests(&ring.candidates, self.clock.now()).map(|refusal| refusal.text.clone()))
    }

    /// Remembers what the server said of the keys.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn remember(&self, ring: &mut Ring<'_>, heard: Vec<Heard>) -> Result<(), AppError> {
        for heard in heard {
            self.remember_one(ring, heard, Asked::InRun).await?;
        }
        Ok(())
    }

    async fn remember_one(&self, ring: &mut Ring<'_>, heard: Heard, asked: Asked) -> Result<(), AppError> {
        let slot = heard.slot;
        if let Some(state) = ring.take_in(heard, asked, self.clock.now()) {
            self.store.remember_key(&ring.connection.name, slot, &state).await?;
        }
        Ok(())
    }

    /// Proves after a run that went well that the idle next key would take over, if that is due: one
    /// request.
    ///
    /// # Errors
    /// The store cannot be used. What the network does says nothing of the key.
    pub(super) async fn prove_idle(&self, ring: &mut Ring<'_>) -> Result<(), AppError> {
        if !rotation::is_proof_due(&ring.candidates, ring.has_recovered, self.clock.now()) {
            return Ok(());
        }
        self.knock(ring, KeySlot::NextKey).await?;
        Ok(())
    }

    /// Opens the door with one key alone, and remembers what was said. `None`: the key cannot be read.
    ///
    /// # Errors
    /// The store cannot be used, or the client cannot be set up.
    pub async fn knock(
        &self,
        ring: &mut Ring<'_>,
        slot: KeySlot,
    ) -> Result<Option<Result<(), PullError>>, AppError> {
        let turn = rotation::line_up(&ring.candidates).into_iter().find(|turn| turn.slot == slot);
        let Some(contender) = turn.and_then(|turn| ring.contender(turn)) else { return Ok(None) };
        let client = self.client_with(ring.connection, vec![contender])?;
        let shown = client.look_in().await;
        let doubt = match &shown {
            Ok(shown) if slot == KeySlot::NextKey => self.doubt(ring.connection, shown).await?,
            _ => None,
        };
        for heard in client.heard() {
            self.remember_one(ring, heard, Asked::ByItself { doubt: doubt.clone() }).await?;
        }
        Ok(Some(shown.map(drop)))
    }

    /// Why a key that opens the door would be of no use: it shows none of the accepted scorecards.
    async fn doubt(
        &self,
        connection: &Connection,
        scorecards: &[ElementId],
    ) -> Result<Option<String>, AppError> {
        let accepted = self.store.account(&connection.name).await?.map(|account| account.accepted);
        let accepted = accepted.unwrap_or_default();
        let is_strange = !scorecards.is_empty()
            && !accepted.is_empty()
            && scorecards.iter().all(|id| accepted.binary_search(id).is_err());
        Ok(is_strange.then(|| {
            "opens the door, but shows none of the accepted scorecards: another account, or another user"
                .to_owned()
        }))
    }

    /// Adds what is to be told of the keys to what a run has to say.
    pub(super) fn tell_of_keys(&self, ring: &Ring<'_>, notices: &mut Notices) {
        let Facts { hold, examined } = ring.facts(self.clock.now());
        if !ring.refused_anew.is_empty() {
            say_refused_anew(ring, &hold);
        }
        notices.hold.extend(hold);
        notices.examined.extend(examined);
    }

    /// Looks at the keys' secrets and dates, and asks nobody: at the start, when a run that was missed is yet
    /// to make up for kinds that are stale.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn look_at_start(&self, connection: &Connection) -> Result<(), AppError> {
        let now = self.clock.now();
        let Some(_lock) = self.store.lock_out_replicas(&connection.name, now).await? else { return Ok(()) };
        let ring = self.ring(connection).await?.within_reach()?;
        self.tell_beside(&ring, ring.facts(now)).await?;
        Ok(())
    }

    /// Looks at the keys' secrets and dates, and at kinds that are stale, and asks nobody: between runs.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn look_at_keys(&self, connection: &Connection) -> Result<(), AppError> {
        let now = self.clock.now();
        let Some(_lock) = self.store.lock_out_replicas(&connection.name, now).await? else { return Ok(()) };
        let ring = self.ring(connection).await?.within_reach()?;
        self.tell_of_ring(&ring).await?;
        Ok(())
    }

    pub(super) async fn tell_of_ring(&self, ring: &Ring<'_>) -> Result<Standing, AppError> {
        let (now, connection) = (self.clock.now(), ring.connection);
        let mut facts = ring.facts(now);
        let stale = stale::look(&self.store, connection, &facts.hold, now).await?;
        facts.hold.extend(stale.hold);
        facts.examined.extend(stale.examined);
        self.tell_beside(ring, facts).await
    }

    /// Tells of facts that no run found.
    async fn tell_beside(&self, ring: &Ring<'_>, facts: Facts) -> Result<Standing, AppError> {
        let Facts { hold, examined } = facts;
        let ahead = skew::known(&self.store, &ring.connection.name).await?;
        self.tell_found(ring, &hold, &examined, ahead).await
    }

    /// Tells people what was found; nothing of a connection that was taken out of the configuration meanwhile, of
    /// which all is told.
    pub(super) async fn tell_found(
        &self,
        ring: &Ring<'_>,
        hold: &[Warning],
        examined: &[WarningId],
        ahead: TimeDelta,
    ) -> Result<Standing, AppError> {
        let connection = ring.connection;
        let (leads, still_works) = (ring.leads(), ring.still_works());
        let is_wanted = self.is_wanted(&connection.name);
        let found = Found { hold, examined, leads, still_works, ahead, is_wanted };
        let standing = watch::tell(&self.store, &self.clock, &self.warnings(), connection, found).await?;
        self.note_queued(standing.has_told);
        Ok(standing)
    }
}

impl Ring<'_> {
    /// The keys that were asked with, and whether they were taken.
    pub(super) fn still_works(&self) -> &[(KeySlot, bool)] {
        &self.heard
    }

    /// How a key stands.
    #[must_use]
    pub fn standing(&self, slot: KeySlot) -> KeyStanding<'_> {
        let candidate = self.candidates.iter().find(|candidate| candidate.key.slot == slot);
        candidate.map_or(KeyStanding::New, Candidate::standing)
    }
}

/// Whoever replaced a secret waits for an answer; the open warning would be quiet.
fn say_refused_anew(ring: &Ring<'_>, hold: &[Warning]) {
    let is_key_event = |event: Event| matches!(event, Event::KeyRefused | Event::KeyFellOver);
    let Some(warning) = hold.iter().find(|warning| is_key_event(warning.id.event)) else { return };
    for candidate in &ring.candidates {
        let KeyStanding::Refused(refusal) = candidate.standing() else { continue };
        if ring.refused_anew.contains(&candidate.key.slot) {
            tracing::error!(
                event = warning.id.event.as_str(),
                connection = %ring.connection.name,
                key = candidate.key.name,
                error = refusal.text,
                "key refused: what was changed about it did not help"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Exit;
    use crate::clock::Clock;
    use crate::config::Config;

    async fn engine(dir: &std::path::Path) -> Engine {
        let text = "[store.sqlite]\npath = \"store.db\"\n[connections.city.key]\nname = \"k\"\n\
                    access_key = { file = \"access\" }\nsecret_key = { file = \"secret\" }";
        let config = Config::parse(text, &dir.join("config.toml")).unwrap();
        for half in ["access", "secret"] {
            std::fs::write(dir.join(half), half).unwrap();
        }
        Engine::open(config, Clock::hurried("2026-03-01T12:00:00Z".parse().unwrap())).await.unwrap()
    }

    #[tokio::test]
    async fn who_may_not_read_the_credentials_of_the_service_is_told_so_and_nothing_is_wrong_with_them() {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine(dir.path()).await;
        let ring = || engine.ring(&engine.config.connections[0]);
        assert!(ring().await.unwrap().within_reach().is_ok());
        let mut out = ring().await.unwrap();
        out.pairs[0] = Err(SecretError::RootAlone { at: "connections.city.key.access_key".into() });
        let error = out.within_reach().unwrap_err();
        assert_eq!(error.exit(), Exit::MustChange);
        assert!(error.to_text().contains("run this command as root"), "{error}");
        let mut gone = ring().await.unwrap();
        gone.pairs[0] = Err(SecretError::Unset { at: "connections.city.key.access_key".into() });
        assert!(gone.within_reach().is_ok(), "that is a warning's to say");
    }

    #[tokio::test]
    async fn couriers_are_woken_when_something_was_told_and_not_by_every_look() {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine(dir.path()).await;
        let mut queued = engine.queued();
        for has_news in [true, false, false] {
            // That no date is written down for the key is said once a week.
            engine.look_at_keys(&engine.config.connections[0]).await.unwrap();
            assert_eq!(queued.has_changed().unwrap(), has_news);
            queued.mark_unchanged();
        }
    }
}
