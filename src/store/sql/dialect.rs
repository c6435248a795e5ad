//! The few expressions that the two engines spell differently.

use super::Sql;

impl Sql<'_> {
    /// Whether the store is in this process, so that a question costs no message.
    pub(in crate::store) fn is_here(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// How many elements a stored JSON array has.
    pub(in crate::store) fn array_length(&self, array: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("json_array_length({array})"),
            Self::Postgres(_) => format!("jsonb_array_length({array})"),
        }
    }

    /// Whether a stored JSON array has a text, given by its place (`?4`), among its elements.
    pub(in crate::store) fn array_has(&self, array: &str, place: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("EXISTS (SELECT 1 FROM json_each({array}) WHERE value = {place})"),
            Self::Postgres(_) => format!("{array} @> to_jsonb(CAST({place} AS text))"),
        }
    }

    /// Whether a member of a stored JSON object is true.
    pub(in crate::store) fn is_true(&self, object: &str, member: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("coalesce(json_extract({object}, '$.{member}'), 0)"),
            Self::Postgres(_) => format!("coalesce(CAST({object} ->> '{member}' AS boolean), FALSE)"),
        }
    }
}
