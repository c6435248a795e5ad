//! Copies the store of one configuration into that of another, while nobody works on either.

use std::path::Path;

use super::settings::store_of;
use super::{AppError, Settings, place};
use crate::clock::Clock;
use crate::config;
use crate::name::ConnectionName;
use crate::store::{Onto, Progress, Store, TableCopy};

/// The command as others read it who are kept waiting.
const COMMAND: &str = "store copy";

/// A copy that was made, or taken back because it differs.
#[derive(Debug)]
pub struct Copied {
    /// The store that was copied.
    pub from: config::Store,
    /// The other.
    pub to: config::Store,
    /// What became of each table.
    pub tables: Vec<TableCopy>,
}

/// Copies the store of `settings` into the one that the file at `to` names.
///
/// # Errors
/// Those of [`Store::open`], [`Store::hold`] and [`Store::copy_to`]; the file cannot be read, or its
/// section `store` has faults.
pub async fn copy_store(
    settings: &Settings,
    to: &Path,
    onto: Onto,
    told: &mut (dyn FnMut(Progress) + Send),
) -> Result<Copied, AppError> {
    let clock = Clock::System;
    let (from, to) = (settings.config.store.clone(), store_of(to)?);
    let store = Store::open_read_only(&place(&from)).await?;
    let other = Store::open(&place(&to), clock.now()).await?;
    store.refuse_same(&other).await?;
    let names: Vec<ConnectionName> =
        settings.config.connections.iter().map(|connection| connection.name.clone()).collect();
    let _held = [store.hold(&names, COMMAND, &clock).await?, other.hold(&names, COMMAND, &clock).await?];
    let tables = store.copy_to(&other, onto, told).await?;
    Ok(Copied { from, to, tables })
}
