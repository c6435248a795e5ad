//! The store on a fresh database.

use super::*;
use crate::store::tests::Bench;
use crate::store::{Place, Store};

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_made_filled_and_shown() {
    let database = server::Postgres::shared().database();
    let settings = Settings { schema: "clearpoint".into(), ..settings(&database) };
    let store = Store::open(&Place::Server(Box::new(settings)), "2026-03-01T12:00:00Z".parse().unwrap())
        .await
        .unwrap();
    let mut bench = Bench::on(store).await;
    let done = bench
        .sync_rows(&[
            r#"{"objectId": 1, "name": "One", "custom": 5, "completed": "true"}"#,
            r#"{"objectId": 2, "name": "Two", "lastEdited": "2026-01-01"}"#,
        ])
        .await;
    assert_eq!(done.counts.inserted, 2);
    let done = bench
        .sync_rows(&[
            r#"{"objectId": 1, "name": "Uno", "custom": 5, "completed": "true"}"#,
            r#"{"objectId": 2, "name": "Two", "lastEdited": "2026-01-01"}"#,
        ])
        .await;
    assert_eq!((done.counts.updated, done.counts.unchanged), (1, 1));
    let shown = database.psql("SELECT id, name, custom, completed FROM clearpoint.objectives ORDER BY id");
    assert_eq!(shown, "1|Uno|5|t\n2|Two||");
    assert_eq!(
        database.psql("SELECT sequence, operation, fields FROM clearpoint.changes ORDER BY 1"),
        "1|insert|\n2|insert|\n3|update|[\"name\"]"
    );
}
