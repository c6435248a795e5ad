//! The documents that a commit writes: new ones are loaded, known ones compared, in pieces that fit into
//! memory. While one piece is written, the next is read.

use std::collections::HashMap;
use std::ops::Range;

use super::changes::Writer;
use super::elements::{KEY, texts};
use super::fields::{Found, Known};
use super::sql::{self, Cell, Fault, Sql, ToCell as _};
use super::{KindCommit, memory};
use crate::plan::{Operation, Write};
use crate::run::Counts;
use crate::snapshot::{Entry, Snapshot};
use crate::task;
use crate::tolerate::{self, Columns, FieldChange};

/// Documents written at once take no more memory than this, in bytes, unless one alone does.
const BATCH_BYTES_MAX: u64 = 2 << 20;
/// And are no more than this.
const BATCH_MAX: usize = 1000;
/// Known documents that are compared before they are written, where each may lie in a page of its own.
const UPDATED_AT_ONCE: usize = 16;

/// What is to be written, in pieces that fit into memory.
struct Batches<'a>(&'a [Write], &'a Snapshot);

impl<'a> Iterator for Batches<'a> {
    type Item = &'a [Write];

    fn next(&mut self) -> Option<Self::Item> {
        let Self(writes, snapshot) = *self;
        let mut bytes = 0;
        let fits = |write: &&Write| {
            bytes += u64::from(snapshot.entries[write.entry].span.length);
            bytes <= BATCH_BYTES_MAX
        };
        let count = writes.iter().take(BATCH_MAX).take_while(fits).count().max(1).min(writes.len());
        let (batch, rest) = writes.split_at(count);
        self.0 = rest;
        (!batch.is_empty()).then_some(batch)
    }
}

/// The documents of one commit, while they are written.
#[derive(Debug)]
pub(super) struct Writing<'a> {
    sql: &'a Sql<'a>,
    commit: &'a KindCommit<'a>,
    writer: &'a Writer<'a>,
    /// Whether the kind was ever pulled completely before: fields it shows only now are news.
    was_complete: bool,
    /// Elements that changed while their `lastEdited` did not.
    pub(super) unstamped: u64,
    /// In how many updated elements each field changed.
    pub(super) changed: HashMap<String, u64>,
}

/// Reads listed documents from the spool, and sees their fields.
struct Reading<'a> {
    commit: &'a KindCommit<'a>,
    known: Known<'a>,
}

/// Documents that are written at once.
struct Piece<'a> {
    /// All of them: one place in memory, which goes from thread to thread.
    text: String,
    new: Vec<Listed>,
    known: Vec<Listed>,
    found: Found<'a>,
}

/// A listed document, on its way into its row.
struct Listed {
    write: Write,
    entry: Entry,
    /// Where the document stands in the text of the piece.
    doc: Range<usize>,
    columns: Columns,
}

impl<'a> Writing<'a> {
    pub(super) fn new(
        sql: &'a Sql<'a>,
        commit: &'a KindCommit<'a>,
        writer: &'a Writer<'a>,
    ) -> Result<Self, Fault> {
        Ok(Self {
            sql,
            commit,
            was_complete: memory::stored(sql, writer.connection, &commit.kind.name)?.ever_complete,
            writer,
            unstamped: 0,
            changed: HashMap::new(),
        })
    }

    /// Writes the documents of the commit's plan and counts what that came to.
    pub(super) fn write_all(&mut self, counts: &mut Counts) -> Result<(), Fault> {
        let (commit, writer) = (self.commit, self.writer);
        let known = Known::load(self.sql, writer.connection, writer.kind, writer.part, writer.now)?;
        let mut reading = Reading { commit, known };
        let batches = Batches(&commit.plan.writes, commit.snapshot);
        task::made_ahead(batches, |batch| reading.piece(batch), |piece| self.write(piece?, counts))
    }

    fn write(&mut self, piece: Piece<'a>, counts: &mut Counts) -> Result<(), Fault> {
        let Piece { text, new, known, found } = piece;
        counts.inserted += new.len() as u64;
        self.insert(&text, new)?;
        // What is written lies in the pages that were just read, and not in pages that others have pushed out.
        let at_once = if self.sql.is_here() { UPDATED_AT_ONCE } else { BATCH_MAX };
        known.chunks(at_once).try_for_each(|known| self.update(&text, known, counts))?;
        found.keep(self.sql, || Ok(self.was_complete))
    }

    fn insert(&mut self, text: &str, new: Vec<Listed>) -> Result<(), Fault> {
        let (sql, writer) = (self.sql, self.writer);
        if new.is_empty() {
            return Ok(());
        }
        let mut rows = new.iter().map(|listed| {
            let stamps = [writer.stamp(), writer.stamp(), Cell::Integer(writer.run.0)];
            Ok(listed.cells(text, writer).chain(["present".to_cell()]).chain(stamps).collect())
        });
        sql.load("elements", &INSERTED, &mut rows)?;
        new.iter().try_for_each(|listed| writer.log(sql, listed.entry.id, Operation::Insert, None))
    }

    fn update(&mut self, text: &str, known: &[Listed], counts: &mut Counts) -> Result<(), Fault> {
        let (sql, commit, writer) = (self.sql, self.commit, self.writer);
        let before = texts(sql, writer, "doc", known.iter().map(|listed| listed.entry.id))?;
        let mut rows = Vec::with_capacity(known.len());
        for listed in known {
            let id = listed.entry.id;
            let before = before.get(&id).and_then(Option::as_ref);
            let before =
                before.ok_or_else(|| format!("{} {id} is in the plan but not stored", writer.kind))?;
            let fields = tolerate::changed_fields(before, &text[listed.doc.clone()], &commit.kind.volatile);
            let is_restore = listed.write.operation == Operation::Restore;
            // Else only what stands outside the fingerprint differs: a field became volatile, or is no longer.
            let is_change = is_restore || !fields.is_empty();
            let stamps = [Cell::Integer(is_change.into()), writer.stamp(), Cell::Integer(writer.run.0)];
            if is_change {
                writer.log_fields(sql, id, listed.write.operation, &fields)?;
            }
            match (is_restore, is_change) {
                (true, _) => counts.restored += 1,
                (false, false) => counts.unchanged += 1,
                (false, true) => {
                    counts.updated += 1;
                    self.note_changes(&listed.columns, fields);
                }
            }
            rows.push(listed.cells(text, writer).chain(stamps).collect());
        }
        sql.update_rows("elements", UPDATE, UPDATED, KEY.len(), &rows)
    }

    fn note_changes(&mut self, columns: &Columns, fields: Vec<FieldChange>) {
        let is_stamped = fields.iter().any(|change| change.field == "lastEdited");
        self.unstamped += u64::from(!is_stamped && columns.last_edited.is_some());
        for change in fields {
            *self.changed.entry(change.field).or_default() += 1;
        }
    }
}

impl<'a> Reading<'a> {
    fn piece(&mut self, batch: &[Write]) -> Result<Piece<'a>, Fault> {
        let (mut new, mut known) = (Vec::new(), Vec::new());
        let bytes = batch.iter().map(|write| self.commit.snapshot.entries[write.entry].span.length as usize);
        let mut bytes = Vec::with_capacity(bytes.sum());
        for write in batch {
            let listed = self.read(*write, &mut bytes)?;
            if write.operation == Operation::Insert { new.push(listed) } else { known.push(listed) }
        }
        let text = String::from_utf8(bytes)?;
        Ok(Piece { text, new, known, found: self.known.found() })
    }

    fn read(&mut self, write: Write, bytes: &mut Vec<u8>) -> Result<Listed, Fault> {
        let entry = self.commit.snapshot.entries[write.entry];
        let start = bytes.len();
        let members = tolerate::members(self.commit.spool.read_to(entry.span, bytes)?);
        self.known.see(&members);
        let columns = Columns::of(&members);
        Ok(Listed { write, entry, columns, doc: start..bytes.len() })
    }
}

impl Listed {
    /// What stands in the row of a new and of a known element alike.
    fn cells<'c>(&'c self, text: &'c str, writer: &Writer<'c>) -> impl Iterator<Item = Cell<'c>> + use<'c> {
        let Columns { name, scorecard_id, owner_id, last_edited } = &self.columns;
        let own = [
            name.to_cell(),
            scorecard_id.to_cell(),
            owner_id.to_cell(),
            last_edited.to_cell(),
            Cell::Bytes(self.entry.fingerprint.to_bytes().to_vec().into()),
            text[self.doc.clone()].to_cell(),
        ];
        writer.key(self.entry.id).into_iter().chain(own)
    }
}

const INSERTED: [&str; 13] = [
    "kind",
    "connection",
    "id",
    "name",
    "scorecard_id",
    "owner_id",
    "last_edited",
    "fingerprint",
    "doc",
    "state",
    "first_seen_at",
    "changed_at",
    "changed_run",
];

const UPDATED: sql::Columns<'_> = &[
    ("kind", "text"),
    ("connection", "text"),
    ("id", "bigint"),
    ("name", "text"),
    ("scorecard_id", "bigint"),
    ("owner_id", "bigint"),
    ("last_edited", "text"),
    ("fingerprint", "bytea"),
    ("doc", "jsonb"),
    ("is_change", "boolean"),
    ("now", "timestamptz"),
    ("run", "bigint"),
];

const UPDATE: &str = "name = {name}, scorecard_id = {scorecard_id}, owner_id = {owner_id},
     last_edited = {last_edited}, fingerprint = {fingerprint}, doc = {doc},
     state = 'present', reason = NULL, evidence = NULL, removed_at = NULL,
     changed_at = CASE WHEN {is_change} THEN {now} ELSE elements.changed_at END,
     changed_run = CASE WHEN {is_change} THEN {run} ELSE elements.changed_run END";
