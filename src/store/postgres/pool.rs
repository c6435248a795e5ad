//! Hands out sessions for one transaction each, opens and drops them, and runs a transaction again when
//! another one stood in its way.

use std::fmt::Display;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

use super::connect;
use super::fault::{Trouble, explain};
use super::leases::Leases;
use super::session::Session;
use super::settings::Settings;
use super::wait::Waiting;
use crate::clock::Anchor;
use crate::store::StoreError;
use crate::store::lanes::{Lanes, blocking};
use crate::store::sql::Fault;

/// How long a free session is waited for.
const CROWD_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a transaction is made again when others stood in its way.
const AGAIN_MAX: u32 = 3;
/// The first pause before that; each one after is three times as long.
const PAUSE_MS: u64 = 20;

/// The store's server, and the sessions with it.
#[derive(Debug)]
pub struct Postgres {
    pub(super) settings: Settings,
    waiting: Arc<Waiting>,
    sessions: Mutex<Sessions>,
    /// Told whenever a session becomes free.
    freed: Condvar,
    pub(super) leases: Leases,
    pub(in crate::store) lanes: Lanes,
    /// The server's clock, once it was asked for.
    pub(super) clock: OnceLock<Arc<Anchor>>,
    /// Keeps the thread alive that keeps leases.
    pub(super) keeper: Mutex<Option<mpsc::Sender<()>>>,
}

/// What a transaction may do, and what it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Read,
    Write,
}

#[derive(Debug, Default)]
struct Sessions {
    idle: Vec<Session>,
    lent: usize,
}

impl Postgres {
    /// The store's server, asked once whether it can be used.
    ///
    /// # Errors
    /// [`StoreError::Unusable`]: a person must act before it can; [`StoreError::Failed`]: it cannot be
    /// reached now.
    pub(in crate::store) fn open(settings: Settings) -> Result<Self, StoreError> {
        let waiting = Waiting::new().map_err(|error| StoreError::Failed {
            context: "cannot start the thread of the connections to PostgreSQL".into(),
            source: error.into(),
        })?;
        let sessions = Mutex::default();
        let lanes = Lanes::of_many(settings.connections_max);
        let db = Self {
            settings,
            waiting: Arc::new(waiting),
            sessions,
            freed: Condvar::new(),
            leases: Leases::default(),
            lanes,
            clock: OnceLock::new(),
            keeper: Mutex::default(),
        };
        db.read("open the store", |_| Ok(()))?;
        Ok(db)
    }

    /// Reads in one transaction, so that several statements see one state.
    ///
    /// # Errors
    /// The store cannot be read, or `work` failed.
    pub(in crate::store) fn read<T>(
        &self,
        doing: impl Display,
        mut work: impl FnMut(&Session) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.transaction(Mode::Read, &doing, &mut work)
    }

    /// Writes in one transaction: all of it or nothing. When another transaction stood in its way, `work` is
    /// done again from its beginning, so it may keep nothing from an earlier time.
    ///
    /// # Errors
    /// The store cannot be written, or `work` failed: nothing of it is stored.
    pub(in crate::store) fn write<T>(
        &self,
        doing: impl Display,
        mut work: impl FnMut(&Session) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.transaction(Mode::Write, &doing, &mut work)
    }

    fn transaction<T>(
        &self,
        mode: Mode,
        doing: &dyn Display,
        work: &mut dyn FnMut(&Session) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        blocking(|| self.transact(mode, work)).map_err(|fault| explain(&self.settings, doing, fault))
    }

    fn transact<T>(
        &self,
        mode: Mode,
        work: &mut dyn FnMut(&Session) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut times = 0;
        loop {
            let limit = self.settings.connect_timeout;
            let session = self.begin(&self.opening(mode), limit, &|| self.lend())?;
            let done = work(&session).and_then(|done| Ok(session.commit().map(|()| done)?));
            let fault = match done {
                Ok(done) => {
                    session.give_back();
                    return Ok(done);
                }
                Err(fault) => fault,
            };
            let is_worth_another = mode == Mode::Write && session.is_conflict() && times < AGAIN_MAX;
            session.roll_back();
            if session.is_over() {
                self.forget_idle();
            }
            session.give_back();
            if !is_worth_another {
                return Err(fault);
            }
            // Two that met once should not meet again.
            let pause = PAUSE_MS * 3_u64.pow(times);
            std::thread::sleep(Duration::from_millis(fastrand::u64(pause / 2..=pause)));
            times += 1;
        }
    }

    /// What a transaction begins with. One that writes and stands still, because its process is frozen or cut
    /// off, keeps the others waiting for no longer than a lease.
    fn opening(&self, mode: Mode) -> String {
        match mode {
            Mode::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".into(),
            Mode::Write => format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
                 SET LOCAL idle_in_transaction_session_timeout TO {}",
                self.settings.lease.as_millis()
            ),
        }
    }

    /// Writes in one transaction that is made once, and in which no answer is waited for longer than `limit`,
    /// and no lock longer than `lock_limit`.
    pub(super) fn briefly<'a, T>(
        &'a self,
        limit: Duration,
        lock_limit: Duration,
        lend: &dyn Fn() -> Result<Loan<'a>, Trouble>,
        work: impl FnOnce(&Session) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let opening =
            format!("{}; SET LOCAL lock_timeout TO {}", self.opening(Mode::Write), lock_limit.as_millis());
        let session = self.begin(&opening, limit, lend)?;
        session.be_patient(limit);
        let done = work(&session).and_then(|done| Ok(session.commit().map(|()| done)?));
        if done.is_err() {
            session.roll_back();
        }
        session.be_patient(self.settings.patience());
        session.give_back();
        done
    }

    /// A session that answered `statement` within `limit`. One that died while it was idle is replaced without
    /// a word.
    pub(super) fn begin<'a>(
        &'a self,
        statement: &str,
        limit: Duration,
        lend: &dyn Fn() -> Result<Loan<'a>, Trouble>,
    ) -> Result<Loan<'a>, Trouble> {
        let session = lend()?;
        match session.begin(statement, limit) {
            Err(_) if session.was_idle => {}
            begun => return begun.map(|()| session),
        }
        drop(session);
        self.forget_idle();
        let session = lend()?;
        session.begin(statement, limit).map(|()| session)
    }

    /// A session that is idle, or a new one, or the next that becomes free.
    pub(super) fn lend(&self) -> Result<Loan<'_>, Trouble> {
        self.lend_within(CROWD_TIMEOUT)
    }

    /// As [`Postgres::lend`], waiting no longer than this for one to become free.
    pub(super) fn lend_within(&self, limit: Duration) -> Result<Loan<'_>, Trouble> {
        let until = Instant::now() + limit;
        let mut sessions = self.sessions();
        loop {
            if let Some(session) = sessions.usable() {
                sessions.lent += 1;
                return Ok(Loan { db: self, session: Some(session), was_idle: true });
            }
            if sessions.lent < self.settings.connections_max.max(1) {
                sessions.lent += 1;
                drop(sessions);
                return self.opened(self.settings.connect_timeout.min(limit));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Trouble::Crowded { count: sessions.lent, waited: limit });
            }
            let waited = self.freed.wait_timeout(sessions, left);
            sessions = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A session that is idle, or a new one, though there be one too many.
    pub(super) fn lend_at_once(&self, limit: Duration) -> Result<Loan<'_>, Trouble> {
        let mut sessions = self.sessions();
        sessions.lent += 1;
        match sessions.usable() {
            None => {
                drop(sessions);
                self.opened(limit)
            }
            session => Ok(Loan { db: self, session, was_idle: true }),
        }
    }

    /// A new session, which counts as lent already.
    fn opened(&self, limit: Duration) -> Result<Loan<'_>, Trouble> {
        let mut loan = Loan { db: self, session: None, was_idle: false };
        loan.session = Some(connect::open(&self.settings, &self.waiting, limit)?);
        Ok(loan)
    }

    /// Drops the idle sessions: whatever ended one has most likely ended them all.
    fn forget_idle(&self) {
        let idle = std::mem::take(&mut self.sessions().idle);
        drop(idle);
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    /// An idle session of which no end is known.
    fn usable(&mut self) -> Option<Session> {
        self.idle.retain(|session| !session.is_over());
        self.idle.pop()
    }
}

/// A session in the hands of one transaction. Unless it is given back it is dropped, and with it whatever
/// was not committed: so a panic leaves nothing behind.
pub(super) struct Loan<'a> {
    db: &'a Postgres,
    /// `None` before it is connected, and after it was given back.
    session: Option<Session>,
    was_idle: bool,
}

impl Loan<'_> {
    /// Makes the session free for others, if it can still be used and there is not one too many: whoever
    /// waits would keep that for good.
    pub(super) fn give_back(mut self) {
        let session = self.session.take().filter(|session| !session.is_over());
        let mut sessions = self.db.sessions();
        if sessions.lent + sessions.idle.len() <= self.db.settings.connections_max.max(1) {
            sessions.idle.extend(session);
        }
    }
}

impl Deref for Loan<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session.as_ref().expect("it is lent when it is connected")
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.db.sessions().lent -= 1;
        self.db.freed.notify_one();
    }
}
