//! The file, to those who only look: nothing is made, nothing is written, nothing is made up.

use tempfile::TempDir;

use super::file::unusable;
use super::sqlite::{Bench, city, noon};
use crate::run::Mode;
use crate::store::{Place, Store};

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_a_store_never_makes_one() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store.db");
    let text = unusable(Store::open_read_only(&Place::file(&path)).await);
    assert!(text.contains("does not exist yet"), "{text}");
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_looked_at_is_not_taken_for_an_empty_one() {
    let bench = Bench::new().await;
    let place = Place::file(bench.dir.path().join("store.db/store.db"));
    assert!(!place.is_empty());
    let text = unusable(Store::open_read_only(&place).await);
    assert!(text.contains("cannot look at") && text.contains("Not a directory"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_opened_to_look_cannot_be_written() {
    let bench = Bench::new().await;
    let store = Store::open_read_only(&Place::file(bench.dir.path().join("store.db"))).await.unwrap();
    assert_eq!(store.account(&city()).await.unwrap(), None);
    unusable(store.begin_run(&city(), Mode::Full, noon()).await);
}
