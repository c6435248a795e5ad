//! Who may see what: keys, the accounts they are mapped to, the scorecards ticked for an account, the
//! elements a group rule hides from it, and the kinds it may not list at all.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

/// A key, with both halves: these are made up, and worth nothing outside the simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The `accessKey` header.
    pub access: String,
    /// The `secretKey` header.
    pub secret: String,
    /// The last day on which it is accepted; `None`: for ever.
    pub expires: Option<NaiveDate>,
    /// The e-mail address of the account that it acts under.
    pub user: String,
}

/// Which scorecards are ticked for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sees {
    /// All that exist, and new ones at once.
    Everything,
    /// These; a new scorecard is seen by nobody until it is ticked.
    Only(BTreeSet<i64>),
}

#[derive(Debug, Clone)]
struct Account {
    sees: Sees,
    hidden: BTreeSet<(String, i64)>,
    forbidden: BTreeSet<String>,
}

/// Keys and accounts.
#[derive(Debug, Clone, Default)]
pub(super) struct People {
    keys: BTreeMap<String, ApiKey>,
    accounts: BTreeMap<String, Account>,
}

impl People {
    pub(super) fn add_user(&mut self, user: &str, sees: Sees) {
        let account = Account { sees, hidden: BTreeSet::new(), forbidden: BTreeSet::new() };
        self.accounts.insert(user.to_owned(), account);
    }

    /// Turns an account into "No Access": every key mapped to it is refused.
    pub(super) fn remove_user(&mut self, user: &str) {
        self.accounts.remove(user);
    }

    pub(super) fn add_key(&mut self, key: ApiKey) {
        self.keys.insert(key.access.clone(), key);
    }

    pub(super) fn delete_key(&mut self, access: &str) {
        self.keys.remove(access);
    }

    /// The account that a request acts under; `None`: the key is refused.
    pub(super) fn user_of(&self, access: &str, secret: &str, today: NaiveDate) -> Option<String> {
        let key = self.keys.get(access)?;
        let is_good = key.secret == secret && key.expires.is_none_or(|expires| today <= expires);
        (is_good && self.accounts.contains_key(&key.user)).then(|| key.user.clone())
    }

    pub(super) fn sees_scorecard(&self, user: &str, scorecard: i64) -> bool {
        match self.accounts.get(user).map(|account| &account.sees) {
            None => false,
            Some(Sees::Everything) => true,
            Some(Sees::Only(ticked)) => ticked.contains(&scorecard),
        }
    }

    /// Whether a group rule hides this one element.
    pub(super) fn is_hidden(&self, user: &str, kind: &str, id: i64) -> bool {
        self.accounts.get(user).is_none_or(|account| {
            !account.hidden.is_empty() && account.hidden.contains(&(kind.to_owned(), id))
        })
    }

    pub(super) fn is_forbidden(&self, user: &str, kind: &str) -> bool {
        self.accounts.get(user).is_none_or(|account| account.forbidden.contains(kind))
    }

    /// Ticks or unticks a scorecard; `all` are those that exist.
    pub(super) fn tick(&mut self, user: &str, scorecard: i64, ticked: bool, all: BTreeSet<i64>) {
        let Some(account) = self.accounts.get_mut(user) else {
            return;
        };
        if account.sees == Sees::Everything {
            account.sees = Sees::Only(all);
        }
        if let Sees::Only(set) = &mut account.sees {
            if ticked {
                set.insert(scorecard);
            } else {
                set.remove(&scorecard);
            }
        }
    }

    pub(super) fn hide(&mut self, user: &str, kind: &str, id: i64, hidden: bool) {
        let Some(account) = self.accounts.get_mut(user) else {
            return;
        };
        let element = (kind.to_owned(), id);
        if hidden {
            account.hidden.insert(element);
        } else {
            account.hidden.remove(&element);
        }
    }

    pub(super) fn forbid(&mut self, user: &str, kind: &str, forbidden: bool) {
        let Some(account) = self.accounts.get_mut(user) else {
            return;
        };
        if forbidden {
            account.forbidden.insert(kind.to_owned());
        } else {
            account.forbidden.remove(kind);
        }
    }
}
