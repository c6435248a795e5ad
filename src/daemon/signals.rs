//! Signals as counts of requests: SIGTERM and SIGINT to stop, SIGHUP to reload. Registered once, before
//! anything else.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Registers SIGTERM and SIGINT; the count rises with each one received.
///
/// # Errors
/// The system refuses to register them.
pub fn stops() -> io::Result<watch::Receiver<u32>> {
    count([SignalKind::terminate(), SignalKind::interrupt()])
}

/// Registers SIGHUP, which ends the process no more; the count rises with each one received.
///
/// # Errors
/// The system refuses to register it.
pub fn reloads() -> io::Result<watch::Receiver<u32>> {
    count([SignalKind::hangup()])
}

fn count<const N: usize>(kinds: [SignalKind; N]) -> io::Result<watch::Receiver<u32>> {
    let (count, receiver) = watch::channel(0);
    for kind in kinds {
        let (mut received, count) = (signal(kind)?, count.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = received.recv() => count.send_modify(|count| *count += 1),
                    () = count.closed() => return,
                }
            }
        });
    }
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    async fn check(mut requests: watch::Receiver<u32>, signals: [Signal; 2]) {
        for (request, signal) in (1..).zip(signals) {
            kill_process(getpid(), signal).unwrap();
            requests.wait_for(|requests| *requests == request).await.unwrap();
        }
    }

    #[tokio::test]
    async fn each_signal_is_one_request() {
        check(stops().unwrap(), [Signal::TERM, Signal::INT]).await;
        check(reloads().unwrap(), [Signal::HUP, Signal::HUP]).await;
    }
}
