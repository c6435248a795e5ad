//! What targets are still to be told, and what they were told: the outbox. A notice is queued in the
//! transaction that marks its warning as said, so nothing that was said is ever lost to a target.
//!
//! Per target and warning at most two messages wait: how it stood last, and that it ended. Plain SQL
//! only: another database must be able to do the same.

use chrono::{DateTime, TimeDelta, Utc};

use super::sql::{Fault, Row, Sql, unreadable};
use super::{Store, StoreError, warnings};
use crate::fingerprint;
use crate::name::TargetName;
use crate::retry::TARGET_WAIT_MAX;
use crate::warning::{Notice, OpenWarning, Phase};

/// A message for a target, claimed: no other process sends it until the claim is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    id: i64,
    /// The notice as it was claimed.
    text: String,
    /// What the receiver knows the message by: the same on every try, another one for other contents.
    pub name: String,
    /// What the target is to be told.
    pub notice: Notice,
    /// How often the messages that wait for this target were tried, at most.
    pub tries_of_target: u32,
}

/// How a try that failed goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// This message alone waits until then; the others may go on.
    Alone(DateTime<Utc>),
    /// The target is out of reach: all that waits for it waits until then.
    All(DateTime<Utc>),
}

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// What it told.
    pub notice: Notice,
    /// How often it was tried.
    pub tries: u32,
    /// What the target answered last.
    pub answer: Option<String>,
}

/// What waits for a target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many messages.
    pub count: u64,
    /// How many of them were tried and not taken.
    pub tried: u64,
    /// How often the most tried of them was tried.
    pub tries: u32,
}

/// A row that still waits.
pub(super) const WAITS: &str = "delivered_at IS NULL AND abandoned_at IS NULL";

/// Rows of target ?1 that wait behind no other of the same warning.
const FIRST: &str = "FROM deliveries d JOIN warnings w ON w.id = d.warning
    WHERE d.target = ?1 AND d.delivered_at IS NULL AND d.abandoned_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM deliveries e JOIN warnings v ON v.id = e.warning
        WHERE e.target = d.target AND e.id < d.id AND e.delivered_at IS NULL AND e.abandoned_at IS NULL
          AND v.connection = w.connection AND v.event = w.event AND v.subject = w.subject)";

impl Store {
    /// Claims the message that is due first at a target, for as long as `claim`; `None`: none is due.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn claim_delivery(
        &self,
        target: &TargetName,
        claim: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<Option<Delivery>, StoreError> {
        let next =
            self.read(format!("read what waits for {target}"), |sql| due(sql, target, claim, now)).await?;
        if next.is_none() {
            return Ok(None);
        }
        self.write(format!("claim a delivery to {target}"), |sql| {
            // Another process may have been faster, also between these two statements.
            while let Some(delivery) = due(sql, target, claim, now)? {
                let claimed = sql
                    .prepare_cached(&format!(
                        "UPDATE deliveries SET claimed_until = ?4
                         WHERE id = ?1 AND notice = ?2 AND {WAITS}
                           AND (claimed_until IS NULL OR claimed_until <= ?3 OR claimed_until > ?5)"
                    ))?
                    .execute((delivery.id, &delivery.text, now, now + claim, now + claim * 2))?;
                if claimed > 0 {
                    return Ok(Some(delivery));
                }
            }
            Ok(None)
        })
        .await
    }

    /// Marks a message as taken. One that was replaced while it was under way is kept as history, and
    /// what replaced it goes on waiting. The target is in reach: what waits for that waits no longer.
    ///
    /// # Errors
    /// The store cannot be written; the message is then sent again.
    pub async fn delivered(
        &self,
        delivery: &Delivery,
        answer: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write("mark a message as delivered", |sql| {
            let marked = sql
                .prepare_cached(&format!(
                    "UPDATE deliveries SET delivered_at = ?3, answer = ?4, tries = tries + 1,
                       claimed_until = NULL
                     WHERE id = ?1 AND notice = ?2 AND {WAITS}"
                ))?
                .execute((delivery.id, &delivery.text, now, answer))?;
            if marked == 0 {
                keep_replaced(sql, delivery, answer, now)?;
            }
            sql.prepare_cached(&format!(
                "UPDATE deliveries SET due_at = NULL
                 WHERE target = (SELECT target FROM deliveries WHERE id = ?1)
                   AND NOT refused AND due_at IS NOT NULL AND {WAITS}"
            ))?
            .execute([delivery.id])?;
            Ok(())
        })
        .await
    }

    /// Marks a message as tried in vain, and ends the claim. One that was replaced meanwhile is only
    /// let go.
    ///
    /// # Errors
    /// The store cannot be written; the message is then tried again when the claim is over.
    pub async fn not_delivered(
        &self,
        delivery: &Delivery,
        answer: &str,
        again: Again,
    ) -> Result<(), StoreError> {
        self.write("mark a message as not delivered", |sql| {
            let (at, refused) = match again {
                Again::Alone(at) => (at, true),
                Again::All(at) => (at, false),
            };
            sql.prepare_cached("UPDATE deliveries SET claimed_until = NULL WHERE id = ?1")?
                .execute([delivery.id])?;
            // What was refused is this message, what is out of reach the target, whatever it is sent.
            sql.prepare_cached(&format!(
                "UPDATE deliveries SET tries = tries + 1, answer = ?3, due_at = ?4, refused = ?5
                 WHERE id = ?1 AND (notice = ?2 OR NOT ?5) AND {WAITS}"
            ))?
            .execute((delivery.id, &delivery.text, answer, at, refused))?;
            if !refused {
                sql.prepare_cached(&format!(
                    "UPDATE deliveries SET due_at = ?2
                     WHERE target = (SELECT target FROM deliveries WHERE id = ?1) AND NOT refused AND {WAITS}"
                ))?
                .execute((delivery.id, at))?;
            }
            Ok(())
        })
        .await
    }

    /// Gives up what waits for a target, was tried, and tells of a time before `before`.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn give_up(
        &self,
        target: &TargetName,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Vec<GivenUp>, StoreError> {
        self.write(format!("give up deliveries to {target}"), |sql| {
            let stale = format!("target = ?1 AND told_at < ?2 AND tries > 0 AND {WAITS}");
            let mut statement = sql.prepare_cached(&format!(
                "SELECT notice, tries, answer FROM deliveries WHERE {stale} ORDER BY id"
            ))?;
            let rows = statement.query_map((target.as_str(), before), |row| {
                Ok(GivenUp { notice: notice(row.text(0)?)?, tries: row.get(1)?, answer: row.get(2)? })
            })?;
            let given_up = rows;
            if !given_up.is_empty() {
                sql.prepare_cached(&format!("UPDATE deliveries SET abandoned_at = ?3 WHERE {stale}"))?
                    .execute((target.as_str(), before, now))?;
            }
            Ok(given_up)
        })
        .await
    }

    /// When the next message for a target is due, by its wait or by the end of another process's claim;
    /// `None`: nothing waits.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn next_delivery(
        &self,
        target: &TargetName,
        now: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.read(format!("read what waits for {target}"), |sql| {
            let mut statement = sql.prepare_cached(&format!("SELECT d.due_at, d.claimed_until {FIRST}"))?;
            let rows = statement.query_map([target.as_str()], |row| {
                let (due_at, claimed_until): (Option<_>, Option<_>) = (row.get(0)?, row.get(1)?);
                Ok(due_at.unwrap_or(now).max(claimed_until.unwrap_or(now)))
            })?;
            let due = rows;
            Ok(due.into_iter().min())
        })
        .await
    }

    /// How much waits for a target.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn waiting(&self, target: &TargetName) -> Result<Waiting, StoreError> {
        self.read(format!("count what waits for {target}"), |sql| {
            let mut statement = sql.prepare_cached(&format!(
                "SELECT count(*), count(CASE WHEN tries > 0 THEN 1 END), coalesce(max(tries), 0)
                 FROM deliveries WHERE target = ?1 AND {WAITS}"
            ))?;
            statement.query_row([target.as_str()], |row| {
                Ok(Waiting { count: row.get(0)?, tried: row.get(1)?, tries: row.get(2)? })
            })
        })
        .await
    }

    /// Drops what waits for targets that are no longer configured; what they were told stays. How many
    /// messages that were.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn keep_targets(&self, targets: &[&TargetName]) -> Result<u64, StoreError> {
        let gone = self
            .read("read the targets of deliveries", |sql| {
                let mut statement =
                    sql.prepare_cached(&format!("SELECT DISTINCT target FROM deliveries WHERE {WAITS}"))?;
                let known = statement.query_map((), |row| row.get::<String>(0))?;
                let is_gone = |name: &String| targets.iter().all(|target| target.as_str() != name);
                Ok(known.into_iter().filter(is_gone).collect::<Vec<_>>())
            })
            .await?;
        if gone.is_empty() {
            return Ok(0);
        }
        self.write("drop deliveries to targets that are gone", |sql| {
            let mut delete =
                sql.prepare_cached(&format!("DELETE FROM deliveries WHERE target = ?1 AND {WAITS}"))?;
            let mut dropped = 0;
            for target in &gone {
                dropped += delete.execute([target])?;
            }
            Ok(dropped)
        })
        .await
    }

    /// Queues how an open warning stands for those of these targets that never were to be told of it.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn introduce(&self, open: &OpenWarning, targets: &[&TargetName]) -> Result<(), StoreError> {
        let OpenWarning { warning, raised_at, said_at, .. } = open;
        let id = &warning.id;
        let strangers = |sql: &Sql<'_>| {
            let Some((row, _)) = warnings::open_row(sql, id)? else { return Ok((0, Vec::new())) };
            let mut strangers = Vec::new();
            for target in targets {
                if !was_queued(sql, row, target)? {
                    strangers.push(*target);
                }
            }
            Ok((row, strangers))
        };
        let (row, known) = self.read(format!("read who was told of {id}"), |sql| strangers(sql)).await?;
        if known.is_empty() {
            return Ok(());
        }
        let notice =
            Notice { warning: warning.clone(), phase: Phase::Raised, raised_at: *raised_at, at: *said_at };
        self.write(format!("queue {id}"), |sql| {
            // Whoever else queues something of this warning waits here.
            sql.prepare_cached("UPDATE warnings SET said = said WHERE id = ?1")?.execute([row])?;
            let (row, strangers) = strangers(sql)?;
            strangers.into_iter().try_for_each(|target| queue(sql, row, target, &notice))
        })
        .await
    }
}

/// Queues a notice of the warning in this row. How it stands replaces, in its place, how it stood; that
/// it ended waits behind that.
pub(super) fn queue(sql: &Sql<'_>, warning: i64, target: &TargetName, told: &Notice) -> Result<(), Fault> {
    let notice = serde_json::to_string(told)?;
    let (phase, at) = (told.phase.as_str(), told.at);
    if told.phase != Phase::Resolved {
        let replaced = sql
            .prepare_cached(&format!(
                "UPDATE deliveries SET phase = ?3, notice = ?4, told_at = ?5, due_at = NULL, refused = FALSE
                 WHERE target = ?1 AND warning = ?2 AND phase <> 'resolved' AND {WAITS}"
            ))?
            .execute((target.as_str(), warning, phase, &notice, &at))?;
        if replaced > 0 {
            return Ok(());
        }
    }
    sql.prepare_cached(
        "INSERT INTO deliveries (target, warning, phase, notice, queued_at, told_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
    )?
    .execute((target.as_str(), warning, phase, &notice, &at))?;
    Ok(())
}

/// Whether a target was ever to be told of the warning in this row.
pub(super) fn was_queued(sql: &Sql<'_>, warning: i64, target: &TargetName) -> Result<bool, Fault> {
    sql.prepare_cached("SELECT EXISTS (SELECT 1 FROM deliveries WHERE target = ?1 AND warning = ?2)")?
        .query_row((target.as_str(), warning), |row| row.get(0))
}

/// What is due first at a target and claimed by nobody. A wait or a claim longer than any that is given
/// comes from a clock that was set back, and is over. Twice as long: whoever gave it may have looked at the
/// time a little later than `now`.
fn due(
    sql: &Sql<'_>,
    target: &TargetName,
    claim: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Option<Delivery>, Fault> {
    let mut statement = sql.prepare_cached(&format!(
        "SELECT d.id, d.notice, (SELECT max(t.tries) FROM deliveries t WHERE t.target = ?1 AND NOT t.refused
           AND t.delivered_at IS NULL AND t.abandoned_at IS NULL) {FIRST}
         AND (d.due_at IS NULL OR d.due_at <= ?2 OR d.due_at > ?3)
         AND (d.claimed_until IS NULL OR d.claimed_until <= ?2 OR d.claimed_until > ?4)
         ORDER BY d.id LIMIT 1"
    ))?;
    let wait_max = TimeDelta::from_std(TARGET_WAIT_MAX).unwrap_or(TimeDelta::MAX);
    let arguments = (target.as_str(), now, now + wait_max * 2, now + claim * 2);
    let delivery = statement.query_first(arguments, |row| delivery(row, target))?;
    Ok(delivery)
}

fn delivery(row: &Row<'_>, target: &TargetName) -> Result<Delivery, Fault> {
    let id: i64 = row.get(0)?;
    let text: String = row.get(1)?;
    // Of the contents, so that a receiver never takes a newer state for a repetition of an older one.
    let name = format!("{:032x}", fingerprint::of_bytes(format!("{target}/{id}/{text}").as_bytes()));
    let tries: Option<u32> = row.get(2)?;
    Ok(Delivery { id, name, notice: notice(&text)?, text, tries_of_target: tries.unwrap_or(0) })
}

/// Keeps a message that was taken although a newer one had replaced it; that one goes on waiting.
fn keep_replaced(sql: &Sql<'_>, delivery: &Delivery, answer: &str, now: DateTime<Utc>) -> Result<(), Fault> {
    let Notice { phase, at, .. } = &delivery.notice;
    let kept = sql
        .prepare_cached(&format!(
            "INSERT INTO deliveries (target, warning, phase, notice, queued_at, told_at, tries, answer, delivered_at)
             SELECT target, warning, ?2, ?3, queued_at, ?4, tries + 1, ?5, ?6 FROM deliveries
             WHERE id = ?1 AND {WAITS}"
        ))?
        .execute((delivery.id, phase.as_str(), &delivery.text, *at, answer, now))?;
    if kept > 0 {
        sql.prepare_cached(
            "UPDATE deliveries SET claimed_until = NULL, due_at = NULL, tries = 0 WHERE id = ?1",
        )?
        .execute([delivery.id])?;
    }
    Ok(())
}

/// A stored notice.
pub(super) fn notice(text: &str) -> Result<Notice, Fault> {
    serde_json::from_str(text).map_err(|error| unreadable(format!("a delivery's notice: {error}")))
}
