//! Which request gets which answer, and the headers that every answer carries.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::host::{self, Stray};
use super::page::{self, Pace};
use super::{Shown, probes};

/// Said with every answer: nothing is loaded from elsewhere, no script runs, no other page frames this one,
/// and nothing is kept.
const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

const HTML: &str = "text/html; charset=utf-8";

/// An answer before it is sent.
struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: String,
}

impl Answer {
    fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() + "\n" }
    }

    fn probe(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Self::text(StatusCode::OK, "ok"),
            Err(reason) => Self::text(StatusCode::SERVICE_UNAVAILABLE, reason),
        }
    }

    fn astray(stray: Stray) -> Self {
        match stray {
            Stray::Unclear => {
                Self::text(StatusCode::BAD_REQUEST, "name the host that is asked, once and alone")
            }
            Stray::Other(name) => Self::text(
                StatusCode::MISDIRECTED_REQUEST,
                format!("{name} is no name of this server; if it should be, add it to server.hosts"),
            ),
        }
    }
}

/// The answer to a request, as it is sent.
pub(super) async fn respond<B>(
    request: &Request<B>,
    hosts: &[String],
    shown: &Shown,
) -> Response<Full<Bytes>> {
    let Answer { status, content_type, body } = answer(request, hosts, shown).await;
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

async fn answer<B>(request: &Request<B>, hosts: &[String], shown: &Shown) -> Answer {
    if let Err(stray) = host::check(request, hosts) {
        return Answer::astray(stray);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Answer::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered");
    }
    let status = async || {
        shown.board.has_come().await;
        shown.board.status(shown.clock.now())
    };
    let itself = || shown.board.itself(shown.clock.now());
    let found = |content_type, body| Answer { status: StatusCode::OK, content_type, body };
    match request.uri().path() {
        "/" => found(HTML, page::render(&status().await, Pace::Live)),
        "/still" => found(HTML, page::render(&status().await, Pace::Still)),
        "/style.css" => found("text/css; charset=utf-8", page::STYLE.to_owned()),
        "/icon.svg" => found("image/svg+xml", page::ICON.to_owned()),
        "/api/status.json" => {
            let body = serde_json::to_string_pretty(&status().await).expect("a status has text keys only");
            found("application/json", body)
        }
        "/metrics" => {
            found("text/plain; version=0.0.4; charset=utf-8", shown.metrics.render(&status().await))
        }
        "/livez" => Answer::probe(probes::alive(&itself())),
        "/readyz" => Answer::probe(probes::ready(&itself())),
        _ => Answer::text(StatusCode::NOT_FOUND, "nothing here; see /, /api/status.json and /metrics"),
    }
}
