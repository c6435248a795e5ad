//! Sends one telling of a warning to one target, and says what came of it. Keeps nothing and retries
//! nothing: that is the job above it. No text that leaves here holds a URL, a secret, or a body.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::config::Target;
use crate::network::Network;
use crate::target::TargetSecrets;
use crate::warning::Notice;

/// Longest wait for a target's answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a target was not told, by what the caller does. No text holds a URL, a secret, or a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// The target is out of reach or busy (connect, timeout, 5xx, 408, 429): try this and all later ones
    /// again.
    #[error("{0}")]
    Unreachable(String),
    /// The target does not take this message (other 4xx, an SMTP 5xx): try again much later, others may
    /// go on.
    #[error("{0}")]
    Refused(String),
    /// A person must change something (a bad URL in the secret, a wrong password, TLS refused): log it,
    /// keep trying.
    #[error("{0}")]
    Settings(String),
}

/// The way to all targets. Holds no connection: messages are rare, and what `network.ca_file` says now
/// is what counts.
#[derive(Debug, Clone)]
pub struct Notifier {
    network: Network,
}

impl Notifier {
    /// Sets up what all targets share.
    ///
    /// # Errors
    /// [`NotifyError::Settings`]: `network.ca_file` or the proxy cannot be used.
    pub fn new(network: &Network) -> Result<Self, NotifyError> {
        Ok(Self { network: network.clone() })
    }

    /// Sends one notice, waits at most [`TIMEOUT`] for the answer, and gives what the target answered,
    /// for people (`200 OK`). `delivery` names the message for the receiver, so that one that comes twice
    /// is known: it is the same on every try.
    ///
    /// # Errors
    /// [`NotifyError`]: the target was not told, or did not say that it was.
    pub async fn send(
        &self,
        target: &Target,
        secrets: &TargetSecrets,
        delivery: &str,
        notice: &Notice,
        now: DateTime<Utc>,
    ) -> Result<String, NotifyError> {
        let _ = (&self.network, target, secrets, delivery, notice, now);
        Err(NotifyError::Settings("this kind of target is not built yet".into()))
    }
}
