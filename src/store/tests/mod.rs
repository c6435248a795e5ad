//! The store's promises. What both engines promise is in `contract`, and is put to each of them: to a SQLite
//! file, and to a database on a real PostgreSQL. What only a file can promise is beside it.

#[path = "contract/mod.rs"]
mod a_real_postgres;
mod file;
mod looking;
mod publish;
pub(crate) mod reading;
#[expect(clippy::duplicate_mod, reason = "the same promises are put to both engines")]
#[path = "contract/mod.rs"]
pub(super) mod sqlite;
mod views_on_a_real_postgres;
