//! Brings the schema to this program's version, also where several programs start at once.

use chrono::{DateTime, Utc};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::pool::Postgres;
use super::schema::{MIGRATIONS, STEPS, VERSION};
use super::session::Session;
use crate::store::StoreError;
use crate::store::sql::{Cell, Fault, ToCell as _};

/// Bytes of the key behind marks.
const MARK_KEY_BYTES: usize = 32;
/// Two programs that make the first table at the same instant get in each other's way; the slower one tries
/// again so often.
const TRIES: u32 = 5;

impl Postgres {
    /// Makes what is missing, each step in a transaction of its own.
    ///
    /// # Errors
    /// [`StoreError::Unusable`]: the schema is newer than this program, or the role may not make it.
    pub(in crate::store) fn migrate(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.make_schema()?;
        if self.version()?.is_none() {
            self.begin_schema()?;
        }
        self.refuse_newer()?;
        for (version, step) in (1_i64..).zip(STEPS) {
            self.write(format_args!("bring the schema to version {version}"), |sql| {
                if begins(sql, version, now)? {
                    sql.batch(step)?;
                    if version == 1 {
                        draw_mark_key(sql)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// For commands that only look: whether the schema is there, and of this program's version.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] says what is the matter, and what to do.
    pub(in crate::store) fn refuse_other(&self) -> Result<(), StoreError> {
        let schema = &self.settings.schema;
        match self.version()? {
            Some(VERSION) => Ok(()),
            None => Err(StoreError::Unusable(format!(
                "{} has no store in schema {schema} yet; `clearpoint-sync sync` makes it",
                self.settings
            ))),
            Some(version) if version > VERSION => self.refuse_newer(),
            Some(version) => Err(StoreError::Unusable(format!(
                "schema {schema} of {} has version {version}, older than this program's {VERSION}; run \
                 `clearpoint-sync sync` once",
                self.settings
            ))),
        }
    }

    fn begin_schema(&self) -> Result<(), StoreError> {
        let mut tries = 1;
        while let Err(error) = self.write("begin the schema", |sql| sql.batch(MIGRATIONS)) {
            if tries == TRIES || matches!(error, StoreError::Unusable(_)) {
                return Err(error);
            }
            tries += 1;
        }
        Ok(())
    }

    fn refuse_newer(&self) -> Result<(), StoreError> {
        match self.version()? {
            Some(version) if version > VERSION => Err(StoreError::Unusable(format!(
                "schema {} of {} has version {version}, newer than this program's {VERSION}; install the \
                 newer clearpoint-sync, or name another schema in store.postgres.schema",
                self.settings.schema, self.settings
            ))),
            _ => Ok(()),
        }
    }

    /// The schema's version; `None`: it is not made yet.
    fn version(&self) -> Result<Option<i64>, StoreError> {
        self.read("read the schema's version", |sql| {
            if !exists(
                sql,
                "SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n
                   ON n.oid = c.relnamespace WHERE n.nspname = ?1 AND c.relname = 'migrations'",
                &self.settings.schema,
            )? {
                return Ok(None);
            }
            let found = sql.query("SELECT max(version) FROM migrations", &[])?;
            match found.first().and_then(|row| row.first()) {
                Some(Cell::Integer(version)) => Ok(Some(*version)),
                _ => Ok(None),
            }
        })
    }
}

fn exists(sql: &Session, query: &str, name: &str) -> Result<bool, Fault> {
    Ok(!sql.query(query, &[name.to_cell()])?.is_empty())
}

/// Whether this program is the one to make the step: who else began it is waited for.
fn begins(sql: &Session, version: i64, now: DateTime<Utc>) -> Result<bool, Fault> {
    let insert = "INSERT INTO migrations (version, program, applied_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (version) DO NOTHING";
    let program = env!("CARGO_PKG_VERSION");
    Ok(sql.execute(insert, &[version.to_cell(), program.to_cell(), now.to_cell()])? == 1)
}

fn draw_mark_key(sql: &Session) -> Result<(), Fault> {
    let mut key = [0; MARK_KEY_BYTES];
    SystemRandom::new().fill(&mut key).map_err(|_| "the system gives no random numbers")?;
    sql.execute("INSERT INTO mark_key (value) VALUES (?1)", &[key.to_cell()])?;
    Ok(())
}
