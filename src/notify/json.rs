//! `webhook`: the program's own JSON. `docs/warning.schema.json` is its contract: what it says now stays
//! so; something else would be `clearpoint-sync/warning/2`.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::told::{PROGRAM, Told, stamp};

const SCHEMA: &str = "clearpoint-sync/warning/1";

#[derive(Serialize)]
struct Body<'a> {
    schema: &'static str,
    delivery: &'a str,
    warning_id: &'a str,
    phase: &'static str,
    event: &'static str,
    severity: &'static str,
    connection: &'a str,
    subject: &'a str,
    message: &'a str,
    action: &'a str,
    facts: Facts<'a>,
    raised_at: String,
    at: String,
    resolved_at: Option<String>,
    program: &'static str,
}

/// An object whose fields keep their order.
struct Facts<'a>(&'a [(String, String)]);

impl Serialize for Facts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

pub(super) fn body(told: &Told) -> Vec<u8> {
    let body = Body {
        schema: SCHEMA,
        delivery: &told.delivery,
        warning_id: &told.warning_id,
        phase: told.phase.as_str(),
        event: told.event.as_str(),
        severity: told.severity.as_str(),
        connection: &told.connection,
        subject: &told.subject,
        message: &told.message,
        action: &told.action,
        facts: Facts(&told.facts),
        raised_at: stamp(told.raised_at),
        at: stamp(told.at),
        resolved_at: told.is_resolved().then(|| stamp(told.at)),
        program: PROGRAM,
    };
    serde_json::to_vec(&body).expect("every field is text")
}
