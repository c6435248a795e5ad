//! SIGTERM and SIGINT as a count of requests to stop. Registered once, before READY.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Registers the signals; the count rises with each one received.
///
/// # Errors
/// The system refuses to register them.
pub fn listen() -> io::Result<watch::Receiver<u32>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (count, receiver) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = count.closed() => return,
            }
            count.send_modify(|count| *count += 1);
        }
    });
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn each_signal_is_one_request_to_stop() {
        let mut stops = listen().unwrap();
        for (request, signal) in [(1, Signal::TERM), (2, Signal::INT)] {
            kill_process(getpid(), signal).unwrap();
            stops.wait_for(|stops| *stops == request).await.unwrap();
        }
    }
}
