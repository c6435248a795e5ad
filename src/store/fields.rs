//! The register of fields: which top-level fields each connection's documents hold. New ones are noted
//! with the data; their view columns are given later, so that a view can never cost a run.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::sql::{Fault, Sql};
use crate::name::ConnectionName;
use crate::tolerate::{self, Member};

/// Fields noted per connection and kind: an API that writes data into its keys must not fill the store.
const FIELDS_MAX: usize = 1000;

/// A field with a longer name is not noted: an index could not take it.
const NAME_BYTES_MAX: usize = 1000;

/// The known fields of one kind of one connection, while it is written.
#[derive(Debug)]
pub(super) struct Known<'a> {
    register: Register<'a>,
    /// Whether a value other than null was seen yet, by field.
    typed: HashMap<String, bool>,
    seen: Vec<Seen>,
}

/// The part of the register that is written.
#[derive(Debug, Clone, Copy)]
struct Register<'a> {
    connection: &'a ConnectionName,
    kind: &'a str,
    part: &'static str,
    now: DateTime<Utc>,
}

/// Fields that were seen and are to be noted.
#[derive(Debug)]
pub(super) struct Found<'a> {
    register: Register<'a>,
    fields: Vec<Seen>,
}

/// A field that was not known, or not with a value other than null.
#[derive(Debug)]
struct Seen {
    field: String,
    json_type: &'static str,
    is_new: bool,
}

impl<'a> Known<'a> {
    pub(super) fn load(
        sql: &Sql<'_>,
        connection: &'a ConnectionName,
        kind: &'a str,
        part: &'static str,
        now: DateTime<Utc>,
    ) -> Result<Self, Fault> {
        let mut statement =
            sql.prepare_cached("SELECT field, json_type FROM fields WHERE connection = ?1 AND kind = ?2")?;
        let typed = statement
            .query_map((connection.as_str(), kind), |row| Ok((row.get(0)?, row.text(1)? != "null")))?;
        let typed = typed.into_iter().collect();
        Ok(Self { register: Register { connection, kind, part, now }, typed, seen: Vec::new() })
    }

    /// Notes the fields of a document that were not known. `is_news` is asked once there is one: whether
    /// people are to be told.
    pub(super) fn note(
        &mut self,
        sql: &Sql<'_>,
        document: &str,
        is_news: impl Fn() -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        self.see(&tolerate::members(document));
        self.found().keep(sql, is_news)
    }

    /// Sees the fields of a document, for [`Known::found`].
    pub(super) fn see(&mut self, members: &[Member<'_>]) {
        for member in members {
            let json_type = member.json_type();
            let is_typed = json_type != "null";
            let is_full = self.typed.len() >= FIELDS_MAX;
            let is_new = match self.typed.get_mut(&*member.key) {
                Some(known) if *known || !is_typed => continue,
                Some(known) => {
                    *known = true;
                    false
                }
                None if is_full || member.key.len() > NAME_BYTES_MAX => continue,
                None => self.typed.insert(member.key.to_string(), is_typed).is_none(),
            };
            self.seen.push(Seen { field: member.key.to_string(), json_type, is_new });
        }
    }

    /// Hands over the fields that were seen.
    pub(super) fn found(&mut self) -> Found<'a> {
        Found { register: self.register, fields: std::mem::take(&mut self.seen) }
    }
}

impl Found<'_> {
    /// Notes them, as [`Known::note`].
    pub(super) fn keep(self, sql: &Sql<'_>, is_news: impl Fn() -> Result<bool, Fault>) -> Result<(), Fault> {
        let Register { connection, kind, part, now } = self.register;
        for Seen { field, json_type, is_new } in self.fields {
            let key = (connection.as_str(), kind, field.as_str());
            if is_new {
                sql.prepare_cached(
                    // One whose column shows it already has nothing to wait for.
                    "INSERT INTO fields (connection, kind, field, json_type, part, first_seen_at, is_news, column_name)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, CASE WHEN ?3 = 'name' THEN ?3 ELSE
                       (SELECT column_name FROM view_columns
                        WHERE kind = ?2 AND field = ?3 AND (is_detailed OR ?5 <> 'detail')) END)",
                )?
                .execute((key.0, key.1, key.2, json_type, part, now, is_news()?))?;
            } else {
                sql.prepare_cached(
                    "UPDATE fields SET json_type = ?4 WHERE connection = ?1 AND kind = ?2 AND field = ?3",
                )?
                .execute((key.0, key.1, key.2, json_type))?;
            }
        }
        Ok(())
    }
}
