//! The clock that days are counted by where no run has just asked the server: ours, unless the last run
//! found it wrong. Else a key's days would jump to and fro between runs and looks.

use chrono::TimeDelta;

use crate::expiry;
use crate::name::ConnectionName;
use crate::store::{Store, StoreError};

/// How far the server's clock is ahead of ours, by what an open `clock_skew` tells.
///
/// # Errors
/// The store cannot be read.
pub async fn known(store: &Store, connection: &ConnectionName) -> Result<TimeDelta, StoreError> {
    Ok(expiry::server_ahead(&store.open_warnings_of(connection).await?))
}
