//! The ways out: what the store holds gets out whole, in order and harmless, and what is forgotten is gone.

mod changes;
mod export;
mod forget;
mod show;

use serde_json::Value;

use crate::harness::Bench;
use crate::program::Ran;

/// The JSON object of each line.
#[track_caller]
fn lines(ran: &Ran) -> Vec<Value> {
    ran.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {ran}")))
        .collect()
}

/// Runs a command that must go well.
#[track_caller]
fn must<'a>(bench: &'a Bench, arguments: &'a [&str]) -> impl Future<Output = Ran> {
    let caller = std::panic::Location::caller();
    async move {
        let ran = bench.run(arguments).await;
        assert!(ran.code == 0, "at {caller}: {ran}");
        ran
    }
}
