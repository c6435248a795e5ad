//! One session with the server, inside one transaction: runs statements, and knows whether the transaction
//! and the session can still be used.

use std::cell::{Cell as Slot, RefCell};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, TryStreamExt as _};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::cell::{Column, Parameter, copy_line};
use super::decode::cells;
use super::fault::Trouble;
use super::statement::{numbered, quoted, with_rows};
use super::wait::Waiting;
use crate::store::sql::{Cell, Fault};

/// Statements kept prepared in a session.
const STATEMENTS_MAX: usize = 128;
/// Rows of a `COPY` are sent in pieces of this many bytes.
const COPY_BYTES: usize = 64 << 10;

/// What ended a connection, once it has ended.
pub(super) type End = Arc<Mutex<Option<tokio_postgres::Error>>>;

/// A session with the server. Statements name their values `?1`, `?2`, …; a value is sent as text and read
/// by the server as the type that it expects there.
#[derive(Debug)]
pub(in crate::store) struct Session {
    client: Client,
    waiting: Arc<Waiting>,
    /// How long any answer is waited for.
    patience: Slot<Duration>,
    end: End,
    prepared: RefCell<Prepared>,
    state: RefCell<State>,
    /// Rows of a statement are still being read.
    is_reading: Slot<bool>,
}

/// How a session's transaction stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    /// A statement failed, so that the server commits nothing.
    is_spoilt: bool,
    /// It failed for what others did at the same time.
    is_conflict: bool,
    /// The session is of no further use.
    is_over: bool,
}

/// The prepared statements, by their text, and when each was used last.
#[derive(Debug, Default)]
struct Prepared {
    statements: HashMap<Box<str>, (Statement, u64)>,
    uses: u64,
}

impl Prepared {
    fn get(&mut self, text: &str) -> Option<Statement> {
        self.uses += 1;
        let (statement, used) = self.statements.get_mut(text)?;
        *used = self.uses;
        Some(statement.clone())
    }

    fn keep(&mut self, text: &str, statement: Statement) {
        if self.statements.len() >= STATEMENTS_MAX {
            let oldest = self.statements.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(text) = oldest.map(|(text, _)| text.clone()) {
                self.statements.remove(&text);
            }
        }
        self.statements.insert(text.into(), (statement, self.uses));
    }
}

impl Session {
    /// A session on a connection that is open and set up.
    pub(super) fn new(client: Client, waiting: Arc<Waiting>, patience: Duration, end: End) -> Self {
        Self {
            client,
            waiting,
            patience: Slot::new(patience),
            end,
            prepared: RefCell::default(),
            state: RefCell::default(),
            is_reading: Slot::default(),
        }
    }

    /// Runs a statement, and says how many rows it wrote.
    ///
    /// # Errors
    /// The server refuses it, or is gone; a value cannot be sent.
    pub(in crate::store) fn execute(&self, statement: &str, values: &[Cell<'_>]) -> Result<u64, Fault> {
        self.run(statement, numbered, values.iter().map(Parameter))
    }

    /// All rows that a statement gives.
    ///
    /// # Errors
    /// As [`Session::execute`]; a column is of a type that this program does not read.
    pub(in crate::store) fn query(
        &self,
        statement: &str,
        values: &[Cell<'_>],
    ) -> Result<Vec<Vec<Cell<'static>>>, Fault> {
        self.rows(statement, numbered, values.iter().map(Parameter))
    }

    /// Hands over the rows that a statement gives one by one, as they come. Meanwhile the session runs no
    /// other statement.
    ///
    /// # Errors
    /// As [`Session::query`], and what `each` fails with.
    pub(in crate::store) fn stream(
        &self,
        statement: &str,
        values: &[Cell<'_>],
        each: &mut dyn FnMut(Vec<Cell<'static>>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let prepared = self.prepared(statement, numbered)?;
        let rows = self.wait(self.client.query_raw(&prepared, values.iter().map(Parameter)))?;
        let mut rows = pin!(rows);
        let _reading = Reading::begin(&self.is_reading);
        while let Some(row) = self.wait_up_to(self.patience.get(), rows.try_next())? {
            each(cells(&row)?)?;
        }
        Ok(())
    }

    /// Runs a script: statements without values, one after another.
    ///
    /// # Errors
    /// As [`Session::execute`]; what came after the failed statement was not run.
    pub(in crate::store) fn batch(&self, script: &str) -> Result<(), Fault> {
        Ok(self.simple(script)?)
    }

    /// Adds rows to a table in bulk, and says how many. Columns that are not named get their defaults.
    ///
    /// # Errors
    /// As [`Session::execute`], and what `rows` fails with; then nothing of them is in the table.
    pub(in crate::store) fn copy_in<'r>(
        &self,
        table: &str,
        columns: &[&str],
        rows: &mut dyn Iterator<Item = Result<Vec<Cell<'r>>, Fault>>,
    ) -> Result<u64, Fault> {
        let columns: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
        let statement = format!("COPY {} ({}) FROM STDIN", quoted(table), columns.join(", "));
        let copied = self.copy(&statement, rows);
        // A copy that is left unfinished fails the transaction.
        self.state.borrow_mut().is_spoilt |= copied.is_err();
        copied
    }

    fn copy<'r>(
        &self,
        statement: &str,
        rows: &mut dyn Iterator<Item = Result<Vec<Cell<'r>>, Fault>>,
    ) -> Result<u64, Fault> {
        let sink = self.wait(self.client.copy_in::<_, Bytes>(statement))?;
        let mut sink = pin!(sink);
        let mut chunk = BytesMut::with_capacity(2 * COPY_BYTES);
        for row in rows {
            copy_line(&row?, &mut chunk).map_err(|error| Trouble::Value(error.to_string()))?;
            if chunk.len() >= COPY_BYTES {
                self.wait(sink.send(chunk.split().freeze()))?;
            }
        }
        self.wait(sink.send(chunk.freeze()))?;
        Ok(self.wait(sink.finish())?)
    }

    /// All rows that a statement gives which reads the relation `rows`: a set at once. `columns` are its names
    /// and types; `values` has a cell for each.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub(in crate::store) fn query_rows(
        &self,
        statement: &str,
        columns: &[(&str, &str)],
        values: &[Vec<Cell<'_>>],
    ) -> Result<Vec<Vec<Cell<'static>>>, Fault> {
        self.rows(&with_rows(statement, columns), str::to_owned, arrays(columns, values))
    }

    /// Runs a statement which reads the relation `rows`, as [`Session::query_rows`], and says how many rows it
    /// wrote.
    ///
    /// # Errors
    /// As [`Session::execute`].
    pub(in crate::store) fn execute_rows(
        &self,
        statement: &str,
        columns: &[(&str, &str)],
        values: &[Vec<Cell<'_>>],
    ) -> Result<u64, Fault> {
        self.run(&with_rows(statement, columns), str::to_owned, arrays(columns, values))
    }

    /// From here on answers are waited for no longer than this.
    pub(super) fn be_patient(&self, patience: Duration) {
        self.patience.set(patience);
    }

    /// Begins a transaction with `statement`, waiting no longer than `limit`.
    pub(super) fn begin(&self, statement: &str, limit: Duration) -> Result<(), Trouble> {
        *self.state.borrow_mut() = State::default();
        self.wait_up_to(limit, self.client.batch_execute(statement))
    }

    /// Makes what was written last.
    pub(super) fn commit(&self) -> Result<(), Trouble> {
        if self.state.borrow().is_spoilt {
            return Err(Trouble::Spoilt);
        }
        self.simple("COMMIT").map_err(|trouble| match trouble {
            Trouble::Lost(_) | Trouble::Silent(_) => Trouble::InDoubt(Box::new(trouble)),
            trouble => trouble,
        })
    }

    /// Takes back what was written. Afterwards the session can be used again, unless it is over.
    pub(super) fn roll_back(&self) {
        if !self.is_over() && self.simple("ROLLBACK").is_err() {
            self.state.borrow_mut().is_over = true;
        }
    }

    /// Whether the transaction failed for what others did at the same time.
    pub(super) fn is_conflict(&self) -> bool {
        self.state.borrow().is_conflict
    }

    /// Whether the session is of no further use.
    pub(super) fn is_over(&self) -> bool {
        self.state.borrow().is_over || self.client.is_closed()
    }

    fn simple(&self, script: &str) -> Result<(), Trouble> {
        self.wait(self.client.batch_execute(script))
    }

    fn run<'a, P: ToSql + 'a>(
        &self,
        text: &str,
        spell: fn(&str) -> String,
        values: impl ExactSizeIterator<Item = P>,
    ) -> Result<u64, Fault> {
        let statement = self.prepared(text, spell)?;
        Ok(self.wait(self.client.execute_raw(&statement, values))?)
    }

    fn rows<'a, P: ToSql + 'a>(
        &self,
        text: &str,
        spell: fn(&str) -> String,
        values: impl ExactSizeIterator<Item = P>,
    ) -> Result<Vec<Vec<Cell<'static>>>, Fault> {
        let statement = self.prepared(text, spell)?;
        let all = async { self.client.query_raw(&statement, values).await?.try_collect::<Vec<_>>().await };
        let rows = self.wait(all)?;
        Ok(rows.iter().map(cells).collect::<Result<_, _>>()?)
    }

    /// The statement `text`, prepared; `spell` writes it as the server takes it.
    fn prepared(&self, text: &str, spell: fn(&str) -> String) -> Result<Statement, Trouble> {
        if let Some(statement) = self.prepared.borrow_mut().get(text) {
            return Ok(statement);
        }
        let statement = self.wait(self.client.prepare(&spell(text)))?;
        self.prepared.borrow_mut().keep(text, statement.clone());
        Ok(statement)
    }

    fn wait<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Trouble> {
        // Its answer would stand behind rows that nobody reads.
        if self.is_reading.get() {
            return Err(Trouble::Value("a statement was begun while the rows of another were read".into()));
        }
        self.wait_up_to(self.patience.get(), answer)
    }

    fn wait_up_to<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Trouble> {
        let answer = match self.waiting.within(limit, answer) {
            None => Err(Trouble::Silent(limit)),
            Some(answer) => answer.map_err(|error| Trouble::of(error, self.ended())),
        };
        let mut state = self.state.borrow_mut();
        match &answer {
            Ok(_) => state.is_spoilt = false,
            Err(trouble) => {
                state.is_spoilt = true;
                state.is_conflict |= trouble.is_conflict();
                state.is_over |= trouble.ends_session();
            }
        }
        answer
    }

    fn ended(&self) -> Option<tokio_postgres::Error> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Marks a session whose rows are being read, for as long as it lives.
struct Reading<'a>(&'a Slot<bool>);

impl<'a> Reading<'a> {
    fn begin(is_reading: &'a Slot<bool>) -> Self {
        is_reading.set(true);
        Self(is_reading)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// The columns of a set of rows, each as one array.
fn arrays<'a>(
    columns: &[(&str, &str)],
    rows: &'a [Vec<Cell<'a>>],
) -> impl ExactSizeIterator<Item = Column<'a>> + use<'a> {
    (0..columns.len()).map(move |at| Column { rows, at })
}
