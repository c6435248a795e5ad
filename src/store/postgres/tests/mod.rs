//! The driver against a real server.

pub(in crate::store) mod a_real_postgres;
#[path = "../../../../tests/support/postgres.rs"]
pub(crate) mod server;
