//! What the server said of each key, so that a restart, or a container on a schedule, does not ask anew
//! with a key that is known to be refused. Never holds a secret: a mark tells that one was replaced.

use rusqlite::Row;

use super::sqlite::{instant, text, unreadable};
use super::{Store, StoreError};
use crate::key::{KeyMark, KeySlot, KeyState, Refusal};
use crate::name::ConnectionName;

impl Store {
    /// The key of the hash behind every [`KeyMark`], drawn when the store was made.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn mark_key(&self) -> Result<Vec<u8>, StoreError> {
        let Self::Sqlite(db) = self;
        db.read("read how keys are marked", |sql| {
            Ok(sql.prepare_cached("SELECT value FROM mark_key")?.query_row([], |row| row.get(0))?)
        })
    }

    /// What is known of a connection's keys; nothing of one that was never asked with.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn key_states(
        &self,
        connection: &ConnectionName,
    ) -> Result<Vec<(KeySlot, KeyState)>, StoreError> {
        let Self::Sqlite(db) = self;
        db.read(format_args!("read what is known of the keys of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT slot, mark, asked_at, refused_since, refused_at, refused, doubt FROM key_states
                 WHERE connection = ?1 ORDER BY slot",
            )?;
            let rows = statement.query_map([connection.as_str()], state)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Remembers what the server said of a key. Writes only what differs.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn remember_key(
        &self,
        connection: &ConnectionName,
        slot: KeySlot,
        state: &KeyState,
    ) -> Result<(), StoreError> {
        let Self::Sqlite(db) = self;
        db.write(format_args!("remember what was said of the {slot} of {connection}"), |sql| {
            let KeyState { mark, asked_at, refusal, doubt } = state;
            let refusal = refusal.as_ref();
            sql.prepare_cached(
                "INSERT INTO key_states
                   (connection, slot, mark, asked_at, refused_since, refused_at, refused, doubt)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (connection, slot) DO UPDATE
                 SET mark = ?3, asked_at = ?4, refused_since = ?5, refused_at = ?6, refused = ?7, doubt = ?8
                 WHERE mark <> ?3 OR asked_at <> ?4 OR refused_since IS NOT ?5 OR refused_at IS NOT ?6
                   OR refused IS NOT ?7 OR doubt IS NOT ?8",
            )?
            .execute((
                connection.as_str(),
                slot.as_str(),
                mark.to_string(),
                text(*asked_at),
                refusal.map(|refusal| text(refusal.since)),
                refusal.map(|refusal| text(refusal.at)),
                refusal.map(|refusal| &refusal.text),
                doubt,
            ))?;
            Ok(())
        })
    }
}

fn state(row: &Row<'_>) -> rusqlite::Result<(KeySlot, KeyState)> {
    let slot = match row.get_ref(0)?.as_str()? {
        "key" => KeySlot::Key,
        "next_key" => KeySlot::NextKey,
        other => return Err(unreadable(format!("the key slot {other:?}"))),
    };
    let mark = row.get_ref(1)?.as_str()?;
    let mark = KeyMark::parse(mark).ok_or_else(|| unreadable(format!("the mark {mark:?}")))?;
    let time = |idx: usize| row.get_ref(idx)?.as_str_or_null()?.map(instant).transpose();
    let refusal = match (time(3)?, time(4)?) {
        (Some(since), Some(at)) => Some(Refusal { since, at, text: row.get(5)? }),
        _ => None,
    };
    let asked_at = instant(row.get_ref(2)?.as_str()?)?;
    Ok((slot, KeyState { mark, asked_at, refusal, doubt: row.get(6)? }))
}
