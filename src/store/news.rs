//! Fields that a kind's documents show for the first time, until people are told of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Store, StoreError, warnings};
use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::warning::Warning;

/// A field that was discovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewField {
    /// Its name.
    pub field: String,
    /// The column it has in the kind's view; `None`: it got none.
    pub column: Option<String>,
}

impl Store {
    /// The fields discovered and not told yet, by kind.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn new_fields(
        &self,
        connection: &ConnectionName,
    ) -> Result<BTreeMap<KindName, Vec<NewField>>, StoreError> {
        self.read(format!("read new fields of {connection}"), |sql| {
            let mut statement = sql.prepare_cached(
                "SELECT kind, field, column_name FROM fields
                 WHERE connection = ?1 AND is_news ORDER BY kind, field",
            )?;
            let rows = statement.query_map([connection.as_str()], |row| {
                Ok((KindName::new(row.text(0)?), NewField { field: row.get(1)?, column: row.get(2)? }))
            })?;
            let mut fields: BTreeMap<KindName, Vec<NewField>> = BTreeMap::new();
            for (kind, field) in rows {
                fields.entry(kind).or_default().push(field);
            }
            Ok(fields)
        })
        .await
    }

    /// Raises the warnings that tell of all new fields: they are news no longer.
    ///
    /// # Errors
    /// The store cannot be written: they stay news.
    pub async fn raise_new_fields(
        &self,
        connection: &ConnectionName,
        told: &[Warning],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write_of(connection, format!("raise new fields of {connection}"), |sql| {
            for warning in told {
                warnings::raise(sql, warning, now)?;
            }
            sql.execute(
                "UPDATE fields SET is_news = FALSE WHERE connection = ?1 AND is_news",
                [connection.as_str()],
            )?;
            Ok(())
        })
        .await
    }
}
