//! One pass over one connection, with everything around the run: the lock, the key, the views, the
//! warnings, the closing line.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch::{Receiver, Sender};
use tracing::Instrument as _;

use super::{AppError, Engine, Ring};
use crate::config::Connection;
use crate::cycle::{self, Job, Notices, Progress, Report};
use crate::key::Key;
use crate::pull::client::Client;
use crate::retry::NextTry;
use crate::run::{Counts, Mode, Outcome, Run};
use crate::store::{ConnectionLock, StoreError};
use crate::warning::{Event, Severity, Warning, WarningId};
use crate::watch::stale::{self, Staleness};
use crate::watch::{Standing, discovery, skew};

/// How often is looked for what is old: to look takes longer the more is kept.
const FORGET_EVERY: TimeDelta = TimeDelta::hours(1);

/// Who asks for a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The daemon.
    Schedule,
    /// A person or a timer.
    Command,
}

impl Asker {
    /// The word in the connection's lock.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "run",
            Self::Command => "sync",
        }
    }
}

/// What is asked of a pass.
#[derive(Debug)]
pub struct Order {
    /// `None`: full when one is due, like the daemon.
    pub mode: Option<Mode>,
    /// Who asks.
    pub asker: Asker,
    /// The connection's lock, where whoever asks has taken it.
    pub lock: Option<ConnectionLock>,
    /// Turns true when the program is asked to stop.
    pub cancel: Receiver<bool>,
    /// Told how far the run is.
    pub progress: Sender<Option<Progress>>,
}

/// What a pass came to.
#[derive(Debug)]
pub struct Passed {
    /// The run as recorded.
    pub run: Run,
    /// How the key stands, and how many warnings are open.
    pub standing: Standing,
    /// When the daemon tries it again, where it stored nothing.
    pub next_try: NextTry,
}

/// A pass whose connection is locked, and whose mode is settled.
struct Begun {
    mode: Mode,
    asker: Asker,
    lock: ConnectionLock,
    /// Turns true also when the lock is lost.
    cancel: Receiver<bool>,
    progress: Sender<Option<Progress>>,
}

impl Engine {
    /// Runs one pass over a connection: lock, run, views, warnings, closing line.
    ///
    /// # Errors
    /// The connection is in use, its key cannot be read, or the store cannot be used; whatever the
    /// network does is part of the run.
    pub async fn pass(&self, connection: &Connection, order: Order) -> Result<Passed, AppError> {
        let asked = order.mode.unwrap_or(Mode::Full);
        let (mode, passed) = match self.begin(connection, order).await {
            Ok(begun) => (begun.mode, self.go(connection, begun).await),
            Err(error) => (asked, Err(error)),
        };
        match &passed {
            Ok(passed) => self.metrics.count(&passed.run),
            // It is another process's, and counted there.
            Err(AppError::Store(StoreError::LeaseLost(_) | StoreError::Busy(_))) => {}
            Err(_) => self.metrics.count_failed(&connection.name, mode),
        }
        passed
    }

    /// Locks the connection, and settles what its run is to be.
    async fn begin(&self, connection: &Connection, order: Order) -> Result<Begun, AppError> {
        let Order { mode, asker, lock, cancel, progress } = order;
        let name = &connection.name;
        let lock = match lock {
            Some(lock) => lock,
            None => self.store.lock(name, asker.as_str(), self.clock.now()).await?,
        };
        let cancel = lock.or_lost(cancel);
        let keys: Vec<&Key> = connection.keys().collect();
        self.store.record_keys(name, connection.mapped_user.as_deref(), connection.timezone, &keys).await?;
        let mode = match mode {
            // Of what came up since the last full run the daemon's turns know nothing.
            Some(Mode::Incremental)
                if asker == Asker::Schedule && self.store.waits_for_full(name).await? =>
            {
                self.mode_due(connection).await?
            }
            Some(mode) => mode,
            None => self.mode_due(connection).await?,
        };
        Ok(Begun { mode, asker, lock, cancel, progress })
    }

    /// The connection's keys, and the client that asks with them; a run without is recorded.
    async fn equip<'a>(
        &self,
        connection: &'a Connection,
        mode: Mode,
    ) -> Result<(Ring<'a>, Client), AppError> {
        let ring = self.ring(connection).await?.within_reach()?;
        let contenders = ring.contenders();
        let error = if contenders.is_empty() {
            self.tell_of_ring(&ring).await?;
            ring.unreadable().expect("a key that stands in no line is unreadable")
        } else {
            match self.client_with(connection, contenders) {
                Ok(source) => return Ok((ring, source)),
                Err(error) => error,
            }
        };
        Err(self.record_impossible(connection, mode, error).await)
    }

    /// Makes the run, and tells what there is to tell after it.
    async fn go(&self, connection: &Connection, begun: Begun) -> Result<Passed, AppError> {
        let Begun { mode, asker, lock, cancel, progress } = begun;
        let (mut ring, source) = self.equip(connection, mode).await?;
        let (store, clock, name) = (&self.store, &self.clock, &connection.name);
        let next_due = (asker == Asker::Schedule).then(|| {
            let now = clock.now();
            connection.schedule.next_after(now).min(connection.schedule_full.next_after(now))
        });
        let mut stop = cancel.clone();
        let job = Job { connection, source: &source, store, clock, cancel, next_due, progress };
        let ran = cycle::run(&job, mode).instrument(tracing::info_span!("run", connection = %name)).await;
        // Whoever took it over tells what there is to tell.
        lock.check()?;
        let mut report = match ran {
            Ok(report) => report,
            Err(error) => {
                // A store that stores nothing must not keep quiet what becomes of the keys.
                if let Err(error) = self.tell_of_ring(&ring).await {
                    let error = error.to_text();
                    tracing::error!(event = "watch_failed", connection = %name, error, "warnings could not be stored");
                }
                return Err(error.into());
            }
        };
        self.remember(&mut ring, source.heard()).await?;
        if matches!(report.run.outcome, Some(Outcome::Ok | Outcome::Partial)) {
            tokio::select! {
                biased;
                // Whoever asks to stop does not wait for a server that is slow to answer this.
                Ok(_) = stop.wait_for(|stop| *stop) => {}
                proved = self.prove_idle(&mut ring) => proved?,
            }
        }
        self.tell_of_keys(&ring, &mut report.notices);
        self.refresh_views(connection, &mut report).await;
        self.look_around(connection, &mut report).await?;
        let standing = self.tell(&ring, connection, &report).await?;
        if asker == Asker::Command || matches!(report.run.outcome, Some(Outcome::Ok | Outcome::Partial)) {
            // What stores nothing is logged by the daemon, quietly.
            closing_line(&report.run, &standing);
        }
        self.forget_old().await?;
        Ok(Passed { run: report.run, standing, next_try: report.next_try })
    }

    /// Records a run that could not begin, so that `status` tells of it; gives back why.
    async fn record_impossible(&self, connection: &Connection, mode: Mode, error: AppError) -> AppError {
        let (store, now, reason) = (&self.store, self.clock.now(), error.to_text());
        let recorded = async {
            let run = store.begin_run(&connection.name, mode, now).await?;
            store
                .end_run(
                    run,
                    &connection.name,
                    Outcome::Failed,
                    Some(&reason),
                    false,
                    &Counts::default(),
                    now,
                )
                .await
        };
        match recorded.await {
            Ok(()) => error,
            Err(store) => store.into(),
        }
    }

    /// Brings the views up to date; a failure is a warning and never a lost run.
    async fn refresh_views(&self, connection: &Connection, report: &mut Report) {
        let (connection, subject) = (connection.name.clone(), String::new());
        let id = WarningId { event: Event::ViewsFailed, connection, subject };
        report.notices.examined.push(id.clone());
        if let Err(error) = self.store.refresh_views_of(&report.run.connection).await {
            report.notices.hold.push(Warning {
                id,
                severity: Severity::Warn,
                level: 1,
                message: format!("the views are behind the data: {}", AppError::from(error).to_text()),
                action: "nothing is lost; the next run tries again".into(),
                fields: Vec::new(),
            });
        }
    }

    /// Adds what shows only beside a run: fields that have columns now, kinds that are stale.
    async fn look_around(&self, connection: &Connection, report: &mut Report) -> Result<(), AppError> {
        let (store, now) = (&self.store, self.clock.now());
        let notices = &mut report.notices;
        notices.hold.extend(discovery::look(store, &connection.name, report.run.id, now).await?);
        let Staleness { hold, examined } = stale::look(store, connection, &notices.hold, now).await?;
        notices.hold.extend(hold);
        notices.examined.extend(examined);
        Ok(())
    }

    /// Tells people what the run found and how the key stands.
    async fn tell(
        &self,
        ring: &Ring<'_>,
        connection: &Connection,
        report: &Report,
    ) -> Result<Standing, AppError> {
        let Notices { hold, examined, unavailable, rejected, single_reads, mapped_user_unknown } =
            &report.notices;
        for (kind, reason) in unavailable {
            let connection = &connection.name;
            tracing::info!(event = "kind_unavailable", %connection, %kind, reason, "kind is unavailable");
        }
        for (kind, rows) in rejected {
            let connection = &connection.name;
            tracing::warn!(event = "rows_rejected_first", %connection, %kind, rows, "rows cannot be stored");
        }
        for (kind, text) in single_reads {
            let connection = &connection.name;
            tracing::info!(event = "single_reads", %connection, %kind, text, "single reads");
        }
        if let Some(text) = mapped_user_unknown {
            let connection = &connection.name;
            tracing::info!(event = "mapped_user_unknown", %connection, text, "mapped user cannot be looked for");
        }
        let ahead = self.ahead(connection, report).await?;
        self.tell_found(ring, hold, examined, ahead).await
    }

    /// Days are counted by the server's clock where ours is more than 5 minutes off.
    async fn ahead(&self, connection: &Connection, report: &Report) -> Result<TimeDelta, AppError> {
        Ok(match report.server_ahead {
            Some(ahead) if ahead.abs() > cycle::SKEW_MAX => ahead,
            Some(_) => TimeDelta::zero(),
            None => skew::known(&self.store, &connection.name).await?,
        })
    }

    /// Forgets what is older than the operator wants to keep, if that is not done.
    async fn forget_old(&self) -> Result<(), AppError> {
        let now = self.clock.now();
        // Who is at it does it for all.
        let Ok(mut forgot_at) = self.forgot_at.try_lock() else { return Ok(()) };
        let soon = TimeDelta::zero()..FORGET_EVERY;
        if forgot_at.is_some_and(|at| soon.contains(&(now - at))) {
            return Ok(());
        }
        let before = |keep: Duration| {
            let keep = TimeDelta::from_std(keep).unwrap_or(TimeDelta::MAX);
            now.checked_sub_signed(keep).unwrap_or(DateTime::<Utc>::MIN_UTC)
        };
        let history = &self.config.history;
        self.store.prune(before(history.keep), before(history.runs_keep)).await?;
        *forgot_at = Some(now);
        Ok(())
    }
}

/// The one line of a run. Its last fields tell of the key, so that the log of any single day tells.
fn closing_line(run: &Run, standing: &Standing) {
    let Standing { key, warnings_open, .. } = standing;
    let Run { id, connection, mode, outcome, reason, counts, .. } = run;
    let outcome = outcome.expect("a reported run has ended");
    let duration_ms = run.lasted().map_or(0, |lasted| lasted.num_milliseconds());
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                event = "run_finished",
                %connection,
                run = id.0,
                mode = mode.as_str(),
                outcome = outcome.as_str(),
                inserted = counts.inserted,
                updated = counts.updated,
                restored = counts.restored,
                removed = counts.removed,
                unchanged = counts.unchanged,
                held = counts.held,
                missing = counts.missing,
                rejected = counts.rejected,
                requests = counts.requests,
                duration_ms,
                key_days_left = key.days_left_text(),
                key_expires = key.expires_text(),
                warnings_open,
                reason = reason.as_deref(),
                "run finished"
            )
        };
    }
    match outcome {
        Outcome::Ok => line!(info),
        // Whoever asked it to stop knows.
        _ if run.was_stopped() => line!(warn),
        Outcome::Partial | Outcome::Deferred => line!(warn),
        Outcome::Failed | Outcome::Refused => line!(error),
    }
}
