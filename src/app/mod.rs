//! Puts the parts together: settings, store, clock and network, and one pass over one connection, the
//! same for the daemon, for `sync` and for `demo`.

mod copying;
mod deliveries;
mod engine;
mod error;
mod exit;
mod pass;
mod place;
mod publishing;
mod replicas;
mod ring;
mod settings;
mod showing;
#[cfg(test)]
mod tests;

use tokio::sync::watch;

pub use copying::{Copied, copy_store};
pub use deliveries::deliver_once;
pub use engine::Engine;
pub use error::AppError;
pub use exit::Exit;
pub use pass::{Asker, Order, Passed};
pub use place::place;
pub use publishing::keep_published;
pub use replicas::Claim;
pub use ring::Ring;
pub use settings::{Settings, daemon_place, refuse_shared_keys};
pub use showing::keep_shown;

use crate::daemon;
use crate::systemd::Systemd;

/// Threads beside the two that turn tasks, at most: more than can wait for a store ([`crate::store`] lets no more
/// work in it than it has connections, 100 at most) and for names of hosts. Each piece of such work hands the turning
/// over to another thread; where the machine is busy, that one gets there too late and the next piece takes yet
/// another: without a bound, as many threads as there may be.
const THREADS_BESIDE_MAX: usize = 128;

/// Runs a command's asynchronous part to its end.
///
/// # Errors
/// The runtime cannot be started.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, AppError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(THREADS_BESIDE_MAX)
        .enable_all()
        .build()
        .map_err(|source| AppError::System { context: "cannot start the runtime", source })?;
    let done = runtime.block_on(work);
    // What is still under way was cut off on purpose; a write that hangs must not hold up the end.
    runtime.shutdown_background();
    Ok(done)
}

/// Counts how often the program was asked to stop, by SIGTERM or SIGINT.
///
/// # Errors
/// The signals cannot be registered.
pub fn stops() -> Result<watch::Receiver<u32>, AppError> {
    let context = "cannot register signals";
    daemon::stops().map_err(|source| AppError::System { context, source })
}

/// A receiver that turns true at SIGTERM or SIGINT: what runs then ends at its next safe point.
///
/// # Errors
/// The signals cannot be registered.
pub fn cancel_on_signal() -> Result<watch::Receiver<bool>, AppError> {
    Ok(cancel_on(stops()?))
}

/// A receiver that turns true at the first of these requests to stop.
#[must_use]
pub fn cancel_on(mut stops: watch::Receiver<u32>) -> watch::Receiver<bool> {
    let (cancel, receiver) = watch::channel(false);
    tokio::spawn(async move {
        if stops.wait_for(|stops| *stops > 0).await.is_ok() {
            cancel.send_replace(true);
        }
        // Kept until the end, so that receivers can tell "not asked" from "nobody can ask".
        cancel.closed().await;
    });
    receiver
}

/// The service manager, if one started us.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the environment is read where the program is put together")]
pub fn service_manager() -> Systemd {
    let variable = |name: &str| std::env::var_os(name);
    Systemd::new(variable("NOTIFY_SOCKET")).watched(
        variable("WATCHDOG_USEC"),
        variable("WATCHDOG_PID"),
        std::process::id(),
    )
}
