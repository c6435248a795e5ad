//! HTTP/1.1 on the socket: which request gets which answer, and the headers that every answer carries.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use url::Host;

use super::{Shown, page};

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
}

/// Takes connections until it is aborted.
pub(super) async fn accept(listener: TcpListener, hosts: Arc<[String]>, shown: Shown) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&hosts), shown.clone()));
        }
    }
}

async fn serve(stream: TcpStream, hosts: Arc<[String]>, shown: Shown) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(answer(&request, &hosts, &shown));
        async { Ok::<_, Infallible>(response) }
    });
    // A client that goes away is no news.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn answer(request: &Request<Incoming>, hosts: &[String], shown: &Shown) -> Answer {
    if !is_known(request.headers(), hosts) {
        let text = "this server is not known under that name; add it to server.hosts";
        return Answer::text(StatusCode::MISDIRECTED_REQUEST, text);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Answer::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered");
    }
    let status = || shown.board.status(shown.clock.now());
    let found = |content_type, body| Answer { status: StatusCode::OK, content_type, body };
    match request.uri().path() {
        "/" => found("text/html; charset=utf-8", page::render(&status())),
        "/style.css" => found("text/css; charset=utf-8", page::STYLE.to_owned()),
        "/api/status.json" => {
            let body = serde_json::to_string_pretty(&status()).expect("a status has text keys only");
            found("application/json", body)
        }
        "/metrics" => found("text/plain; version=0.0.4; charset=utf-8", shown.metrics.render(&status())),
        "/livez" => Answer::text(StatusCode::OK, "ok"),
        "/readyz" => Answer::text(StatusCode::OK, "ok"),
        _ => Answer::text(StatusCode::NOT_FOUND, "nothing here; see /, /api/status.json and /metrics"),
    }
}

/// Whether it was asked under a name of its own. A web page can give its own name this machine's address,
/// and would then read what is shown here; it cannot do so for an address or for `localhost`.
fn is_known(headers: &HeaderMap, hosts: &[String]) -> bool {
    let asked = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let Ok(url) = url::Url::parse(&format!("http://{asked}/")) else { return false };
    match url.host() {
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        Some(Host::Domain(name)) => name == "localhost" || hosts.iter().any(|known| known == name),
        None => false,
    }
}

fn respond(answer: Answer) -> Response<Full<Bytes>> {
    let Answer { status, content_type, body } = answer;
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
