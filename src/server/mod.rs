//! What the daemon shows over HTTP: a status page for people, the same facts as JSON, metrics for
//! Prometheus, and two answers for whoever supervises it. Reads the board alone, so that no request ever
//! waits for the store or the network.

mod page;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::board::Board;
use crate::clock::Clock;
use crate::config;
use crate::metrics::Metrics;

/// A server under way; it stops when this is dropped.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    accepting: JoinHandle<()>,
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

impl Serving {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(settings: &config::Server, shown: Shown) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let hosts = settings.hosts.clone().into();
        let accepting = tokio::spawn(wire::accept(listener, hosts, shown));
        Ok(Self { address, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
