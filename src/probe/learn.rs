//! What a pull remembers of a probe: only what was seen of the kind itself, or of a server that answers
//! all its kinds alike. Never a cursor, nor that a list was whole: those are promises of a pull.

use chrono::{DateTime, Utc};

use super::Probe;
use super::lists::Listed;
use crate::kind::Paging;
use crate::memory::{Filter, KindMemory};

impl Probe<'_> {
    /// What is remembered of a kind from now on.
    pub(super) fn learn(&self, listed: &Listed, before: &KindMemory, now: DateTime<Utc>) -> KindMemory {
        let mut memory = before.clone();
        let Some(list) = listed.page.list.as_ref().filter(|list| !list.rows.is_empty()) else {
            return memory;
        };
        memory.list_at = Some(list.at.clone());
        if let (Some(id_field), None) = (&list.id_field, &before.id_field) {
            memory.id_field = Some(id_field.clone());
        }
        if let Some(format) = list.format().filter(|_| listed.kind.last_edited) {
            memory.stamp = Some(format);
        }
        let is_shown = |max: &u32| listed.received() <= *max as usize;
        memory.count_max = self.cap(listed).or(before.count_max.filter(is_shown));
        // A pull that was whole knows better.
        memory.is_end_told |= list.total.is_some() && !before.ever_complete;
        let meaning =
            self.filters.iter().find(|(kind, _)| *kind == listed.kind.name).map(|(_, meaning)| *meaning);
        memory.filter = match (&before.filter, meaning) {
            (Filter::Untried | Filter::Trusted { .. }, Some(meaning)) if meaning.is_useless() => {
                Filter::Contradicted { since: now }
            }
            // It is for the pull to prove it.
            (Filter::Contradicted { .. }, Some(meaning)) if meaning.is_useful() => Filter::Untried,
            (unchanged, _) => unchanged.clone(),
        };
        memory
    }

    /// The rows that come at most where a whole page is asked for: fewer were taken, or as few came as of
    /// the list that showed the cap.
    fn cap(&self, listed: &Listed) -> Option<u32> {
        let asked = listed.asked?;
        let received = u32::try_from(listed.received()).ok()?;
        let halved = Some(asked).filter(|asked| *asked < self.job.connection.limits.page_size);
        let capped = self.count_max.filter(|max| *max == received && listed.kind.paging == Paging::Page);
        capped.or(halved)
    }
}
