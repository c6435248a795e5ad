//! What the mapped user sees, and fields that are news.

use super::*;
use crate::warning::{Event, Severity, Warning, WarningId};

fn warning(event: Event) -> Warning {
    Warning {
        id: WarningId { event, connection: city(), subject: "run 1".into() },
        severity: Severity::Warn,
        level: 1,
        message: "mapped user no longer sees 1 scorecard".into(),
        action: "tick it".into(),
        fields: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_view_and_the_warning_about_it_are_stored_together_and_wait_to_be_said() {
    let Bench { store, .. } = &Bench::new().await;
    let told = warning(Event::VisibilityChanged);
    store.accept_and_raise(&city(), "https://example.com", &[ElementId(7)], &told, noon()).await.unwrap();
    assert_eq!(store.account(&city()).await.unwrap().unwrap().accepted, [ElementId(7)]);
    let open = store.open_warnings().await.unwrap();
    assert_eq!((open.len(), open[0].said), (1, 0));
    assert_eq!(open[0].warning, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_are_news_after_the_first_complete_pull_until_they_are_raised() {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[r#"{"objectId":1,"name":"n"}"#]).await;
    assert!(bench.store.new_fields(&city()).await.unwrap().is_empty(), "the first pull is no news");
    bench.sync_rows(&[r#"{"objectId":1,"name":"n","costCentre":"4711"}"#]).await;
    let news = bench.store.new_fields(&city()).await.unwrap();
    let fields = &news[&bench.kind.name];
    assert_eq!(fields.len(), 1);
    assert_eq!((fields[0].field.as_str(), fields[0].column.as_deref()), ("costCentre", Some("cost_centre")));
    bench.store.raise_new_fields(&city(), &[warning(Event::FieldDiscovered)], noon()).await.unwrap();
    assert!(bench.store.new_fields(&city()).await.unwrap().is_empty());
    assert_eq!(bench.store.open_warnings().await.unwrap().len(), 1);
}
