//! Why a command could not do its work, by the exit code it ends with.

use std::path::PathBuf;

use super::Exit;
use crate::causes;
use crate::config::problems::Problems;
use crate::https::ClientError;
use crate::notify::NotifyError;
use crate::secrets::SecretError;
use crate::server::ListenError;
use crate::store::StoreError;
use crate::telemetry::TelemetryError;

/// Why a command could not do its work, by the exit code it ends with.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration has faults.
    #[error(transparent)]
    Config(#[from] Problems),
    /// The configuration cannot be read.
    #[error("cannot read {}: {source}; name another file with --config", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The call names something that is not there.
    #[error("{0}")]
    Usage(String),
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The HTTP client cannot be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The way to the targets cannot be set up.
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// Logging cannot be started.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The page and the metrics cannot be served where the settings say.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The operating system refused something the program cannot do without.
    #[error("{context}: {source}")]
    System {
        /// What was being done.
        context: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl AppError {
    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_)
            | Self::Unreadable { .. }
            | Self::Usage(_)
            | Self::Secret(_)
            | Self::Client(_)
            | Self::Notify(_)
            | Self::Telemetry(_)
            | Self::Listen(_)
            | Self::Store(StoreError::Unusable(_)) => Exit::MustChange,
            Self::Store(StoreError::Busy(_) | StoreError::LeaseLost(_)) => Exit::Busy,
            Self::Store(StoreError::Failed { .. }) | Self::System { .. } => Exit::Failed,
        }
    }

    /// The error with its causes, for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        causes::to_text(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_told_is_not_told_again() {
        let source = std::io::Error::other("Error code 13: database or disk is full");
        let context = "no space left for clearpoint.db: database or disk is full".to_owned();
        let error =
            AppError::Store(StoreError::Failed { context: context.clone(), source: Box::new(source) });
        assert_eq!(error.to_text(), context);
    }
}
