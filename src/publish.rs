//! The copy of the store for readers: made anew after changes, and not too often.

use chrono::{DateTime, TimeDelta, Utc};
use rustix::fs::Access;

use crate::config::Publish;
use crate::store::{self, Copy, Store, StoreError};

/// Makes the copy anew if that is due. `None`: it is not, or another process is at it.
///
/// # Errors
/// The copy cannot be made: the old one, if there is one, stays. The text says what to do where that is known.
pub async fn if_due(
    store: &Store,
    settings: &Publish,
    now: DateTime<Utc>,
) -> Result<Option<Copy>, StoreError> {
    // First: of the store itself, taken for its copy, nothing would ever seem to have changed.
    store.refuse_own(&settings.path)?;
    let copy = Copy::at(&settings.path);
    if !is_due(copy, store.last_change().await?, settings, now) {
        return Ok(None);
    }
    let made = store.publish(&settings.path, now).await.map_err(|error| match refusal(settings) {
        Some(text) => StoreError::Unusable(format!("cannot publish a copy: {text}")),
        None => error,
    })?;
    if let Some(Copy { bytes, sequence, .. }) = made {
        let path = settings.path.display();
        tracing::info!(event = "store_published", %path, bytes, sequence, "copy for readers made anew");
    }
    Ok(made)
}

/// Why the copy cannot be made where the settings want it, for people; what is no more than full is told
/// when it is made.
#[must_use]
pub fn refusal(settings: &Publish) -> Option<String> {
    let folder = store::folder_of(&settings.path);
    let Err(error) = rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK) else {
        return store::keep_reason(&settings.path);
    };
    let folder = folder.display();
    Some(format!("{folder}: {error}; make the folder of store.sqlite.publish, and let this user write to it"))
}

/// Nothing is published before there is anything. A copy from the future is a clock that was set back.
fn is_due(copy: Option<Copy>, last_change: i64, settings: &Publish, now: DateTime<Utc>) -> bool {
    let every = TimeDelta::from_std(settings.every).unwrap_or(TimeDelta::MAX);
    let is_old = |made_at: DateTime<Utc>| made_at > now || now - made_at >= every;
    last_change > 0 && copy.is_none_or(|copy| copy.sequence != last_change && is_old(copy.made_at))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn due(copy: Option<(i64, i64)>, last_change: i64) -> bool {
        let settings = Publish { path: "/srv/copy.db".into(), every: Duration::from_secs(3600) };
        let copy = copy.map(|(sequence, minutes_old)| Copy {
            made_at: noon() - TimeDelta::minutes(minutes_old),
            sequence,
            bytes: 4096,
        });
        is_due(copy, last_change, &settings, noon())
    }

    #[test]
    fn a_copy_follows_changes_and_not_too_often() {
        assert!(!due(None, 0), "there is nothing yet");
        assert!(due(None, 7));
        assert!(!due(Some((7, 600)), 7), "nothing changed");
        assert!(!due(Some((7, 59)), 8), "too soon");
        assert!(due(Some((7, 60)), 8));
    }

    #[test]
    fn a_clock_that_was_set_back_and_another_store_keep_nobody_waiting() {
        assert!(due(Some((7, -600)), 8));
        assert!(due(Some((9, 60)), 8), "the store was restored from a backup");
    }
}
