//! What people do to a simulated account: edit, insert, delete, hide, restore, tick scorecards, make
//! and delete keys.

use std::collections::BTreeSet;

use serde_json::Value;

use super::World;
use super::document::Written;
use super::permission::{ApiKey, Sees};
use super::world::write_field;

impl World {
    /// Gives a field a new value; `lastEdited` moves to now unless [`World::unstamped`] names the
    /// field.
    ///
    /// # Panics
    /// If the element does not exist, or its document is raw.
    pub fn edit(&mut self, kind: &str, id: i64, field: &str, value: Value) {
        let now = self.now;
        let is_stamped = !self.unstamped.fields.contains(field);
        let element = self.change(kind, id);
        write_field(element, field, value);
        if is_stamped {
            element.last_edited = now;
        }
    }

    /// Adds an element that people make now, with an id above all others of its kind.
    pub fn insert(&mut self, kind: &str) -> i64 {
        let last = self.change_shelf(kind).last_key_value().map(|(id, _)| *id);
        self.insert_at(kind, last.unwrap_or(0) + 1)
    }

    /// Adds an element with an id below all others of its kind: where lists go by id, it shifts every
    /// page.
    pub fn insert_in_front(&mut self, kind: &str) -> i64 {
        let first = self.change_shelf(kind).first_key_value().map(|(id, _)| *id);
        self.insert_at(kind, first.unwrap_or(1_000) - 1)
    }

    fn insert_at(&mut self, kind: &str, id: i64) -> i64 {
        let element = self.new_element(kind, id);
        self.change_shelf(kind).insert(id, element);
        id
    }

    /// Puts a document of any text at this id, new or not: it is listed, and answered to single reads,
    /// as it is.
    pub fn put_raw(&mut self, kind: &str, id: i64, raw: impl Into<Vec<u8>>) {
        let mut element = self.new_element(kind, id);
        element.written = Some(Box::new(Written::Raw(raw.into())));
        self.change_shelf(kind).insert(id, element);
    }

    /// Moves an element to the Recycle Bin. A scorecard takes what lives only in it out of sight.
    ///
    /// # Panics
    /// If the element does not exist.
    pub fn delete(&mut self, kind: &str, id: i64) {
        self.change(kind, id).is_deleted = true;
    }

    /// Takes it out of the Recycle Bin, to the same place; `lastEdited` stays.
    ///
    /// # Panics
    /// If the element does not exist.
    pub fn restore(&mut self, kind: &str, id: i64) {
        self.change(kind, id).is_deleted = false;
    }

    /// Moves an element to another home scorecard.
    ///
    /// # Panics
    /// If the element does not exist.
    pub fn rehome(&mut self, kind: &str, id: i64, scorecard: i64) {
        let now = self.now;
        let element = self.change(kind, id);
        element.home = scorecard;
        element.last_edited = now;
    }

    /// Makes an element appear in these scorecards besides its home.
    ///
    /// # Panics
    /// If the element does not exist.
    pub fn link(&mut self, kind: &str, id: i64, scorecards: &[i64]) {
        self.change(kind, id).links = scorecards.to_vec();
    }

    /// Adds an account, or gives it other scorecards.
    pub fn add_user(&mut self, user: &str, sees: Sees) {
        self.change_people().add_user(user, sees);
    }

    /// Makes an account "No Access": its keys are refused from now on.
    pub fn remove_user(&mut self, user: &str) {
        self.change_people().remove_user(user);
    }

    /// Adds a key, or edits the one with the same access half.
    pub fn add_key(&mut self, key: ApiKey) {
        self.change_people().add_key(key);
    }

    /// Deletes a key by its access half: it is refused at once.
    pub fn delete_key(&mut self, access: &str) {
        self.change_people().delete_key(access);
    }

    /// Ticks a scorecard for an account. From the first tick on, new scorecards are seen only when
    /// ticked.
    pub fn tick(&mut self, user: &str, scorecard: i64) {
        self.set_ticked(user, scorecard, true);
    }

    /// Unticks it: the scorecard, and what lives only in it, goes out of the account's sight.
    pub fn untick(&mut self, user: &str, scorecard: i64) {
        self.set_ticked(user, scorecard, false);
    }

    fn set_ticked(&mut self, user: &str, scorecard: i64, ticked: bool) {
        let all: BTreeSet<i64> = self.ids("scorecards").into_iter().collect();
        self.change_people().tick(user, scorecard, ticked, all);
    }

    /// Lets a group rule hide a single element from an account.
    pub fn hide(&mut self, user: &str, kind: &str, id: i64) {
        self.change_people().hide(user, kind, id, true);
    }

    /// Takes that rule away.
    pub fn unhide(&mut self, user: &str, kind: &str, id: i64) {
        self.change_people().hide(user, kind, id, false);
    }

    /// Forbids a whole kind to an account: its list and single reads answer 403.
    pub fn forbid(&mut self, user: &str, kind: &str) {
        self.change_people().forbid(user, kind, true);
    }

    /// Allows it again.
    pub fn allow(&mut self, user: &str, kind: &str) {
        self.change_people().forbid(user, kind, false);
    }
}
