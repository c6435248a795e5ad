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

/// What is kept of the pages from one on.
async fn kept(bench: &Bench, kind: &Kind, from: u32) -> Vec<(u32, String)> {
    let known = bench.store.known(&city(), &kind.name).await.unwrap();
    let text = |(page, bytes)| (page, String::from_utf8(bytes).unwrap());
    known.imprints(from).await.unwrap().into_iter().map(text).collect()
}

/// Pages with a text each.
fn pages(pages: impl IntoIterator<Item = (u32, &'static str)>) -> Vec<(u32, String)> {
    pages.into_iter().map(|(page, text)| (page, text.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pages_looked_like_is_kept_while_the_list_has_them() {
    let mut bench = Bench::new().await;
    let kind = bench.kind.clone();
    let row = r#"{"objectId":1,"name":"a"}"#;
    let mut pull = bench.pull(&[row]);
    (1..=70).for_each(|page| pull.show(page, "first"));
    bench.sync(&pull).await;
    assert_eq!(kept(&bench, &kind, 1).await, pages((1..=32).map(|page| (page, "first"))));
    assert_eq!(kept(&bench, &kind, 69).await, pages([(69, "first"), (70, "first")]));
    assert_eq!(kept(&bench, &super::kind("measures"), 1).await, []);

    let mut pull = bench.pull(&[row]);
    pull.imprints.pages = 3;
    pull.show(2, "second");
    pull.snapshot.extent = Extent::Incomplete("cut off".into());
    bench.sync(&pull).await;
    assert_eq!(kept(&bench, &kind, 70).await, pages([(70, "first")]), "no list, no end of it");
    pull.snapshot.extent = Extent::Complete;
    bench.sync(&pull).await;
    assert_eq!(kept(&bench, &kind, 1).await, pages([(1, "first"), (2, "second"), (3, "first")]));
}

/// A list may be asked for again with a larger count: then its first page comes twice.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_page_that_came_twice_the_later_is_kept() {
    let mut bench = Bench::new().await;
    let kind = bench.kind.clone();
    let mut pull = bench.pull(&[r#"{"objectId":1,"name":"a"}"#]);
    ["first", "second"].into_iter().for_each(|bytes| pull.show(1, bytes));
    bench.sync(&pull).await;
    assert_eq!(kept(&bench, &kind, 1).await, pages([(1, "second")]));
}
