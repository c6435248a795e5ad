//! Takes connections, and lets none of them harm the others: not one that is slow, silent, endless or
//! garbage, nor many at once.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::crowd::{Crowd, Usage};
use super::stream::Stream;
use super::{Site, wire};
use crate::quiet::Quiet;

/// The longest head of a request: its line and its headers.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// When the system gives no connection (no file is left to open), it is asked again after this long.
const PAUSE: Duration = Duration::from_secs(1);

/// What one connection may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at a time, half of them at most of one address; see [`Crowd`] for who gives way.
    pub(super) connections_max: usize,
    /// How long the head of a request may take, and how long a connection may be silent between two.
    pub(super) head: Duration,
    /// How long a client may take nothing of its answer.
    pub(super) stall: Duration,
    /// How long a connection is kept, however busy it is.
    pub(super) life: Duration,
    /// How long its last answer may then take.
    pub(super) farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            head: Duration::from_secs(10),
            stall: Duration::from_secs(10),
            life: Duration::from_secs(60),
            farewell: Duration::from_secs(5),
        }
    }
}

/// Takes connections until `stop` has no sender any more.
pub(super) async fn serve(
    listener: TcpListener,
    limits: Limits,
    site: Arc<Site>,
    mut stop: watch::Receiver<()>,
) {
    let each = stop.clone();
    tokio::select! {
        () = accept(&listener, limits, &site, &each) => {}
        _ = stop.changed() => {}
    }
}

async fn accept(listener: &TcpListener, limits: Limits, site: &Arc<Site>, stop: &watch::Receiver<()>) {
    let clock = &site.sources.clock;
    let crowd = Arc::new(Crowd::new(limits.connections_max, clock.clone()));
    // Between two failures some connections come through: it is over when it is not said any more.
    let mut failures = Quiet::default();
    loop {
        match listener.accept().await {
            Ok((socket, address)) => {
                let (crowd, site, stop) = (Arc::clone(&crowd), Arc::clone(site), stop.clone());
                // Not here: who waits for a place would keep all others waiting.
                tokio::spawn(async move {
                    let Some(mut guest) = crowd.enter(address.ip()).await else { return };
                    let answering = answer(socket, guest.usage(), limits, site, stop);
                    tokio::select! {
                        () = answering => {}
                        () = guest.gives_way() => {}
                    }
                });
            }
            // Whoever came is gone already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if failures.failed(&error.to_string(), clock.now()).is_some() {
                    tracing::warn!(event = "server_accept_failed", %error, "server cannot take connections");
                }
                clock.sleep(PAUSE).await;
            }
        }
    }
}

/// Answers one connection's requests, one after another.
pub(super) async fn answer(
    socket: TcpStream,
    usage: Usage,
    limits: Limits,
    site: Arc<Site>,
    mut stop: watch::Receiver<()>,
) {
    let stream = Stream::new(socket, usage.clone(), site.sources.clock.clone(), limits.stall);
    let service = service_fn(async |request: Request<Incoming>| {
        usage.asked();
        Ok::<_, Infallible>(wire::respond(&request.map(drop), &site).await)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let has_ended = tokio::select! {
        // A client that goes away, or sends what is no request, is no news.
        ended = timeout(limits.life, connection.as_mut()) => ended.is_ok(),
        _ = stop.changed() => false,
    };
    if !has_ended {
        connection.as_mut().graceful_shutdown();
        // What a client does not read in that time it never will.
        let _ = timeout(limits.farewell, connection).await;
    }
}
