//! What a store holds, table by table: the one list by which a store is copied and compared. A test holds it
//! against the schemas of both engines.

/// What the cells of a column are, whichever engine keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Real,
    /// 0 or 1.
    Truth,
    /// Any text.
    Text,
    /// The text of an instant.
    Instant,
    /// The text of a day.
    Day,
    /// JSON: the same in any spelling.
    Json,
    /// Bytes.
    Bytes,
}

use Shape::{Bytes, Day, Instant, Integer, Json, Real, Text, Truth};

/// A table that is copied.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name.
    pub(super) name: &'static str,
    /// The columns that name a row, as they stand in the primary key. Without any it has one row at most.
    key: &'static str,
    /// Its columns by their shapes.
    shapes: &'static [(Shape, &'static str)],
    /// Where the store's makers put rows into it, so that an empty store has some.
    pub(super) is_seeded: bool,
    /// Which rows count; the others are the engine's own.
    pub(super) only: &'static str,
}

/// A column: its name and its shape.
pub(super) type Column = (&'static str, Shape);

impl Table {
    const fn new(name: &'static str, key: &'static str, shapes: &'static [(Shape, &'static str)]) -> Self {
        Self { name, key, shapes, is_seeded: false, only: "TRUE" }
    }

    const fn seeded(self) -> Self {
        Self { is_seeded: true, ..self }
    }

    /// Its columns, those of the key first.
    pub(super) fn columns(&self) -> Vec<Column> {
        let all = self.shapes.iter().flat_map(|(shape, names)| names.split(' ').map(|name| (name, *shape)));
        let mut columns: Vec<Column> = all.collect();
        let key = self.key();
        let place = |name: &str| key.iter().position(|part| *part == name).unwrap_or(key.len());
        columns.sort_by_key(|(name, _)| place(name));
        columns
    }

    /// The columns that name a row.
    pub(super) fn key(&self) -> Vec<&'static str> {
        self.key.split_terminator(' ').collect()
    }
}

/// Tables whose rows get their `id` from the engine: the numbers given are not given again.
pub(super) const NUMBERED: [&str; 3] = ["runs", "warnings", "deliveries"];

/// Every table that is copied; one that refers to another stands after it.
pub(super) const TABLES: [Table; 23] = [
    Table::new(
        "connections",
        "name",
        &[
            (Text, "name base_url mapped_user timezone mapped_user_unknown"),
            (Json, "accepted"),
            (Truth, "is_released"),
            (Integer, "doors_closed"),
            (Instant, "mapped_user_looked_at"),
        ],
    ),
    Table::new(
        "keys",
        "connection slot",
        &[(Text, "connection slot name"), (Day, "expires"), (Instant, "lapses_at")],
    ),
    Table::new(
        "key_states",
        "connection slot",
        &[(Text, "connection slot mark refused doubt"), (Instant, "asked_at refused_since refused_at")],
    ),
    Table::new("mark_key", "", &[(Bytes, "value")]).seeded(),
    Table::new(
        "elements",
        "kind connection id",
        &[
            (Text, "connection kind name last_edited state reason evidence"),
            (Integer, "id scorecard_id owner_id changed_run"),
            (Bytes, "fingerprint"),
            (Instant, "first_seen_at changed_at removed_at"),
            (Json, "doc detail"),
        ],
    ),
    Table::new(
        "placements",
        "kind connection id scorecard_id",
        &[(Text, "connection kind"), (Integer, "id scorecard_id")],
    ),
    Table::new(
        "missing",
        "kind connection id",
        &[(Text, "connection kind answer"), (Integer, "id checks"), (Instant, "since checked_at")],
    ),
    Table::new(
        "held",
        "connection kind",
        &[(Text, "connection kind digest"), (Json, "ids"), (Instant, "since"), (Truth, "is_released")],
    ),
    Table::new(
        "rejected",
        "connection kind digest",
        &[
            (Text, "connection kind reason"),
            (Bytes, "digest"),
            (Json, "keys"),
            (Integer, "full_runs"),
            (Instant, "first_seen_at"),
        ],
    ),
    Table::new(
        "imprints",
        "kind connection page",
        &[(Text, "connection kind"), (Integer, "page"), (Bytes, "bytes")],
    ),
    Table::new("cursors", "connection kind", &[(Text, "connection kind"), (Json, "memory")]),
    Table::new(
        "findings",
        "connection kind finding",
        &[(Text, "connection kind finding value"), (Instant, "found_at")],
    ),
    // The other number is drawn whenever views are made.
    Table {
        only: "name = 'changes'",
        ..Table::new("sequences", "name", &[(Text, "name"), (Integer, "last")]).seeded()
    },
    Table::new(
        "changes",
        "sequence",
        &[
            (Integer, "sequence run id"),
            (Instant, "at"),
            (Text, "connection kind part operation evidence"),
            (Json, "fields before after"),
        ],
    ),
    Table::new(
        "measure_documents",
        "connection measure_id",
        &[
            (Text, "connection"),
            (Integer, "measure_id"),
            (Truth, "is_recognised is_held"),
            (Instant, "changed_at"),
            (Json, "doc"),
        ],
    ),
    Table::new(
        "measure_values",
        "connection measure_id series period",
        &[
            (Text, "connection series period text"),
            (Integer, "measure_id series_id period_id"),
            (Real, "value"),
            (Instant, "removed_at"),
        ],
    ),
    Table::new(
        "fields",
        "connection kind field",
        &[
            (Text, "connection kind field column_name json_type part"),
            (Instant, "first_seen_at"),
            (Truth, "is_news"),
        ],
    ),
    Table::new(
        "view_columns",
        "kind position",
        &[(Text, "kind field column_name type"), (Integer, "position"), (Truth, "is_detailed")],
    )
    .seeded(),
    Table::new(
        "runs",
        "id",
        &[
            (Integer, "id inserted updated restored removed unchanged held missing rejected requests"),
            (Text, "connection mode outcome reason"),
            (Instant, "started_at finished_at"),
            (Truth, "needs_full"),
        ],
    ),
    Table::new(
        "run_kinds",
        "run kind",
        &[
            (
                Integer,
                "run position inserted updated restored removed unchanged held missing rejected requests",
            ),
            (Text, "connection kind outcome reason"),
            (Instant, "started_at"),
        ],
    ),
    Table::new(
        "run_reads",
        "connection kind part id",
        &[(Text, "connection kind part"), (Integer, "id run"), (Instant, "read_at")],
    ),
    Table::new(
        "warnings",
        "id",
        &[
            (Integer, "id level said"),
            (Text, "connection event subject severity message action ending"),
            (Json, "fields"),
            (Instant, "raised_at said_at resolved_at"),
        ],
    ),
    Table::new(
        "deliveries",
        "id",
        &[
            (Integer, "id warning tries"),
            (Text, "target phase notice answer"),
            (Instant, "queued_at told_at due_at claimed_until delivered_at abandoned_at"),
            (Truth, "refused"),
        ],
    ),
];
