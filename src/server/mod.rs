//! What the daemon shows over HTTP: a status page for people, the same facts as JSON, metrics for
//! Prometheus, and two answers for whoever supervises it. Reads the board alone, so that no request ever
//! waits for the store or the network, but for those of the first instant, which wait until everything was
//! looked at once.

mod crowd;
mod host;
mod listen;
mod page;
mod place;
mod probes;
mod shelf;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

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

pub use place::ListenError;

/// A server under way. When this is dropped it listens no more, and answers what it was asked by then.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    /// Its end is the sign to stop.
    _until: watch::Sender<()>,
}

/// What answers are made of.
#[derive(Debug, Clone)]
pub struct Sources {
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
    sources: Sources,
    /// Names of its own, besides `localhost` and addresses.
    hosts: Vec<String>,
    shelf: Shelf,
}

impl Site {
    fn new(settings: &config::Server, sources: Sources) -> Arc<Self> {
        Arc::new(Self { sources, hosts: settings.hosts.clone(), shelf: Shelf::default() })
    }
}

impl Serving {
    /// Listens, and answers from now on; where the place is taken or not there yet, as soon as it can.
    ///
    /// # Errors
    /// The address cannot be listened on; a person must change something.
    pub async fn start(settings: &config::Server, sources: Sources) -> Result<Self, ListenError> {
        let limits = Limits::default();
        match place::take(settings.listen).await {
            Ok(listener) => {
                say_started(settings, &listener);
                Ok(Self::on(listener, limits, settings, sources))
            }
            Err(error) if error.may_pass() => Ok(Self::later(error, limits, settings, sources)),
            Err(error) => Err(error),
        }
    }

    /// Answers whoever comes there.
    fn on(listener: TcpListener, limits: Limits, settings: &config::Server, sources: Sources) -> Self {
        let address = listener.local_addr().unwrap_or(settings.listen);
        let (until, stop) = watch::channel(());
        tokio::spawn(listen::serve(listener, limits, Site::new(settings, sources), stop));
        Self { address, _until: until }
    }

    /// Answers once it can listen.
    fn later(error: ListenError, limits: Limits, settings: &config::Server, sources: Sources) -> Self {
        let (until, mut stop) = watch::channel(());
        let (address, settings) = (settings.listen, settings.clone());
        tokio::spawn(async move {
            let listener = tokio::select! {
                listener = place::wait_for(error, &sources.clock) => listener,
                _ = stop.changed() => return,
            };
            say_started(&settings, &listener);
            listen::serve(listener, limits, Site::new(&settings, sources), stop).await;
        });
        Self { address, _until: until }
    }

    /// Where it listens, or will.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn say_started(settings: &config::Server, listener: &TcpListener) {
    let address = listener.local_addr().unwrap_or(settings.listen);
    tracing::info!(event = "server_started", %address, "server listens");
    if settings.is_public() {
        tracing::warn!(
            event = "server_public",
            %address,
            action = "let nobody reach it who may not see it (a firewall, a proxy with a login), or listen on 127.0.0.1",
            "server is open to other machines, and the page has no login"
        );
    }
}
