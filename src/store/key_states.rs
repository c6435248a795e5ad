//! What the server said of each key, so that a restart, or a container on a schedule, does not ask anew
//! with a key that is known to be refused. Never holds a secret: a mark tells that one was replaced.

use super::sql::{Fault, Row, unreadable};
use super::{Store, StoreError};
use crate::key::{KeyMark, KeySlot, KeyState, Refusal};
use crate::name::ConnectionName;

impl Store {
    /// The key of the hash behind every [`KeyMark`], drawn when the store was made.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn mark_key(&self) -> Result<Vec<u8>, StoreError> {
        self.read("read how keys are marked", |sql| {
            sql.prepare_cached("SELECT value FROM mark_key")?.query_row((), |row| row.get(0))
        })
        .await
    }

    /// What is known of a connection's keys; nothing of one that was never asked with.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn key_states(
        &self,
        connection: &ConnectionName,
    ) -> Result<Vec<(KeySlot, KeyState)>, StoreError> {
        self.read(format!("read what is known of the keys of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT slot, mark, asked_at, refused_since, refused_at, refused, doubt FROM key_states
                 WHERE connection = ?1 ORDER BY slot",
            )?;
            let rows = statement.query_map([connection.as_str()], state)?;
            Ok(rows)
        })
        .await
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
        self.write_of(
            connection,
            format!("remember what was said of the {slot} of {connection}"),
            |sql| {
                let KeyState { mark, asked_at, refusal, doubt } = state;
                let refusal = refusal.as_ref();
                sql.prepare_cached(
                    "INSERT INTO key_states
                   (connection, slot, mark, asked_at, refused_since, refused_at, refused, doubt)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (connection, slot) DO UPDATE
                 SET mark = ?3, asked_at = ?4, refused_since = ?5, refused_at = ?6, refused = ?7, doubt = ?8
                 WHERE key_states.mark <> ?3 OR key_states.asked_at <> ?4
                   OR key_states.refused_since IS DISTINCT FROM ?5 OR key_states.refused_at IS DISTINCT FROM ?6
                   OR key_states.refused IS DISTINCT FROM ?7 OR key_states.doubt IS DISTINCT FROM ?8",
                )?
                .execute((
                    connection.as_str(),
                    slot.as_str(),
                    mark.to_string(),
                    *asked_at,
                    refusal.map(|refusal| refusal.since),
                    refusal.map(|refusal| refusal.at),
                    refusal.map(|refusal| &refusal.text),
                    doubt,
                ))?;
                Ok(())
            },
        ).await
    }
}

fn state(row: &Row<'_>) -> Result<(KeySlot, KeyState), Fault> {
    let slot = match row.text(0)? {
        "key" => KeySlot::Key,
        "next_key" => KeySlot::NextKey,
        other => return Err(unreadable(format!("the key slot {other:?}"))),
    };
    let mark = row.text(1)?;
    let mark = KeyMark::parse(mark).ok_or_else(|| unreadable(format!("the mark {mark:?}")))?;
    let time = |idx: usize| row.get(idx);
    let refusal = match (time(3)?, time(4)?) {
        (Some(since), Some(at)) => Some(Refusal { since, at, text: row.get(5)? }),
        _ => None,
    };
    let asked_at = row.get(2)?;
    Ok((slot, KeyState { mark, asked_at, refusal, doubt: row.get(6)? }))
}
