//! What is refused, on files.

use super::super::Onto;
use super::{all_same, copy, file, sums, world};
use crate::clock::Clock;
use crate::name::ConnectionName;
use crate::store::StoreError;

#[tokio::test]
async fn a_file_is_copied_to_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    world::make(&path, 2_500).await;
    let (from, to) = (file(&path).await, file(&dir.path().join("other.db")).await);
    all_same(copy(&from, &to).await);
    assert_eq!(sums(&to), sums(&from));
}

#[tokio::test]
async fn a_store_is_not_copied_onto_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let from = file(&path).await;
    std::os::unix::fs::symlink(&path, dir.path().join("link.db")).unwrap();
    let to = file(&dir.path().join("link.db")).await;
    let told = copy(&from, &to).await.unwrap_err().to_string();
    assert!(told.contains("same store"), "{told}");
}

#[tokio::test]
async fn what_the_other_store_holds_is_not_lost_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    world::make(&path, 10).await;
    let (from, to) = (file(&path).await, file(&dir.path().join("other.db")).await);
    all_same(copy(&from, &to).await);
    let told = copy(&from, &to).await.unwrap_err();
    assert!(matches!(&told, StoreError::Unusable(text) if text.contains("10 elements")), "{told}");
    all_same(from.copy_to(&to, Onto::Earlier, &mut |_| ()).await);
}

#[tokio::test]
async fn a_store_that_is_ahead_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    world::make(&path, 10).await;
    let (from, to) = (file(&path).await, file(&dir.path().join("other.db")).await);
    all_same(copy(&from, &to).await);
    let later = "2026-03-01T12:00:00Z".parse().unwrap();
    let city = ConnectionName::parse("city").unwrap();
    to.begin_run(&city, crate::run::Mode::Full, later).await.unwrap();
    let told = from.copy_to(&to, Onto::Earlier, &mut |_| ()).await.unwrap_err().to_string();
    assert!(told.contains("ahead") && told.contains("2026-03-01T12:00:00.000Z"), "{told}");
    assert_eq!(to.last_run(&city, None).await.unwrap().unwrap().id.0, 1);
}

#[tokio::test]
async fn a_connection_at_work_keeps_a_copy_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    world::make(&path, 10).await;
    let store = file(&path).await;
    let clock = Clock::System;
    let town = ConnectionName::parse("town").unwrap();
    let run = store.lock(&town, "sync", clock.now()).await.unwrap();
    let told = store.hold(&[], "store copy", &clock).await.unwrap_err();
    assert!(
        matches!(&told, StoreError::Busy(text) if text.contains("town") && text.contains("sync")),
        "{told}"
    );
    drop(run);
    let hold = store.hold(&[], "store copy", &clock).await.unwrap();
    let told = store.lock(&town, "sync", clock.now()).await.unwrap_err();
    assert!(matches!(&told, StoreError::Busy(text) if text.contains("store copy")), "{told}");
    drop(hold);
    store.lock(&town, "sync", clock.now()).await.unwrap();
}
