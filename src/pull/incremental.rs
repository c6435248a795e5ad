//! An incremental pull: one request a kind for what changed since the cursor (and more pages while
//! they are full). It never finds anything missing. The filter is a claim: elements that must come
//! back show whether it holds, and where it does not this pull is full.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::kind::Paging;
use crate::memory::{Filter, KindMemory};
use crate::pull::client::Client;
use crate::pull::gather::{Gather, Gathered};
use crate::pull::listing::PAGES_MAX;
use crate::pull::page::{self, Page, Shape};
use crate::pull::query::{At, Query, Use};
use crate::pull::transport::Answer;
use crate::pull::tries::Tries;
use crate::pull::{Ask, PullError, Pulled, pages};
use crate::snapshot::{Extent, Rejected};
use crate::stamp::StampFormat;
use crate::tolerate::{Imprints, List, Row};
use crate::trust;

/// Contradictions in a row that end the trust in a filter.
const CONTRADICTIONS_MAX: u8 = 3;
/// Rows this much older than asked for show that the filter is ignored; less may be a time zone.
const OLDER_MAX: TimeDelta = TimeDelta::days(1);

/// What to ask for.
struct Since {
    text: String,
    instant: DateTime<Utc>,
    format: StampFormat,
}

/// Pulls what changed, or everything where that cannot be told.
pub(super) async fn pull(client: &Client, ask: &Ask<'_>, tries: &Arc<Tries>) -> Result<Pulled, PullError> {
    let now = client.clock.now();
    let Some(since) = since(ask, now) else {
        return pages::full(client, ask, tries).await;
    };
    let KindMemory { list_at, id_field, .. } = ask.memory.clone();
    // A few rows settle nothing: most of them may be the odd ones. If the field is another now, nothing that
    // must come back does, and the full pull that follows settles it.
    let shape = Shape { kind: ask.kind, list_at, id_field };
    let changes = Changes { client, ask, since, gather: None, shape, replaced: 0 };
    match changes.run(tries).await? {
        Told::Changes(pulled) => Ok(*pulled),
        Told::TooMuch => pages::full(client, ask, tries).await,
        Told::Contradiction(what) => {
            tracing::debug!(kind = %ask.kind.name, what, "lastEdited filter contradicted, pulls in full");
            let mut pulled = pages::full(client, ask, tries).await?;
            pulled.memory.filter = contradicted(&ask.memory.filter, now);
            Ok(pulled)
        }
    }
}

/// What to ask for; `None`: the filter is not worth trying, or nothing would show whether it worked.
fn since(ask: &Ask<'_>, now: DateTime<Utc>) -> Option<Since> {
    let memory = ask.memory;
    let is_proved = memory.filter == Filter::Trusted { contradictions: 0 };
    if !trust::has_filter(ask.kind, memory, now) || (ask.expected.is_empty() && !is_proved) {
        return None;
    }
    let format = memory.stamp?;
    let instant = format.parse(memory.cursor.as_deref()?)? - format.overlap();
    Some(Since { text: format.write(instant), instant, format })
}

fn contradicted(filter: &Filter, now: DateTime<Utc>) -> Filter {
    let before = match filter {
        Filter::Untried => 0,
        Filter::Trusted { contradictions } => *contradictions,
        Filter::Contradicted { .. } | Filter::Unreliable { .. } => CONTRADICTIONS_MAX,
    };
    if before + 1 < CONTRADICTIONS_MAX {
        Filter::Trusted { contradictions: before + 1 }
    } else {
        Filter::Contradicted { since: now }
    }
}

/// What the filtered list told.
enum Told {
    Changes(Box<Pulled>),
    /// The filter does not do what it must; how it showed.
    Contradiction(&'static str),
    /// A page of it is too large, or it has no end.
    TooMuch,
}

/// What a page of the filtered list did.
enum Step {
    /// There may be more: so many rows came.
    More(u32),
    Last,
    Odd(String),
    Over(Told),
}

struct Changes<'a> {
    client: &'a Client,
    ask: &'a Ask<'a>,
    since: Since,
    gather: Option<Gather<'a>>,
    shape: Shape<'a>,
    replaced: u64,
}

impl Changes<'_> {
    async fn run(mut self, tries: &Tries) -> Result<Told, PullError> {
        let count = pages::page_size(self.client, self.ask.memory);
        let mut start = 0;
        for page in 1..=PAGES_MAX {
            let at = match self.ask.kind.paging {
                Paging::Page => At::Page(page),
                Paging::Start => At::Start(start),
                Paging::None => At::Whole,
            };
            let query = Query { page, at, count: (at != At::Whole).then_some(count) };
            match self.page(query, tries).await? {
                Step::More(received) if at != At::Whole && received >= count => {
                    start += u64::from(received);
                }
                Step::More(_) | Step::Last => return self.finish(tries),
                Step::Odd(what) => {
                    let name = &self.ask.kind.name;
                    return Err(PullError::Broken(format!("{name} {query} answered {what}")));
                }
                Step::Over(told) => return Ok(told),
            }
        }
        Ok(Told::TooMuch)
    }

    /// Asks for a page, and once more where it is not what a list looks like.
    async fn page(&mut self, query: Query, tries: &Tries) -> Result<Step, PullError> {
        let kind = self.ask.kind;
        let request = self.client.list(&kind.path, kind.name.as_str(), query, Some(&self.since.text));
        let answer = self.client.ask(&request, tries).await?;
        let step = self.read(query, &answer)?;
        if !matches!(step, Step::Odd(_)) {
            return Ok(step);
        }
        drop(answer);
        let answer = self.client.ask(&request, tries).await?;
        self.read(query, &answer)
    }

    fn read(&mut self, query: Query, answer: &Answer) -> Result<Step, PullError> {
        let cleaned = page::text(answer);
        let kind = self.ask.kind;
        let is_first = query.page == 1;
        Ok(match self.shape.judge(answer, &cleaned.text, None, &mut Imprints::none()) {
            Page::List(list) if list.rows.is_empty() => Step::Last,
            Page::List(list) => {
                self.replaced += cleaned.replaced;
                self.take(query, answer, list)?
            }
            Page::Strange(_) if is_first => Step::Over(Told::Contradiction("the filter was refused")),
            Page::Nothing(_) | Page::Missing(_) | Page::Strange(_) => Step::Last,
            Page::Forbidden(what) => {
                let text = format!("{} {query} answered {what}", kind.name);
                return Err(PullError::Forbidden(text));
            }
            Page::Broken(what) => Step::Odd(what),
            Page::TooLarge => Step::Over(Told::TooMuch),
        })
    }

    fn take(
        &mut self,
        query: Query,
        answer: &Answer,
        list: List<Result<Row<'_>, Rejected>>,
    ) -> Result<Step, PullError> {
        if has_older(&list.rows, &self.since) {
            return Ok(Step::Over(Told::Contradiction("rows older than asked for came")));
        }
        let server_now = answer.date.unwrap_or_else(|| self.client.clock.now());
        let gather = self.gather.get_or_insert_with(|| pages::gather(self.client, server_now));
        let rows = gather.look(list);
        let facts = rows.facts;
        gather.take(query.page, rows, Use::Page)?;
        Ok(if facts.fresh == 0 { Step::Last } else { Step::More(facts.received) })
    }

    fn finish(self, tries: &Tries) -> Result<Told, PullError> {
        let Self { client, ask, since, gather, replaced, .. } = self;
        let came_back = gather.as_ref().is_some_and(|gather| ask.expected.iter().any(|id| gather.has(*id)));
        if !ask.expected.is_empty() && !came_back {
            return Ok(Told::Contradiction("elements that had to come back did not"));
        }
        let gathered = match gather {
            Some(gather) => gather.finish(Some(since.format))?,
            None => pages::gather(client, client.clock.now()).finish(None)?,
        };
        if gathered.newest.as_ref().is_some_and(|newest| newest.format != since.format) {
            return Ok(Told::Contradiction("stamps are written in another way"));
        }
        let memory = remember(ask, &gathered, &since);
        let pulled = pages::pulled(gathered, Extent::Incremental, tries.sent(), memory);
        Ok(Told::Changes(Box::new(Pulled { replaced, ..pulled })))
    }
}

fn remember(ask: &Ask<'_>, gathered: &Gathered, since: &Since) -> KindMemory {
    let mut memory = ask.memory.clone();
    if !ask.expected.is_empty() {
        memory.filter = Filter::Trusted { contradictions: 0 };
    }
    let newest = gathered.newest.as_ref().and_then(|newest| newest.cursor.clone());
    let instant = |text: &Option<String>| text.as_deref().and_then(|text| since.format.parse(text));
    if instant(&newest) > instant(&memory.cursor) {
        memory.cursor = newest;
    }
    memory
}

fn has_older(rows: &[Result<Row<'_>, Rejected>], since: &Since) -> bool {
    let oldest = since.instant - OLDER_MAX;
    let stamps = rows.iter().flatten().filter_map(|row| row.last_edited.as_deref());
    let mut instants = stamps.filter_map(|stamp| since.format.parse(stamp));
    instants.any(|instant| instant < oldest)
}
