//! The status page: how everything stands, for people.

use crate::status::Status;

/// How the page looks.
pub(super) const STYLE: &str = "";

/// The page, whole.
pub(super) fn render(status: &Status) -> String {
    format!("{} connections", status.connections.len())
}
