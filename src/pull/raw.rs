//! Raw questions: one request, and what came as it came, for the probe, whose business it is to wonder.
//! Asked one after another, under the same limits and the same care for the key as every other request.

use chrono::{DateTime, Utc};
use reqwest::Method;
use url::Url;

use crate::key::KeyPair;
use crate::pull::client::{Client, Request, Where};
use crate::pull::room::Need;
use crate::pull::transport::{Answer, NoAnswer};
use crate::pull::tries::Tries;
use crate::pull::{PullError, door, page};

/// A secret half that no key has.
const WRONG_SECRET: &str = "wrong-on-purpose-asked-by-clearpoint-sync-probe";

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Path below the base URL, with its slash.
    pub path: String,
    /// Names and values of the query.
    pub query: Vec<(&'static str, String)>,
    /// `POST` with an empty body instead of `GET`.
    pub is_post: bool,
    /// What is known of the path.
    pub ground: Ground,
}

/// What is known of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// The door: more answers than 401 mean that the key is refused.
    Door,
    /// Something says that it exists: a 401 refuses the key.
    Known,
    /// Nothing does: a 401 may mean the path and not the key.
    Unknown,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The status.
    pub status: u16,
    /// The status with its name (`404 Not Found`).
    pub status_text: String,
    /// `Content-Type`, without its parameters.
    pub content_type: Option<String>,
    /// Headers that tell of a rate limit.
    pub rate_limits: Vec<String>,
    /// The server's clock.
    pub date: Option<DateTime<Utc>>,
    /// The body as text, without either half of the key.
    pub text: String,
    /// Whether the body was small enough to be read (16 MB); else `text` is empty.
    pub is_whole: bool,
    /// What would refuse the key, had the door answered so.
    pub refusal: Option<String>,
}

/// The door for raw questions: counts them, and sends only so many again.
#[derive(Debug)]
pub struct Raw<'c> {
    client: &'c Client,
    tries: Tries,
}

impl Client {
    /// Opens the door for raw questions; `again`: how many requests, of all together, may be sent again
    /// after a transient failure.
    #[must_use]
    pub fn raw(&self, again: u32) -> Raw<'_> {
        Raw { client: self, tries: Tries::again(again) }
    }
}

impl Raw<'_> {
    /// Requests sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.tries.sent()
    }

    /// Asks. Every whole answer is one, whatever its status. A POST is never sent again.
    ///
    /// # Errors
    /// [`PullError::Refused`]: a 401 from a known path, twice. [`PullError::Transient`] and
    /// [`PullError::Deferred`] as for a pull.
    pub async fn ask(&self, question: &Question) -> Result<RawAnswer, PullError> {
        let request = self.request(question);
        if question.is_post {
            let (_, pair) = self.client.keyring.current().map_err(PullError::Refused)?;
            return self.once(&request, &pair).await;
        }
        let answer = self.client.ask(&request, &self.tries).await;
        answer.map(|answer| self.whole(&answer, &request.url)).map_err(|error| self.client.scrub(error))
    }

    /// Asks once, with the right access half and a secret half that is wrong.
    ///
    /// # Errors
    /// [`PullError::Refused`]: the right key is refused already. [`PullError::Transient`]: no answer.
    pub async fn ask_with_wrong_secret(&self, question: &Question) -> Result<RawAnswer, PullError> {
        let (_, pair) = self.client.keyring.current().map_err(PullError::Refused)?;
        let wrong = KeyPair { secret_key: WRONG_SECRET.to_owned().into(), ..pair };
        self.once(&self.request(question), &wrong).await
    }

    async fn once(&self, request: &Request, pair: &KeyPair) -> Result<RawAnswer, PullError> {
        match self.client.send(request, pair, Need::Largest, &self.tries).await {
            Ok(answer) => Ok(self.whole(&answer, &request.url)),
            Err(NoAnswer::NoRoom) => unreachable!("the largest room holds every body that is read"),
            Err(NoAnswer::Failure(failure)) => {
                let message = format!("{} {}", request.subject, failure.what);
                Err(self.client.scrub(PullError::Transient { message, is_server: failure.is_server }))
            }
        }
    }

    fn request(&self, question: &Question) -> Request {
        let Question { path, query, is_post, ground } = question;
        let mut request = self.client.request(path, subject(path));
        if !query.is_empty() {
            request.url.query_pairs_mut().extend_pairs(query);
        }
        if *is_post {
            request.method = Method::POST;
        }
        request.at = match ground {
            Ground::Door => Where::Door,
            Ground::Known => Where::Inside,
            Ground::Unknown => Where::Unknown,
        };
        request
    }

    fn whole(&self, answer: &Answer, asked: &Url) -> RawAnswer {
        let media = |text: &String| text.split(';').next().unwrap_or_default().trim().to_owned();
        let scrub = |text: String| self.client.keyring.scrub(text);
        RawAnswer {
            status: answer.status.as_u16(),
            status_text: answer.status.to_string(),
            content_type: answer.content_type.as_ref().map(media).map(scrub),
            rate_limits: answer.rate_limits.iter().cloned().map(scrub).collect(),
            date: answer.date,
            text: scrub(page::text(answer).text.into_owned()),
            is_whole: answer.body.is_some(),
            refusal: door::refusal(answer, asked).map(scrub),
        }
    }
}

/// What a path asks for, for people: without the id of any element.
fn subject(path: &str) -> String {
    let is_id = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = path.trim_start_matches('/').split('/');
    parts.map(|part| if is_id(part) { "ID" } else { part }).collect::<Vec<_>>().join("/")
}
