//! The clock that days are counted by where no run has just asked the server: ours, unless the last run
//! found it wrong. Else a key's days would jump to and fro between runs and looks.

use chrono::TimeDelta;

use crate::name::ConnectionName;
use crate::store::{Store, StoreError};
use crate::warning::{Event, Warning};

/// How far the server's clock is ahead of ours, by what an open `clock_skew` tells.
///
/// # Errors
/// The store cannot be read.
pub async fn known(store: &Store, connection: &ConnectionName) -> Result<TimeDelta, StoreError> {
    let open = store.open_warnings().await?;
    let is_skew =
        |warning: &&Warning| warning.id.event == Event::ClockSkew && warning.id.connection == *connection;
    let ahead = open.iter().map(|open| &open.warning).find(is_skew).and_then(server_ahead);
    Ok(ahead.unwrap_or_default())
}

/// How far the server's clock is ahead of ours.
fn server_ahead(warning: &Warning) -> Option<TimeDelta> {
    let field = |name: &str| warning.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value);
    let seconds = TimeDelta::try_seconds(field("seconds")?.parse().ok()?)?;
    Some(if field("our_clock")? == "behind" { seconds } else { -seconds })
}
