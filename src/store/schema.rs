//! The tables, and the steps that lead to them from any earlier version. A step is never edited once
//! it was released; a new one is added.
//!
//! Written for readers with an old SQLite (3.26 and later): no STRICT tables, no `->>`.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::sql::ToCell as _;

/// Marks a file as ours ("CPSy").
pub(super) const APPLICATION_ID: i32 = 0x4350_5379;

/// What leads from each version to the next; the version is `user_version`.
const STEPS: [&str; 5] = [FIRST, SECOND, THIRD, FOURTH, FIFTH];

/// The version this program reads and writes.
#[expect(clippy::cast_possible_truncation, reason = "a handful of steps")]
pub(super) const VERSION: i32 = STEPS.len() as i32;

/// Brings the file to [`VERSION`], each step in a transaction of its own.
pub(super) fn migrate(sql: &mut Connection, from: i32, now: DateTime<Utc>) -> rusqlite::Result<()> {
    for (version, step) in (1..).zip(STEPS).skip_while(|(version, _)| *version <= from) {
        let transaction = Transaction::new(sql, TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        let found: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found >= version {
            continue;
        }
        transaction.execute_batch(step)?;
        transaction.execute(
            "INSERT INTO migrations (version, program, applied_at) VALUES (?1, ?2, ?3)",
            (version, env!("CARGO_PKG_VERSION"), now.to_cell()),
        )?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    make_whole(sql)
}

/// A copy for readers that was put in the place of its store is one again: it lacks what none can do without.
fn make_whole(sql: &Connection) -> rusqlite::Result<()> {
    let lacks_key: bool =
        sql.query_row("SELECT NOT EXISTS (SELECT 1 FROM mark_key)", [], |row| row.get(0))?;
    if lacks_key {
        // Another process may have been faster.
        let draw =
            "INSERT INTO mark_key (value) SELECT randomblob(32) WHERE NOT EXISTS (SELECT 1 FROM mark_key)";
        sql.execute(draw, [])?;
    }
    Ok(())
}

const FIRST: &str = "
CREATE TABLE migrations (
    version    INTEGER PRIMARY KEY,
    program    TEXT NOT NULL,
    applied_at TEXT NOT NULL
);

-- What is known of each connection's account.
CREATE TABLE connections (
    name         TEXT PRIMARY KEY,
    base_url     TEXT,
    accepted     TEXT NOT NULL DEFAULT '[]',
    is_released  INTEGER NOT NULL DEFAULT 0,
    doors_closed INTEGER NOT NULL DEFAULT 0,
    mapped_user  TEXT,
    timezone     TEXT
) WITHOUT ROWID;

-- What the operator wrote down about each key; never a secret.
CREATE TABLE keys (
    connection TEXT NOT NULL,
    slot       TEXT NOT NULL,
    name       TEXT NOT NULL,
    expires    TEXT,
    PRIMARY KEY (connection, slot)
) WITHOUT ROWID;

CREATE TABLE elements (
    connection    TEXT NOT NULL,
    kind          TEXT NOT NULL,
    id            INTEGER NOT NULL,
    name          TEXT,
    scorecard_id  INTEGER,
    owner_id      INTEGER,
    last_edited   TEXT,
    fingerprint   BLOB NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('present', 'unlisted', 'removed')),
    reason        TEXT,
    evidence      TEXT,
    first_seen_at TEXT NOT NULL,
    changed_at    TEXT NOT NULL,
    changed_run   INTEGER NOT NULL,
    removed_at    TEXT,
    doc           TEXT NOT NULL,
    detail        TEXT,
    PRIMARY KEY (kind, connection, id)
);
-- The merge join and the queues of single reads read this index alone and never the documents.
CREATE INDEX elements_plan ON elements (kind, connection, id, state, fingerprint, changed_run);
CREATE INDEX elements_last_edited ON elements (kind, connection, last_edited);

CREATE TABLE placements (
    connection   TEXT NOT NULL,
    kind         TEXT NOT NULL,
    id           INTEGER NOT NULL,
    scorecard_id INTEGER NOT NULL,
    PRIMARY KEY (kind, connection, id, scorecard_id)
) WITHOUT ROWID;

CREATE TABLE missing (
    connection TEXT NOT NULL,
    kind       TEXT NOT NULL,
    id         INTEGER NOT NULL,
    since      TEXT NOT NULL,
    checked_at TEXT,
    checks     INTEGER NOT NULL,
    answer     TEXT,
    PRIMARY KEY (kind, connection, id)
) WITHOUT ROWID;

CREATE TABLE held (
    connection  TEXT NOT NULL,
    kind        TEXT NOT NULL,
    digest      TEXT NOT NULL,
    ids         TEXT NOT NULL,
    since       TEXT NOT NULL,
    is_released INTEGER NOT NULL,
    PRIMARY KEY (connection, kind)
) WITHOUT ROWID;

CREATE TABLE rejected (
    connection    TEXT NOT NULL,
    kind          TEXT NOT NULL,
    digest        BLOB NOT NULL,
    reason        TEXT NOT NULL,
    keys          TEXT NOT NULL,
    full_runs     INTEGER NOT NULL,
    first_seen_at TEXT NOT NULL,
    PRIMARY KEY (connection, kind, digest)
) WITHOUT ROWID;

CREATE TABLE cursors (
    connection TEXT NOT NULL,
    kind       TEXT NOT NULL,
    memory     TEXT NOT NULL,
    PRIMARY KEY (connection, kind)
) WITHOUT ROWID;

CREATE TABLE findings (
    connection TEXT NOT NULL,
    kind       TEXT NOT NULL,
    finding    TEXT NOT NULL,
    value      TEXT NOT NULL,
    found_at   TEXT NOT NULL,
    PRIMARY KEY (connection, kind, finding)
) WITHOUT ROWID;

-- One row a change: part is 'doc', 'detail' or 'values'; before and after are JSON objects.
CREATE TABLE changes (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    run        INTEGER NOT NULL,
    at         TEXT NOT NULL,
    connection TEXT NOT NULL,
    kind       TEXT NOT NULL,
    id         INTEGER NOT NULL,
    part       TEXT NOT NULL,
    operation  TEXT NOT NULL,
    fields     TEXT,
    before     TEXT,
    after      TEXT,
    evidence   TEXT
);
CREATE INDEX changes_element ON changes (kind, connection, id);
CREATE INDEX changes_at ON changes (at);

CREATE TABLE measure_documents (
    connection    TEXT NOT NULL,
    measure_id    INTEGER NOT NULL,
    is_recognised INTEGER NOT NULL,
    is_held       INTEGER NOT NULL,
    changed_at    TEXT NOT NULL,
    doc           TEXT NOT NULL,
    PRIMARY KEY (connection, measure_id)
);
CREATE INDEX measure_documents_held ON measure_documents (connection, measure_id) WHERE is_held;

CREATE TABLE measure_values (
    connection TEXT NOT NULL,
    measure_id INTEGER NOT NULL,
    series     TEXT NOT NULL,
    series_id  INTEGER,
    period     TEXT NOT NULL,
    period_id  INTEGER,
    value      REAL,
    text       TEXT,
    removed_at TEXT,
    PRIMARY KEY (connection, measure_id, series, period)
) WITHOUT ROWID;

-- Which fields each connection's documents hold, and the view column each was given.
CREATE TABLE fields (
    connection    TEXT NOT NULL,
    kind          TEXT NOT NULL,
    field         TEXT NOT NULL,
    column_name   TEXT,
    json_type     TEXT NOT NULL,
    part          TEXT NOT NULL,
    first_seen_at TEXT NOT NULL,
    PRIMARY KEY (connection, kind, field)
) WITHOUT ROWID;

-- Columns of the kinds' views, given once and for ever.
CREATE TABLE view_columns (
    kind        TEXT NOT NULL,
    position    INTEGER NOT NULL,
    field       TEXT NOT NULL,
    column_name TEXT NOT NULL COLLATE NOCASE,
    type        TEXT NOT NULL,
    PRIMARY KEY (kind, position),
    UNIQUE (kind, field),
    UNIQUE (kind, column_name)
) WITHOUT ROWID;

CREATE TABLE runs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    connection  TEXT NOT NULL,
    mode        TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    finished_at TEXT,
    outcome     TEXT,
    reason      TEXT,
    needs_full  INTEGER NOT NULL DEFAULT 0,
    inserted    INTEGER NOT NULL DEFAULT 0,
    updated     INTEGER NOT NULL DEFAULT 0,
    restored    INTEGER NOT NULL DEFAULT 0,
    removed     INTEGER NOT NULL DEFAULT 0,
    unchanged   INTEGER NOT NULL DEFAULT 0,
    held        INTEGER NOT NULL DEFAULT 0,
    missing     INTEGER NOT NULL DEFAULT 0,
    rejected    INTEGER NOT NULL DEFAULT 0,
    requests    INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX runs_connection ON runs (connection, id);

CREATE TABLE run_kinds (
    run        INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    connection TEXT NOT NULL,
    kind       TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    reason     TEXT,
    started_at TEXT NOT NULL,
    inserted   INTEGER NOT NULL,
    updated    INTEGER NOT NULL,
    restored   INTEGER NOT NULL,
    removed    INTEGER NOT NULL,
    unchanged  INTEGER NOT NULL,
    held       INTEGER NOT NULL,
    missing    INTEGER NOT NULL,
    rejected   INTEGER NOT NULL,
    requests   INTEGER NOT NULL,
    PRIMARY KEY (run, kind)
) WITHOUT ROWID;
CREATE INDEX run_kinds_kind ON run_kinds (connection, kind, outcome, started_at);

-- The part of the run records that outlives them: which run last asked for an element singly, and
-- when it was last read. Part is 'detail' or 'values'.
CREATE TABLE run_reads (
    connection TEXT NOT NULL,
    kind       TEXT NOT NULL,
    part       TEXT NOT NULL,
    id         INTEGER NOT NULL,
    run        INTEGER NOT NULL,
    read_at    TEXT,
    PRIMARY KEY (connection, kind, part, id)
) WITHOUT ROWID;

CREATE TABLE warnings (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    connection  TEXT NOT NULL,
    event       TEXT NOT NULL,
    subject     TEXT NOT NULL,
    severity    TEXT NOT NULL,
    level       INTEGER NOT NULL,
    message     TEXT NOT NULL,
    action      TEXT NOT NULL,
    fields      TEXT NOT NULL,
    raised_at   TEXT NOT NULL,
    said_at     TEXT NOT NULL,
    said        INTEGER NOT NULL,
    resolved_at TEXT
);
-- One open warning an identity; resolved ones are its history.
CREATE UNIQUE INDEX warnings_open ON warnings (connection, event, subject) WHERE resolved_at IS NULL;
";

const SECOND: &str = "
-- What the server said of each key; never a secret. The mark is 32 bits of a keyed hash: enough to see
-- that a secret was replaced, too little to find it by.
CREATE TABLE key_states (
    connection    TEXT NOT NULL,
    slot          TEXT NOT NULL,
    mark          TEXT NOT NULL,
    asked_at      TEXT NOT NULL,
    refused_since TEXT,
    refused_at    TEXT,
    refused       TEXT,
    doubt         TEXT,
    PRIMARY KEY (connection, slot)
) WITHOUT ROWID;

-- The key of that hash: drawn once, so that marks of two stores tell nothing of each other.
CREATE TABLE mark_key (
    value BLOB NOT NULL
);
INSERT INTO mark_key (value) VALUES (randomblob(32));

-- How a warning ended: 'over', 'renewed', 'replaced' (by another warning), 'passed' (told once).
ALTER TABLE warnings ADD COLUMN ending TEXT;

-- What targets are still to be told, and what they were told. Waits until it was delivered or given
-- up; due at once without a due_at; refused: the target does not take this message, others it may.
CREATE TABLE deliveries (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    target        TEXT NOT NULL,
    warning       INTEGER NOT NULL REFERENCES warnings (id),
    phase         TEXT NOT NULL,
    notice        TEXT NOT NULL,
    queued_at     TEXT NOT NULL,
    told_at       TEXT NOT NULL,
    due_at        TEXT,
    claimed_until TEXT,
    refused       INTEGER NOT NULL DEFAULT 0,
    tries         INTEGER NOT NULL DEFAULT 0,
    answer        TEXT,
    delivered_at  TEXT,
    abandoned_at  TEXT
);
CREATE INDEX deliveries_waiting ON deliveries (target, id) WHERE delivered_at IS NULL AND abandoned_at IS NULL;
CREATE INDEX deliveries_warning ON deliveries (warning, target);

-- When the mapped user was last looked for, and why that told nothing.
ALTER TABLE connections ADD COLUMN mapped_user_looked_at TEXT;
ALTER TABLE connections ADD COLUMN mapped_user_unknown TEXT;

-- Whether people are still to be told that a field was discovered.
ALTER TABLE fields ADD COLUMN is_news INTEGER NOT NULL DEFAULT 0;
";

const THIRD: &str = "
-- The last number that was given to a change, also when that was forgotten since. Numbers are drawn in
-- the order in which changes are seen.
CREATE TABLE sequences (
    name TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO sequences (name, last)
VALUES ('changes', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0)), ('views', 0);
";

const FOURTH: &str = "
-- An index of its own for stamps, which come in no order, cost a first load more pages than all documents.
-- Whoever asks for a stamp reads the index that the merge join reads.
DROP INDEX elements_last_edited;
DROP INDEX elements_plan;
CREATE INDEX elements_plan ON elements (kind, connection, id, state, fingerprint, changed_run, last_edited);

-- Whether some connection has the field from single reads alone: with it a view is known by its columns, and the
-- fields of all connections are not read for it.
ALTER TABLE view_columns ADD COLUMN is_detailed INTEGER NOT NULL DEFAULT 0;
UPDATE view_columns SET is_detailed = 1
WHERE (kind, field) IN (SELECT kind, field FROM fields WHERE part = 'detail');

-- After each run it is asked which fields are yet to be given a column: mostly none.
CREATE INDEX fields_unnamed ON fields (kind) WHERE column_name IS NULL;

-- What the rows of a kind's pages looked like: by this a pull knows those again that come as they were. No more
-- than a help, which may be missing.
CREATE TABLE imprints (
    connection TEXT NOT NULL,
    kind       TEXT NOT NULL,
    page       INTEGER NOT NULL,
    bytes      BLOB NOT NULL,
    PRIMARY KEY (kind, connection, page)
);
";

const FIFTH: &str = "
-- When the last day of a key is over in the time zone of its connection; until that is written down, in UTC.
ALTER TABLE keys ADD COLUMN lapses_at TEXT;
UPDATE keys SET lapses_at = strftime('%Y-%m-%dT%H:%M:%fZ', expires, '+1 day');
";
