//! The simulated account: elements in memory, who may see them, and what people do to them. The same
//! seed and size make the same world. Its time stands where a test put it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::document::{self, Element, Richness, Subject, View, Written};
use super::permission::{ApiKey, People, Sees};
use super::size::Size;
use super::switches::{Duplicates, Order, Switches};
use super::values::Values;
use crate::kind::{Kind, catalogue};

/// Which edits move `lastEdited`; by default all do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unstamped {
    /// Whether a change of measure data leaves the measure's `lastEdited` where it is.
    pub data: bool,
    /// Fields whose edits leave it where it is.
    pub fields: BTreeSet<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Shelf {
    pub(super) kind: Kind,
    pub(super) elements: BTreeMap<i64, Element>,
}

/// A row of a list: an element, and the scorecard that the row tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: i64,
    pub(super) placement: i64,
}

/// What a list of rows depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listing {
    pub(super) kind: String,
    pub(super) user: String,
    pub(super) order: Order,
    pub(super) duplicates: Duplicates,
}

/// A simulated account.
#[derive(Debug, Clone)]
pub struct World {
    /// The account's time: stamped into `lastEdited` by edits, and what keys expire by.
    pub now: DateTime<Utc>,
    /// Which edits move `lastEdited`.
    pub unstamped: Unstamped,
    seed: u64,
    richness: Richness,
    pub(super) shelves: BTreeMap<String, Shelf>,
    pub(super) people: People,
    pub(super) values: Values,
    listings: BTreeMap<Listing, Arc<[Listed]>>,
}

impl World {
    /// The account that every world starts with; it sees everything, and is the first of `/users`.
    pub const USER: &'static str = "reporting@city.example";
    /// The access half of its key, which never expires.
    pub const ACCESS_KEY: &'static str = "simulated-access-key";
    /// The secret half.
    pub const SECRET_KEY: &'static str = "simulated-secret-key";

    /// Makes a world.
    #[must_use]
    pub fn generate(seed: u64, size: &Size) -> Self {
        let now = DateTime::from_timestamp(1_772_438_400, 0).expect("2026-03-02T08:00Z is a date");
        let mut world = Self {
            now,
            unstamped: Unstamped::default(),
            seed,
            richness: size.richness,
            shelves: BTreeMap::new(),
            people: People::default(),
            values: Values::new(size.periods, size.forecast_every),
            listings: BTreeMap::new(),
        };
        let mut random = fastrand::Rng::with_seed(seed);
        for (position, kind) in catalogue().into_iter().enumerate() {
            let count = size.counts.get(kind.name.as_str()).copied().unwrap_or(0);
            world.stock(kind, position, count, &mut random);
        }
        if let Some(first) =
            world.shelves.get_mut("users").and_then(|users| users.elements.values_mut().next())
        {
            write_field(first, "email", Value::from(Self::USER));
        }
        world.add_user(Self::USER, Sees::Everything);
        world.add_key(ApiKey {
            access: Self::ACCESS_KEY.to_owned(),
            secret: Self::SECRET_KEY.to_owned(),
            expires: None,
            user: Self::USER.to_owned(),
        });
        world
    }

    /// Offers a kind that the catalogue does not know, with `count` elements.
    pub fn add_kind(&mut self, kind: Kind, count: usize) {
        let mut random = fastrand::Rng::with_seed(self.seed ^ 0x6b69_6e64);
        let position = self.shelves.len();
        self.stock(kind, position, count, &mut random);
    }

    fn stock(&mut self, kind: Kind, position: usize, count: usize, random: &mut fastrand::Rng) {
        let position = i64::try_from(position).expect("kinds are few");
        // Kinds lie far enough apart for a million elements of each, and two accounts share few ids, as
        // in the real service.
        let account = i64::try_from(self.seed % 80).expect("79 fits") * 10_000;
        let mut id = account + if kind.is_scorecards() { 150_000 } else { position * 4_000_000 };
        let scorecards = self.ids("scorecards");
        let name = kind.name.as_str().to_owned();
        let mut elements = BTreeMap::new();
        for _ in 0..count {
            id += random.i64(1..=3);
            let minutes = random.i64(1..500_000);
            let home = home(&name, &scorecards, random);
            let element = Element {
                seed: random.u64(..),
                home,
                links: links(home, &scorecards, random),
                last_edited: self.now - TimeDelta::minutes(minutes),
                is_deleted: false,
                written: None,
            };
            elements.insert(id, element);
        }
        self.shelves.insert(name, Shelf { kind, elements });
    }

    /// The ids of a kind's elements that are not deleted, whoever may see them.
    #[must_use]
    pub fn ids(&self, kind: &str) -> Vec<i64> {
        let elements = self.shelves.get(kind).map(|shelf| &shelf.elements);
        elements.into_iter().flatten().filter(|(_, element)| !element.is_deleted).map(|(id, _)| *id).collect()
    }

    /// Every element that the user may see, in the very text that a list row shows now. A raw document
    /// stands under the id it was put at.
    #[must_use]
    pub fn visible(&self, kind: &str, user: &str, switches: &Switches) -> BTreeMap<i64, String> {
        let Some(shelf) = self.shelves.get(kind) else {
            return BTreeMap::new();
        };
        let mut rows = BTreeMap::new();
        for (id, element) in &shelf.elements {
            if self.sees(user, kind, *id, element) {
                let mut row = Vec::new();
                let placement = self.placements(user, element)[0];
                let listed = Listed { id: *id, placement };
                self.draw(&mut row, kind, listed, self.view(switches, false, 0));
                rows.insert(*id, String::from_utf8_lossy(&row).into_owned());
            }
        }
        rows
    }

    /// The user sees an element if one of its scorecards is ticked and no group rule hides it.
    pub(super) fn sees(&self, user: &str, kind: &str, id: i64, element: &Element) -> bool {
        let is_placed = match (kind, element.home) {
            ("scorecards", _) => self.people.sees_scorecard(user, id),
            (_, 0) => true,
            _ => !self.placements(user, element).is_empty(),
        };
        !element.is_deleted
            && is_placed
            && !self.people.is_hidden(user, kind, id)
            && !self.people.is_forbidden(user, kind)
    }

    /// The scorecards, home first, in which the user sees this element.
    #[must_use]
    pub fn placements_of(&self, kind: &str, id: i64, user: &str) -> Vec<i64> {
        let elements = self.shelves.get(kind).map(|shelf| &shelf.elements);
        match elements.and_then(|elements| elements.get(&id)) {
            Some(element) if element.home != 0 && self.sees(user, kind, id, element) => {
                self.placements(user, element)
            }
            _ => Vec::new(),
        }
    }

    /// The live scorecards, home first, in which the user sees the element; `[0]` for a kind that
    /// knows no scorecards.
    pub(super) fn placements(&self, user: &str, element: &Element) -> Vec<i64> {
        if element.home == 0 {
            return vec![0];
        }
        let all = std::iter::once(&element.home).chain(&element.links);
        all.copied()
            .filter(|scorecard| {
                self.people.sees_scorecard(user, *scorecard) && self.is_live("scorecards", *scorecard)
            })
            .collect()
    }

    pub(super) fn is_live(&self, kind: &str, id: i64) -> bool {
        let elements = self.shelves.get(kind).map(|shelf| &shelf.elements);
        elements.and_then(|elements| elements.get(&id)).is_some_and(|element| !element.is_deleted)
    }

    pub(super) fn view<'a>(&self, switches: &'a Switches, is_single: bool, reads: u64) -> View<'a> {
        View { switches, richness: self.richness, is_single, reads }
    }

    /// Appends one row or single read.
    pub(super) fn draw(&self, out: &mut Vec<u8>, kind: &str, listed: Listed, view: View<'_>) {
        let shelf = self.shelves.get(kind).expect("a listed kind exists");
        let element = shelf.elements.get(&listed.id).expect("a listed id exists");
        let subject = Subject { kind, id: listed.id, element, placement: listed.placement };
        document::write(out, subject, view);
    }

    /// All rows of a list, kept until the world changes.
    pub(super) fn list(&mut self, listing: &Listing) -> Arc<[Listed]> {
        if let Some(rows) = self.listings.get(listing) {
            return Arc::clone(rows);
        }
        let rows: Arc<[Listed]> = self.rows(listing).into();
        self.listings.insert(listing.clone(), Arc::clone(&rows));
        rows
    }

    fn rows(&self, listing: &Listing) -> Vec<Listed> {
        let Some(shelf) = self.shelves.get(&listing.kind) else {
            return Vec::new();
        };
        let mut firsts = Vec::new();
        let mut seconds = Vec::new();
        for (&id, element) in &shelf.elements {
            if !self.sees(&listing.user, &listing.kind, id, element) {
                continue;
            }
            let placements = self.placements(&listing.user, element);
            let first = placements.first().copied().unwrap_or(0);
            firsts.push(Listed { id, placement: first });
            let further = placements.iter().skip(1);
            seconds.extend(further.map(|own| Listed {
                id,
                placement: match listing.duplicates {
                    Duplicates::OwnScorecard => *own,
                    Duplicates::Never | Duplicates::SameRow => first,
                },
            }));
        }
        match listing.order {
            Order::IdAscending => {}
            Order::IdDescending => firsts.reverse(),
            Order::LastEditedFirst => firsts.sort_by_key(|row| {
                let last_edited = shelf.elements.get(&row.id).map(|e| e.last_edited);
                std::cmp::Reverse((last_edited, row.id))
            }),
        }
        if listing.duplicates != Duplicates::Never {
            firsts.append(&mut seconds);
        }
        firsts
    }

    /// The element, about to be changed: what was listed before is void.
    pub(super) fn change(&mut self, kind: &str, id: i64) -> &mut Element {
        self.listings.clear();
        self.shelves
            .get_mut(kind)
            .and_then(|shelf| shelf.elements.get_mut(&id))
            .expect("a test changes elements that exist")
    }

    /// The shelf, about to be changed.
    pub(super) fn change_shelf(&mut self, kind: &str) -> &mut BTreeMap<i64, Element> {
        self.listings.clear();
        let shelf = self.shelves.get_mut(kind);
        &mut shelf.expect("a test changes kinds that exist").elements
    }

    /// Keys and accounts, about to be changed.
    pub(super) fn change_people(&mut self) -> &mut People {
        self.listings.clear();
        &mut self.people
    }

    /// An element as a person would make it now: its seed follows from the world's and its id.
    pub(super) fn new_element(&self, kind: &str, id: i64) -> Element {
        let mut random = super::text::random(self.seed, &format!("{kind} {id}"));
        let scorecards = self.ids("scorecards");
        Element {
            seed: random.u64(..),
            home: home(kind, &scorecards, &mut random),
            links: Vec::new(),
            last_edited: self.now,
            is_deleted: false,
            written: None,
        }
    }
}

/// A scorecard for an element of a kind that lives in one; else 0.
fn home(kind: &str, scorecards: &[i64], random: &mut fastrand::Rng) -> i64 {
    let lives_in_one = matches!(
        kind,
        "objectives" | "measures" | "initiatives" | "action_items" | "risks" | "attachments" | "files"
    );
    match lives_in_one && !scorecards.is_empty() {
        true => scorecards[random.usize(..scorecards.len())],
        false => 0,
    }
}

/// One element in ten is linked into another scorecard, one in a hundred into two.
fn links(home: i64, scorecards: &[i64], random: &mut fastrand::Rng) -> Vec<i64> {
    let count = match random.u32(..100) {
        0 => 2,
        1..=9 => 1,
        _ => 0,
    };
    if home == 0 {
        return Vec::new();
    }
    let others = (0..count).map(|_| scorecards[random.usize(..scorecards.len())]);
    let mut links: Vec<i64> = others.filter(|scorecard| *scorecard != home).collect();
    links.dedup();
    links
}

/// A field's new value is part of the document from then on.
pub(super) fn write_field(element: &mut Element, field: &str, value: Value) {
    let written = element.written.get_or_insert_with(|| Box::new(Written::Fields(BTreeMap::new())));
    match written.as_mut() {
        Written::Fields(fields) => {
            fields.insert(field.to_owned(), value);
        }
        Written::Raw(_) => panic!("a raw document has no fields to edit; put another"),
    }
}
