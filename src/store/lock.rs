//! Exclusion: one process at a time per connection, and one daemon, by locks on files beside the
//! store. The kernel frees them when their holder dies, so nothing is ever left to clean up. The daemon's
//! lock file tells that the daemon turns, to whoever may read it: by its time of change, and by the machine's
//! uptime in its second line, which nobody sets.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::sync::watch;

use super::explain::cure;
use super::owner::hand_over_to_read;
use super::postgres::Lease;
use super::{Store, StoreError};
use crate::clock::Clock;
use crate::config::{DaemonPlace, lock_file};
use crate::name::ConnectionName;

/// Held while a connection is worked on; dropping it lets the next one in.
#[derive(Debug)]
pub struct ConnectionLock(Kept);

#[derive(Debug)]
enum Kept {
    /// Nobody else could come.
    Nothing,
    /// The kernel frees it when this process dies.
    File { _file: Locked },
    /// It ends by the server's clock.
    Lease(Lease),
}

/// Held by the daemon all its life, also while it brings the store up to date.
#[derive(Debug)]
pub struct DaemonLock {
    file: Locked,
    /// This machine's, by which others here read when the file was touched.
    clock: Clock,
    since: DateTime<Utc>,
    /// Where the line with the uptime begins.
    beat_from: u64,
}

/// What the daemon's lock file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// Whether a daemon holds it.
    pub is_held: bool,
    /// Whether that one has not begun to serve yet.
    pub is_starting: bool,
    /// What it wrote about itself (`pid 7, run since …`).
    pub holder: String,
    /// When it last turned, or began to start.
    pub beat_at: DateTime<Utc>,
    /// The uptime of its machine then ([`Clock::uptime`]); an older daemon does not write it.
    pub beat_after: Option<Duration>,
}

/// Stands in the daemon's lock file until it serves.
const STARTING: &str = ", starting";
/// Before the machine's uptime at the last beat, in milliseconds.
const BEAT: &str = "beat after ms ";
/// Whoever looks at the daemon's lock holds it for an instant; so often, and so long, it is tried again.
const LOOKS: u32 = 20;
const LOOK: Duration = Duration::from_millis(50);
/// A link in the last part of a path is refused.
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

impl DaemonLock {
    /// Takes the place for a daemon. Before the store is opened: of two daemons one alone brings a file up to
    /// date.
    ///
    /// # Errors
    /// [`StoreError::Busy`] names who holds it; [`StoreError::Unusable`]: there is no place for the lock.
    pub async fn take(place: &DaemonPlace, clock: &Clock) -> Result<Self, StoreError> {
        let path = Self::path(place);
        let busy = |holder: &str| match place {
            DaemonPlace::Store(store) => format!("another daemon works on {} ({holder})", store.display()),
            DaemonPlace::SpoolDir(folder) => format!(
                "another daemon works in {} ({holder}); a second one on this machine needs a daemon.spool_dir \
                 of its own",
                folder.display()
            ),
        };
        let mut looks = 0;
        let mut file = loop {
            match lock(&path, busy) {
                Err(StoreError::Busy(_)) if looks < LOOKS => looks += 1,
                locked => break locked?,
            }
            clock.sleep(LOOK).await;
        };
        let since = clock.now();
        let beat_from = sign(&mut file.0, "run", since, STARTING);
        let lock = Self { file, clock: clock.clone(), since, beat_from };
        lock.beat();
        Ok(lock)
    }

    /// Where the lock lies.
    #[must_use]
    pub fn path(place: &DaemonPlace) -> PathBuf {
        lock_file(&place.base(), "daemon")
    }

    /// Says that the daemon has started.
    pub fn serving(&mut self) {
        self.beat_from = sign(&mut self.file.0, "run", self.since, "");
        self.beat();
    }

    /// Says that the daemon turns. Nothing is done about a failure: then it looks as if it hung, and that
    /// is how it should look where its folder cannot be written.
    pub fn beat(&self) {
        // Always as long, so that it is written over in one go.
        let line = format!("{BEAT}{:020}\n", self.clock.uptime().as_millis());
        let _ = self.file.0.write_all_at(line.as_bytes(), self.beat_from);
        let _ = self.file.0.set_modified(self.clock.now().into());
    }

    /// What the lock tells, to whoever may read it, also where nothing can be written.
    ///
    /// # Errors
    /// There is no lock file, or this user may not read it.
    pub fn look(place: &DaemonPlace) -> io::Result<Pulse> {
        // A daemon that starts now waits for this look to end.
        let mut file = Locked(File::open(Self::path(place))?);
        let is_held = match file.0.try_lock_shared() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        let beat_at = file.0.metadata()?.modified()?.into();
        let text = text(&mut file.0);
        let written = holder(&text);
        let holder = written.trim_end_matches(STARTING).to_owned();
        let beat = text.lines().nth(1).and_then(|line| line.strip_prefix(BEAT)?.parse().ok());
        let beat_after = beat.map(Duration::from_millis);
        Ok(Pulse { is_held, is_starting: written.ends_with(STARTING), holder, beat_at, beat_after })
    }
}

impl Store {
    /// Locks a connection for `command` (`sync`), whose name the others will read.
    ///
    /// # Errors
    /// [`StoreError::Busy`] names who holds it; [`StoreError::Unusable`]: the store's file is gone.
    pub async fn lock(
        &self,
        connection: &ConnectionName,
        command: &str,
        now: DateTime<Utc>,
    ) -> Result<ConnectionLock, StoreError> {
        let db = match self {
            Self::Sqlite(db) => db,
            Self::Postgres(db) => {
                let _turn = db.lanes.write().await;
                return Ok(ConnectionLock(Kept::Lease(db.take(connection, command, now)?)));
            }
        };
        db.refuse_removed()?;
        let path = lock_file(db.path(), &format!("connection-{connection}"));
        let busy = |holder: &str| format!("connection {connection} is in use ({holder})");
        let mut file = lock(&path, busy)?;
        sign(&mut file.0, command, now, "");
        Ok(ConnectionLock(Kept::File { _file: file }))
    }
}

impl Store {
    /// Keeps other replicas away from a connection while this one tells something of it. `None`: another one
    /// is at it, and tells.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn lock_out_replicas(
        &self,
        connection: &ConnectionName,
        now: DateTime<Utc>,
    ) -> Result<Option<ConnectionLock>, StoreError> {
        let Self::Postgres(db) = self else { return Ok(Some(ConnectionLock(Kept::Nothing))) };
        let _turn = db.lanes.write().await;
        match db.take(connection, "look", now) {
            Ok(lease) => Ok(Some(ConnectionLock(Kept::Lease(lease)))),
            Err(StoreError::Busy(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl ConnectionLock {
    /// Whether it still keeps the others out.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] names who took the connection over. A file's lock cannot be lost.
    pub fn check(&self) -> Result<(), StoreError> {
        match &self.0 {
            Kept::Nothing | Kept::File { .. } => Ok(()),
            Kept::Lease(lease) => lease.check(),
        }
    }

    /// Turns true when `cancel` does, and when the connection is taken over: then too there is nothing left to
    /// be done.
    #[must_use]
    pub fn or_lost(&self, mut cancel: watch::Receiver<bool>) -> watch::Receiver<bool> {
        let Kept::Lease(lease) = &self.0 else { return cancel };
        let (sender, receiver) = watch::channel(false);
        let mut lost = lease.lost();
        tokio::spawn(async move {
            tokio::select! {
                Ok(_) = cancel.wait_for(|stop| *stop) => {}
                Ok(_) = lost.wait_for(Option::is_some) => {}
                () = sender.closed() => {}
            }
            if *cancel.borrow() || lost.borrow().is_some() {
                sender.send_replace(true);
            }
            sender.closed().await;
        });
        receiver
    }
}

/// A file or a folder that is locked until this is dropped. To close it would not do: a child that another
/// thread starts has whatever is open until its own program runs, and would keep the lock for that long.
#[derive(Debug)]
pub(super) struct Locked(File);

impl Locked {
    /// Locks what is open, unless another one has it.
    ///
    /// # Errors
    /// Another one has it, or it is on a disk where nothing can be locked.
    pub(super) fn take(file: File) -> Result<Self, TryLockError> {
        file.try_lock().map(|()| Self(file))
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // What cannot be unlocked was not locked, and is closed now either way.
        let _ = self.0.unlock();
    }
}

/// Takes the lock that this file is, for as long as it is kept.
pub(super) fn lock(path: &Path, busy: impl FnOnce(&str) -> String) -> Result<Locked, StoreError> {
    let unusable = |error: io::Error| {
        StoreError::Unusable(format!("cannot lock {}: {error}; {}", path.display(), cure(&error)))
    };
    let mut file = open(path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(Locked(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::Busy(busy(&holder(&text(&mut file))))),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Opens the file of a lock, and makes it where there is none. Follows no link: root, by hand, works in the
/// folder of the service's user.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o640).custom_flags(NO_LINK);
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            hand_over_to_read(&file, path);
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

/// Writes who holds a lock, and since when. Gives the length of it.
fn sign(file: &mut File, command: &str, since: DateTime<Utc>, state: &str) -> u64 {
    let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
    let text = format!("pid {}, {command} since {since}{state}\n", std::process::id());
    // For people only: on a full disk the lock stands without it.
    let _ = file.rewind().and_then(|()| file.set_len(0)).and_then(|()| file.write_all(text.as_bytes()));
    text.len() as u64
}

/// What stands in a lock's file; nothing where it cannot be read.
fn text(file: &mut File) -> String {
    let mut text = String::new();
    match file.rewind().and_then(|()| file.take(200).read_to_string(&mut text)) {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}

/// What the holder wrote about itself in the first line; it may not have got to it yet.
fn holder(text: &str) -> String {
    match text.lines().next().unwrap_or_default().trim() {
        "" => "another process".into(),
        line => line.chars().filter(|c| !c.is_control()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Until its own program runs, a child has all that is open here.
    #[test]
    fn a_lock_let_go_of_is_free_though_a_child_has_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let place = DaemonPlace::SpoolDir(dir.path().to_owned());
        let path = DaemonLock::path(&place);
        let taken = || lock(&path, str::to_owned);
        let held = taken().unwrap();
        let _childs = held.0.try_clone().unwrap();
        assert!(matches!(taken(), Err(StoreError::Busy(_))));
        drop(held);
        assert!(!DaemonLock::look(&place).unwrap().is_held);
        taken().unwrap();
    }

    #[test]
    fn the_lock_of_an_older_daemon_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let place = DaemonPlace::SpoolDir(dir.path().to_owned());
        for (state, is_starting) in [("", false), (STARTING, true)] {
            std::fs::write(DaemonLock::path(&place), format!("pid 7, run since then{state}\n")).unwrap();
            let pulse = DaemonLock::look(&place).unwrap();
            assert_eq!((pulse.holder.as_str(), pulse.is_starting), ("pid 7, run since then", is_starting));
            assert_eq!(pulse.beat_after, None);
        }
    }
}
