//! What a pull need not put aside: what people see, as it is stored.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn only_present_elements_are_known_with_what_they_say() {
    let mut bench = Bench::new().await;
    let rows = [-4, 3, 20, 100].map(|id| format!(r#"{{"objectId":{id},"name":"a"}}"#));
    let mut pull = bench.pull(&rows.each_ref().map(String::as_str));
    bench.sync(&pull).await;
    let other = bench.pull(&[r#"{"objectId":3,"name":"b"}"#]);
    pull.verdicts.removals = vec![gone(20)];
    pull.verdicts.unlisted = vec![ElementId(100)];
    bench.sync(&pull).await;

    let known = bench.store.known(&city(), &bench.kind.name).await.unwrap();
    let held: Vec<bool> =
        pull.snapshot.entries.iter().map(|entry| known.holds(entry.id, entry.fingerprint)).collect();
    assert_eq!(held, [true, true, false, false]);
    assert!(!known.holds(ElementId(3), other.snapshot.entries[0].fingerprint));
    let strangers = bench.store.known(&city(), &kind("measures").name).await.unwrap();
    assert!(!strangers.holds(ElementId(3), pull.snapshot.entries[1].fingerprint));
}
