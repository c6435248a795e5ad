//! One request over the network and what came of it. The keys travel in two headers, to the base URL
//! and nowhere else: no redirect is followed, no referer sent. Errors name no URL.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::config::{Connection, Network};
use crate::https::{self, ClientError, root_cause};
use crate::key::KeyPair;
use crate::pull::room::{BODY_BYTES_MAX, Room};
use crate::spool::Buffer;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    /// Its status.
    pub(super) status: StatusCode,
    /// The server's clock.
    pub(super) date: Option<DateTime<Utc>>,
    /// `Retry-After`, as it came.
    pub(super) retry_after: Option<String>,
    /// Where a redirect leads.
    pub(super) location: Option<Url>,
    /// `Content-Type`, as it came.
    pub(super) content_type: Option<String>,
    /// Headers that tell of a rate limit, as they came (`x-ratelimit-limit: 100`).
    pub(super) rate_limits: Vec<String>,
    /// The decompressed body; `None`: more than [`BODY_BYTES_MAX`].
    pub(super) body: Option<Buffer>,
    /// The memory that the body takes.
    pub(super) _room: Option<Room>,
}

/// No answer, or not all of it.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The network's or the server's fault.
    Failure(Failure),
    /// The body needs more memory than there is now.
    NoRoom,
}

/// A try that failed and may come right.
#[derive(Debug)]
pub(super) struct Failure {
    /// What happened, for people.
    pub(super) what: String,
    /// Whether the server is out of reach.
    pub(super) is_server: bool,
    /// When it wants to be asked again, if it said so.
    pub(super) not_before: Option<DateTime<Utc>>,
}

impl Failure {
    fn new(what: String, is_server: bool) -> Self {
        Self { what, is_server, not_before: None }
    }
}

/// The way to one connection's server.
#[derive(Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    request_timeout: Duration,
    /// Host and port, for people.
    authority: String,
}

impl Transport {
    /// Sets up TLS, proxy and time limits.
    ///
    /// # Errors
    /// [`ClientError`]: the network settings cannot be used.
    pub(super) fn new(connection: &Connection, network: &Network) -> Result<Self, ClientError> {
        let request_timeout = connection.limits.request_timeout;
        let builder = https::client(&connection.base_url, network)?
            .gzip(true)
            .connect_timeout(CONNECT_TIMEOUT.min(request_timeout))
            .timeout(request_timeout);
        let http = builder.build().map_err(|error| ClientError::setup(&error.without_url()))?;
        let base_url = &connection.base_url;
        let port = base_url.port_or_known_default().unwrap_or_default();
        let authority = format!("{}:{port}", base_url.host_str().unwrap_or_default());
        Ok(Self { http, request_timeout, authority })
    }

    /// Sends one request, whose answer's body has to fit the `room` that there is when it begins.
    ///
    /// # Errors
    /// [`NoAnswer`], when the request, or its whole body, did not come through.
    pub(super) async fn send(
        &self,
        method: Method,
        url: Url,
        keys: &KeyPair,
        room: impl FnOnce() -> Option<Room>,
    ) -> Result<Answer, NoAnswer> {
        let here = url.clone();
        let request = self.http.request(method, url).headers(headers(keys)?);
        let response = request.send().await.map_err(|error| self.failure(error))?;
        let mut room = room().ok_or(NoAnswer::NoRoom)?;
        let text = |name: &HeaderName| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let date = text(&DATE).and_then(|date| httpdate::parse_http_date(&date).ok());
        Ok(Answer {
            status: response.status(),
            date: date.map(DateTime::<Utc>::from),
            retry_after: text(&RETRY_AFTER),
            location: text(&LOCATION).and_then(|to| here.join(&to).ok()),
            content_type: text(&CONTENT_TYPE),
            rate_limits: rate_limits(response.headers()),
            body: self.body(response, &mut room).await?,
            _room: Some(room),
        })
    }

    async fn body(&self, mut response: Response, room: &mut Room) -> Result<Option<Buffer>, NoAnswer> {
        // What it says of itself makes a place that is empty; room is taken for what came.
        let told = response.content_length().and_then(|bytes| usize::try_from(bytes).ok());
        let mut body = room.place();
        body.reserve(told.unwrap_or_default().min(BODY_BYTES_MAX));
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(error))? {
            let bytes = body.len() + chunk.len();
            if bytes > BODY_BYTES_MAX {
                return Ok(None);
            }
            if !room.grow(bytes) {
                return Err(NoAnswer::NoRoom);
            }
            body.append(&chunk);
        }
        Ok(Some(body))
    }

    fn failure(&self, error: reqwest::Error) -> NoAnswer {
        let error = error.without_url();
        let cause = root_cause(&error);
        NoAnswer::Failure(if error.is_timeout() {
            let seconds = self.request_timeout.as_secs_f64();
            Failure::new(format!("gave no whole answer within {seconds} s"), true)
        } else if error.is_connect() {
            Failure::new(format!("cannot be reached at {}: {cause}", self.authority), true)
        } else if error.is_body() || error.is_decode() {
            Failure::new(format!("broke off in the middle of its body: {cause}"), false)
        } else {
            Failure::new(format!("broke off: {cause}"), false)
        })
    }
}

fn rate_limits(headers: &HeaderMap) -> Vec<String> {
    let told = headers.iter().filter(|(name, _)| name.as_str().contains("ratelimit"));
    told.filter_map(|(name, value)| Some(format!("{name}: {}", value.to_str().ok()?))).collect()
}

fn headers(keys: &KeyPair) -> Result<HeaderMap, NoAnswer> {
    let value = |half: &SecretString| {
        let mut value = HeaderValue::from_str(half.expose_secret()).map_err(|_| {
            let what = "was not asked: a half of the key has characters that no header can carry";
            NoAnswer::Failure(Failure::new(what.to_owned(), false))
        })?;
        value.set_sensitive(true);
        Ok(value)
    };
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("accesskey"), value(&keys.access_key)?);
    headers.insert(HeaderName::from_static("secretkey"), value(&keys.secret_key)?);
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_tell_of_a_rate_limit_are_kept_as_they_came() {
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-limit", HeaderValue::from_static("100"));
        headers.insert("ratelimit-policy", HeaderValue::from_static("100;w=60"));
        headers.insert("set-cookie", HeaderValue::from_static("session=secret"));
        assert_eq!(rate_limits(&headers), ["x-ratelimit-limit: 100", "ratelimit-policy: 100;w=60"]);
    }
}
