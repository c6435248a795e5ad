//! What the daemon shows over HTTP: a status page for people, the same facts as JSON, metrics for
//! Prometheus, and two answers for whoever supervises it. Reads the board alone, so that no request ever
//! waits for the store or the network, but for those of the first instant, which wait until everything was
//! looked at once.

mod crowd;
mod host;
mod listen;
mod page;
mod probes;
mod shelf;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::board::Board;
use crate::clock::Clock;
use crate::config;
use crate::metrics::Metrics;
use listen::Limits;
use shelf::Shelf;

/// A server under way. When this is dropped it listens no more, and answers what it was asked by then.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    /// Its end is the sign to stop.
    _until: watch::Sender<()>,
}

/// What answers are made of.
#[derive(Debug, Clone)]
pub struct Shown {
    /// How everything stands.
    pub board: Arc<Board>,
    /// What was counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
}

/// What requests are answered from.
#[derive(Debug)]
struct Site {
    shown: Shown,
    /// Names of its own, besides `localhost` and addresses.
    hosts: Vec<String>,
    shelf: Shelf,
}

/// `server.listen` names a place where nobody can listen; a person must change something.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}, as server.listen says: {reason}; {}", cure(reason.kind()))]
pub struct ListenError {
    address: SocketAddr,
    /// No source: it is told before the way out.
    reason: io::Error,
}

fn cure(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => {
            "another program has this port (ss -ltnp shows which); stop that one, or write another port"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; write one that it has (ip address shows them), or 127.0.0.1"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 are not for everybody; write a higher one",
        _ => "write another address",
    }
}

impl Serving {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(settings: &config::Server, shown: Shown) -> Result<Self, ListenError> {
        let serving = Self::start_within(Limits::default(), settings, shown).await?;
        let address = serving.address;
        tracing::info!(event = "server_started", %address, "server listens");
        if settings.is_public() {
            tracing::warn!(
                event = "server_public",
                %address,
                action = "let nobody reach it who may not see it (a firewall, a proxy with a login), or listen on 127.0.0.1",
                "server is open to other machines, and the page has no login"
            );
        }
        Ok(serving)
    }

    async fn start_within(
        limits: Limits,
        settings: &config::Server,
        shown: Shown,
    ) -> Result<Self, ListenError> {
        let failed = |reason| ListenError { address: settings.listen, reason };
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let site = Site { shown, hosts: settings.hosts.clone(), shelf: Shelf::default() };
        let (until, stop) = watch::channel(());
        tokio::spawn(listen::serve(listener, limits, Arc::new(site), stop));
        Ok(Self { address, _until: until })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
