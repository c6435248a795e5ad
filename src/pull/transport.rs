//! One request over the network and what came of it. The keys travel in two headers, to the base URL
//! and nowhere else: no redirect is followed, no referer sent. Errors name no URL.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Certificate, Response, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::config::{Connection, Network, Proxy};
use crate::key::KeyPair;
use crate::pull::room::{BODY_BYTES_MAX, Room};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const USER_AGENT: &str = concat!("clearpoint-sync/", env!("CARGO_PKG_VERSION"));

/// Why no connection's client can be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// `network.ca_file` cannot be read, or holds no certificates.
    #[error("network.ca_file {path:?} cannot be used: {reason}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS or the proxy cannot be set up.
    #[error("HTTPS cannot be set up: {0}")]
    Setup(String),
}

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
    /// The decompressed body; `None`: more than [`BODY_BYTES_MAX`].
    pub(super) body: Option<Vec<u8>>,
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
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .referer(false)
            .gzip(true)
            .connect_timeout(CONNECT_TIMEOUT.min(request_timeout))
            .timeout(request_timeout)
            .retry(reqwest::retry::never());
        let url = &connection.base_url;
        if url.scheme() != "https" || is_loopback(url) {
            builder = builder.no_proxy();
        } else {
            builder = proxied(builder, &network.proxy)?;
        }
        builder = if url.scheme() == "https" {
            trusting(builder.https_only(true), network)?
        } else {
            builder.tls_backend_preconfigured(no_tls()?)
        };
        let http = builder.build().map_err(|error| setup(&error.without_url()))?;
        let base_url = &connection.base_url;
        let port = base_url.port_or_known_default().unwrap_or_default();
        let authority = format!("{}:{port}", base_url.host_str().unwrap_or_default());
        Ok(Self { http, request_timeout, authority })
    }

    /// Sends one GET, whose answer's body has to fit `room`.
    ///
    /// # Errors
    /// [`NoAnswer`], when the request, or its whole body, did not come through.
    pub(super) async fn get(&self, url: Url, keys: &KeyPair, room: &mut Room) -> Result<Answer, NoAnswer> {
        let here = url.clone();
        let request = self.http.get(url).headers(headers(keys)?);
        let response = request.send().await.map_err(|error| self.failure(error))?;
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
            body: self.body(response, room).await?,
            _room: None,
        })
    }

    async fn body(&self, mut response: Response, room: &mut Room) -> Result<Option<Vec<u8>>, NoAnswer> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(error))? {
            let bytes = body.len() + chunk.len();
            if bytes > BODY_BYTES_MAX {
                return Ok(None);
            }
            if !room.grow(bytes) {
                return Err(NoAnswer::NoRoom);
            }
            body.extend_from_slice(&chunk);
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

/// Whether a URL leads to this machine: decided on the parsed host, never on the text.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
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

fn proxied(builder: reqwest::ClientBuilder, proxy: &Proxy) -> Result<reqwest::ClientBuilder, ClientError> {
    Ok(match proxy {
        // What reqwest does by itself, NO_PROXY included.
        Proxy::Env => builder,
        Proxy::Off => builder.no_proxy(),
        Proxy::Url(url) => {
            let proxy = reqwest::Proxy::https(url.clone());
            builder.proxy(proxy.map_err(|error| setup(&error.without_url()))?)
        }
    })
}

fn trusting(
    builder: reqwest::ClientBuilder,
    network: &Network,
) -> Result<reqwest::ClientBuilder, ClientError> {
    // Fails when it was installed before: it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(path) = &network.ca_file else {
        return Ok(builder);
    };
    let ca_file = |reason: String| ClientError::CaFile { path: path.clone(), reason };
    let pem = std::fs::read(path).map_err(|error| ca_file(error.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| ca_file(error.to_string()))?;
    if certificates.is_empty() {
        return Err(ca_file("it holds no certificate".into()));
    }
    Ok(builder.tls_certs_merge(certificates))
}

/// A TLS set-up that trusts nobody, for plain HTTP: it needs no certificates on the machine.
fn no_tls() -> Result<rustls::ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(&error))?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

fn setup(error: &dyn Error) -> ClientError {
    ClientError::Setup(root_cause(error))
}

fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
