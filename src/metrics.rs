//! What Prometheus scrapes: how everything stands, and what was counted since the start.

use crate::status::Status;

/// What was counted since the start.
#[derive(Debug, Default)]
pub struct Metrics {}

impl Metrics {
    /// All series, in the text format 0.0.4 of Prometheus.
    #[must_use]
    pub fn render(&self, status: &Status) -> String {
        format!("# {} connections\n", status.connections.len())
    }
}
