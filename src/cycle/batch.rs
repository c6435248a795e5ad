//! Single reads that are stored together, and how they are: in a task of their own, so that the next are asked
//! for meanwhile.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::due::Due;
use crate::element::ElementId;
use crate::kind::Kind;
use crate::name::ConnectionName;
use crate::pull::Single;
use crate::run::RunId;
use crate::store::{Part, Read, Store, StoreError, ValuesDone};
use crate::tolerate;

/// Elements in a batch, at most.
const BATCH: usize = 100;
/// Bytes of documents in a batch, about.
const BATCH_BYTES: usize = 4 << 20;

/// Answers that are stored together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    reads: Vec<Read>,
    unclear: Vec<ElementId>,
    /// Those whose list row is the same as when they were last read.
    unmoved: Vec<ElementId>,
    bytes: usize,
    /// When the first of them was asked.
    asked_at: Option<DateTime<Utc>>,
}

impl Batch {
    pub(super) fn is_full(&self) -> bool {
        self.reads.len() + self.unclear.len() >= BATCH || self.bytes >= BATCH_BYTES
    }

    pub(super) fn push(&mut self, due: Due, asked_at: DateTime<Utc>, single: Single) {
        let Due { id, is_unmoved } = due;
        self.asked_at = Some(self.asked_at.map_or(asked_at, |first| first.min(asked_at)));
        if is_unmoved {
            self.unmoved.push(id);
        }
        match single {
            Single::Readable { document, .. } => {
                self.bytes += document.len();
                self.reads.push(Read { id, document: Some(document) });
            }
            Single::Forbidden | Single::Absent => self.reads.push(Read { id, document: None }),
            Single::Unclear(_) => self.unclear.push(id),
        }
    }
}

/// What stores the single reads of one kind.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) store: Store,
    pub(super) run: RunId,
    pub(super) connection: ConnectionName,
    pub(super) kind: Kind,
    pub(super) part: Part,
    /// Whether an answer that lacks values is left aside.
    pub(super) spares: bool,
}

impl Keeper {
    /// Stores a batch.
    pub(super) async fn keep(self: Arc<Self>, batch: Batch) -> Result<ValuesDone, StoreError> {
        let Some(now) = batch.asked_at else { return Ok(ValuesDone::default()) };
        let Self { store, run, connection, kind, part, spares } = &*self;
        let done = match part {
            Part::Detail => {
                let changed = store.commit_details(*run, connection, kind, &batch.reads, now).await?;
                ValuesDone { changed, ..ValuesDone::default() }
            }
            Part::Values => store.commit_values(*run, connection, &batch.reads, *spares, now).await?,
        };
        if !batch.unclear.is_empty() {
            store.record_unclear(*run, connection, &kind.name, *part, &batch.unclear, now).await?;
        }
        for id in &done.changed {
            if batch.unmoved.contains(id) && !self.was_edited(&batch.reads, *id).await? {
                let value = format!("{} {id} changed while its list row did not", kind.name);
                store.record_finding(connection, &kind.name, unseen(*part), &value, now).await?;
                break;
            }
        }
        Ok(done)
    }

    /// Whether a document says itself that it was edited since it was listed: the next list will tell.
    async fn was_edited(&self, reads: &[Read], id: ElementId) -> Result<bool, StoreError> {
        let Self { store, connection, kind, .. } = self;
        let document = reads.iter().find(|read| read.id == id).and_then(|read| read.document.as_deref());
        let read = document.and_then(|document| tolerate::columns(document).last_edited);
        let (Some(read), Some(listed)) = (read, store.last_edited(connection, &kind.name, id).await?) else {
            return Ok(false);
        };
        let stamp = store.memory(connection, &kind.name).await?.stamp;
        let instant = |text: &str| stamp?.parse(text);
        Ok(matches!((instant(&listed), instant(&read)), (Some(listed), Some(read)) if read > listed))
    }
}

/// The finding that documents change while list rows do not.
pub(super) fn unseen(part: Part) -> &'static str {
    match part {
        Part::Detail => "details_move_unseen",
        Part::Values => "values_move_unseen",
    }
}
