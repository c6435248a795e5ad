//! Which request gets which answer, and the headers that all of these carry. What cannot be read as a request is
//! answered by the HTTP library itself, with a status (400, 431) and neither a body nor these headers.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::host::{self, Stray};
use super::page::{self, Pace};
use super::shelf::View;
use super::{Site, Sources, probes};
use crate::metrics::Metrics;
use crate::status::Status;

/// Said with every answer to a request: nothing is loaded from elsewhere, no script runs, no other page frames this one,
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
    body: Bytes,
}

impl Answer {
    fn text(status: StatusCode, body: impl Into<String>) -> Self {
        let body = Bytes::from(body.into() + "\n");
        Self { status, content_type: "text/plain; charset=utf-8", body }
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
pub(super) async fn respond<B>(request: &Request<B>, site: &Site) -> Response<Full<Bytes>> {
    let Answer { status, content_type, body } = answer(request, site).await;
    let mut response = Response::new(Full::new(body));
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

async fn answer<B>(request: &Request<B>, site: &Site) -> Answer {
    if let Err(stray) = host::check(request, &site.hosts) {
        return Answer::astray(stray);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Answer::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered");
    }
    let vitals = || site.sources.board.vitals(site.sources.clock.uptime());
    let found = |content_type, body| Answer { status: StatusCode::OK, content_type, body };
    let view = async |content_type, view| found(content_type, look(site, view).await);
    match request.uri().path() {
        "/" => view(HTML, View::Live).await,
        "/still" => view(HTML, View::Still).await,
        "/style.css" => found("text/css; charset=utf-8", Bytes::from_static(page::STYLE.as_bytes())),
        "/icon.svg" => found("image/svg+xml", Bytes::from_static(page::ICON.as_bytes())),
        "/api/status.json" => view("application/json", View::Json).await,
        "/metrics" => view("text/plain; version=0.0.4; charset=utf-8", View::Metrics).await,
        "/livez" => Answer::probe(probes::alive(&vitals())),
        "/readyz" => Answer::probe(probes::ready(&vitals())),
        _ => Answer::text(StatusCode::NOT_FOUND, "nothing here; see /, /api/status.json and /metrics"),
    }
}

/// How everything stands, once it was looked at.
async fn look(site: &Site, view: View) -> Bytes {
    let Sources { board, metrics, clock } = &site.sources;
    board.has_come().await;
    let render = || {
        let mut status = board.status(clock.now());
        if let Some(daemon) = &mut status.daemon {
            daemon.hang = probes::alive(&board.vitals(clock.uptime())).err();
        }
        render(view, &status, metrics)
    };
    site.shelf.take(view, board.revision(), clock.uptime(), render).await
}

fn render(view: View, status: &Status, metrics: &Metrics) -> String {
    match view {
        View::Live => page::render(status, Pace::Live),
        View::Still => page::render(status, Pace::Still),
        View::Json => serde_json::to_string_pretty(status).expect("a status has text keys only"),
        View::Metrics => metrics.render(status),
    }
}
