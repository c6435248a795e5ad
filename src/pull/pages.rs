//! A full pull: drives a [`Listing`] over the network, page after page, several at once where paging
//! is understood, until its end is proved or it breaks off. One that broke off makes no snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::fingerprint;
use crate::memory::KindMemory;
use crate::pull::client::Client;
use crate::pull::gather::{Gather, Gathered};
use crate::pull::listing::{COUNT_DEFAULT, Listing};
use crate::pull::page::{self, Page, Shape};
use crate::pull::query::{Came, Query, Rows};
use crate::pull::transport::Answer;
use crate::pull::tries::Tries;
use crate::pull::window::Window;
use crate::pull::{Ask, PullError, Pulled};
use crate::snapshot::{Extent, Rejected, Snapshot};
use crate::tolerate::{Imprints, List, Row};

/// Pulls a kind in full: with fewer rows a page where the server asks for that, and with every document
/// where the newest must be found.
pub(super) async fn full(client: &Client, ask: &Ask<'_>, tries: &Arc<Tries>) -> Result<Pulled, PullError> {
    let mut count = page_size(client, ask.memory);
    let mut ask = *ask;
    loop {
        match Walk::new(client, &ask, tries, count).run().await {
            Ok(pulled) => return Ok(pulled),
            Err(Stop::Smaller) => count = (count / 2).max(1),
            Err(Stop::RowsDiffer) => ask.known = None,
            Err(Stop::Failed(error)) => return Err(error),
        }
    }
}

/// Rows to ask for in one page.
pub(super) fn page_size(client: &Client, memory: &KindMemory) -> u32 {
    memory.count_max.map_or(client.page_size, |max| max.min(client.page_size)).max(1)
}

/// Why a walk over the pages ended without its end.
enum Stop {
    /// The server objects to `count`, or its bodies are too large: again, with half of it.
    Smaller,
    /// Rows of one element differ, and what is known was not put aside: again, with all documents.
    RowsDiffer,
    Failed(PullError),
}

impl From<PullError> for Stop {
    fn from(error: PullError) -> Self {
        Self::Failed(error)
    }
}

/// What an answer did to the walk.
enum Step {
    /// It was understood.
    Fed,
    /// It was not, and may be the next time; what came.
    Odd(Odd),
}

/// An answer that is no page of a list.
enum Odd {
    /// Not what a list looks like.
    Shape(String),
    /// 204, nothing or `null` on page 1.
    Nothing(String),
    /// A client error on page 1.
    Status(String),
}

/// One walk over the pages of a list.
struct Walk<'a> {
    client: &'a Client,
    ask: &'a Ask<'a>,
    tries: &'a Arc<Tries>,
    count: u32,
    listing: Listing,
    gather: Option<Gather<'a>>,
    too_large: Vec<Rejected>,
    shape: Shape<'a>,
    /// What was kept of the next pages; `None`: of those that are still to come nothing was.
    kept: Option<BTreeMap<u32, Vec<u8>>>,
    server_now: Option<DateTime<Utc>>,
    fed: u32,
    replaced: u64,
}

impl<'a> Walk<'a> {
    fn new(client: &'a Client, ask: &'a Ask<'a>, tries: &'a Arc<Tries>, count: u32) -> Self {
        Self {
            client,
            ask,
            tries,
            count,
            listing: Listing::new(ask.kind.paging, count),
            gather: None,
            too_large: Vec::new(),
            shape: Shape { kind: ask.kind, list_at: ask.memory.list_at.clone(), id_field: None },
            kept: Some(BTreeMap::new()),
            server_now: None,
            fed: 0,
            replaced: 0,
        }
    }

    async fn run(mut self) -> Result<Pulled, Stop> {
        let (client, kind, tries) = (self.client, self.ask.kind, self.tries);
        let request = |query: Query| client.list(&kind.path, kind.name.as_str(), query, None);
        let fetch = |query: Query| {
            let (client, request, tries) = (client.clone(), request(query), Arc::clone(tries));
            async move { client.ask_ahead(&request, &tries).await }
        };
        // The memory of one page is that of the next.
        let _in_use = client.budget.spares.in_use();
        let mut window = Window::new();
        while let Some(query) = self.listing.next() {
            let ahead = self.listing.ahead(client.concurrency.saturating_sub(1));
            let answer = match window.answer(query, &ahead, fetch).await? {
                Some(answer) => answer,
                None => {
                    // No memory: it is waited for with empty hands.
                    window = Window::new();
                    client.ask(&request(query), tries).await?
                }
            };
            if let Step::Odd(_) = self.read(query, &answer).await? {
                // What is not what a list looks like gets one more chance.
                drop(answer);
                window = Window::new();
                let answer = client.ask(&request(query), tries).await?;
                if let Step::Odd(odd) = self.read(query, &answer).await? {
                    return self.give_up(query, odd);
                }
            }
        }
        self.finish()
    }

    async fn read(&mut self, query: Query, answer: &Answer) -> Result<Step, Stop> {
        let kept = self.kept(query.page).await;
        let date = answer.date.unwrap_or_else(|| self.client.clock.now());
        self.server_now.get_or_insert(date);
        let cleaned = page::text(answer);
        let is_first = self.fed == 0;
        let known = self.ask.known.zip(kept.as_deref());
        let mut imprints = known.map_or_else(Imprints::none, |(known, kept)| Imprints::of_page(known, kept));
        let remembered = self.ask.memory.id_field.as_deref();
        let came = match self.shape.judge(answer, &cleaned.text, remembered, &mut imprints) {
            Page::List(list) if !list.rows.is_empty() => {
                return self.take(query, list, cleaned.replaced, imprints.news());
            }
            Page::List(list) => Came::Nothing("an empty list".into(), list.total),
            Page::Broken(what) => return Ok(Step::Odd(Odd::Shape(what))),
            Page::Forbidden(what) => return Err(self.forbidden(query, &what).into()),
            Page::TooLarge if query.count.is_some_and(|count| count > self.count) => {
                Came::Strange("more than 16 MB".into())
            }
            Page::TooLarge if self.count > 1 => return Err(Stop::Smaller),
            Page::TooLarge => Came::Rows(self.set_aside(query)),
            Page::Strange(_)
                if is_first
                    && page::may_object_to_count(answer.status)
                    && query.count.is_some_and(|count| count > COUNT_DEFAULT) =>
            {
                return Err(Stop::Smaller);
            }
            Page::Nothing(what) if is_first => return Ok(Step::Odd(Odd::Nothing(what))),
            Page::Missing(what) | Page::Strange(what) if is_first => {
                let odd = Odd::Status(what);
                return if self.ask.memory.ever_complete {
                    Ok(Step::Odd(odd))
                } else {
                    Err(self.odd(query, odd).into())
                };
            }
            Page::Nothing(what) | Page::Missing(what) => Came::Nothing(what, None),
            Page::Strange(what) => Came::Strange(what),
        };
        self.fed += 1;
        self.listing.feed(came);
        Ok(Step::Fed)
    }

    /// What was kept of a page, if anything is; that of the next ones comes along.
    async fn kept(&mut self, page: u32) -> Option<Vec<u8>> {
        let known = self.ask.known?;
        if self.kept.as_ref().is_some_and(|kept| !kept.contains_key(&page)) {
            let kept: BTreeMap<_, _> = known.imprints(page).await?.into_iter().collect();
            self.kept = Some(kept).filter(|kept| !kept.is_empty());
        }
        let kept = self.kept.as_mut().and_then(|kept| kept.remove(&page));
        Some(kept.unwrap_or_default())
    }

    fn take(
        &mut self,
        query: Query,
        list: List<Result<Row<'_>, Rejected>>,
        replaced: u64,
        imprints: Option<Vec<u8>>,
    ) -> Result<Step, Stop> {
        let server_now = self.server_now.unwrap_or_else(|| self.client.clock.now());
        let none = || gather(self.client, server_now).knowing(self.ask.known);
        let gather = self.gather.get_or_insert_with(none);
        let rows = gather.look(list);
        let usage = self.listing.feed(Came::Rows(rows.facts));
        gather.take(query.page, rows, usage).map_err(PullError::from)?;
        gather.keep_imprints(query.page, imprints).map_err(PullError::from)?;
        self.fed += 1;
        self.replaced += replaced;
        Ok(Step::Fed)
    }

    /// The answer was odd twice running.
    fn give_up(self, query: Query, odd: Odd) -> Result<Pulled, Stop> {
        let is_claim = matches!(odd, Odd::Nothing(_)) && self.ask.memory.empty_claims > 0;
        if is_claim && self.ask.memory.ever_complete {
            return self.empty_claim();
        }
        Err(self.odd(query, odd).into())
    }

    fn odd(&self, query: Query, odd: Odd) -> PullError {
        let ever_complete = self.ask.memory.ever_complete;
        let name = &self.ask.kind.name;
        match odd {
            Odd::Shape(what) => self.broken(query, &what),
            Odd::Nothing(what) | Odd::Status(what) if !ever_complete => {
                PullError::Unavailable(format!("{name} {query} answers {what}"))
            }
            Odd::Nothing(what) => PullError::FirstEmptyClaim(format!(
                "{name} {query} answered {what}; if it does so again, the list is taken for empty"
            )),
            Odd::Status(what) => self.broken(query, &what),
        }
    }

    fn broken(&self, query: Query, what: &str) -> PullError {
        PullError::Broken(format!("{} {query} answered {what}", self.ask.kind.name))
    }

    fn forbidden(&self, query: Query, what: &str) -> PullError {
        let name = &self.ask.kind.name;
        if self.fed == 0 && !self.ask.memory.ever_complete {
            PullError::Unavailable(format!("{name} {query} answers {what}"))
        } else {
            PullError::Forbidden(format!("{name} {query} answered {what}"))
        }
    }

    /// The list says "none" for the second time running: judged like an empty list.
    fn empty_claim(self) -> Result<Pulled, Stop> {
        let memory = KindMemory { empty_claims: 2, ..self.ask.memory.clone() };
        let gathered = gather(self.client, self.client.clock.now()).finish(None).map_err(PullError::from)?;
        let requests = self.tries.sent();
        Ok(Pulled { is_empty_claim: true, ..pulled(gathered, Extent::Complete, requests, memory) })
    }

    /// A page of one row that is too large to be read: the row is kept aside, known by its place.
    fn set_aside(&mut self, query: Query) -> Rows {
        let digest = fingerprint::of_bytes(format!("{} {query}", self.ask.kind.name).as_bytes());
        let reason = "larger than 16 MB".to_owned();
        self.too_large.push(Rejected { reason, keys: Vec::new(), digest });
        Rows { received: 1, fresh: 1, signature: digest, total: None, page_count: None }
    }

    fn finish(mut self) -> Result<Pulled, Stop> {
        let none = || gather(self.client, self.client.clock.now());
        let mut gather = self.gather.take().unwrap_or_else(none);
        self.too_large.drain(..).for_each(|row| gather.reject(row));
        let gathered = gather.finish(self.ask.memory.stamp).map_err(PullError::from)?;
        if gathered.rows_differ && self.ask.known.is_some() {
            return Err(Stop::RowsDiffer);
        }
        let name = &self.ask.kind.name;
        let extent = match self.listing.extent(gathered.distinct, gathered.pairs) {
            Extent::Incomplete(reason) => Extent::Incomplete(format!("{name}: {reason}")),
            extent => extent,
        };
        let memory = self.remember(&gathered, extent == Extent::Complete);
        let has_shifted = gathered.has_duplicates || self.listing.has_moved();
        let pulled = pulled(gathered, extent, self.tries.sent(), memory);
        Ok(Pulled { has_shifted, replaced: self.replaced, ..pulled })
    }

    fn remember(&self, gathered: &Gathered, is_complete: bool) -> KindMemory {
        let before = self.ask.memory.clone();
        // Below the server's own page size, large rows are the cause, and may be gone the next time.
        let shrunk = Some(self.count.max(COUNT_DEFAULT));
        let shrunk = shrunk.filter(|count| *count < page_size(self.client, self.ask.memory));
        let mut memory = KindMemory {
            ever_complete: before.ever_complete || is_complete,
            list_at: self.shape.list_at.clone(),
            id_field: self.shape.id_field.clone().or(before.id_field),
            count_max: self.listing.count_max().or(shrunk).or(before.count_max),
            unavailable: None,
            empty_claims: 0,
            is_end_told: if is_complete { self.listing.is_end_told() } else { before.is_end_told },
            full_requests: self.fed.checked_next_power_of_two().unwrap_or(u32::MAX),
            rows_differ: gathered.rows_differ,
            ..before
        };
        // A cursor promises that all before it was seen.
        if let Some(newest) = gathered.newest.clone().filter(|_| is_complete && self.ask.kind.last_edited) {
            memory.stamp = Some(newest.format);
            memory.cursor = newest.cursor.or(memory.cursor);
        }
        memory
    }
}

/// A pull that has not brought a single row. Stamps after `server_now` are nobody's cursor.
pub(super) fn gather<'a>(client: &Client, server_now: DateTime<Utc>) -> Gather<'a> {
    Gather::new((&client.budget, client.spool_dir.as_path()), server_now)
}

/// A pull's result, without anything unusual.
pub(super) fn pulled(gathered: Gathered, extent: Extent, requests: u64, memory: KindMemory) -> Pulled {
    let Gathered { entries, placements, spool, imprints, rejected, .. } = gathered;
    Pulled {
        snapshot: Snapshot { entries, placements, extent },
        spool,
        imprints,
        rejected,
        is_empty_claim: false,
        has_shifted: false,
        requests,
        replaced: 0,
        memory,
    }
}
