//! The configuration as typed, read section by section and key by key.
//!
//! Not serde's derive: that stops at the first fault, and names a line where we name a key path. A
//! [`Section`] goes on after each fault, and when it is dropped it reports every key nobody asked for,
//! so that an unknown key cannot be forgotten.

use std::cell::RefCell;

use toml::{Table, Value};

use super::problems::{Problem, suggestion};

/// Where the faults of one file gather while it is read.
pub(super) type Faults = RefCell<Vec<Problem>>;

/// A table of the file, of which each known key is taken once.
#[derive(Debug)]
pub(super) struct Section<'f> {
    path: String,
    table: Table,
    known: Vec<&'static str>,
    faults: &'f Faults,
}

impl<'f> Section<'f> {
    /// The whole file.
    #[must_use]
    pub(super) fn root(table: Table, faults: &'f Faults) -> Self {
        Self::new(String::new(), table, faults)
    }

    fn new(path: String, table: Table, faults: &'f Faults) -> Self {
        Self { path, table, known: Vec::new(), faults }
    }

    /// The full path of one of its keys.
    #[must_use]
    pub(super) fn path_of(&self, key: &str) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let key = if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { format!("{key:?}") };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// Reports a fault of one of its keys.
    pub(super) fn fault(&self, key: &str, text: impl Into<String>) {
        self.fault_at(self.path_of(key), text);
    }

    /// Reports a fault of the section itself.
    pub(super) fn fault_here(&self, text: impl Into<String>) {
        self.fault_at(self.path.clone(), text);
    }

    /// Reports a fault at a path below one of its keys (`kinds[2]`).
    pub(super) fn fault_at(&self, path: String, text: impl Into<String>) {
        let text = text.into();
        self.faults.borrow_mut().push(Problem { path, text });
    }

    /// Takes a key as typed; from now on it is a known one.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// Whether a key stands there that was not taken yet.
    #[must_use]
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Reads a key; a fault is reported, and reads like an absent key.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(key)?;
        parse(&value).map_err(|text| self.fault(key, text)).ok()
    }

    /// Reads a key that must be there; `cure` says what to write.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        cure: &str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(key) {
            self.fault(key, format!("is missing; {cure}"));
        }
        self.read(key, parse)
    }

    /// Takes a section below this one; an absent one is empty.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'f> {
        let value = self.take(key);
        self.below(key, value.unwrap_or_else(|| Value::Table(Table::new())))
    }

    /// Takes a section that need not be there.
    pub(super) fn optional(&mut self, key: &'static str) -> Option<Section<'f>> {
        let value = self.take(key)?;
        Some(self.below(key, value))
    }

    /// Takes the sections below `key`, each with the name the operator gave it, in name order.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<(String, Section<'f>)> {
        let mut named = self.section(key);
        let table = std::mem::take(&mut named.table);
        let below = |(name, value): (String, Value)| {
            let section = named.below(&name, value);
            (name, section)
        };
        table.into_iter().map(below).collect()
    }

    fn below(&self, key: &str, value: Value) -> Section<'f> {
        let path = self.path_of(key);
        let table = match value {
            Value::Table(table) => table,
            _ => {
                self.fault(key, format!("is no section; write [{path}]"));
                Table::new()
            }
        };
        Self::new(path, table, self.faults)
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        for key in self.table.keys() {
            let cure = suggestion(key, &self.known);
            self.fault(key, format!("is not a known key; {cure}"));
        }
    }
}
