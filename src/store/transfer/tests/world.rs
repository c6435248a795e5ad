//! A store full of everything, written fast: rows in all tables, and in some so many that they take pages.

use std::path::Path;

use rusqlite::Connection;

use super::file;

/// Makes a file with so many elements and their history; every other table has rows too.
pub(super) async fn make(path: &Path, elements: u32) {
    drop(file(path).await);
    let sql = Connection::open(path).unwrap();
    sql.execute_batch("PRAGMA synchronous = off; PRAGMA foreign_keys = on; BEGIN").unwrap();
    sql.execute_batch(FEW).unwrap();
    for many in MANY {
        let text = format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {elements}) {many}"
        );
        sql.execute_batch(&text).unwrap();
    }
    sql.execute("UPDATE sequences SET last = ?1 WHERE name = 'changes'", [2 * elements + 7]).unwrap();
    sql.execute_batch("COMMIT").unwrap();
}

const FEW: &str = r#"
INSERT INTO connections VALUES
  ('city', 'https://a.example/api', '[3, 1,2]', 1, 2, 'ü@city.example', 'Asia/Kolkata', '2026-02-01T00:00:00.001Z', 'why'),
  ('town', NULL, '[]', 0, 0, NULL, NULL, NULL, NULL);
INSERT INTO keys VALUES
  ('city', 'key', 'Integration', '2027-03-31', '2027-03-31T18:30:00.000Z'), ('city', 'next_key', 'Next', NULL, NULL);
INSERT INTO key_states VALUES
  ('city', 'key', '00c0ffee', '2026-03-01T12:00:00.000Z', '2026-02-28T23:59:59.999Z', NULL, 'HTTP 401', NULL);
INSERT INTO missing VALUES ('city', 'measures', 5, '2026-03-01T12:00:00.000Z', NULL, 3, '500');
INSERT INTO held VALUES ('city', 'measures', 'abc', '[7,8]', '2026-03-01T12:00:00.000Z', 0);
INSERT INTO rejected VALUES ('city', 'measures', x'00ff10', 'no id', '["a","b"]', 2, '2026-03-01T12:00:00.000Z');
INSERT INTO cursors VALUES ('city', 'measures', '{"ever_complete":true,"filter":{"z":1,"a":[1,2]}}');
INSERT INTO findings VALUES ('city', 'measures', 'envelope', '{"as":"written", "a":1}', '2026-03-01T12:00:00.000Z');
INSERT INTO measure_documents VALUES ('city', 5, 1, 0, '2026-03-01T12:00:00.000Z', '[{"p":1.50}]');
INSERT INTO measure_values VALUES
  ('city', 5, 'Actual', 1, 'Jan', 2, 0.1, NULL, NULL), ('city', 5, 'Actual', 1, 'Feb', 3, 1e300, NULL, NULL),
  ('city', 5, 'Actual', 1, 'Mar', 4, -0.0, 'n/a', '2026-03-01T12:00:00.000Z'),
  ('city', 5, 'Actual', 1, 'Apr', 5, 5e-324, '', NULL), ('city', 5, 'Actual', 1, 'May', 6, 9007199254740993, '	\N\', NULL),
  ('city', 5, 'Actual', 1, 'Jun', 7, NULL, NULL, NULL);
INSERT INTO fields VALUES
  ('city', 'measures', 'name', 'name', 'string', 'doc', '2026-03-01T12:00:00.000Z', 0),
  ('city', 'measures', 'Größe "x"', NULL, 'number', 'doc', '2026-03-01T12:00:00.000Z', 1);
INSERT INTO runs (id, connection, mode, started_at, finished_at, outcome, reason, needs_full, inserted) VALUES
  (1, 'city', 'full', '2026-03-01T11:00:00.000Z', '2026-03-01T11:05:00.000Z', 'ok', NULL, 0, 9),
  (2, 'town', 'incremental', '2026-03-01T11:00:00.000Z', NULL, NULL, 'stopped', 1, 0);
UPDATE sqlite_sequence SET seq = 40 WHERE name = 'runs';
INSERT INTO run_kinds VALUES
  (1, 0, 'city', 'measures', 'complete', NULL, '2026-03-01T11:00:00.000Z', 1, 2, 3, 4, 5, 6, 7, 8, 9);
INSERT INTO run_reads VALUES ('city', 'measures', 'detail', 5, 1, NULL), ('city', 'measures', 'values', 5, 1, '2026-03-01T11:00:00.000Z');
INSERT INTO warnings VALUES
  (3, 'city', 'key_expiring', 'key', 'warn', 14, 'soon', 'renew', '{"days_left":14,"expires":"2027-03-31"}',
   '2026-03-01T11:00:00.000Z', '2026-03-01T11:00:00.000Z', 2, NULL, NULL);
INSERT INTO deliveries (id, target, warning, phase, notice, queued_at, told_at, refused, tries, answer) VALUES
  (4, 'ops', 3, 'raised', '{"kept": "as written"}', '2026-03-01T11:00:00.000Z', '2026-03-01T11:00:00.000Z', 1, 2, '503');
"#;

const MANY: [&str; 3] = [
    // Line ends, tabs, backslashes, quotes, characters of four bytes, escapes, and numbers in odd spellings.
    r#"INSERT INTO elements SELECT iif(i % 7, 'city', 'town'), iif(i % 3, 'objectives', 'measures'), i * 3,
         iif(i % 5, 'Élément 🦀 ' || i || char(9) || char(10) || '\N "x"', NULL), i % 100, iif(i % 2, i % 50, NULL),
         iif(i % 11, '03/01/2026 9:00 AM', NULL), randomblob(16),
         iif(i % 13, 'present', 'removed'), iif(i % 13, NULL, 'absent'), iif(i % 13, NULL, 'GET answered 404'),
         '2026-02-01T00:00:00.000Z', strftime('%Y-%m-%dT%H:%M:%fZ', '2026-02-01', '+' || i || ' seconds'),
         1, iif(i % 13, NULL, '2026-03-01T12:00:00.000Z'),
         printf('{"id":%d,"name":"Z\u00fcrich \ud83e\udd80\n\\","value":%d.50,"big":1e%d,"zero":-0.0,"html":"<p>a\/b</p>","list":[1, 2.0,{"b":null,"a":true}]}',
           i * 3, i, i % 308),
         iif(i % 17, NULL, '{"more":[]}')
       FROM n"#,
    "INSERT INTO placements SELECT iif(i % 7, 'city', 'town'), iif(i % 3, 'objectives', 'measures'), i * 3, i % 100
     FROM n WHERE i % 10 = 0",
    r#"INSERT INTO changes SELECT 2 * i + j, 1 + i % 2, '2026-03-01T11:00:00.000Z', iif(i % 7, 'city', 'town'),
         iif(i % 3, 'objectives', 'measures'), i * 3, 'doc', iif(j, 'update', 'insert'), iif(j, '["name"]', NULL),
         iif(j, printf('{"name":"before %d"}', i), NULL), iif(j, '{"name":"Z\u00fcrich"}', NULL), NULL
       FROM n, (SELECT 0 AS j UNION SELECT 1) WHERE j = 0 OR i % 2 = 0"#,
];
