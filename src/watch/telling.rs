//! Tells one thing of one warning: a line in the log, then, in one transaction, that it was said and
//! what its targets are to be told. A crash in between brings the line again, and loses no target its
//! notice.

use chrono::{DateTime, TimeDelta, Utc};

use super::line;
use crate::config::{Connection, HttpFormat, Target, Way};
use crate::expiry::Say;
use crate::name::{ConnectionName, TargetName};
use crate::store::{Store, StoreError};
use crate::warning::{Ending, Event, OpenWarning, Phase, Severity, Warning, WarningId, span};

/// What telling needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Teller<'a> {
    pub(super) store: &'a Store,
    pub(super) targets: &'a [Target],
    pub(super) now: DateTime<Utc>,
}

impl Teller<'_> {
    /// Tells a fact if it is to be told, and stores it as it is now. An unchanged fact writes nothing.
    pub(super) async fn hold_on(
        self,
        known: Option<&OpenWarning>,
        fact: &Warning,
        say: Say,
    ) -> Result<(), StoreError> {
        match say {
            Say::Raise => {
                // Committed first: what does not last could not be found again after a crash.
                if let Err(error) = self.store.raise(fact, self.now).await {
                    // A store that stores nothing keeps nobody in the dark; who has the connection now tells.
                    if !matches!(error, StoreError::LeaseLost(_)) {
                        line::holds(fact);
                    }
                    return Err(error);
                }
                self.tell(fact, Phase::Raised).await
            }
            // The stored level is what tells that this is news: it must not rise before the line is out.
            Say::Escalate => self.tell(fact, Phase::Escalated).await,
            Say::Remind => self.tell(fact, Phase::Reminded).await,
            Say::Quiet | Say::Resolve => {
                if known.is_some_and(|known| known.warning != *fact) {
                    self.store.raise(fact, self.now).await?;
                }
                Ok(())
            }
        }
    }

    /// Says a stored warning, and queues it for who wants it. One that does not last is over with that.
    pub(super) async fn tell(self, fact: &Warning, phase: Phase) -> Result<(), StoreError> {
        line::holds(fact);
        self.store.told(fact, phase, &wanting(self.targets, fact.severity), self.now).await
    }

    /// Says that a warning is over, and queues that for who was told of it.
    pub(super) async fn resolve(self, known: &OpenWarning, message: &str) -> Result<(), StoreError> {
        let mut ended = known.warning.clone();
        if let Some(stood_still) = self.stood_still(known).await? {
            ended.fields.push(("data_stood_still".into(), span(stood_still)));
        }
        line::resolved(&ended, known.raised_at, self.now, message);
        self.end(&ended, Ending::Over).await
    }

    /// Says that a key was given a later date.
    pub(super) async fn renew(self, known: &OpenWarning, expires: &str) -> Result<(), StoreError> {
        line::renewed(known, expires);
        let mut ended = known.warning.clone();
        ended.fields.push(("renewed_until".into(), expires.into()));
        self.end(&ended, Ending::Renewed).await
    }

    /// Ends a warning that another one replaces, without a line.
    pub(super) async fn take_back(self, known: &OpenWarning) -> Result<(), StoreError> {
        self.end(&known.warning, Ending::Replaced).await
    }

    /// Ends a warning in silence: another one says how it went on. Programs that keep what is open are told.
    pub(super) async fn replace(self, known: &OpenWarning) -> Result<(), StoreError> {
        let keeps_account = |target: &&Target| match &target.way {
            Way::Http(http) => matches!(http.format, HttpFormat::Json | HttpFormat::Alertmanager),
            Way::Email(_) => false,
        };
        let names: Vec<_> = self.targets.iter().filter(keeps_account).map(|target| &target.name).collect();
        self.store.resolve(&known.warning, Ending::Replaced, &names, self.now).await?;
        Ok(())
    }

    async fn end(self, ended: &Warning, ending: Ending) -> Result<(), StoreError> {
        let names: Vec<&TargetName> = self.targets.iter().map(|target| &target.name).collect();
        self.store.resolve(ended, ending, &names, self.now).await?;
        Ok(())
    }

    /// For how long nothing was stored because the key was refused: from the last run before that stored
    /// something until now.
    async fn stood_still(self, known: &OpenWarning) -> Result<Option<TimeDelta>, StoreError> {
        if known.warning.id.event != Event::KeyRefused {
            return Ok(None);
        }
        let last = self.store.last_success_before(&known.warning.id.connection, known.raised_at).await?;
        Ok(last.map(|at| self.now - at))
    }
}

/// Ends the warnings of connections that were taken out of the configuration: nobody looks at them any
/// more. Their rows stay as they are. Gives whether there was anything to tell.
///
/// # Errors
/// The store cannot be read or written.
pub async fn retire(
    store: &Store,
    targets: &[Target],
    configured: &[Connection],
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let mut has_told = false;
    let is_configured = |name: &ConnectionName| configured.iter().any(|known| known.name == *name);
    for open in store.open_warnings().await? {
        let WarningId { connection, .. } = &open.warning.id;
        if is_configured(connection) {
            continue;
        }
        let Some(_lock) = store.lock_out_replicas(connection, now).await? else { continue };
        // Another replica may have told it meanwhile.
        if store.open_warnings_of(connection).await?.iter().any(|still| still.warning.id == open.warning.id) {
            let teller = Teller { store, targets, now };
            teller.resolve(&open, "connection is no longer in the configuration").await?;
            has_told = true;
        }
    }
    Ok(has_told)
}

/// Lets targets that are new, or newly want a severity, be told what is open.
///
/// # Errors
/// The store cannot be read or written.
pub async fn introduce(store: &Store, targets: &[Target]) -> Result<(), StoreError> {
    for open in store.open_warnings().await? {
        let is_told = open.said > 0 && !open.warning.id.event.is_passing();
        let targets = wanting(targets, open.warning.severity);
        if is_told && !targets.is_empty() {
            store.introduce(&open, &targets).await?;
        }
    }
    Ok(())
}

/// Who is told of a warning of this severity. (That it is over is told to whoever was ever told of it.)
fn wanting(targets: &[Target], severity: Severity) -> Vec<&TargetName> {
    targets.iter().filter(|target| severity >= target.least_severity).map(|target| &target.name).collect()
}
