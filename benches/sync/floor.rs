//! The floors: the least that anybody could do who fetches the same pages and keeps the same documents.

use std::path::Path;
use std::time::{Duration, Instant};

use clearpoint_sync::simulator::World;
use futures_util::{StreamExt as _, stream};

use crate::plain;
use crate::postgres::Database;

/// Fetches the same paths, so many at once, in the same order, and throws the bodies away.
pub(crate) async fn pull(base_url: &str, paths: &[String], concurrency: usize) -> Duration {
    clearpoint_sync::https::provide_tls();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let start = Instant::now();
    let mut answers = stream::iter(paths)
        .map(|path| {
            let request = client.get(format!("{base_url}{path}"));
            let request =
                request.header("accessKey", World::ACCESS_KEY).header("secretKey", World::SECRET_KEY);
            tokio::spawn(async move {
                let mut answer = request.send().await.unwrap();
                while answer.chunk().await.unwrap().is_some() {}
            })
        })
        .buffered(concurrency);
    while let Some(answer) = answers.next().await {
        answer.unwrap();
    }
    start.elapsed()
}

/// Puts the documents of a store into a bare table of SQLite.
pub(crate) fn insert(store: &Path, folder: &Path) -> Duration {
    let took = with_documents(store, |documents| plain::insert(&folder.join("plain.db"), documents));
    for name in ["plain.db", "plain.db-wal", "plain.db-shm"] {
        let _not_there = std::fs::remove_file(folder.join(name));
    }
    took
}

/// Puts them into a bare table of PostgreSQL, whose column is of the store's own type.
pub(crate) fn copy(store: &Path, database: &Database) -> Duration {
    with_documents(store, |documents| plain::copy(database, "jsonb", documents))
}

/// Hands over the documents of a store. Ids of two kinds may be the same, so they are counted anew.
fn with_documents<T>(store: &Path, work: impl FnOnce(&mut dyn Iterator<Item = (i64, String)>) -> T) -> T {
    let sql = rusqlite::Connection::open(store).unwrap();
    let mut statement = sql.prepare("SELECT doc FROM elements ORDER BY kind, connection, id").unwrap();
    let documents = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    work(&mut (1..).zip(documents.map(Result::unwrap)))
}
