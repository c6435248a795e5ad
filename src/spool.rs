//! Scratch space for the documents of one pull: in memory while the budget of all runs lasts, else in
//! a file that has no name. Never holds a secret; nothing of it outlives the process.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::snapshot::Span;

mod spare;

pub use spare::{Buffer, InUse, Spares};

/// Least step by which a spool's memory grows.
const STEP_BYTES: usize = 256 << 10;
/// Bytes gathered before they are written to a spool file.
const BUFFER_BYTES: usize = 64 << 10;

/// The memory that bodies and spools of all runs share (`daemon.memory_max`). One half is for bodies,
/// which come and go, the other for spools, which stay for a whole run: so a full spool never keeps a
/// body waiting for ever.
#[derive(Debug, Clone)]
pub struct Budget {
    bodies: Half,
    spools: Half,
    /// Where bodies stood that have been read.
    pub(crate) spares: Spares,
}

#[derive(Debug, Clone)]
struct Half {
    left: Arc<Semaphore>,
    bytes: u32,
}

/// A part of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    _permit: OwnedSemaphorePermit,
}

impl Budget {
    /// A budget of `bytes`.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self { bodies: Half::new(bytes / 2), spools: Half::new(bytes / 2), spares: Spares::default() }
    }

    /// Room for a body of `bytes`, if there is any now.
    #[must_use]
    pub fn try_reserve(&self, bytes: u64) -> Option<Reservation> {
        self.bodies.try_reserve(bytes)
    }

    /// Room for a body of `bytes`, waited for in order of asking. A body larger than all the room there
    /// is waits for all of it.
    pub async fn reserve(&self, bytes: u64) -> Reservation {
        let wanted = self.bodies.clip(bytes);
        let left = Arc::clone(&self.bodies.left);
        let permit = left.acquire_many_owned(wanted).await;
        Reservation { _permit: permit.expect("a budget is never closed") }
    }
}

impl Half {
    fn new(bytes: u64) -> Self {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        // Where a `usize` or the semaphore is smaller than that, the budget is.
        let permits =
            usize::try_from(bytes).map_or(Semaphore::MAX_PERMITS, |n| n.min(Semaphore::MAX_PERMITS));
        Self { left: Arc::new(Semaphore::new(permits)), bytes: u32::try_from(permits).unwrap_or(u32::MAX) }
    }

    fn clip(&self, bytes: u64) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes)
    }

    fn try_reserve(&self, bytes: u64) -> Option<Reservation> {
        let wanted = u32::try_from(bytes).ok()?;
        let permit = Arc::clone(&self.left).try_acquire_many_owned(wanted).ok()?;
        Some(Reservation { _permit: permit })
    }
}

/// The documents of one pull, appended while it lists and read while it is applied.
#[derive(Debug)]
pub struct Spool {
    budget: Half,
    dir: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// All in memory; never larger than what is reserved.
    Memory { bytes: Vec<u8>, reserved: Vec<Reservation> },
    /// In a file that has no name; the last documents still in `tail`, which begins at `written`.
    Disk { file: File, written: u64, tail: Vec<u8> },
}

impl Spool {
    /// An empty spool that spills into an unlinked file in `dir`.
    #[must_use]
    pub fn new(budget: &Budget, dir: &Path) -> Self {
        Self {
            budget: budget.spools.clone(),
            dir: dir.to_owned(),
            place: Place::Memory { bytes: Vec::new(), reserved: Vec::new() },
        }
    }

    /// Adds a document, which is UTF-8 text, or what else goes with the documents.
    ///
    /// # Errors
    /// The spool directory is full or gone: the pull fails, nothing is lost.
    pub fn append(&mut self, document: &[u8]) -> io::Result<Span> {
        let length = u32::try_from(document.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "document over 4 GB"))?;
        if !self.has_room(document.len()) {
            self.spill()?;
        }
        let offset = match &mut self.place {
            Place::Memory { bytes, .. } => {
                let offset = bytes.len() as u64;
                bytes.extend_from_slice(document);
                offset
            }
            Place::Disk { file, written, tail } => {
                if tail.len() + document.len() > BUFFER_BYTES {
                    flush(file, written, tail)?;
                }
                let offset = *written + tail.len() as u64;
                if document.len() > BUFFER_BYTES {
                    file.write_all_at(document, *written)?;
                    *written += u64::from(length);
                } else {
                    tail.extend_from_slice(document);
                }
                offset
            }
        };
        Ok(Span { offset, length })
    }

    /// The document at `span`.
    ///
    /// # Errors
    /// The spool file cannot be read: the run fails, nothing is lost.
    pub fn read(&self, span: Span) -> io::Result<Cow<'_, str>> {
        match self.bytes(span)? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(foreign),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(foreign),
        }
    }

    /// Puts the document at `span` behind other bytes, and gives it as it stands there.
    ///
    /// # Errors
    /// As [`Spool::read`].
    pub fn read_to<'b>(&self, span: Span, bytes: &'b mut Vec<u8>) -> io::Result<&'b str> {
        let start = bytes.len();
        match self.find(span)? {
            Found::Here(found) => bytes.extend_from_slice(found),
            Found::In(file) => read_behind(file, span, bytes)?,
        }
        std::str::from_utf8(&bytes[start..]).map_err(foreign)
    }

    /// The bytes at `span`.
    ///
    /// # Errors
    /// As [`Spool::read`].
    pub fn bytes(&self, span: Span) -> io::Result<Cow<'_, [u8]>> {
        match self.find(span)? {
            Found::Here(bytes) => Ok(Cow::Borrowed(bytes)),
            Found::In(file) => {
                let mut bytes = Vec::new();
                read_behind(file, span, &mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    fn find(&self, span: Span) -> io::Result<Found<'_>> {
        match &self.place {
            Place::Memory { bytes, .. } => slice(bytes, span.offset, span.length).map(Found::Here),
            Place::Disk { written, tail, .. } if span.offset >= *written => {
                slice(tail, span.offset - written, span.length).map(Found::Here)
            }
            Place::Disk { file, .. } => Ok(Found::In(file)),
        }
    }

    /// Whether `more` bytes fit the memory; grows it by at least half, so that it moves seldom.
    fn has_room(&mut self, more: usize) -> bool {
        let Place::Memory { bytes, reserved } = &mut self.place else {
            return true;
        };
        if bytes.capacity() - bytes.len() >= more {
            return true;
        }
        let step = STEP_BYTES.max(bytes.capacity() / 2).max(more);
        let Some(reservation) = self.budget.try_reserve(step as u64) else {
            return false;
        };
        reserved.push(reservation);
        bytes.reserve_exact(bytes.capacity() + step - bytes.len());
        true
    }

    /// Moves to a file; the memory and its reservation are free at once.
    fn spill(&mut self) -> io::Result<()> {
        if let Place::Memory { bytes, .. } = &self.place {
            let file = tempfile::tempfile_in(&self.dir)?;
            file.write_all_at(bytes, 0)?;
            self.place =
                Place::Disk { written: bytes.len() as u64, file, tail: Vec::with_capacity(BUFFER_BYTES) };
        }
        Ok(())
    }
}

/// Writes what was gathered. A failed write leaves all as it was, and may be tried again.
fn flush(file: &File, written: &mut u64, tail: &mut Vec<u8>) -> io::Result<()> {
    file.write_all_at(tail, *written)?;
    *written += tail.len() as u64;
    tail.clear();
    Ok(())
}

/// Where bytes are: at hand, or in the file.
enum Found<'a> {
    Here(&'a [u8]),
    In(&'a File),
}

fn read_behind(file: &File, span: Span, bytes: &mut Vec<u8>) -> io::Result<()> {
    let start = bytes.len();
    bytes.resize(start + usize::try_from(span.length).map_err(foreign)?, 0);
    file.read_exact_at(&mut bytes[start..], span.offset)
}

fn slice(bytes: &[u8], offset: u64, length: u32) -> io::Result<&[u8]> {
    let start = usize::try_from(offset).map_err(foreign)?;
    let length = usize::try_from(length).map_err(foreign)?;
    let end = start.checked_add(length);
    end.and_then(|end| bytes.get(start..end)).ok_or_else(|| foreign("past the end"))
}

/// A span that this spool did not give out.
fn foreign(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Documents of 1 byte to 200 KB, about 3 MB together.
    fn documents() -> Vec<String> {
        (0..100_usize)
            .map(|n| format!("{{\"ä\":\"{}\"}}", "x".repeat(if n % 7 == 0 { n * 2000 } else { n })))
            .collect()
    }

    fn fill(spool: &mut Spool) -> Vec<(Span, String)> {
        documents()
            .into_iter()
            .map(|document| (spool.append(document.as_bytes()).unwrap(), document))
            .collect()
    }

    #[track_caller]
    fn check_all_read_back(spool: &Spool, kept: &[(Span, String)]) {
        for (span, document) in kept {
            assert_eq!(spool.read(*span).unwrap(), *document);
        }
    }

    #[test]
    fn a_spool_within_the_budget_stays_in_memory() {
        let budget = Budget::new(64 << 20);
        let mut spool = Spool::new(&budget, Path::new("/nonexistent"));
        let kept = fill(&mut spool);
        check_all_read_back(&spool, &kept);
        assert!(matches!(spool.read(kept[0].0).unwrap(), Cow::Borrowed(_)));
    }

    #[test]
    fn a_spool_without_budget_reads_back_from_a_file_with_no_name() {
        let dir = tempfile::tempdir().unwrap();
        for bytes in [0, 1 << 20, 4 << 20] {
            let mut spool = Spool::new(&Budget::new(bytes), dir.path());
            let kept = fill(&mut spool);
            check_all_read_back(&spool, &kept);
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_spilled_spool_gives_its_memory_back_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let budget = Budget::new(2 << 20);
        let mut first = Spool::new(&budget, dir.path());
        let kept = fill(&mut first);
        assert_eq!(budget.spools.left.available_permits(), 1 << 20);
        check_all_read_back(&first, &kept);
    }

    #[test]
    fn memory_never_exceeds_what_is_reserved() {
        let budget = Budget::new(64 << 20);
        let mut spool = Spool::new(&budget, Path::new("/nonexistent"));
        fill(&mut spool);
        let Place::Memory { bytes, .. } = &spool.place else {
            panic!("the budget is large enough");
        };
        let taken = (32 << 20) - budget.spools.left.available_permits();
        assert!(bytes.capacity() <= taken, "{} {taken}", bytes.capacity());
        drop(spool);
        assert_eq!(budget.spools.left.available_permits(), 32 << 20);
    }

    #[test]
    fn a_missing_directory_fails_the_append_and_keeps_what_was_there() {
        let budget = Budget::new(1 << 20);
        let mut spool = Spool::new(&budget, Path::new("/nonexistent"));
        let span = spool.append(b"{}").unwrap();
        assert!(spool.append(&[b'x'; 1 << 20]).is_err());
        assert_eq!(spool.read(span).unwrap(), "{}");
    }

    #[test]
    fn a_foreign_span_is_an_error() {
        let spool = Spool::new(&Budget::new(0), Path::new("/nonexistent"));
        let span = Span { offset: u64::MAX, length: u32::MAX };
        assert!(spool.read(span).is_err());
    }

    #[test]
    fn a_document_that_was_not_put_aside_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        for bytes in [0, 1 << 20] {
            let mut spool = Spool::new(&Budget::new(bytes), dir.path());
            assert!(spool.read(Span::NOWHERE).is_err());
            spool.append(b"{}").unwrap();
            assert!(spool.read(Span::NOWHERE).is_err());
        }
    }

    #[tokio::test]
    async fn bodies_wait_for_each_other_and_never_for_spools() {
        let dir = tempfile::tempdir().unwrap();
        let budget = Budget::new(2 << 20);
        let mut spool = Spool::new(&budget, dir.path());
        spool.append(&[b'x'; 700 << 10]).unwrap();
        let all = budget.reserve(99 << 20).await;
        assert!(budget.try_reserve(1).is_none());
        drop(all);
        assert!(budget.try_reserve(1 << 20).is_some());
    }
}
