//! What the store knows of the users' addresses, and when the mapped user was last looked for.

use chrono::{DateTime, Utc};

use super::{Store, StoreError};
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::tolerate;

/// The last look for the mapped user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedUserLook {
    /// When.
    pub at: DateTime<Utc>,
    /// Why it told nothing; `None`: it was found, or was found to be missing.
    pub unknown: Option<String>,
}

impl Store {
    /// The e-mail addresses of the users that were listed last.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn addresses(
        &self,
        connection: &ConnectionName,
        users: &KindName,
    ) -> Result<Vec<String>, StoreError> {
        self.read(format!("read the addresses of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT doc FROM elements AS e WHERE kind = ?1 AND connection = ?2 AND state = 'present'
                   AND NOT EXISTS (SELECT 1 FROM missing AS m
                     WHERE m.kind = e.kind AND m.connection = e.connection AND m.id = e.id)",
            )?;
            let key = (users.as_str(), connection.as_str());
            let addresses = statement.query_map(key, |row| Ok(tolerate::email(row.text(0)?)))?;
            Ok(addresses.into_iter().flatten().collect())
        })
        .await
    }

    /// When the mapped user that is declared now was last looked for; `None`: never.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn mapped_user_look(
        &self,
        connection: &ConnectionName,
    ) -> Result<Option<MappedUserLook>, StoreError> {
        self.read(format!("read the mapped user of {connection}"), |sql| {
            let look = sql
                .prepare_cached(
                    "SELECT mapped_user_looked_at, mapped_user_unknown FROM connections
                     WHERE name = ?1 AND mapped_user_looked_at IS NOT NULL",
                )?
                .query_first([connection.as_str()], |row| {
                    Ok(MappedUserLook { at: row.get(0)?, unknown: row.get(1)? })
                })?;
            Ok(look)
        })
        .await
    }

    /// Remembers a look for the mapped user.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn record_mapped_user_look(
        &self,
        connection: &ConnectionName,
        look: &MappedUserLook,
    ) -> Result<(), StoreError> {
        self.write_of(connection, format!("remember the look for the mapped user of {connection}"), |sql| {
            sql.execute(
                "UPDATE connections SET mapped_user_looked_at = ?2, mapped_user_unknown = ?3 WHERE name = ?1",
                (connection.as_str(), look.at, &look.unknown),
            )?;
            Ok(())
        })
        .await
    }
}
