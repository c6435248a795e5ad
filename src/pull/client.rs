//! One connection's client: asks, waits as long as is polite, asks again what may come right, and
//! hands on answers worth reading. What lists, doors and single reads make of them is theirs.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use reqwest::Method;
use url::Url;

use crate::clock::Clock;
use crate::config::{Connection, Network};
use crate::element::ElementId;
use crate::https::ClientError;
use crate::key::KeyPair;
use crate::kind::Kind;
use crate::name::ConnectionName;
use crate::pull::hosts::{Host, Hosts};
use crate::pull::keyring::Keyring;
pub use crate::pull::keyring::{Contender, Heard, Reread, Word};
use crate::pull::limiter::{Limiter, Ticket};
use crate::pull::query::{At, Query};
use crate::pull::room::{Need, Room};
use crate::pull::transport::{Answer, Failure, NoAnswer, Transport};
use crate::pull::tries::Tries;
use crate::pull::{Ask, Door, PullError, Pulled, Single, Source, door, incremental, pages, reads, users};
use crate::retry;
use crate::run::Mode;
use crate::snapshot::Extent;
use crate::spool::Budget;
use crate::traffic::{Class, Traffic};

/// What a client works with besides its connection's settings.
pub struct Tools {
    /// The keys to ask with, in order; at least one.
    pub keys: Vec<Contender>,
    /// The hosts of all connections.
    pub hosts: Arc<Hosts>,
    /// The memory for bodies and spools of all runs.
    pub budget: Budget,
    /// Where spools spill.
    pub spool_dir: PathBuf,
    /// Where requests are counted.
    pub traffic: Arc<Traffic>,
    /// Tells the time and waits.
    pub clock: Clock,
}

/// ClearPoint over HTTP, as one connection's mapped user sees it. A cheap handle: clones share all of it, so
/// that a request can be a task of its own.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

impl Deref for Client {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

/// What a client is made of.
#[derive(Debug)]
pub struct Inner {
    name: ConnectionName,
    transport: Transport,
    pub(super) keyring: Keyring,
    host: Arc<Host>,
    limiter: Limiter,
    base_url: Url,
    pub(super) page_size: u32,
    pub(super) concurrency: u32,
    pub(super) budget: Budget,
    pub(super) spool_dir: PathBuf,
    traffic: Arc<Traffic>,
    pub(super) clock: Clock,
}

/// One thing to ask.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    /// What it is, for people (`measures page 3`).
    pub(super) subject: String,
    pub(super) at: Where,
}

/// Where a request stands in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// First of all: more answers than 401 mean that the key is refused.
    Door,
    /// Behind the door.
    Inside,
    /// Where nobody has said that there is anything: a 401 may mean the place and not the key.
    Unknown,
}

impl Client {
    /// A client for `connection`. Asks nothing yet.
    ///
    /// # Errors
    /// [`ClientError`]: the network settings cannot be used.
    pub fn new(connection: &Connection, network: &Network, tools: Tools) -> Result<Self, ClientError> {
        let Tools { keys, hosts, budget, spool_dir, traffic, clock } = tools;
        let limits = &connection.limits;
        let inner = Inner {
            name: connection.name.clone(),
            transport: Transport::new(connection, network)?,
            keyring: Keyring::new(keys),
            host: hosts.host(&connection.base_url),
            limiter: Limiter::new(limits.requests_per_second, limits.concurrency),
            base_url: connection.base_url.clone(),
            page_size: limits.page_size,
            concurrency: limits.concurrency,
            budget,
            spool_dir,
            traffic,
            clock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What the server said of the keys it was asked with, in the order of its words.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        let mut heard = self.keyring.heard();
        for heard in &mut heard {
            if let Word::Refused(what) = &mut heard.word {
                *what = self.keyring.scrub(std::mem::take(what));
            }
        }
        heard
    }

    /// The request for a page of a list; `since` filters by `lastEdited`.
    pub(super) fn list(&self, path: &str, name: &str, query: Query, since: Option<&str>) -> Request {
        let mut url = self.url(path);
        {
            let mut pairs = url.query_pairs_mut();
            match query.at {
                At::Page(page) => drop(pairs.append_pair("page", &page.to_string())),
                At::Start(start) => drop(pairs.append_pair("start", &start.to_string())),
                At::Whole => {}
            }
            if let Some(count) = query.count {
                pairs.append_pair("count", &count.to_string());
            }
            if let Some(since) = since {
                pairs.append_pair("lastEdited", since);
            }
        }
        if url.query() == Some("") {
            url.set_query(None);
        }
        Request { method: Method::GET, url, subject: format!("{name} {query}"), at: Where::Inside }
    }

    /// The request for what lies at `path` below the base URL.
    pub(super) fn request(&self, path: &str, subject: String) -> Request {
        Request { method: Method::GET, url: self.url(path), subject, at: Where::Inside }
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base_url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        url
    }

    /// Asks until an answer comes that is not transient, or it has been tried as often as is polite.
    /// Waits for memory, so the caller must hold no other answer.
    pub(super) async fn ask(&self, request: &Request, tries: &Tries) -> Result<Answer, PullError> {
        if let Some(answer) = self.ask_within(Need::Most, request, tries).await? {
            return Ok(answer);
        }
        let answer = self.ask_within(Need::Largest, request, tries).await?;
        Ok(answer.expect("the largest room holds every body that is read"))
    }

    /// The same, ahead of its turn: `None` when there is no memory for it now.
    pub(super) async fn ask_ahead(
        &self,
        request: &Request,
        tries: &Tries,
    ) -> Result<Option<Answer>, PullError> {
        // Else it would only use up leave that others wait for.
        if Room::now(&self.budget, Need::Ahead).is_none() {
            return Ok(None);
        }
        self.ask_within(Need::Ahead, request, tries).await
    }

    async fn ask_within(
        &self,
        need: Need,
        request: &Request,
        tries: &Tries,
    ) -> Result<Option<Answer>, PullError> {
        let mut refusals = 0;
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.ready(request).await?;
            let (generation, pair) = self.keyring.current().map_err(PullError::Refused)?;
            let failure = match self.send(request, &pair, need, tries).await {
                Err(NoAnswer::NoRoom) => return Ok(None),
                Err(NoAnswer::Failure(failure)) => failure,
                Ok(answer) => {
                    if let Some(what) = door::refusal_of(&answer, request) {
                        self.traffic.count(Class::Refused);
                        refusals += 1;
                        self.refused(generation, refusals, &what).await?;
                        continue;
                    }
                    match self.failure(&answer) {
                        Some(failure) => failure,
                        None => {
                            self.traffic.count(Class::of(answer.status.as_u16()));
                            self.keyring.accept(generation);
                            return Ok(Some(answer));
                        }
                    }
                }
            };
            self.traffic.count(Class::Transient);
            self.wait(request, attempt, failure, tries).await?;
        }
    }

    /// Waits until the host may be asked.
    async fn ready(&self, request: &Request) -> Result<(), PullError> {
        loop {
            let now = self.clock.now();
            let Some(until) = self.host.not_before(now) else {
                return Ok(());
            };
            let wait = (until - now).to_std().unwrap_or_default();
            if wait > retry::WAIT_MAX {
                let subject = &request.subject;
                let message = format!("{subject} was not asked: the server wants no request yet");
                return Err(PullError::Deferred { message, until });
            }
            self.clock.sleep(wait).await;
        }
    }

    pub(super) async fn send(
        &self,
        request: &Request,
        pair: &KeyPair,
        need: Need,
        tries: &Tries,
    ) -> Result<Answer, NoAnswer> {
        let (held, _leave) = self.leave(need).await.ok_or(NoAnswer::NoRoom)?;
        tries.count();
        // Not before the answer begins: a server that says nothing keeps no memory from others.
        let room = || held.or_else(|| Room::now(&self.budget, need));
        let sent = self.transport.send(request.method.clone(), request.url.clone(), pair, room).await;
        if matches!(sent, Err(NoAnswer::NoRoom)) {
            self.traffic.count(Class::Unread);
        }
        let answer = sent?;
        tracing::debug!(subject = request.subject, status = answer.status.as_u16(), "answered");
        if matches!(answer.status.as_u16(), 429 | 503) {
            let now = self.clock.now();
            self.limiter.lower(now);
            self.host.limiter.lower(now);
        } else if answer.status.is_success() {
            self.limiter.raise();
            self.host.limiter.raise();
        }
        Ok(answer)
    }

    /// Leave to send; with the room for the answer where memory is short or much is needed. That is waited
    /// for with empty hands, and is the only room that is held while the server is waited for.
    async fn leave(&self, need: Need) -> Option<(Option<Room>, [Ticket<'_>; 2])> {
        let is_short = || need == Need::Largest || Room::now(&self.budget, need).is_none();
        let mut held = None;
        loop {
            let ours = self.limiter.enter(&self.name, &self.clock).await;
            let all = self.host.limiter.enter(&self.name, &self.clock).await;
            if held.is_some() || !is_short() {
                return Some((held, [ours, all]));
            }
            drop((ours, all));
            if need == Need::Ahead {
                return None;
            }
            held = Some(Room::wait(&self.budget, need).await);
        }
    }

    /// The key was refused: it gets its second chance, once a request.
    async fn refused(&self, generation: u64, refusals: u32, what: &str) -> Result<(), PullError> {
        if refusals > 1 {
            return Err(PullError::Refused(self.keyring.give_up(generation, what)));
        }
        let chance = self.keyring.refuse(&self.clock, generation, what).await;
        chance.map_err(PullError::Refused)
    }

    /// Waits before the next try, or says that there is none.
    async fn wait(
        &self,
        request: &Request,
        attempt: u32,
        failure: Failure,
        tries: &Tries,
    ) -> Result<(), PullError> {
        let Failure { what, is_server, not_before } = failure;
        let subject = &request.subject;
        if let Some(until) = not_before {
            self.host.ask_not_before(until);
            let wait = (until - self.clock.now()).to_std().unwrap_or_default();
            if wait > retry::WAIT_MAX {
                let message = format!("{subject} {what}, and wants no request for a while");
                return Err(PullError::Deferred { message, until });
            }
        }
        if attempt >= retry::TRIES_PER_REQUEST || !tries.take() {
            let message = format!("{subject} {what} (try {attempt} of {})", retry::TRIES_PER_REQUEST);
            return Err(PullError::Transient { message, is_server });
        }
        self.traffic.count_retry();
        let wait = retry::wait(attempt, fastrand::f64());
        tracing::debug!(subject, attempt, wait_ms = wait.as_millis(), error = %what, "will ask again");
        self.clock.sleep(wait).await;
        Ok(())
    }

    fn failure(&self, answer: &Answer) -> Option<Failure> {
        let status = answer.status;
        let now = self.clock.now();
        let retry_after = answer.retry_after.as_deref();
        retry::is_transient(status.as_u16()).then(|| Failure {
            what: format!("answered {status}"),
            is_server: status.is_server_error(),
            not_before: retry_after.and_then(|text| retry::retry_after(text, now, answer.date)),
        })
    }

    /// The error without either half of the key, should the server have repeated them.
    pub(super) fn scrub(&self, error: PullError) -> PullError {
        error.map_text(|text| self.keyring.scrub(text))
    }

    fn scrub_single(&self, single: Result<Single, PullError>) -> Result<Single, PullError> {
        match single {
            Ok(Single::Unclear(what)) => Ok(Single::Unclear(self.keyring.scrub(what))),
            Ok(single) => Ok(single),
            Err(error) => Err(self.scrub(error)),
        }
    }
}

impl Source for Client {
    async fn door(&self) -> Result<Door, PullError> {
        door::knock(self).await
    }

    fn fall_over(&self, what: &str) -> bool {
        self.keyring.fall_over(what)
    }

    async fn pull(&self, ask: Ask<'_>) -> Result<Pulled, PullError> {
        let tries = Arc::new(Tries::new());
        let pulled = match ask.mode {
            Mode::Full => pages::full(self, &ask, &tries).await,
            Mode::Incremental => incremental::pull(self, &ask, &tries).await,
        };
        let mut pulled = pulled.map_err(|error| self.scrub(error))?;
        if let Extent::Incomplete(reason) = &mut pulled.snapshot.extent {
            *reason = self.keyring.scrub(std::mem::take(reason));
        }
        Ok(pulled)
    }

    async fn read(&self, kind: &Kind, id: ElementId) -> Result<Single, PullError> {
        self.scrub_single(reads::element(self, kind, id).await)
    }

    async fn measure_data(&self, id: ElementId) -> Result<Single, PullError> {
        self.scrub_single(reads::measure_data(self, id).await)
    }

    async fn users_with(&self, users: &Kind, email: &str) -> Result<Vec<String>, PullError> {
        users::with_email(self, users, email).await.map_err(|error| self.scrub(error))
    }
}
