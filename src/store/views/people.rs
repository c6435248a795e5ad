//! The views that answer the first questions.

/// Each by its name, with its SQL; `{days_left}` is what the engine calls it.
pub(super) const FOR_PEOPLE: [(&str, &str); 4] = [
    (
        "measure_series",
        "SELECT v.connection, v.measure_id, m.name AS measure, m.scorecard_id, s.name AS scorecard,
  v.series, v.series_id, v.period, v.period_id, v.value, v.text
FROM measure_values AS v
JOIN elements AS m
  ON m.kind = 'measures' AND m.connection = v.connection AND m.id = v.measure_id AND m.state = 'present'
LEFT JOIN elements AS s
  ON s.kind = 'scorecards' AND s.connection = v.connection AND s.id = m.scorecard_id
WHERE v.removed_at IS NULL",
    ),
    (
        "key_expiry",
        "SELECT k.connection, k.slot, k.name AS \"key\", k.expires,
  {days_left} AS days_left, c.mapped_user, c.timezone, k.lapses_at
FROM keys AS k LEFT JOIN connections AS c ON c.name = k.connection",
    ),
    (
        "last_runs",
        "SELECT connection, id AS run, mode, started_at, finished_at, outcome, reason,
  inserted, updated, restored, removed, unchanged, held, missing, rejected, requests
FROM runs WHERE id IN (SELECT max(id) FROM runs GROUP BY connection)",
    ),
    (
        // A date stands here only if every element people see was read by then. Of most kinds none ever is,
        // which is seen at once.
        "freshness",
        "SELECT k.connection, k.kind,
  (SELECT c.started_at FROM run_kinds AS c WHERE c.connection = k.connection AND c.kind = k.kind
     AND c.outcome = 'complete' ORDER BY c.run DESC LIMIT 1) AS complete_as_of,
  (SELECT c.started_at FROM run_kinds AS c WHERE c.connection = k.connection AND c.kind = k.kind
     AND c.outcome IN ('complete', 'incremental') ORDER BY c.run DESC LIMIT 1) AS changes_as_of,
  (SELECT count(*) FROM elements AS e
   WHERE e.kind = k.kind AND e.connection = k.connection AND e.state = 'present') AS present,
  CASE WHEN EXISTS (SELECT 1 FROM run_reads AS r
     WHERE r.connection = k.connection AND r.kind = k.kind AND r.part = 'detail')
   THEN (SELECT CASE WHEN count(*) = count(r.read_at) THEN min(r.read_at) END
   FROM elements AS e LEFT JOIN run_reads AS r
     ON r.connection = e.connection AND r.kind = e.kind AND r.part = 'detail' AND r.id = e.id
   WHERE e.kind = k.kind AND e.connection = k.connection AND e.state = 'present') END AS details_as_of,
  CASE WHEN EXISTS (SELECT 1 FROM run_reads AS r
     WHERE r.connection = k.connection AND r.kind = k.kind AND r.part = 'values')
   THEN (SELECT CASE WHEN count(*) = count(r.read_at) THEN min(r.read_at) END
   FROM elements AS e LEFT JOIN run_reads AS r
     ON r.connection = e.connection AND r.kind = e.kind AND r.part = 'values' AND r.id = e.id
   WHERE e.kind = k.kind AND e.connection = k.connection AND e.state = 'present'
     AND k.kind = 'measures') END AS values_as_of
FROM run_kinds AS k GROUP BY k.connection, k.kind",
    ),
];
