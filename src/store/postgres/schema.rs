//! The tables, and the steps that lead to them from any earlier version; everything in a schema of its
//! own. A step is never edited once it was released; a new one is added.
//!
//! Plain SQL only, so that a database that merely speaks PostgreSQL's protocol can hold the store too.

/// What leads from each version to the next.
pub(super) const STEPS: [&str; 3] = [FIRST, SECOND, THIRD];

/// The version this program reads and writes.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// What the versions are kept in, before anything else.
pub(super) const MIGRATIONS: &str = "
CREATE TABLE IF NOT EXISTS migrations (
    version    bigint PRIMARY KEY,
    program    text NOT NULL,
    applied_at timestamptz NOT NULL
)";

const FIRST: &str = "
-- What is known of each connection's account.
CREATE TABLE connections (
    name                  text PRIMARY KEY,
    base_url              text,
    accepted              jsonb NOT NULL DEFAULT '[]',
    is_released           boolean NOT NULL DEFAULT FALSE,
    doors_closed          bigint NOT NULL DEFAULT 0,
    mapped_user           text,
    timezone              text,
    mapped_user_looked_at timestamptz,
    mapped_user_unknown   text
);

-- What the operator wrote down about each key; never a secret.
CREATE TABLE keys (
    connection text NOT NULL,
    slot       text NOT NULL,
    name       text NOT NULL,
    expires    date,
    PRIMARY KEY (connection, slot)
);

-- What the server said of each key; never a secret. The mark is 32 bits of a keyed hash.
CREATE TABLE key_states (
    connection    text NOT NULL,
    slot          text NOT NULL,
    mark          text NOT NULL,
    asked_at      timestamptz NOT NULL,
    refused_since timestamptz,
    refused_at    timestamptz,
    refused       text,
    doubt         text,
    PRIMARY KEY (connection, slot)
);

-- The key of that hash.
CREATE TABLE mark_key (
    value bytea NOT NULL
);

CREATE TABLE elements (
    connection    text NOT NULL,
    kind          text NOT NULL,
    id            bigint NOT NULL,
    name          text,
    scorecard_id  bigint,
    owner_id      bigint,
    last_edited   text,
    fingerprint   bytea NOT NULL,
    state         text NOT NULL CHECK (state IN ('present', 'unlisted', 'removed')),
    reason        text,
    evidence      text,
    first_seen_at timestamptz NOT NULL,
    changed_at    timestamptz NOT NULL,
    changed_run   bigint NOT NULL,
    removed_at    timestamptz,
    doc           jsonb NOT NULL,
    detail        jsonb,
    PRIMARY KEY (kind, connection, id)
);
-- The merge join, the queues of single reads and counts read this index alone and never the documents.
CREATE INDEX elements_plan ON elements (kind, connection, id, state, fingerprint, changed_run);
CREATE INDEX elements_last_edited ON elements (kind, connection, last_edited);
-- For people: what a scorecard has, counted without the documents, and what is gone.
CREATE INDEX elements_scorecard ON elements (connection, scorecard_id, kind, state);
CREATE INDEX elements_gone ON elements (connection, removed_at) WHERE state <> 'present';

CREATE TABLE placements (
    connection   text NOT NULL,
    kind         text NOT NULL,
    id           bigint NOT NULL,
    scorecard_id bigint NOT NULL,
    PRIMARY KEY (kind, connection, id, scorecard_id)
);
CREATE INDEX placements_scorecard ON placements (connection, scorecard_id);

CREATE TABLE missing (
    connection text NOT NULL,
    kind       text NOT NULL,
    id         bigint NOT NULL,
    since      timestamptz NOT NULL,
    checked_at timestamptz,
    checks     bigint NOT NULL,
    answer     text,
    PRIMARY KEY (kind, connection, id)
);

CREATE TABLE held (
    connection  text NOT NULL,
    kind        text NOT NULL,
    digest      text NOT NULL,
    ids         jsonb NOT NULL,
    since       timestamptz NOT NULL,
    is_released boolean NOT NULL,
    PRIMARY KEY (connection, kind)
);

CREATE TABLE rejected (
    connection    text NOT NULL,
    kind          text NOT NULL,
    digest        bytea NOT NULL,
    reason        text NOT NULL,
    keys          jsonb NOT NULL,
    full_runs     bigint NOT NULL,
    first_seen_at timestamptz NOT NULL,
    PRIMARY KEY (connection, kind, digest)
);

CREATE TABLE cursors (
    connection text NOT NULL,
    kind       text NOT NULL,
    memory     jsonb NOT NULL,
    PRIMARY KEY (connection, kind)
);

CREATE TABLE findings (
    connection text NOT NULL,
    kind       text NOT NULL,
    finding    text NOT NULL,
    value      text NOT NULL,
    found_at   timestamptz NOT NULL,
    PRIMARY KEY (connection, kind, finding)
);

-- The last number that was given to a change, also when that was forgotten since. Who draws one holds
-- the row until its changes are seen, so that numbers are in the order in which changes are seen.
CREATE TABLE sequences (
    name text PRIMARY KEY,
    last bigint NOT NULL
);
INSERT INTO sequences (name, last) VALUES ('changes', 0), ('views', 0);

-- One row a change: part is 'doc', 'detail' or 'values'; before and after are JSON objects.
CREATE TABLE changes (
    sequence   bigint PRIMARY KEY,
    run        bigint NOT NULL,
    at         timestamptz NOT NULL,
    connection text NOT NULL,
    kind       text NOT NULL,
    id         bigint NOT NULL,
    part       text NOT NULL,
    operation  text NOT NULL,
    fields     jsonb,
    before     jsonb,
    after      jsonb,
    evidence   text
);
CREATE INDEX changes_element ON changes (kind, connection, id);
CREATE INDEX changes_run ON changes (run);
CREATE INDEX changes_at ON changes (at);

CREATE TABLE measure_documents (
    connection    text NOT NULL,
    measure_id    bigint NOT NULL,
    is_recognised boolean NOT NULL,
    is_held       boolean NOT NULL,
    changed_at    timestamptz NOT NULL,
    doc           jsonb NOT NULL,
    PRIMARY KEY (connection, measure_id)
);
CREATE INDEX measure_documents_held ON measure_documents (connection, measure_id) WHERE is_held;

CREATE TABLE measure_values (
    connection text NOT NULL,
    measure_id bigint NOT NULL,
    series     text NOT NULL,
    series_id  bigint,
    period     text NOT NULL,
    period_id  bigint,
    value      numeric,
    text       text,
    removed_at timestamptz,
    PRIMARY KEY (connection, measure_id, series, period)
);

-- Which fields each connection's documents hold, and the view column each was given.
CREATE TABLE fields (
    connection    text NOT NULL,
    kind          text NOT NULL,
    field         text NOT NULL,
    column_name   text,
    json_type     text NOT NULL,
    part          text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    is_news       boolean NOT NULL DEFAULT FALSE,
    PRIMARY KEY (connection, kind, field)
);

-- Columns of the kinds' views, given once and for ever.
CREATE TABLE view_columns (
    kind        text NOT NULL,
    position    bigint NOT NULL,
    field       text NOT NULL,
    column_name text NOT NULL,
    type        text NOT NULL,
    PRIMARY KEY (kind, position),
    UNIQUE (kind, field),
    UNIQUE (kind, column_name)
);

-- The views as they were made, for a server tells a view in words of its own.
CREATE TABLE made_views (
    name text PRIMARY KEY,
    body text NOT NULL
);

CREATE TABLE runs (
    id          bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    connection  text NOT NULL,
    mode        text NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    outcome     text,
    reason      text,
    needs_full  boolean NOT NULL DEFAULT FALSE,
    inserted    bigint NOT NULL DEFAULT 0,
    updated     bigint NOT NULL DEFAULT 0,
    restored    bigint NOT NULL DEFAULT 0,
    removed     bigint NOT NULL DEFAULT 0,
    unchanged   bigint NOT NULL DEFAULT 0,
    held        bigint NOT NULL DEFAULT 0,
    missing     bigint NOT NULL DEFAULT 0,
    rejected    bigint NOT NULL DEFAULT 0,
    requests    bigint NOT NULL DEFAULT 0
);
CREATE INDEX runs_connection ON runs (connection, id);

CREATE TABLE run_kinds (
    run        bigint NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position   bigint NOT NULL,
    connection text NOT NULL,
    kind       text NOT NULL,
    outcome    text NOT NULL,
    reason     text,
    started_at timestamptz NOT NULL,
    inserted   bigint NOT NULL,
    updated    bigint NOT NULL,
    restored   bigint NOT NULL,
    removed    bigint NOT NULL,
    unchanged  bigint NOT NULL,
    held       bigint NOT NULL,
    missing    bigint NOT NULL,
    rejected   bigint NOT NULL,
    requests   bigint NOT NULL,
    PRIMARY KEY (run, kind)
);
CREATE INDEX run_kinds_kind ON run_kinds (connection, kind, outcome, run);

-- The part of the run records that outlives them: which run last asked for an element singly, and
-- when it was last read.
CREATE TABLE run_reads (
    connection text NOT NULL,
    kind       text NOT NULL,
    part       text NOT NULL,
    id         bigint NOT NULL,
    run        bigint NOT NULL,
    read_at    timestamptz,
    PRIMARY KEY (connection, kind, part, id)
);

CREATE TABLE warnings (
    id          bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    connection  text NOT NULL,
    event       text NOT NULL,
    subject     text NOT NULL,
    severity    text NOT NULL,
    level       bigint NOT NULL,
    message     text NOT NULL,
    action      text NOT NULL,
    fields      jsonb NOT NULL,
    raised_at   timestamptz NOT NULL,
    said_at     timestamptz NOT NULL,
    said        bigint NOT NULL,
    resolved_at timestamptz,
    ending      text
);
-- One open warning an identity; resolved ones are its history.
CREATE UNIQUE INDEX warnings_open ON warnings (connection, event, subject) WHERE resolved_at IS NULL;

-- What targets are still to be told, and what they were told.
CREATE TABLE deliveries (
    id            bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    target        text NOT NULL,
    warning       bigint NOT NULL REFERENCES warnings (id),
    phase         text NOT NULL,
    notice        text NOT NULL,
    queued_at     timestamptz NOT NULL,
    told_at       timestamptz NOT NULL,
    due_at        timestamptz,
    claimed_until timestamptz,
    refused       boolean NOT NULL DEFAULT FALSE,
    tries         bigint NOT NULL DEFAULT 0,
    answer        text,
    delivered_at  timestamptz,
    abandoned_at  timestamptz
);
CREATE INDEX deliveries_waiting ON deliveries (target, id) WHERE delivered_at IS NULL AND abandoned_at IS NULL;
CREATE INDEX deliveries_warning ON deliveries (warning, target);

-- Who works on a connection, until when, by this server's clock. The token grows with each holder: what an
-- earlier one writes is refused. Without a holder it is free. What a process could not give back, because the
-- server was away, it takes again itself.
CREATE TABLE leases (
    name       text PRIMARY KEY,
    token      bigint NOT NULL,
    holder     text,
    process    text NOT NULL,
    expires_at timestamptz NOT NULL
);
";

const SECOND: &str = "
-- What the rows of a kind's pages looked like: by this a pull knows those again that come as they were. No more
-- than a help, which may be missing.
CREATE TABLE imprints (
    connection text NOT NULL,
    kind       text NOT NULL,
    page       bigint NOT NULL,
    bytes      bytea NOT NULL,
    PRIMARY KEY (kind, connection, page)
);

-- Whether some connection has the field from single reads alone: with it a view is known by its columns, and the
-- fields of all connections are not read for it.
ALTER TABLE view_columns ADD COLUMN is_detailed boolean NOT NULL DEFAULT FALSE;
UPDATE view_columns SET is_detailed = TRUE
WHERE (kind, field) IN (SELECT kind, field FROM fields WHERE part = 'detail');

-- After each run it is asked which fields are yet to be given a column: mostly none.
CREATE INDEX fields_unnamed ON fields (kind) WHERE column_name IS NULL;
";

const THIRD: &str = "
-- When the last day of a key is over in the time zone of its connection; until that is written down, in UTC.
ALTER TABLE keys ADD COLUMN lapses_at timestamptz;
UPDATE keys SET lapses_at = CAST(expires + 1 AS timestamp) AT TIME ZONE 'UTC';
";
