//! Whether the account still has the mapped user that the operator declared: a leaver turned into "No
//! Access" takes the keys mapped to them along. Looked at after the kinds, once a day where that takes
//! requests; whatever comes of it, the run has ended as it did.
//!
//! Nobody has seen the filter by address work, and a list may be closed to the mapped user, cut short or
//! without addresses. So "not found" takes a whole list that shows addresses and lacks this one.

use chrono::TimeDelta;

use super::notices::id;
use super::{Job, Report};
use crate::config::Connection;
use crate::kind::{self, Kind, KindName};
use crate::memory::KindMemory;
use crate::pull::{Ask, PullError, Source};
use crate::run::{KindOutcome, KindRun, Mode};
use crate::store::{MappedUserLook, StoreError};
use crate::tolerate;
use crate::warning::{Event, Severity, Warning};

/// The users are asked for once a day, a little early so that a daily schedule does not miss it.
const ASK_AGAIN_AFTER: TimeDelta = TimeDelta::hours(23);

/// What a look for an address came to.
#[derive(Debug, PartialEq, Eq)]
enum Sought {
    Found,
    Missing,
    /// It cannot be told; a word for why, the same each time.
    Unknown(&'static str),
}

/// Looks for the declared mapped user among the users of the account.
pub(super) async fn look<S: Source>(job: &Job<'_, S>, report: &mut Report) -> Result<(), StoreError> {
    let Job { connection, store, .. } = job;
    let name = &connection.name;
    let Some(address) = connection.mapped_user.as_deref().map(str::trim).filter(|user| is_address(user))
    else {
        // What is no longer declared is no longer missed.
        report.notices.examined.push(id(Event::MappedUserNotFound, name, ""));
        return Ok(());
    };
    let now = job.clock.now();
    let last = store.mapped_user_look(name).await?;
    let is_due = last.as_ref().is_none_or(|last| last.at > now || now - last.at >= ASK_AGAIN_AFTER);
    let users = users(connection);
    let was_listed = |kind: &KindRun| kind.kind == users.name && kind.outcome == KindOutcome::Complete;
    let sought = if report.run.kinds.iter().any(was_listed) {
        let is_whole = store.rejected(name, &users.name).await?.is_empty();
        whole_or_not(among(&store.addresses(name, &users.name).await?, address), is_whole)
    } else if is_due {
        match ask(job, &users, address).await? {
            Some(sought) => sought,
            None => return Ok(()),
        }
    } else {
        return Ok(());
    };
    let unknown = match &sought {
        Sought::Unknown(why) => Some((*why).to_owned()),
        Sought::Found | Sought::Missing => None,
    };
    if unknown.is_some() && last.as_ref().is_none_or(|last| last.unknown != unknown) {
        report.notices.mapped_user_unknown.clone_from(&unknown);
    }
    if is_due || last.is_some_and(|last| last.unknown != unknown) {
        store.record_mapped_user_look(name, &MappedUserLook { at: now, unknown }).await?;
    }
    tell(connection, address, &sought, report);
    Ok(())
}

/// A declared mapped user may be a name; only an address can be looked for.
fn is_address(user: &str) -> bool {
    let parts = user.split_once('@').filter(|(before, after)| !before.is_empty() && !after.is_empty());
    parts.is_some() && !user.contains(char::is_whitespace)
}

/// The kind of the users, also where it is not configured.
fn users(connection: &Connection) -> Kind {
    let configured = connection.kinds.iter().find(|kind| kind.name.as_str() == KindName::USERS);
    configured.cloned().unwrap_or_else(|| {
        let known = kind::catalogue().into_iter().find(|kind| kind.name.as_str() == KindName::USERS);
        known.expect("the catalogue knows users")
    })
}

/// What a whole list tells. One without any address tells nothing.
fn among(addresses: &[String], address: &str) -> Sought {
    let is_it = |other: &String| other.trim().to_lowercase() == address.to_lowercase();
    if addresses.iter().any(is_it) {
        Sought::Found
    } else if addresses.is_empty() {
        Sought::Unknown("the list of users shows no address")
    } else {
        Sought::Missing
    }
}

/// Asks by address, and where that does not find it for the whole list. `None`: the program is asked to
/// stop.
async fn ask<S: Source>(job: &Job<'_, S>, users: &Kind, address: &str) -> Result<Option<Sought>, StoreError> {
    let memory = job.store.memory(&job.connection.name, &users.name).await?;
    let mut cancel = job.cancel.clone();
    tokio::select! {
        biased;
        Ok(_) = cancel.wait_for(|stop| *stop) => Ok(None),
        sought = ask_for(job.source, users, &memory, address) => Ok(Some(sought)),
    }
}

async fn ask_for<S: Source>(source: &S, users: &Kind, memory: &KindMemory, address: &str) -> Sought {
    match source.users_with(users, address).await {
        Ok(addresses) if among(&addresses, address) == Sought::Found => return Sought::Found,
        Ok(_) => {}
        Err(error) => return unknown(&error),
    }
    let ask = Ask { kind: users, mode: Mode::Full, memory, expected: &[], known: None };
    let pulled = match source.pull(ask).await {
        Ok(pulled) => pulled,
        Err(error) => return unknown(&error),
    };
    let entries = &pulled.snapshot.entries;
    let read = |span| Some(tolerate::email(&pulled.spool.read(span).ok()?));
    // A document that cannot be read may be theirs.
    let Some(addresses) = entries.iter().map(|entry| read(entry.span)).collect::<Option<Vec<_>>>() else {
        return Sought::Unknown("the list of users could not be read");
    };
    let addresses: Vec<String> = addresses.into_iter().flatten().collect();
    let is_whole = pulled.snapshot.is_complete() && pulled.rejected.is_empty();
    whole_or_not(among(&addresses, address), is_whole)
}

/// Who is not in a list that lacks rows may be in one of those.
fn whole_or_not(sought: Sought, is_whole: bool) -> Sought {
    match sought {
        Sought::Missing if !is_whole => Sought::Unknown("the list of users is not whole"),
        sought => sought,
    }
}

fn unknown(error: &PullError) -> Sought {
    Sought::Unknown(match error {
        PullError::Forbidden(_) => "the mapped user may not list users (403)",
        _ => "the list of users could not be read",
    })
}

fn tell(connection: &Connection, address: &str, sought: &Sought, report: &mut Report) {
    let name = &connection.name;
    let id = id(Event::MappedUserNotFound, name, "");
    match sought {
        Sought::Unknown(_) => return,
        Sought::Found => {}
        Sought::Missing => report.notices.hold.push(Warning {
            id: id.clone(),
            severity: Severity::Warn,
            level: 1,
            message: "no user of the account has the mapped user's address".into(),
            action: format!(
                "look for them among the users in ClearPoint: if they left, map the key to a \
                 service account before it stops working; if the address changed, correct \
                 connections.{name}.mapped_user"
            ),
            fields: vec![("mapped_user".into(), address.to_owned())],
        }),
    }
    report.notices.examined.push(id);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_any_case_and_missed_only_among_addresses() {
        let some = ["clerk@city.example".to_owned(), " Reporting@City.example ".to_owned()];
        assert_eq!(among(&some, "reporting@city.example"), Sought::Found);
        assert_eq!(among(&some[..1], "reporting@city.example"), Sought::Missing);
        assert!(matches!(among(&[], "reporting@city.example"), Sought::Unknown(_)));
    }

    #[test]
    fn a_name_is_not_looked_for() {
        assert!(is_address("reporting@city.example"));
        for name in ["Reporting Service", "reporting @ city", "@city", "reporting@", ""] {
            assert!(!is_address(name), "{name}");
        }
    }
}
