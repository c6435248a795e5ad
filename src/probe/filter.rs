//! What the `lastEdited` filter means: asked with the stamp of a row that page 1 showed, and, of the
//! longest list, with a stamp just before and just after it.

use chrono::{DateTime, TimeDelta, Utc};

use super::Probe;
use super::ask::{Stop, page_query};
use super::lists::Listed;
use super::outline::plain;
use super::page::{self, Page, Row};
use crate::kind::{Kind, Paging};
use crate::stamp::StampFormat;

/// Requests besides one a kind.
pub(super) const REQUESTS_MORE: u64 = 2;
/// Rows this much older than asked for are no matter of time zones.
const OLDER_MAX: TimeDelta = TimeDelta::days(1);

/// What the filter means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Edited at that instant or later.
    Since,
    /// Edited later than that instant.
    After,
    /// Edited at that very instant.
    Exactly,
    /// Edited on that very day.
    OnDay,
    /// One of these two.
    Narrow,
    /// Nothing: older rows come too.
    Ignored,
    /// The server objects to it.
    Refused,
    /// None of these, or too few rows to tell.
    Unsettled,
}

impl Meaning {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Since => "since: edited then or later",
            Self::After => "after: edited later",
            Self::Exactly => "edited at that very instant",
            Self::OnDay => "edited on that very day",
            Self::Narrow => "edited at that very instant, or on that very day",
            Self::Ignored => "ignored: older rows come too",
            Self::Refused => "refused",
            Self::Unsettled => "not settled",
        }
    }

    /// Whether the filter brings what changed.
    pub(super) fn is_useful(self) -> bool {
        matches!(self, Self::Since | Self::After)
    }

    /// Whether the filter is seen not to bring what changed.
    pub(super) fn is_useless(self) -> bool {
        matches!(self, Self::Exactly | Self::OnDay | Self::Narrow | Self::Ignored | Self::Refused)
    }
}

/// A stamp to ask with, and what page 1 tells of the rows around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    format: StampFormat,
    /// As the server wrote it.
    text: String,
    at: DateTime<Utc>,
    /// Rows that carry it.
    ids: Vec<i64>,
    /// Rows that are newer.
    newer: Vec<i64>,
    /// Rows of the same day with another stamp.
    same_day: Vec<i64>,
}

impl Known {
    /// Of the stamps of a page, the newest with an older and a newer row, days apart where possible.
    pub(super) fn choose(rows: &[Row], format: StampFormat) -> Option<Self> {
        let read = |row: &Row| Some((format.parse(row.stamp.as_deref()?)?, row.id?, row.stamp.clone()?));
        let mut stamps: Vec<(DateTime<Utc>, i64, String)> = rows.iter().filter_map(read).collect();
        stamps.sort_unstable();
        let (oldest, newest) = (stamps.first()?.0, stamps.last()?.0);
        let between: Vec<_> = stamps.iter().filter(|(at, ..)| *at > oldest && *at < newest).collect();
        let is_apart = |at: DateTime<Utc>| {
            at.date_naive() < newest.date_naive()
                && at - oldest > OLDER_MAX
                && at.date_naive() > oldest.date_naive()
        };
        let apart = between.iter().rev().find(|(at, ..)| is_apart(*at));
        let (at, _, text) = apart.or(between.last()).copied()?.clone();
        let those = |is_it: &dyn Fn(DateTime<Utc>) -> bool| {
            stamps.iter().filter(|stamp| is_it(stamp.0)).map(|stamp| stamp.1).collect()
        };
        Some(Self {
            ids: those(&|other| other == at),
            newer: those(&|other| other > at),
            same_day: those(&|other| other != at && other.date_naive() == at.date_naive()),
            format,
            text,
            at,
        })
    }

    /// The smallest step that the format can be asked with.
    fn step(&self) -> TimeDelta {
        match self.format {
            StampFormat::MonthFirst | StampFormat::DayFirst | StampFormat::DateOnly => TimeDelta::days(1),
            _ => TimeDelta::seconds(1),
        }
    }

    /// What the answer to the known stamp says of the filter; `is_full`: there may be more rows.
    pub(super) fn meaning(&self, page: &Page, is_full: bool) -> Meaning {
        if page.objects() {
            return Meaning::Refused;
        }
        if page.list.is_none() {
            return Meaning::Unsettled;
        }
        let ids = page.ids();
        let stamps: Vec<DateTime<Utc>> =
            page.rows().iter().filter_map(|row| self.format.parse(row.stamp.as_deref()?)).collect();
        let has_known = self.ids.iter().any(|id| ids.contains(id));
        let has_newer = self.newer.iter().any(|id| ids.contains(id));
        if stamps.iter().any(|at| self.at - *at > OLDER_MAX) {
            return Meaning::Ignored;
        }
        let is_of_day = stamps.iter().all(|at| at.date_naive() == self.at.date_naive());
        let is_of_instant = stamps.iter().all(|at| *at == self.at);
        match (has_known, has_newer) {
            (true, true)
                if is_of_day && self.newer.iter().any(|id| !self.same_day.contains(id)) && !is_full =>
            {
                Meaning::OnDay
            }
            (true, true) => Meaning::Since,
            (false, true) => Meaning::After,
            (true, false) if is_full => Meaning::Unsettled,
            (true, false) if is_of_instant && self.same_day.is_empty() => Meaning::Narrow,
            (true, false) if is_of_instant => Meaning::Exactly,
            (true, false) if is_of_day => Meaning::OnDay,
            _ => Meaning::Unsettled,
        }
    }
}

impl Probe<'_> {
    /// Asks every kind that is said to have the filter.
    pub(super) async fn filters(&mut self) -> Result<(), Stop> {
        let with_filter = self.lists.iter().filter(|listed| listed.kind.last_edited);
        let lists: Vec<Listed> = with_filter.cloned().collect();
        let mut main: Option<(usize, Listed, Known)> = None;
        for listed in lists {
            let Listed { kind, page, .. } = &listed;
            let Some(list) = page.list.as_ref().filter(|list| !list.rows.is_empty()) else { continue };
            let known = list.format().and_then(|format| Known::choose(&list.rows, format));
            let Some(known) = known else {
                let answer = match list.stamps().count() {
                    0 => "not asked: the rows carry no lastEdited",
                    _ => "not settled: no row has an older and a newer one beside it",
                };
                self.find(&kind.name, "last_edited_filter", answer, format!("page 1 {}", page.what));
                continue;
            };
            let (meaning, again) = self.filter(kind, &known).await?;
            self.volatile(kind, page, &again);
            self.filters.push((kind.name.clone(), meaning));
            let rows = page.rows().len();
            let may_tell = meaning.is_useful() || meaning == Meaning::Narrow;
            if may_tell && main.as_ref().is_none_or(|(most, ..)| rows > *most) {
                main = Some((rows, listed, known));
            }
        }
        match main {
            Some((_, listed, known)) => self.around(&listed.kind, &known).await,
            None => Ok(()),
        }
    }

    /// Asks with the stamp of a known row.
    pub(super) async fn filter(&mut self, kind: &Kind, known: &Known) -> Result<(Meaning, Page), Stop> {
        let page = self.since(kind, known.text.clone()).await?;
        let meaning = known.meaning(&page, self.is_full(&page));
        let newer = known.newer.len();
        let seen = format!(
            "asked with the stamp of a row that has {newer} newer ones beside it; {}; {}",
            page.what,
            around(known, &page)
        );
        self.find(&kind.name, "last_edited_filter", meaning.as_str(), seen);
        Ok((meaning, page))
    }

    /// Fields that differ in rows that came twice.
    pub(super) fn volatile(&mut self, kind: &Kind, before: &Page, after: &Page) -> Vec<String> {
        let (moved, compared) = page::moved(before, after);
        let moved: Vec<String> = moved.iter().map(|field| plain(field)).collect();
        let answer = if moved.is_empty() { "none seen".to_owned() } else { moved.join(", ") };
        if compared > 0 {
            let seen = format!("{compared} rows came twice under the same stamp");
            self.find(&kind.name, "volatile_fields", answer, seen);
        }
        moved
    }

    /// How finely the filter looks: asked just before and just after a known row's stamp.
    async fn around(&mut self, kind: &Kind, known: &Known) -> Result<(), Stop> {
        let step = known.step();
        let before = self.since(kind, known.format.write(known.at - step)).await?;
        let after = self.since(kind, known.format.write(known.at + step)).await?;
        let shows = |page: &Page| known.ids.iter().any(|id| page.ids().contains(id));
        let unit = if step == TimeDelta::seconds(1) { "second" } else { "day" };
        let answer = match (shows(&before), shows(&after)) {
            (true, false) => format!("to the {unit}, in the zone of the stamps"),
            (true, true) => format!("more coarsely than a {unit}, or in another zone"),
            (false, true) => {
                "not settled: the row comes for a later stamp, and not for an earlier one".to_owned()
            }
            (false, false) if self.is_full(&before) => "not settled: too many rows came".to_owned(),
            (false, false) => "not settled: the row comes neither way, perhaps another zone".to_owned(),
        };
        let seen =
            format!("a {unit} before: {}; a {unit} after: {}", around(known, &before), around(known, &after));
        self.find(&kind.name, "last_edited_precision", answer, seen);
        Ok(())
    }

    async fn since(&mut self, kind: &Kind, stamp: String) -> Result<Page, Stop> {
        let mut query = page_query(kind, u64::from(kind.paging == Paging::Page), self.count);
        query.push(("lastEdited", stamp));
        self.list(kind, query).await
    }

    fn is_full(&self, page: &Page) -> bool {
        page.rows().len() as u64 >= u64::from(self.count_max.unwrap_or(self.count))
    }
}

/// What came of the rows around a known stamp.
fn around(known: &Known, page: &Page) -> String {
    let ids = page.ids();
    let has = |wanted: &[i64]| wanted.iter().filter(|id| ids.contains(id)).count();
    let shown = if has(&known.ids) > 0 { "the row came" } else { "the row did not come" };
    format!("{} rows, {shown}, {} of {} newer ones", ids.len(), has(&known.newer), known.newer.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind;
    use crate::pull::RawAnswer;

    const DAYS: [u32; 5] = [1, 5, 9, 13, 17];

    /// A row for each day, whose number is its id.
    fn page(days: &[u32]) -> Page {
        let row = |day: &u32| format!(r#"{{"objectId":{day},"lastEdited":"2026-01-{day:02}T12:00:00Z"}}"#);
        let rows: Vec<String> = days.iter().map(row).collect();
        answer(200, format!("[{}]", rows.join(",")))
    }

    fn answer(status: u16, text: String) -> Page {
        let answer = RawAnswer {
            status,
            status_text: status.to_string(),
            content_type: None,
            rate_limits: Vec::new(),
            date: None,
            text,
            is_whole: true,
            refusal: None,
        };
        Page::of(Ok(answer), &kind::catalogue()[2])
    }

    #[track_caller]
    fn check(page: &Page, expected: Meaning) {
        let known = Known::choose(self::page(&DAYS).rows(), StampFormat::IsoZoned).unwrap();
        assert_eq!(known.ids, [13]);
        assert_eq!(known.meaning(page, false), expected);
    }

    #[test]
    fn the_rows_that_come_tell_what_the_filter_means() {
        check(&page(&[13, 17]), Meaning::Since);
        check(&page(&[17]), Meaning::After);
        check(&page(&[13]), Meaning::Narrow);
        check(&page(&DAYS), Meaning::Ignored);
        check(&answer(400, String::new()), Meaning::Refused);
        check(&page(&[]), Meaning::Unsettled);
        check(&answer(500, String::new()), Meaning::Unsettled);
    }

    #[test]
    fn another_row_of_the_day_tells_the_day_from_the_instant() {
        let row = |(id, stamp): &(u32, &str)| format!(r#"{{"objectId":{id},"lastEdited":"{stamp}"}}"#);
        let page = |rows: &[(u32, &str)]| {
            let rows: Vec<String> = rows.iter().map(row).collect();
            answer(200, format!("[{}]", rows.join(",")))
        };
        let (old, morning) = ((1, "2026-01-01T08:00:00Z"), (2, "2026-01-13T08:00:00Z"));
        let (noon, evening) = ((3, "2026-01-13T12:00:00Z"), (4, "2026-01-13T18:00:00Z"));
        let new = (5, "2026-01-17T08:00:00Z");
        let known = Known::choose(page(&[old, morning, noon, evening, new]).rows(), StampFormat::IsoZoned);
        let known = known.unwrap();
        assert_eq!(known.ids, [4]);
        assert_eq!(known.meaning(&page(&[evening]), false), Meaning::Exactly);
        assert_eq!(known.meaning(&page(&[morning, noon, evening]), false), Meaning::OnDay);
        assert_eq!(known.meaning(&page(&[evening, new]), false), Meaning::Since);
    }

    #[test]
    fn rows_of_one_stamp_settle_nothing() {
        assert_eq!(Known::choose(page(&[5]).rows(), StampFormat::IsoZoned), None);
        assert_eq!(Known::choose(page(&[5, 9]).rows(), StampFormat::IsoZoned), None);
    }
}
