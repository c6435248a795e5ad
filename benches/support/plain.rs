//! The fastest ways there are to put documents into an engine: a prepared insert in one transaction, and `COPY`.
//! The time it takes to come by the documents is not counted.

use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::{BufMut as _, BytesMut};
use futures_util::SinkExt as _;
use tokio::runtime::Runtime;

use crate::postgres::Database;

/// Documents that are held at once.
const CHUNK: usize = 2_000;
/// Bytes that are sent to PostgreSQL at once.
const MESSAGE_BYTES: usize = 64 << 10;

/// Puts them into a table of two columns, in a new file of SQLite.
pub(crate) fn insert(path: &Path, documents: &mut dyn Iterator<Item = (i64, String)>) -> Duration {
    let mut sql = rusqlite::Connection::open(path).unwrap();
    sql.execute_batch(
        "PRAGMA journal_mode = wal; PRAGMA synchronous = full;
         CREATE TABLE plain (id INTEGER PRIMARY KEY, doc TEXT NOT NULL)",
    )
    .unwrap();
    let mut took = Duration::ZERO;
    let transaction = sql.transaction().unwrap();
    let mut insert = transaction.prepare("INSERT INTO plain VALUES (?1, ?2)").unwrap();
    in_chunks(documents, |chunk| {
        let start = Instant::now();
        for row in chunk {
            insert.execute((row.0, &row.1)).unwrap();
        }
        took += start.elapsed();
    });
    drop(insert);
    let start = Instant::now();
    transaction.commit().unwrap();
    took + start.elapsed()
}

/// Copies them into a table of two columns, of which the second is of this type, by the driver that the store
/// has.
pub(crate) fn copy(
    database: &Database,
    doc: &str,
    documents: &mut dyn Iterator<Item = (i64, String)>,
) -> Duration {
    let runtime = Runtime::new().unwrap();
    let mut config = tokio_postgres::Config::new();
    config.host_path(&database.folder).port(database.port).dbname(&database.name).user(database.user);
    let (client, connection) = runtime.block_on(config.connect(tokio_postgres::NoTls)).unwrap();
    runtime.spawn(connection);
    let make = format!("DROP TABLE IF EXISTS plain; CREATE TABLE plain (id bigint, doc {doc})");
    runtime.block_on(client.batch_execute(&make)).unwrap();
    let sink = runtime.block_on(client.copy_in("COPY plain FROM STDIN")).unwrap();
    let mut sink = pin!(sink);
    let (mut took, mut lines) = (Duration::ZERO, BytesMut::new());
    in_chunks(documents, |chunk| {
        let start = Instant::now();
        for (id, doc) in chunk {
            lines.put_slice(format!("{id}\t").as_bytes());
            lines.put_slice(doc.replace('\\', "\\\\").as_bytes());
            lines.put_u8(b'\n');
            if lines.len() >= MESSAGE_BYTES {
                runtime.block_on(sink.send(lines.split().freeze())).unwrap();
            }
        }
        took += start.elapsed();
    });
    let start = Instant::now();
    runtime.block_on(sink.send(lines.freeze())).unwrap();
    runtime.block_on(sink.finish()).unwrap();
    took += start.elapsed();
    runtime.block_on(client.batch_execute("DROP TABLE plain")).unwrap();
    took
}

fn in_chunks(documents: &mut dyn Iterator<Item = (i64, String)>, mut each: impl FnMut(&[(i64, String)])) {
    let mut chunk = Vec::with_capacity(CHUNK);
    loop {
        chunk.extend((&mut *documents).take(CHUNK));
        if chunk.is_empty() {
            return;
        }
        each(&chunk);
        chunk.clear();
    }
}
