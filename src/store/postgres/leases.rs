//! Who works on a connection, among all programs on one database: leases that end by the server's clock, each
//! with a token that grows with every holder. What a process writes for a connection is stored only while its
//! token is the newest. Plain SQL, no session state: it works behind poolers, and on whatever speaks the
//! protocol.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::sync::watch;

use super::fault::{Trouble, explain};
use super::pool::Postgres;
use super::session::Session;
use crate::name::ConnectionName;
use crate::store::StoreError;
use crate::store::lanes::blocking;
use crate::store::sql::{Cell, Fault, FromCell as _, ToCell as _};

/// How long a lease that somebody is about to commit under is waited for: the others must not end meanwhile.
const LOCK_MAX: Duration = Duration::from_millis(100);

/// The leases that this process holds, or held and has not let go of, by connection.
#[derive(Debug)]
pub(super) struct Leases {
    held: Mutex<HashMap<String, Held>>,
    /// Those that are being taken now.
    wanted: Mutex<HashSet<String>>,
    /// Tells this process from all others, on whatever machine.
    process: String,
}

#[derive(Debug)]
struct Held {
    token: i64,
    /// It did not end before this and the length of a lease.
    confirmed: Instant,
    /// To whom it went.
    lost: watch::Sender<Option<String>>,
}

/// The right to work on a connection. Dropping it lets the next one in.
#[derive(Debug)]
pub(in crate::store) struct Lease {
    db: Arc<Postgres>,
    connection: ConnectionName,
    token: i64,
    lost: watch::Receiver<Option<String>>,
}

/// A process that lost its lease wrote for the connection.
#[derive(Debug, Clone, thiserror::Error)]
#[error("lost the lease of connection {connection} {to}; nothing of this was stored, and who has it goes on")]
pub(super) struct LeaseLost {
    connection: String,
    to: String,
}

impl Lease {
    /// Says to whom the lease went, once it is lost.
    pub(in crate::store) fn lost(&self) -> watch::Receiver<Option<String>> {
        self.lost.clone()
    }

    /// Whether it is still held, as far as this process knows.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] says who has it.
    pub(in crate::store) fn check(&self) -> Result<(), StoreError> {
        match &*self.lost.borrow() {
            None => Ok(()),
            Some(to) => {
                let lost = LeaseLost { connection: self.connection.to_string(), to: to.clone() };
                Err(StoreError::LeaseLost(lost.to_string()))
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.db.leases.all().remove(self.connection.as_str());
        // Nobody waits for a server that was out of reach just now.
        if self.lost.borrow().is_none() {
            let _ends_by_itself = blocking(|| self.db.release(&self.connection, self.token));
        }
    }
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            wanted: Mutex::default(),
            process: format!("{:032x}", fastrand::u128(..)),
        }
    }
}

impl Leases {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many this process holds.
    pub(super) fn count(&self) -> usize {
        self.all().values().filter(|held| held.lost.borrow().is_none()).count()
    }

    /// The right to take a lease, unless this process has it or is taking it; gone when it is dropped.
    fn want<'a>(&'a self, name: &'a str) -> Option<Wanted<'a>> {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = self.token(name).is_none() && wanted.insert(name.to_owned());
        drop(wanted);
        let right = is_first.then(|| Wanted { leases: self, name })?;
        // Whoever was first may have got it between the two looks.
        self.token(name).is_none().then_some(right)
    }

    fn token(&self, connection: &str) -> Option<i64> {
        self.all().get(connection).map(|held| held.token)
    }

    /// A lease stood when the server was asked at `asked`.
    fn confirm(&self, connection: &str, token: i64, asked: Instant) {
        if let Some(held) = self.all().get_mut(connection).filter(|held| held.token == token) {
            held.confirmed = held.confirmed.max(asked);
        }
    }

    fn lose(&self, connection: &str, token: i64, to: &str) {
        if let Some(held) = self.all().get(connection).filter(|held| held.token == token) {
            held.lose(to);
        }
    }
}

struct Wanted<'a> {
    leases: &'a Leases,
    name: &'a str,
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.leases.wanted.lock().unwrap_or_else(PoisonError::into_inner).remove(self.name);
    }
}

impl Held {
    fn lose(&self, to: &str) {
        self.lost.send_if_modified(|lost| {
            let is_news = lost.is_none();
            lost.get_or_insert_with(|| to.to_owned());
            is_news
        });
    }
}

impl Postgres {
    /// Takes a connection's lease for `command`, whose name the others will read.
    ///
    /// # Errors
    /// [`StoreError::Busy`] names who holds it; else the store cannot be used.
    pub(in crate::store) fn take(
        self: &Arc<Self>,
        connection: &ConnectionName,
        command: &str,
        since: DateTime<Utc>,
    ) -> Result<Lease, StoreError> {
        let name = connection.as_str();
        let busy = |holder: &str| StoreError::Busy(format!("connection {connection} is in use ({holder})"));
        let doing = format_args!("take the lease of connection {connection}");
        // One of its own may have ended while the machine slept: its work is under way, and writes under it.
        let _wanted = self.leases.want(name).ok_or_else(|| busy("this process"))?;
        // Looked at first: whoever tries to take a lease keeps its holder waiting for a moment.
        if let Some(holder) = self.read(doing, |sql| self.other(sql, name))? {
            return Err(busy(&holder));
        }
        let asked = Instant::now();
        let holder = holder(command, since);
        let (lend, limit) = (|| self.lend(), self.settings.connect_timeout);
        let taken = blocking(|| self.briefly(2 * limit, limit, &lend, |sql| self.insert(sql, name, &holder)));
        match taken {
            Ok(Ok(token)) => {
                let (sender, lost) = watch::channel(None);
                let held = Held { token, confirmed: asked, lost: sender };
                self.leases.all().insert(name.to_owned(), held);
                Ok(Lease { db: Arc::clone(self), connection: connection.clone(), token, lost })
            }
            Ok(Err(holder)) => Err(busy(&holder)),
            Err(fault) if is_locked(&fault) => Err(busy("another process, which took it just now")),
            Err(fault) => Err(explain(&self.settings, &doing, fault)),
        }
    }

    /// The token of the lease now taken, or who was faster.
    fn insert(&self, sql: &Session, name: &str, holder: &str) -> Result<Result<i64, String>, Fault> {
        let taken = sql.query(
            "INSERT INTO leases (name, token, holder, process, expires_at)
             VALUES (?1, 1, ?2, ?4, clock_timestamp() + CAST(?3 AS interval))
             ON CONFLICT (name) DO UPDATE
             SET token = leases.token + 1, holder = excluded.holder, process = excluded.process,
               expires_at = excluded.expires_at
             WHERE leases.holder IS NULL OR leases.expires_at < clock_timestamp()
               OR leases.process = excluded.process
             RETURNING token",
            &[name.to_cell(), holder.to_cell(), self.lease_text(), self.leases.process.to_cell()],
        )?;
        Ok(match taken.into_iter().flatten().next() {
            Some(token) => Ok(i64::from_cell(token)?),
            None => Err(self.other(sql, name)?.unwrap_or_else(|| "another process".into())),
        })
    }

    /// Writes in one transaction for a connection. Where this process took the connection's lease, its token
    /// is proved last, so that the lease is locked for no longer than the commit.
    ///
    /// # Errors
    /// As [`Postgres::write`]; [`StoreError::LeaseLost`]: nothing is stored, for another one has the lease.
    pub(in crate::store) fn write_of<T>(
        &self,
        connection: &ConnectionName,
        doing: impl std::fmt::Display,
        mut work: impl FnMut(&Session) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let name = connection.as_str();
        let Some(token) = self.leases.token(name) else { return self.write(doing, work) };
        let mut asked = Instant::now();
        let written = self.write(doing, |sql| {
            let done = work(sql)?;
            asked = Instant::now();
            match self.prolong(sql, name, token)? {
                None => Ok(done),
                Some(lost) => {
                    self.leases.lose(name, token, &lost.to);
                    Err(lost.into())
                }
            }
        });
        if written.is_ok() {
            self.leases.confirm(name, token, asked);
        }
        written
    }

    /// Prolongs a lease; says who has it if it is lost.
    fn prolong(&self, sql: &Session, name: &str, token: i64) -> Result<Option<LeaseLost>, Fault> {
        let prolonged = sql.execute(
            "UPDATE leases SET expires_at = clock_timestamp() + CAST(?3 AS interval)
             WHERE name = ?1 AND token = ?2 AND holder IS NOT NULL",
            &[name.to_cell(), token.to_cell(), self.lease_text()],
        )?;
        if prolonged > 0 {
            return Ok(None);
        }
        let to = self
            .other(sql, name)?
            .map_or_else(|| "to another process".into(), |holder| format!("to {holder}"));
        Ok(Some(LeaseLost { connection: name.to_owned(), to }))
    }

    /// Prolongs all leases that are held, each by itself: who is about to commit under one delays no other's.
    ///
    /// # Errors
    /// The server is out of reach. Leases that have certainly ended are then lost.
    pub(super) fn prolong_all(&self) -> Result<(), Fault> {
        let is_held = |(_, held): &(&String, &Held)| held.lost.borrow().is_none();
        let held: Vec<(String, i64)> =
            self.leases.all().iter().filter(is_held).map(|(name, held)| (name.clone(), held.token)).collect();
        let limit = self.settings.connect_timeout.min(self.settings.lease / 3);
        let mut outcome = Ok(());
        for (name, token) in &held {
            let asked = Instant::now();
            let lend = || self.lend_at_once(limit);
            match self.briefly(limit, LOCK_MAX, &lend, |sql| self.prolong(sql, name, *token)) {
                Ok(None) => self.leases.confirm(name, *token, asked),
                Ok(Some(lost)) => self.leases.lose(name, *token, &lost.to),
                // Whoever has it locked is this process, whose commit prolongs it too, or its next holder.
                Err(fault) if is_locked(&fault) => {}
                Err(fault) => {
                    outcome = Err(fault);
                    break;
                }
            }
        }
        if outcome.is_err() {
            self.lose_ended();
        }
        outcome
    }

    /// While the server is out of reach, leases that were not prolonged for their whole length count as lost.
    fn lose_ended(&self) {
        for held in self.leases.all().values().filter(|held| held.confirmed.elapsed() >= self.settings.lease)
        {
            held.lose("because the database was out of reach for longer than a lease");
        }
    }

    fn release(&self, connection: &ConnectionName, token: i64) -> Result<(), Fault> {
        let limit = self.settings.release_timeout;
        self.briefly(limit, limit, &|| self.lend_within(limit), |sql| {
            sql.execute(
                "UPDATE leases SET holder = NULL WHERE name = ?1 AND token = ?2",
                &[connection.as_str().to_cell(), token.to_cell()],
            )
        })
        .map(drop)
    }

    /// Who else holds a lease that has not ended.
    fn other(&self, sql: &Session, name: &str) -> Result<Option<String>, Fault> {
        let found = sql.query(
            "SELECT holder FROM leases WHERE name = ?1 AND holder IS NOT NULL AND process <> ?2
               AND expires_at >= clock_timestamp()",
            &[name.to_cell(), self.leases.process.to_cell()],
        )?;
        let holder = found.into_iter().flatten().next().map(String::from_cell).transpose()?;
        Ok(holder.map(|holder| holder.chars().filter(|c| !c.is_control()).collect()))
    }

    /// How long a lease lasts.
    pub(in crate::store) fn lease(&self) -> Duration {
        self.settings.lease
    }

    /// How many leases this process holds.
    pub(in crate::store) fn leases_held(&self) -> usize {
        self.leases.count()
    }

    fn lease_text(&self) -> Cell<'static> {
        Cell::Text(format!("{} milliseconds", self.settings.lease.as_millis()).into())
    }
}

/// Whether another transaction kept the lease locked.
fn is_locked(fault: &Fault) -> bool {
    matches!(fault.downcast_ref(), Some(Trouble::Server { code, .. }) if code == "55P03")
}

/// What the others read: `host db1, pid 7, run since 2026-03-01T12:00:00Z`
fn holder(command: &str, since: DateTime<Utc>) -> String {
    let system = rustix::system::uname();
    let (host, pid) = (system.nodename().to_string_lossy(), std::process::id());
    format!("host {host}, pid {pid}, {command} since {}", since.to_rfc3339_opts(SecondsFormat::Secs, true))
}
