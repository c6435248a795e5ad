//! What is asked of the server beside the store's subjects: whether it answers and can be written, its time,
//! its version, and what the store takes there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::fault::{Trouble, explain};
use super::pool::{Loan, Postgres};
use super::session::Session;
use super::statement::quoted;
use crate::clock::{Anchor, Reading};
use crate::store::StoreError;
use crate::store::lanes::blocking;
use crate::store::sql::{Cell, Fault, FromCell as _, ToCell as _};

/// How long an open session may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long each host may take where a session must be opened first.
const OPEN_TIMEOUT: Duration = Duration::from_secs(3);
/// Makes a table of 64 KiB, which takes room on the disk at once.
const PROBE: &str = "SAVEPOINT probe; CREATE TABLE write_probe (x text); \
    INSERT INTO write_probe SELECT repeat('x', 1024) FROM generate_series(1, 64); \
    ROLLBACK TO SAVEPOINT probe";

impl Postgres {
    /// Asks the server for an answer. Takes seconds at most, and does not wait for whoever reads or writes:
    /// if no session is free, it opens one more.
    ///
    /// # Errors
    /// No answer came, or the store cannot be used.
    pub(in crate::store) fn answers(&self) -> Result<(), StoreError> {
        let ask = || {
            let lend = || self.lend_at_once(OPEN_TIMEOUT);
            self.begin("SELECT 1", ANSWER_TIMEOUT, &lend).map(Loan::give_back)
        };
        blocking(ask).map_err(|trouble| explain(&self.settings, &"read the store", trouble.into()))
    }

    /// The schema in which everything is kept, as it is called.
    pub(in crate::store) fn schema(&self) -> &str {
        &self.settings.schema
    }

    /// Makes the schema, unless it is there: then the user needs no right to make one.
    ///
    /// # Errors
    /// The user may not make it, or the store cannot be written.
    pub(in crate::store) fn make_schema(&self) -> Result<(), StoreError> {
        let name = self.schema().to_cell();
        let is_there = || {
            self.read("look for the schema", |sql| {
                let asked = "SELECT 1 FROM pg_namespace WHERE nspname = ?1";
                Ok(!sql.query(asked, std::slice::from_ref(&name))?.is_empty())
            })
        };
        if is_there()? {
            return Ok(());
        }
        let make = format!("CREATE SCHEMA {}", quoted(self.schema()));
        match self.write(format_args!("make the schema {}", self.schema()), |sql| sql.batch(&make)) {
            // Another process may have been quicker.
            Err(_) if is_there()? => Ok(()),
            made => made,
        }
    }

    /// Whether a write can be made: makes one and takes it back.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(in crate::store) fn write_probe(&self) -> Result<(), StoreError> {
        self.write("write to the store", |sql| sql.batch(PROBE))
    }

    /// The server's clock, by which all programs on it go. Looked at once here, and from then on by the thread
    /// that keeps leases.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(in crate::store) fn clock(&self) -> Result<Arc<Anchor>, StoreError> {
        if let Some(clock) = self.clock.get() {
            return Ok(Arc::clone(clock));
        }
        let reading = self.read("read the server's clock", reading)?;
        Ok(Arc::clone(self.clock.get_or_init(|| Arc::new(Anchor::new(reading)))))
    }

    /// Looks at the server's clock again, if anybody goes by it.
    ///
    /// # Errors
    /// The server is out of reach.
    pub(super) fn refresh_clock(&self) -> Result<(), Fault> {
        if let Some(clock) = self.clock.get() {
            clock.set(self.briefly(
                ANSWER_TIMEOUT,
                ANSWER_TIMEOUT,
                &|| self.lend_at_once(OPEN_TIMEOUT),
                reading,
            )?);
        }
        Ok(())
    }

    /// What the schema's tables and indexes take on the server's disk, in bytes; 0 where that cannot be told.
    pub(in crate::store) fn bytes(&self) -> u64 {
        let statement = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c \
            JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ?1 AND c.relkind IN ('r', 'm')";
        let schema = self.settings.schema.to_cell();
        let told = self.read("measure the store", |sql| sql.query(statement, std::slice::from_ref(&schema)));
        match told.as_ref().map(|rows| rows.first().and_then(|row| row.first())) {
            Ok(Some(Cell::Integer(bytes))) => u64::try_from(*bytes).unwrap_or(0),
            _ => 0,
        }
    }

    /// What the server says it is, for people: `15.14 (Debian 15.14-0+deb12u1)`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(in crate::store) fn server_version(&self) -> Result<String, StoreError> {
        self.read("read the server's version", |sql| {
            let said = sql.query("SELECT current_setting('server_version')", &[])?;
            match said.into_iter().flatten().next() {
                Some(Cell::Text(text)) => Ok(text.into_owned()),
                _ => Err(unexpected()),
            }
        })
    }
}

fn reading(sql: &Session) -> Result<Reading, Fault> {
    const ASK: &str = "SELECT clock_timestamp()";
    // The first time takes longer, for the statement is prepared.
    sql.query(ASK, &[])?;
    let asked = Instant::now();
    let said = sql.query(ASK, &[])?;
    let answered = Instant::now();
    let said = said.into_iter().flatten().next().ok_or_else(unexpected)?;
    Ok(Reading { said: DateTime::<Utc>::from_cell(said)?, asked, answered })
}

fn unexpected() -> Fault {
    Trouble::Value("the answer is not what was asked for".into()).into()
}
