//! The copy for readers: whole, readable where nothing may be written, and without what is private.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use chrono::TimeDelta;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::sqlite::{Bench, city, noon};
use crate::key::{KeyMark, KeySlot, KeyState};
use crate::store::{Copy, Place, Store};

/// The names of the objectives in a file.
fn names(path: &std::path::Path) -> Vec<String> {
    let sql = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = sql.prepare("SELECT name FROM objectives ORDER BY name").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

async fn bench_with(name: &str) -> Bench {
    let mut bench = Bench::new().await;
    bench.sync_rows(&[&format!(r#"{{"objectId":1,"name":"{name}"}}"#)]).await;
    bench
}

#[tokio::test]
async fn a_copy_is_whole_and_replaced_whole() {
    let mut bench = bench_with("Old").await;
    let to = bench.dir.path().join("copy.db");
    let first = bench.store.publish(&to, noon()).await.unwrap().unwrap();
    assert_eq!(names(&to), ["Old"]);
    assert_eq!(Copy::at(&to), Some(first));
    fs::set_permissions(&to, Permissions::from_mode(0o644)).unwrap();
    let reader = Connection::open_with_flags(&to, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();

    bench.sync_rows(&[r#"{"objectId":1,"name":"New"}"#]).await;
    let second = bench.store.publish(&to, noon() + TimeDelta::hours(1)).await.unwrap().unwrap();
    assert_eq!((names(&to), second.sequence), (vec!["New".to_owned()], first.sequence + 1));
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o644, "the operator's mode is kept");
    let still: String = reader.query_row("SELECT name FROM objectives", [], |row| row.get(0)).unwrap();
    assert_eq!(still, "Old", "who had the old copy open goes on in it");
    assert_eq!(bench.store.last_change().await.unwrap(), second.sequence);
}

#[tokio::test]
async fn a_copy_is_one_file_that_nobody_needs_to_write() {
    let bench = bench_with("Lead time").await;
    let folder = bench.dir.path().join("readers");
    fs::create_dir(&folder).unwrap();
    bench.store.publish(&folder.join("copy.db"), noon()).await.unwrap();
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["copy.db"]);
    let header = fs::read(folder.join("copy.db")).unwrap();
    assert_eq!(header[18..20], [1, 1], "no write-ahead log");
}

#[tokio::test]
async fn marks_of_keys_are_not_in_a_copy() {
    let bench = bench_with("Lead time").await;
    let mark_key = bench.store.mark_key().await.unwrap();
    let doubt = Some("a doubt that is nobody's business".to_owned());
    let state = KeyState { mark: KeyMark(7), asked_at: noon(), refusal: None, doubt };
    bench.store.remember_key(&city(), KeySlot::Key, &state).await.unwrap();
    let to = bench.dir.path().join("copy.db");
    bench.store.publish(&to, noon()).await.unwrap();
    let bytes = fs::read(&to).unwrap();
    for private in [mark_key.as_slice(), b"nobody's business"] {
        assert!(!bytes.windows(private.len()).any(|window| window == private));
    }
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_leaves_the_old_one() {
    let mut bench = bench_with("Old").await;
    let folder = bench.dir.path().join("readers");
    fs::create_dir(&folder).unwrap();
    let to = folder.join("copy.db");
    bench.store.publish(&to, noon()).await.unwrap();
    bench.sync_rows(&[r#"{"objectId":1,"name":"New"}"#]).await;
    // Nothing can be made where a folder stands in the way.
    fs::create_dir_all(folder.join(".copy.db.draft/in-the-way")).unwrap();
    let error = bench.store.publish(&to, noon()).await.unwrap_err();
    assert!(error.to_string().contains("copy.db; the old one stays"), "{error}");
    assert_eq!(names(&to), ["Old"]);

    let nowhere = bench.dir.path().join("nowhere/copy.db");
    assert!(bench.store.publish(&nowhere, noon()).await.is_err());
    assert_eq!(Copy::at(&nowhere), None);
}

#[tokio::test]
async fn two_stores_with_a_copy_in_one_folder_make_it_one_after_the_other() {
    let bench = bench_with("Old").await;
    let folder = bench.dir.path().join("readers");
    fs::create_dir(&folder).unwrap();
    let other = fs::File::open(&folder).unwrap();
    other.lock().unwrap();
    assert_eq!(bench.store.publish(&folder.join("copy.db"), noon()).await.unwrap(), None);
    other.unlock().unwrap();
    assert!(bench.store.publish(&folder.join("copy.db"), noon()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_link_stays_a_link_also_before_the_first_copy() {
    let bench = bench_with("Old").await;
    let (folder, link) = (bench.dir.path().join("folder"), bench.dir.path().join("copy.db"));
    symlink("folder/copy.db", &link).unwrap();
    bench.store.publish(&link, noon()).await.expect_err("the folder it leads to is not there");
    fs::create_dir(&folder).unwrap();
    bench.store.publish(&link, noon()).await.unwrap();
    assert!(link.is_symlink());
    assert_eq!(names(&folder.join("copy.db")), ["Old"]);
}

#[tokio::test]
async fn the_store_is_not_replaced_by_its_copy_whatever_it_is_called() {
    let bench = bench_with("Old").await;
    let (folder, other) = (bench.dir.path().join("folder"), bench.dir.path().join("other"));
    fs::create_dir(&folder).unwrap();
    symlink(bench.dir.path(), &other).unwrap();
    for to in [folder.join("../store.db"), other.join("store.db")] {
        let error = bench.store.publish(&to, noon()).await.unwrap_err();
        assert!(error.to_string().contains("is the store itself"), "{error}");
    }
    // Its log, which is not there while it is empty, and its locks.
    for to in [folder.join("../store.db-wal"), other.join("store.db.publish.lock")] {
        let error = bench.store.publish(&to, noon()).await.unwrap_err();
        assert!(error.to_string().contains("is a file of the store's own"), "{error}");
    }
    // Its journal, by way of a link: an empty file could be replaced, and nothing always.
    for (name, link) in [("store.db-journal", "empty.db"), ("store.db-shm", "nothing.db")] {
        let link = other.join(link);
        if link.ends_with("empty.db") {
            fs::write(bench.dir.path().join(name), "").unwrap();
        }
        symlink(name, &link).unwrap();
        let error = bench.store.publish(&link, noon()).await.unwrap_err();
        assert!(error.to_string().contains("is a file of the store's own"), "{error}");
    }
    bench.store.answers().await.unwrap();
}

#[tokio::test]
async fn what_is_no_copy_is_never_replaced() {
    let bench = bench_with("Lead time").await;
    bench.store.mark_key().await.unwrap();
    let file = |name: &str| bench.dir.path().join(name);
    fs::write(file("notes.txt"), "precious").unwrap();
    let other = Connection::open(file("other.db")).unwrap();
    other.execute_batch("CREATE TABLE changes (seq INTEGER PRIMARY KEY AUTOINCREMENT)").unwrap();
    let backup = file("backup.db");
    let store = Connection::open(bench.dir.path().join("store.db")).unwrap();
    store.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    for name in ["notes.txt", "other.db", "backup.db"] {
        let before = fs::read(file(name)).unwrap();
        let refused = bench.store.publish(&file(name), noon()).await.unwrap_err();
        let refused = format!("{refused:?}");
        assert!(refused.contains("is no copy that clearpoint-sync made"), "{refused}");
        assert_eq!(fs::read(file(name)).unwrap(), before, "{name}");
    }
    bench.store.publish(&bench.dir.path().join("store.db"), noon()).await.unwrap_err();
    bench.store.publish(bench.dir.path(), noon()).await.unwrap_err();
    // Whoever opens a pipe waits for its other end, for ever.
    mknodat(CWD, file("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    assert_eq!(Copy::at(&file("pipe")), None);
    bench.store.publish(&file("pipe"), noon()).await.unwrap_err();
}

#[tokio::test]
async fn a_place_that_cannot_be_looked_at_is_not_taken_for_a_file() {
    let bench = bench_with("Lead time").await;
    let to = bench.dir.path().join("store.db/copy.db");
    let refused = format!("{:?}", bench.store.publish(&to, noon()).await.unwrap_err());
    assert!(refused.contains("Not a directory") && !refused.contains("is no copy"), "{refused}");
}

#[tokio::test]
async fn an_empty_file_is_replaced_and_its_mode_kept() {
    let bench = bench_with("Lead time").await;
    let to = bench.dir.path().join("copy.db");
    fs::write(&to, "").unwrap();
    fs::set_permissions(&to, Permissions::from_mode(0o604)).unwrap();
    bench.store.publish(&to, noon()).await.unwrap().unwrap();
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o604);
}

#[tokio::test]
async fn a_copy_that_is_put_in_the_place_of_its_store_is_one_again() {
    let bench = bench_with("Lead time").await;
    let (copy, restored) = (bench.dir.path().join("copy.db"), bench.dir.path().join("restored.db"));
    bench.store.publish(&copy, noon()).await.unwrap();
    fs::copy(&copy, &restored).unwrap();
    let store = Store::open(&Place::file(&restored), noon()).await.unwrap();
    let drawn = store.mark_key().await.unwrap();
    assert_eq!(drawn.len(), 32);
    assert_ne!(drawn, bench.store.mark_key().await.unwrap());
    drop(store);
    let again = Store::open(&Place::file(&restored), noon()).await.unwrap();
    assert_eq!(again.mark_key().await.unwrap(), drawn, "drawn once");
    bench.store.publish(&restored, noon()).await.expect_err("it is no copy any more");
}
