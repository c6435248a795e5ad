//! What a call may name: the connections and kinds that the store or the settings know, also those that are
//! no longer configured, for their rows are still there.

use crate::app::{AppError, Engine};
use crate::kind::KindName;
use crate::name::ConnectionName;

/// Every connection, in name order.
///
/// # Errors
/// The store cannot be read.
pub(super) async fn connections(engine: &Engine) -> Result<Vec<ConnectionName>, AppError> {
    let mut names = engine.store.connections().await?;
    names.extend(engine.config.connections.iter().map(|connection| connection.name.clone()));
    names.sort();
    names.dedup();
    Ok(names)
}

/// The connections that a call means: one, or all.
///
/// # Errors
/// [`AppError::Usage`] with the known names; the store cannot be read.
pub(super) async fn meant(engine: &Engine, name: Option<&str>) -> Result<Vec<ConnectionName>, AppError> {
    let known = connections(engine).await?;
    let Some(name) = name else { return Ok(known) };
    match known.iter().find(|known| known.as_str() == name) {
        Some(connection) => Ok(vec![connection.clone()]),
        None => {
            let known = known.iter().map(ConnectionName::as_str).collect::<Vec<_>>().join(", ");
            Err(AppError::Usage(format!(
                "no connection {name:?} in the store or in the configuration; known: {known}"
            )))
        }
    }
}

/// The one connection that a call names, if it names any.
///
/// # Errors
/// Those of [`meant`].
pub(super) async fn connection(
    engine: &Engine,
    name: Option<&str>,
) -> Result<Option<ConnectionName>, AppError> {
    match name {
        Some(_) => Ok(meant(engine, name).await?.pop()),
        None => Ok(None),
    }
}

/// A kind by its name.
///
/// # Errors
/// [`AppError::Usage`] with the known names, and `more` of them; the store cannot be read.
pub(super) async fn kind(engine: &Engine, name: &str, more: &[&str]) -> Result<KindName, AppError> {
    let mut known = engine.store.kinds().await?;
    known.extend(engine.config.connections.iter().flat_map(|one| &one.kinds).map(|kind| kind.name.clone()));
    known.sort();
    known.dedup();
    match known.iter().find(|known| known.as_str() == name) {
        Some(kind) => Ok(kind.clone()),
        None => {
            let known = known.iter().map(KindName::as_str).chain(more.iter().copied()).collect::<Vec<_>>();
            Err(AppError::Usage(format!("no kind {name:?}; known: {}", known.join(", "))))
        }
    }
}
