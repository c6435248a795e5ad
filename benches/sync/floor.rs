//! The floors: the least that anybody could do who fetches the same pages and keeps the same documents.

use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::{BufMut as _, BytesMut};
use clearpoint_sync::simulator::World;
use futures_util::{SinkExt as _, StreamExt as _, stream};

use crate::postgres::Database;

/// Documents that are held at once.
const CHUNK: usize = 2_000;
/// Bytes that are handed to `COPY` at once.
const COPY_BYTES: usize = 64 << 10;

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

/// Puts the documents of a store into a bare table of two columns, in one transaction, with a prepared
/// statement. The time it takes to read them from `store` is not counted.
pub(crate) fn sqlite(store: &Path, folder: &Path) -> Duration {
    let path = folder.join("plain.db");
    let mut sql = rusqlite::Connection::open(&path).unwrap();
    let pragmas = "PRAGMA journal_mode = wal; PRAGMA synchronous = full;";
    let table = "CREATE TABLE plain (id INTEGER PRIMARY KEY, doc TEXT NOT NULL)";
    sql.execute_batch(&format!("{pragmas} {table}")).unwrap();
    let mut took = Duration::ZERO;
    let transaction = sql.transaction().unwrap();
    let mut insert = transaction.prepare("INSERT INTO plain VALUES (?1, ?2)").unwrap();
    in_chunks(store, |chunk| {
        let start = Instant::now();
        for (id, doc) in chunk {
            insert.execute((id, doc)).unwrap();
        }
        took += start.elapsed();
    });
    drop(insert);
    let start = Instant::now();
    transaction.commit().unwrap();
    took += start.elapsed();
    drop(sql);
    for name in ["plain.db", "plain.db-wal", "plain.db-shm"] {
        let _not_there = std::fs::remove_file(folder.join(name));
    }
    took
}

/// Puts them into a table of PostgreSQL by `COPY`; `doc` is the type of their column.
pub(crate) async fn copy(store: &Path, database: &Database, doc: &str) -> Duration {
    let mut config = tokio_postgres::Config::new();
    config.host_path(&database.folder).port(database.port).dbname(&database.name).user(database.user);
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("CREATE TABLE plain_{doc} (id bigint, doc {doc})")).await.unwrap();
    let mut lines = Vec::new();
    in_chunks(store, |chunk| {
        let mut text = BytesMut::new();
        for (id, doc) in chunk {
            text.put_slice(format!("{id}\t").as_bytes());
            text.put_slice(doc.replace('\\', "\\\\").as_bytes());
            text.put_u8(b'\n');
            if text.len() >= COPY_BYTES {
                lines.push(text.split().freeze());
            }
        }
        lines.push(text.freeze());
    });
    let start = Instant::now();
    let sink = client.copy_in(&format!("COPY plain_{doc} FROM STDIN")).await.unwrap();
    let mut sink = pin!(sink);
    for line in lines {
        sink.send(line).await.unwrap();
    }
    sink.finish().await.unwrap();
    let took = start.elapsed();
    client.batch_execute(&format!("DROP TABLE plain_{doc}")).await.unwrap();
    took
}

/// Hands over the documents of a store, in the order of their ids.
fn in_chunks(store: &Path, mut each: impl FnMut(&[(i64, String)])) {
    let sql = rusqlite::Connection::open(store).unwrap();
    let mut statement = sql.prepare("SELECT id, doc FROM elements ORDER BY kind, connection, id").unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut chunk = Vec::with_capacity(CHUNK);
    // Ids of two kinds may be the same: they are counted anew.
    let mut id = 0;
    while let Some(row) = rows.next().unwrap() {
        id += 1;
        chunk.push((id, row.get(1).unwrap()));
        if chunk.len() == CHUNK {
            each(&chunk);
            chunk.clear();
        }
    }
    each(&chunk);
}
