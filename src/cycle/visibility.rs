//! What the mapped user sees, run after run: the accepted set of scorecards follows what is visible, and
//! people are told which went and which came.

use super::Pass;
use super::failure::Stop;
use super::notices::id;
use crate::element::ElementId;
use crate::gate::Account;
use crate::name::ConnectionName;
use crate::pull::{Pulled, Source};
use crate::run::{Mode, RunId};
use crate::tolerate;
use crate::warning::{Event, Severity, Warning};

/// Scorecards that are named to people.
const NAMED_MAX: usize = 10;

/// Which scorecards went out of sight and which came into it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Moved {
    lost: Vec<ElementId>,
    came: Vec<ElementId>,
}

impl Moved {
    /// Both sets ascending.
    fn between(accepted: &[ElementId], visible: &[ElementId]) -> Self {
        let lacks = |set: &[ElementId], id: &ElementId| set.binary_search(id).is_err();
        Self {
            lost: accepted.iter().filter(|id| lacks(visible, id)).copied().collect(),
            came: visible.iter().filter(|id| lacks(accepted, id)).copied().collect(),
        }
    }
}

impl<S: Source> Pass<'_, S> {
    /// The accepted set follows what is visible, at each full run and at the first one after a release.
    ///
    /// What is behind a scorecard that appeared was not edited because of that, so only a full run sees
    /// it: an incremental run that finds the set changed asks for one.
    pub(super) async fn accept(
        &mut self,
        account: Option<&Account>,
        scorecards: &Pulled,
    ) -> Result<(), Stop> {
        self.needs_full |=
            self.mode == Mode::Incremental && account.is_some_and(|account| account.accepted != self.visible);
        let base_url = self.job.connection.base_url.as_str();
        let is_same = |account: &Account| {
            account.accepted == self.visible && account.base_url == base_url && !account.is_released
        };
        // What another key's user sees is accepted by the full run that follows.
        let is_all = self.mode == Mode::Full && !self.has_changed_key;
        let follows = is_all || account.is_none_or(|account| account.is_released);
        let Some(run) = self.id.filter(|_| follows && !account.is_some_and(is_same)) else { return Ok(()) };
        let (store, name) = (self.job.store, &self.job.connection.name);
        let accepted = account.map_or(&[][..], |account| &account.accepted);
        match self.moved(run, accepted, scorecards).await? {
            Some(warning) => {
                let now = self.job.clock.now();
                store.accept_and_raise(name, base_url, &self.visible, &warning, now).await?;
                self.notices.hold.push(warning);
            }
            None => store.accept(name, base_url, &self.visible).await?,
        }
        Ok(())
    }

    /// What there is to tell of the new set; nothing on the first day.
    async fn moved(
        &self,
        run: RunId,
        accepted: &[ElementId],
        scorecards: &Pulled,
    ) -> Result<Option<Warning>, Stop> {
        let moved = Moved::between(accepted, &self.visible);
        if accepted.is_empty() || moved == Moved::default() {
            return Ok(None);
        }
        let (store, name) = (self.job.store, &self.job.connection.name);
        let Moved { lost, came } = &moved;
        let named = &lost[..lost.len().min(NAMED_MAX)];
        let names = store.scorecard_names(name, named).await?;
        let lost_named = list(lost.len(), named.iter().zip(names));
        let came_named =
            list(came.len(), came.iter().take(NAMED_MAX).map(|id| (id, listed_name(scorecards, *id))));
        let elements = if lost.is_empty() { 0 } else { store.placed_in(name, lost).await? };
        Ok(Some(warning(name, run, (lost.len(), lost_named), (came.len(), came_named), elements)))
    }
}

/// The name of a scorecard as it was just listed.
fn listed_name(scorecards: &Pulled, id: ElementId) -> Option<String> {
    let entries = &scorecards.snapshot.entries;
    let index = entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
    let document = scorecards.spool.read(entries[index].span).ok()?;
    tolerate::columns(&document).name
}

fn warning(
    connection: &ConnectionName,
    run: RunId,
    (lost, lost_named): (usize, String),
    (came, came_named): (usize, String),
    elements: u64,
) -> Warning {
    // Each change is news of its own, so each has an identity of its own.
    let id = id(Event::VisibilityChanged, connection, &format!("run {run}"));
    let mut fields = Vec::new();
    if lost > 0 {
        fields.extend([("lost".into(), lost_named), ("elements".into(), elements.to_string())]);
    }
    if came > 0 {
        fields.push(("came".into(), came_named));
    }
    if lost == 0 {
        return Warning {
            id,
            severity: Severity::Info,
            level: 1,
            message: format!("mapped user sees {} more", scorecards(came)),
            action: "nothing to do: what is in them comes in with this run".into(),
            fields,
        };
    }
    let but = if came == 0 { String::new() } else { format!(", and sees {} more", scorecards(came)) };
    Warning {
        id,
        severity: Severity::Warn,
        level: 1,
        message: format!("mapped user no longer sees {}{but}", scorecards(lost)),
        action:
            "if that was not meant, tick them for the mapped user in ClearPoint: what was in them is kept, \
                 and comes back as it was"
                .into(),
        fields,
    }
}

fn scorecards(count: usize) -> String {
    if count == 1 { "1 scorecard".into() } else { format!("{count} scorecards") }
}

/// Names with their ids, for names come twice (yearly roll-over), and how many are left out.
fn list<'a>(count: usize, named: impl Iterator<Item = (&'a ElementId, Option<String>)>) -> String {
    let text = |(id, name): (&ElementId, Option<String>)| match name {
        Some(name) => format!("{name} ({id})"),
        None => format!("scorecard {id}"),
    };
    let named: Vec<String> = named.map(text).collect();
    let left = count - named.len();
    let more = if left == 0 { String::new() } else { format!(" and {left} more") };
    named.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(range: std::ops::Range<i64>) -> Vec<ElementId> {
        range.map(ElementId).collect()
    }

    #[test]
    fn what_went_and_what_came_is_told_apart() {
        let moved = Moved::between(&ids(0..4), &ids(2..6));
        assert_eq!(moved, Moved { lost: ids(0..2), came: ids(4..6) });
        assert_eq!(Moved::between(&ids(0..4), &ids(0..4)), Moved::default());
    }

    #[test]
    fn at_most_ten_are_named_and_the_others_counted() {
        let ids = ids(1..13);
        let named = ids.iter().take(NAMED_MAX).map(|id| (id, (id.0 > 1).then(|| "Parks".to_owned())));
        let text = list(17, named);
        assert!(text.starts_with("scorecard 1, Parks (2), Parks (3), "), "{text}");
        assert!(text.ends_with("Parks (10) and 7 more"), "{text}");
        assert_eq!(list(1, [(&ElementId(7), Some("Fire".to_owned()))].into_iter()), "Fire (7)");
    }
}
