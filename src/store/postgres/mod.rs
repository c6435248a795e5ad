//! PostgreSQL: a few sessions with one server, handed out for one transaction each. Everything is kept in a
//! schema of its own. Called by the store's subjects, from threads of any kind; every wait has an end.

mod cell;
mod checks;
mod connect;
mod decode;
mod fault;
mod keeper;
mod leases;
mod migrate;
mod password;
mod pool;
mod schema;
mod session;
mod settings;
mod statement;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
mod wait;

pub(super) use fault::is_kept_by_others;
pub(super) use leases::Lease;
pub use pool::Postgres;
pub(super) use session::Session;
pub use settings::{ClientCertificate, Host, Password, Settings, Tls};
