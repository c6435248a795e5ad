//! Sends one telling of a warning to one target, and says what came of it. Keeps nothing and retries
//! nothing: that is the job above it. No text that leaves here holds a URL, a secret, or a body.

mod alertmanager;
mod json;
mod mail;
mod sign;
mod slack;
mod teams;
mod told;
mod webhook;

#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use url::Url;

use crate::config::{Http, HttpFormat, Target, Way};
use crate::https;
use crate::network::Network;
use crate::target::TargetSecrets;
use crate::warning::{Notice, Severity};
use told::Told;
use webhook::Post;

/// Longest wait for the answer of a target that is reached over HTTP.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a mail server, which may look at a mail, or let a stranger wait, for a while.
const TIMEOUT_MAIL: Duration = Duration::from_secs(30);

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
    timeout: Duration,
    timeout_mail: Duration,
}

impl Notifier {
    /// Sets up what all targets share.
    ///
    /// # Errors
    /// [`NotifyError::Settings`]: `network.ca_file` or the proxy cannot be used.
    pub fn new(network: &Network) -> Result<Self, NotifyError> {
        https::ca_file(network).map_err(|error| NotifyError::Settings(error.to_string()))?;
        Ok(Self { network: network.clone(), timeout: TIMEOUT, timeout_mail: TIMEOUT_MAIL })
    }

    /// How long a target that is reached this way is waited for.
    #[must_use]
    pub fn timeout(&self, way: &Way) -> Duration {
        match way {
            Way::Http(_) => self.timeout,
            Way::Email(_) => self.timeout_mail,
        }
    }

    /// One that gives no target up while a test lasts.
    #[cfg(test)]
    pub(crate) fn patient(self) -> Self {
        let for_ever = Duration::from_secs(600);
        Self { timeout: for_ever, timeout_mail: for_ever, ..self }
    }

    /// Sends one notice, waits at most [`Notifier::timeout`] for the answer, and gives what the
    /// target answered, for people (`200 OK`). `delivery` names the message for the receiver, so that one
    /// that comes twice is known: it is the same on every try.
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
        let (told, timeout) = (Told::new(notice, delivery), self.timeout(&target.way));
        match (&target.way, secrets) {
            (Way::Http(http), TargetSecrets::Http { url, signing_secret }) => {
                let post = Post {
                    url: address(http, url)?,
                    body: body(http.format, &told, target.least_severity, now),
                    delivery: &told.delivery,
                    signing_secret: signing_secret.as_ref(),
                };
                webhook::send(post, &self.network, timeout, now).await
            }
            (Way::Email(email), TargetSecrets::Email { password }) => {
                mail::send(email, password.as_ref(), &told, &self.network, timeout, now).await
            }
            _ => Err(of_another_type()),
        }
    }
}

/// Whether a target's secrets are of a form that can be used. Sends nothing.
///
/// # Errors
/// [`NotifyError::Settings`] says what a person must change.
pub fn check(target: &Target, secrets: &TargetSecrets) -> Result<(), NotifyError> {
    match (&target.way, secrets) {
        (Way::Http(http), TargetSecrets::Http { url, .. }) => address(http, url).map(drop),
        (Way::Email(_), TargetSecrets::Email { .. }) => Ok(()),
        _ => Err(of_another_type()),
    }
}

fn of_another_type() -> NotifyError {
    NotifyError::Settings("these are secrets of a target of another type".into())
}

fn address(http: &Http, url: &SecretString) -> Result<Url, NotifyError> {
    let url = webhook::address(http, url)?;
    Ok(if http.format == HttpFormat::Alertmanager { alertmanager::address(url) } else { url })
}

fn body(format: HttpFormat, told: &Told, least: Severity, now: DateTime<Utc>) -> Vec<u8> {
    match format {
        HttpFormat::Json => json::body(told),
        HttpFormat::Slack => slack::body(told),
        HttpFormat::Teams => teams::body(told),
        HttpFormat::Alertmanager => alertmanager::body(told, least, now),
    }
}
