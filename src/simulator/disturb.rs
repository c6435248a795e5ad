//! Random work of people on a simulated account, for properties that must hold whatever they do.

use chrono::TimeDelta;
use serde_json::Value;

use super::World;
use super::document::Written;
use super::values::Point;

/// The kinds whose elements people work on most.
const KINDS: [&str; 8] =
    ["objectives", "measures", "initiatives", "action_items", "risks", "goals", "attachments", "groups"];

impl World {
    /// Lets some time pass, and one random thing happen to a random element: an edit, an insert (also in
    /// front), a delete, a restore, a hide, an unhide, a value, a move, or a scorecard unticked or ticked
    /// for [`World::USER`].
    pub fn disturb(&mut self, random: &mut fastrand::Rng) {
        self.now += TimeDelta::seconds(random.i64(1..600));
        let kind = KINDS[random.usize(..KINDS.len())];
        let Some(id) = pick(&self.ids(kind), random) else {
            self.insert(kind);
            return;
        };
        match random.u32(..12) {
            0..=2 if !self.is_raw(kind, id) => {
                self.edit(kind, id, "name", Value::from(format!("Renamed {}", random.u16(..))));
            }
            3 => {
                self.insert(kind);
            }
            4 => {
                self.insert_in_front(kind);
            }
            5 => self.delete(kind, id),
            6 => self.restore_any(kind, random),
            7 => self.hide(Self::USER, kind, id),
            8 => self.unhide(Self::USER, kind, id),
            9 => self.revalue_any(random),
            10 => self.rehome_any(kind, id, random),
            _ => self.tick_any(random),
        }
    }

    fn is_raw(&mut self, kind: &str, id: i64) -> bool {
        matches!(self.change(kind, id).written.as_deref(), Some(Written::Raw(_)))
    }

    fn restore_any(&mut self, kind: &str, random: &mut fastrand::Rng) {
        let deleted: Vec<i64> =
            self.change_shelf(kind).iter().filter(|(_, e)| e.is_deleted).map(|(id, _)| *id).collect();
        if let Some(id) = pick(&deleted, random) {
            self.restore(kind, id);
        }
    }

    fn revalue_any(&mut self, random: &mut fastrand::Rng) {
        let periods: Vec<i64> = self.periods().iter().map(|period| period.id).collect();
        if let (Some(measure), Some(period)) = (pick(&self.ids("measures"), random), pick(&periods, random)) {
            let point = match random.u32(..4) {
                0 => Point::Null,
                1 => Point::Gone,
                _ => Point::Value(random.u32(..9_999).to_string()),
            };
            self.set_value(measure, "Actual", period, point);
        }
    }

    fn rehome_any(&mut self, kind: &str, id: i64, random: &mut fastrand::Rng) {
        let scorecards = self.ids("scorecards");
        if self.change(kind, id).home != 0
            && let Some(scorecard) = pick(&scorecards, random)
        {
            self.rehome(kind, id, scorecard);
        }
    }

    /// Unticks a scorecard, but never the last half of them: that would look like another account.
    fn tick_any(&mut self, random: &mut fastrand::Rng) {
        let scorecards = self.ids("scorecards");
        let Some(scorecard) = pick(&scorecards, random) else {
            return;
        };
        let seen = scorecards.iter().filter(|id| self.people.sees_scorecard(Self::USER, **id)).count();
        if self.people.sees_scorecard(Self::USER, scorecard) && seen * 2 > scorecards.len() + 2 {
            self.untick(Self::USER, scorecard);
        } else {
            self.tick(Self::USER, scorecard);
        }
    }
}

fn pick(ids: &[i64], random: &mut fastrand::Rng) -> Option<i64> {
    (!ids.is_empty()).then(|| ids[random.usize(..ids.len())])
}
