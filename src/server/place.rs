//! Where the server listens. A place that is taken, or not there yet, is waited for: the copy is kept true
//! meanwhile, and what is shown of it comes when it can.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::quiet::Quiet;

/// It is tried again after this long, and after twice as long each time.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(60);

/// `server.listen` names a place where nobody can listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}, as server.listen says: {reason}; {}", self.cure())]
pub struct ListenError {
    address: SocketAddr,
    /// No source: it is told before the way out.
    reason: io::Error,
}

impl ListenError {
    /// Whether it may be over without anybody changing the settings.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.reason.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
    }

    fn cure(&self) -> &'static str {
        match self.reason.kind() {
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
}

/// Listens.
///
/// # Errors
/// It cannot.
pub(super) async fn take(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|reason| ListenError { address, reason })
}

/// Listens as soon as it can, after it could not because of `error`.
pub(super) async fn wait_for(mut error: ListenError, clock: &Clock) -> TcpListener {
    let (mut voice, mut wait) = (Quiet::default(), AGAIN_AFTER);
    loop {
        if voice.failed(&error.reason.to_string(), clock.now()).is_some() {
            tracing::warn!(
                event = "server_failed",
                address = %error.address,
                error = %error.reason,
                action = error.cure(),
                "server cannot listen, will try again"
            );
        }
        clock.sleep(wait).await;
        wait = (wait * 2).min(AGAIN_AFTER_MAX);
        match take(error.address).await {
            Ok(listener) => return listener,
            Err(another) => error = another,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::tests::keep_port;

    #[tokio::test]
    async fn a_place_where_nobody_can_listen_is_told_with_a_way_out() {
        let refused = async |listen: &str| take(listen.parse().unwrap()).await.unwrap_err();
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = refused(&address).await;
        let text = error.to_string();
        assert!(
            text.contains(&address) && text.contains("server.listen") && text.contains("ss -ltnp"),
            "{text}"
        );
        assert!(error.may_pass());
        let error = refused("192.0.2.1:9464").await;
        let text = error.to_string();
        assert!(text.contains("192.0.2.1:9464") && text.contains("no such address"), "{text}");
        assert!(error.may_pass());
    }

    #[tokio::test]
    async fn a_place_that_is_taken_is_taken_over_once_it_is_free() {
        let (_kept, address) = keep_port();
        let taken = TcpListener::bind(address).await.unwrap();
        let error = take(address).await.unwrap_err();
        let (clock, hand) = Clock::stepped(chrono::DateTime::UNIX_EPOCH);
        let waits = tokio::spawn(async move { wait_for(error, &clock).await });
        let mut taken = Some(taken);
        for seconds in [1, 3, 7] {
            while hand.next_wake().is_none() {
                tokio::task::yield_now().await;
            }
            let wake = hand.next_wake().unwrap();
            assert_eq!(wake.timestamp(), seconds);
            taken = taken.filter(|_| seconds < 7);
            hand.advance_to(wake);
            while seconds < 7 && hand.next_wake() == Some(wake) {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(waits.await.unwrap().local_addr().unwrap(), address);
    }
}
