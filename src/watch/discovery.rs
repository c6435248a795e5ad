//! Fields seen for the first time: somebody added a custom field, or the API changed. Information, told
//! once for each kind and run; the fields of a first pull are no news.

use chrono::{DateTime, Utc};

use crate::kind::KindName;
use crate::name::ConnectionName;
use crate::run::RunId;
use crate::store::{NewField, Store, StoreError};
use crate::warning::{Event, Severity, Warning, WarningId};

/// Fields that are named to people.
const NAMED_MAX: usize = 10;

/// Raises what was discovered by a run, once its views have columns for it.
///
/// # Errors
/// The store cannot be read or written; the next run tells it then.
pub async fn look(
    store: &Store,
    connection: &ConnectionName,
    run: RunId,
    now: DateTime<Utc>,
) -> Result<Vec<Warning>, StoreError> {
    let fields = store.new_fields(connection).await?;
    let told: Vec<Warning> =
        fields.iter().map(|(kind, fields)| warning(connection, run, kind, fields)).collect();
    if !told.is_empty() {
        store.raise_new_fields(connection, &told, now).await?;
    }
    Ok(told)
}

fn warning(connection: &ConnectionName, run: RunId, kind: &KindName, fields: &[NewField]) -> Warning {
    let (event, connection) = (Event::FieldDiscovered, connection.clone());
    let named = fields.iter().take(NAMED_MAX).map(|NewField { field, column }| match column {
        Some(column) => format!("{field} (column {column})"),
        None => format!("{field} (no column)"),
    });
    let mut named = named.collect::<Vec<_>>().join(", ");
    if fields.len() > NAMED_MAX {
        named += &format!(" and {} more", fields.len() - NAMED_MAX);
    }
    let what = if fields.len() == 1 { "a new field".into() } else { format!("{} new fields", fields.len()) };
    Warning {
        id: WarningId { event, connection, subject: format!("{kind} run {run}") },
        severity: Severity::Info,
        level: 1,
        message: format!("{kind} show {what}"),
        action: format!("nothing to do: the view {kind} has the columns from now on"),
        fields: vec![("kind".into(), kind.to_string()), ("fields".into(), named)],
    }
}
