//! The simulator's sockets: takes connections, lets hooks and faults have their way with each request,
//! and sends the answer whole, slowly, in part, or not at all.

use std::convert::Infallible;
use std::io;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answer::{Answer, Ask, answer, empty_list};
use super::faults::What;
use super::{BASE, RequestRecord, Shared, locked};
use crate::clock::Clock;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Takes connections until aborted; its connections end with it.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        // A connection that went away before it was taken is no reason to stop.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        // Answers are small and awaited; without this they wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        connections.spawn(converse(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    let resets = Arc::new(AtomicBool::new(false));
    let socket = Socket { stream, resets: Arc::clone(&resets) };
    let service = service_fn(|request| serve(request, Arc::clone(&shared), Arc::clone(&resets)));
    // Faults break connections on purpose, and clients go away: neither is news.
    let _ =
        http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(socket), service).await;
}

/// Counts a request for as long as it lives, also when its client goes away.
struct Flight(Arc<Shared>);

impl Flight {
    fn begin(shared: &Arc<Shared>) -> Self {
        shared.in_flight.send_modify(|flight| {
            flight.now += 1;
            flight.max = flight.max.max(flight.now);
        });
        Self(Arc::clone(shared))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.in_flight.send_modify(|flight| flight.now -= 1);
    }
}

async fn serve(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    resets: Arc<AtomicBool>,
) -> Result<Response<Body>, io::Error> {
    let _flight = Flight::begin(&shared);
    let reads = shared.reads.fetch_add(1, Ordering::SeqCst) + 1;
    let mut held = shared.is_held.subscribe();
    // The sender lives as long as `shared`, so waiting cannot fail.
    let _ = held.wait_for(|is_held| !is_held).await;
    let had_gzip = has_gzip(request.headers());
    let (answer, broken, date) = decide(&request, &shared, reads);
    locked(&shared.log).push(RequestRecord {
        method: request.method().to_string(),
        path: below_base(request.uri().path()).to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        status: match broken {
            Some(What::Reset | What::HangUp | What::Silence) => 0,
            _ => answer.status,
        },
        had_gzip,
    });
    let is_gzipped = had_gzip && locked(&shared.switches).gzip && !answer.body.is_empty();
    let mut response = head(&answer, is_gzipped, date);
    let whole = Bytes::from(if is_gzipped { gzipped(&answer.body) } else { answer.body });
    let body = match broken {
        Some(What::Reset) => {
            resets.store(true, Ordering::SeqCst);
            return Err(io::Error::other("reset on purpose"));
        }
        Some(What::Silence) => std::future::pending().await,
        Some(What::HangUp) => return Err(io::Error::other("closed on purpose")),
        Some(What::CutBody) => {
            response = response.header("content-length", whole.len());
            cut(&whole)
        }
        Some(What::Slow { bytes, pause }) => slow(whole, bytes, pause, shared.clock.clone()),
        _ => Full::new(whole).map_err(never).boxed_unsync(),
    };
    response.body(body).map_err(io::Error::other)
}

fn head(answer: &Answer, is_gzipped: bool, date: String) -> hyper::http::response::Builder {
    let mut response = Response::builder()
        .status(answer.status)
        .header("content-type", answer.content_type)
        .header("date", date);
    if let Some((name, value)) = &answer.header {
        response = response.header(*name, value);
    }
    if is_gzipped {
        response = response.header("content-encoding", "gzip");
    }
    response
}

/// What to answer, what to do to the answer on its way, and the `Date` header. Never waits.
fn decide(request: &Request<Incoming>, shared: &Shared, reads: u64) -> (Answer, Option<What>, String) {
    let mut world = locked(&shared.world);
    let switches = locked(&shared.switches);
    let mut script = locked(&shared.script);
    let ask = ask(request);
    let page = ask.page(&switches);
    script.run_hooks(&ask.path, page, &mut world);
    let fault = script.strike(&ask.path, page, &ask.access);
    let truth = |world: &mut _| answer(world, &switches, &ask, reads);
    let answer = match &fault {
        Some(What::Status(status)) => Answer::error(*status, "simulated fault"),
        Some(What::RetryAfter(status, after)) => {
            Answer::error(*status, "simulated fault").with_header("retry-after", after)
        }
        Some(What::Html) => Answer::html("Down for maintenance"),
        Some(What::Redirect(place)) => {
            Answer { status: 302, ..Answer::html("Moved").with_header("location", place) }
        }
        Some(What::HalfJson) => {
            let mut half = truth(&mut world);
            half.body.truncate(half.body.len() / 2);
            half
        }
        Some(What::EmptyList) => empty_list(&world, &switches, &ask),
        Some(What::Body(text)) => Answer::json(text.as_str()),
        Some(What::NoContent) => Answer::no_content(),
        Some(What::Reset | What::HangUp | What::Silence | What::CutBody | What::Slow { .. }) | None => {
            truth(&mut world)
        }
    };
    // A server's clock is never behind what it has stamped.
    let now = shared.clock.now().max(world.now) + switches.date_skew;
    (answer, fault, now.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

fn ask(request: &Request<Incoming>) -> Ask {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|v| v.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let query = request.uri().query().unwrap_or_default();
    Ask {
        method: request.method().to_string(),
        path: below_base(request.uri().path()).to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        access: header("accessKey"),
        secret: header("secretKey"),
    }
}

/// A path outside the base stays whole, and so meets no kind.
fn below_base(path: &str) -> &str {
    path.strip_prefix(BASE).unwrap_or(path)
}

fn has_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all("accept-encoding");
    accepted.iter().any(|value| value.to_str().is_ok_and(|text| text.contains("gzip")))
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).expect("memory takes all writes");
    encoder.finish().expect("memory takes all writes")
}

fn never(never: Infallible) -> io::Error {
    match never {}
}

/// Half of the body, then the end of the connection.
fn cut(body: &Bytes) -> Body {
    let half = body.slice(..body.len() / 2);
    let pieces = stream::unfold(Some(half), |half| async move {
        match half {
            Some(half) if !half.is_empty() => Some((Ok(Frame::data(half)), Some(Bytes::new()))),
            Some(_) => {
                // Lets the first half leave before the connection breaks.
                tokio::task::yield_now().await;
                Some((Err(io::Error::other("cut on purpose")), None))
            }
            None => None,
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// The body in pieces, with a pause before each.
fn slow(body: Bytes, bytes: usize, pause: Duration, clock: Clock) -> Body {
    let pieces = stream::unfold((body, clock), move |(mut left, clock)| async move {
        if left.is_empty() {
            return None;
        }
        clock.sleep(pause).await;
        let piece = left.split_to(bytes.clamp(1, left.len()));
        Some((Ok(Frame::data(piece)), (left, clock)))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// A connection that can be told to end in a reset.
struct Socket {
    stream: TcpStream,
    resets: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.resets.load(Ordering::SeqCst) {
            // With nothing left to linger for, closing sends RST instead of FIN.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.resets.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
