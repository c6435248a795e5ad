//! What an event or a span tells: a message and named values, as `tracing` hands them over.

use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};

/// The message and the fields of an event or a span, in the order they were given.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// What happened, for people.
    pub(super) message: String,
    /// Everything else by name.
    pub(super) list: Vec<(&'static str, Value)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(message)) => self.message = message,
            (name, value) => {
                self.list.retain(|(known, _)| *known != name);
                self.list.push((name, value));
            }
        }
    }

    /// Takes over what only the span around has.
    pub(super) fn add_absent(&mut self, around: &Self) {
        for (name, value) in &around.list {
            if !self.list.iter().any(|(known, _)| known == name) {
                self.list.push((name, value.clone()));
            }
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}
