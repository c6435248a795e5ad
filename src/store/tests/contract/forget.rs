//! Forgetting: all of it, nothing else, and again after it was cut off.

use super::*;
use crate::kind::KindName;
use crate::store::{Forgotten, HELD_VALUES, Part, Read, Scope};
use crate::warning::{Event, Severity, Warning, WarningId};

const NAMES: [&str; 2] = ["city", "town"];

/// Two connections that have rows in every table, with the name of each in its texts.
async fn bench() -> Bench {
    let mut bench = Bench::new().await;
    for name in NAMES {
        bench.connection = ConnectionName::parse(name).unwrap();
        for of in ["scorecards", "objectives", "measures"] {
            bench.kind = kind(of);
            let id = &bench.kind.id_fields[0];
            let placed = if of == "scorecards" { "" } else { r#","scorecardId":1"# };
            let row = |n| format!(r#"{{"{id}":{n},"name":"{name} secret{n} {of}"{placed}}}"#);
            let rows: Vec<String> = (1..=3).map(row).collect();
            let mut pull = bench.pull(&rows.iter().map(String::as_str).collect::<Vec<_>>());
            pull.verdicts.undecided = vec![in_question(2)];
            pull.held = Some(held(&[2, 3]));
            let digest = fingerprint::of_bytes(of.as_bytes());
            pull.rejected = vec![Rejected { reason: "no id".into(), keys: vec!["a".into()], digest }];
            pull.show(1, name);
            bench.sync(&pull).await;
            bench.store.record_finding(&bench.connection, &bench.kind.name, "f", "v", noon()).await.unwrap();
        }
        bench.hold_values(2).await;
        bench.watch(name).await;
    }
    bench.connection = city();
    bench
}

fn held(ids: &[i64]) -> Held {
    let ids = ids.iter().copied().map(ElementId).collect();
    Held { digest: "d".into(), ids, since: noon(), is_released: false }
}

impl Bench {
    /// A measure's values, then an answer that lost them and is held.
    async fn hold_values(&self, id: i64) {
        let document = |text: &str| Read { id: ElementId(id), document: Some(text.into()) };
        let run = self.begin().await;
        let answers = [
            r#"[{"series":"Actual","period":"Jan-26","value":5},{"series":"Actual","period":"Feb-26","value":6}]"#,
            "[]",
        ];
        for text in answers {
            let reads = [document(text)];
            self.store.commit_values(run, &self.connection, &reads, false, self.now).await.unwrap();
        }
        let (name, ids) = (&self.kind.name, [ElementId(id)]);
        self.store.record_unclear(run, &self.connection, name, Part::Detail, &ids, self.now).await.unwrap();
    }

    /// What is kept of a connection as a whole.
    async fn watch(&self, name: &str) {
        self.store.accept(&self.connection, "https://example.com", &[ElementId(1)]).await.unwrap();
        for event in [Event::VisibilityChanged, Event::AccountChanged] {
            let warning = Warning {
                id: WarningId { event, connection: self.connection.clone(), subject: String::new() },
                severity: Severity::Warn,
                level: 0,
                message: format!("{name} secret1"),
                action: "look".into(),
                fields: Vec::new(),
            };
            let target = crate::name::TargetName::parse("ops").unwrap();
            let phase = crate::warning::Phase::Raised;
            self.store.told(&warning, phase, &[&target], self.now).await.unwrap();
        }
        self.meddle(&format!(
            "INSERT INTO keys (connection, slot, name) VALUES ('{name}', 'key', 'K');
             INSERT INTO key_states (connection, slot, mark, asked_at)
               VALUES ('{name}', 'key', '00', '2026-03-01T12:00:00.000Z')"
        ));
    }

    async fn forget(&self, scope: Scope) -> Forgotten {
        let counted = self.store.forgettable(&city(), &scope).await.unwrap();
        let forgotten = self.store.forget(&city(), &scope).await.unwrap();
        assert_eq!(forgotten, counted, "as announced");
        assert_eq!(self.store.forget(&city(), &scope).await.unwrap(), Forgotten::default());
        forgotten
    }

    /// How many rows of each table have `word` in some column, tables without any left out.
    fn with(&self, word: &str) -> BTreeMap<String, usize> {
        let mut tables = reading::names(&self.store, &["table"]);
        tables.retain(|table| table != "mark_key");
        let count = |table: String| {
            let rows = self.rows(&format!("SELECT * FROM {table}"));
            let count = rows.iter().filter(|row| row.contains(word)).count();
            (table, count)
        };
        tables.into_iter().map(count).filter(|(_, count)| *count > 0).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_leaves_no_row_in_any_table_and_the_others_keep_theirs() {
    let bench = bench().await;
    let (ours, theirs) = (bench.with("city"), bench.with("town"));
    assert_eq!(ours, theirs, "both have rows everywhere");
    let forgotten = bench.forget(Scope::Connection).await;
    assert_eq!(bench.with("city"), BTreeMap::new());
    assert_eq!(bench.with("town"), theirs);
    let tables: Vec<&str> = forgotten.0.iter().map(|(table, _)| *table).collect();
    for table in reading::names(&bench.store, &["table"]) {
        let tells = ["connections", "deliveries"].contains(&table.as_str())
            || bench.columns(&table).contains(&"connection".to_owned());
        assert!(
            !tells || tables.contains(&table.as_str()),
            "{table} tells of connections and is not emptied"
        );
    }
    assert_eq!(bench.store.connections().await.unwrap(), [ConnectionName::parse("town").unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_leaves_nothing_and_is_pulled_in_full_again() {
    let mut bench = bench().await;
    let before = bench.columns("measures");
    let theirs = bench.with("town");
    bench.forget(Scope::Kind(KindName::new("measures"))).await;
    assert_eq!(bench.with("town"), theirs);
    for table in ["measure_values", "measure_documents"] {
        assert_eq!(bench.one(&format!("SELECT count(*) FROM {table} WHERE connection = 'city'")), "0");
    }
    let left = bench.rows("SELECT DISTINCT kind FROM elements WHERE connection = 'city' ORDER BY kind");
    assert_eq!(left, ["objectives", "scorecards"]);
    let held = bench.rows("SELECT kind FROM held WHERE connection = 'city' ORDER BY kind");
    assert_eq!(held, ["objectives", "scorecards"], "not {HELD_VALUES}");
    let memory = bench.store.memory(&city(), &KindName::new("measures")).await.unwrap();
    assert_eq!(memory, KindMemory::default());
    bench.kind = kind("measures");
    bench.sync_rows(&[r#"{"objectId":9,"name":"new"}"#]).await;
    assert_eq!(bench.columns("measures"), before, "no column was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_leaves_no_trace_and_its_neighbours_stay() {
    let bench = bench().await;
    let neighbours = bench.with("secret3");
    let forgotten = bench.forget(Scope::Element(KindName::new("measures"), ElementId(2))).await;
    assert_eq!((forgotten.rows("elements"), forgotten.rows("measure_values")), (1, 2));
    assert_eq!(forgotten.rows("held"), 2, "both sets that named it");
    assert_eq!(bench.with("city secret2 measures"), BTreeMap::new());
    for (table, id) in [
        ("elements", "id"),
        ("changes", "id"),
        ("placements", "id"),
        ("missing", "id"),
        ("run_reads", "id"),
        ("measure_values", "measure_id"),
        ("measure_documents", "measure_id"),
    ] {
        let kind = if id == "id" { " AND kind = 'measures'" } else { "" };
        let count = format!("SELECT count(*) FROM {table} WHERE connection = 'city' AND {id} = 2{kind}");
        assert_eq!(bench.one(&count), "0", "{table}");
    }
    assert_eq!(bench.with("secret3"), neighbours);
    let held = bench.rows("SELECT kind FROM held WHERE connection = 'city' ORDER BY kind");
    assert_eq!(held, ["objectives", "scorecards"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_told_of_scorecards_goes_with_them() {
    let bench = bench().await;
    bench.forget(Scope::Element(KindName::new("scorecards"), ElementId(1))).await;
    let told = bench.rows("SELECT event FROM warnings WHERE connection = 'city'");
    assert_eq!(told, ["account_changed"]);
    assert_eq!(bench.one("SELECT count(*) FROM deliveries WHERE notice LIKE '%visibility%'"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forget_that_was_cut_off_is_finished_by_the_next() {
    for scope in [Scope::Connection, Scope::Kind(KindName::new("objectives"))] {
        for table in ["elements", "placements", "fields", "run_kinds"] {
            let bench = bench().await;
            bench.script(
                &format!(
                    "CREATE TRIGGER stop BEFORE DELETE ON {table} BEGIN SELECT raise(ABORT, 'killed'); END"
                ),
                &format!(
                    "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql
                       AS $$ BEGIN RAISE EXCEPTION 'killed'; END $$;
                     CREATE TRIGGER stop BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION stop()"
                ),
            );
            bench.store.forget(&city(), &scope).await.unwrap_err();
            let memory = bench.store.memory(&city(), &KindName::new("objectives")).await.unwrap();
            assert_eq!(memory, KindMemory::default(), "what is left is pulled in full");
            bench.script("DROP TRIGGER stop", "DROP FUNCTION stop CASCADE");
            bench.store.forget(&city(), &scope).await.unwrap();
            assert_eq!(bench.store.forgettable(&city(), &scope).await.unwrap(), Forgotten::default());
            assert_eq!(bench.one("SELECT count(*) FROM elements WHERE connection = 'town'"), "9");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_kind_goes_in_batches() {
    let mut bench = Bench::new().await;
    let rows: Vec<String> = (1..=2500).map(|id| format!(r#"{{"objectId":{id}}}"#)).collect();
    bench.sync_rows(&rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let forgotten = bench.forget(Scope::Kind(bench.kind.name.clone())).await;
    assert_eq!((forgotten.rows("elements"), forgotten.rows("changes")), (2500, 2500));
}
