//! What can go wrong with PostgreSQL, and what the caller does about it: one table from the server's codes to
//! what a person is told. Never says a password, nor the details in which a server repeats stored values.

use std::error::Error;
use std::fmt::Display;
use std::time::Duration;

use tokio_postgres::error::DbError;

use super::leases::LeaseLost;
use crate::store::StoreError;
use crate::store::sql::Fault;

/// Why a statement, a transaction or a connection did not come about.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The server said no.
    #[error("{message} (SQLSTATE {code})")]
    Server {
        /// The five characters by which programs know the reason.
        code: String,
        /// The reason for people, in the server's language.
        message: String,
        /// It is about what this session prepared earlier, and a new session would be served.
        is_stale: bool,
    },
    /// The connection ended, or did not come about; the text is its reason.
    #[error("{0}")]
    Lost(String),
    /// No answer came for so long.
    #[error("no answer came within {} s", .0.as_secs())]
    Silent(Duration),
    /// The answer to a commit did not come.
    #[error("{0}")]
    InDoubt(Box<Self>),
    /// Something failed inside the transaction, was passed over, and could not be committed.
    #[error("a statement in it had failed")]
    Spoilt,
    /// All sessions were in use for so long.
    #[error("none of the {count} connections became free within {} s", waited.as_secs())]
    Crowded {
        /// How many there may be.
        count: usize,
        /// How long one was waited for.
        waited: Duration,
    },
    /// A value that cannot be sent, or one that cannot be read.
    #[error("{0}")]
    Value(String),
    /// No host can be used now; each is named with its reason.
    #[error("{0}")]
    Unreached(String),
    /// A person must act before any host can be used. The text says what to do.
    #[error("{0}")]
    Refused(String),
}

/// What the caller does about a code of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A person must do this.
    Unusable(&'static str),
    /// The next run repeats it; this is what is the matter.
    Failed(&'static str),
}

/// What is done about a code, by the code or by the class that its first characters name. The first fit
/// counts.
const VERDICTS: &[(&str, Verdict)] = {
    use Verdict::{Failed, Unusable};
    &[
        (
            "28P01",
            Unusable("the password was refused; check store.postgres.password and the role's password"),
        ),
        (
            "28",
            Unusable(
                "the server refuses this user; check store.postgres.user, and database, tls and \
                 client_certificate beside it, and let pg_hba.conf admit them from here",
            ),
        ),
        (
            "3D000",
            Unusable("the database does not exist; create it, or name another in store.postgres.database"),
        ),
        ("3F000", Unusable("the schema does not exist; create it, or name another in store.postgres.schema")),
        ("42501", Unusable("the user lacks a right; grant it, or make the user the owner of the schema")),
        (
            "57P04",
            Unusable("the database was dropped; restore it, or name another in store.postgres.database"),
        ),
        ("XX001", Unusable("the server found its data damaged; restore the database from a backup")),
        ("XX002", Unusable("the server found an index damaged; have its administrator run REINDEX")),
        ("22021", Unusable("the database cannot hold this text; make one with ENCODING 'UTF8'")),
        ("22P05", Failed("a text has a character that the database cannot hold")),
        ("25006", Failed("the server has become read only; the next try looks for one that can be written")),
        ("25P03", Failed("the server ended a transaction in which nothing happened for too long")),
        ("40", Failed("others kept writing the same rows; the next run repeats it")),
        ("53100", Failed("the server's disk is full; make room there")),
        ("53200", Failed("the server is out of memory")),
        (
            "53300",
            Failed(
                "the server has no connection free; raise max_connections there, or lower store.postgres.connections_max",
            ),
        ),
        ("53", Failed("the server is short of something; look into its log")),
        ("55P03", Failed("another session kept a lock for too long; see pg_stat_activity and pg_locks")),
        (
            "57014",
            Failed(
                "the server ended the statement; if it was too slow, raise store.postgres.statement_timeout",
            ),
        ),
        ("57P", Failed("the server is stopping or starting, or an administrator ended the session")),
        ("58", Failed("the server cannot read or write its files; look into its log")),
        ("08", Failed("the connection was lost")),
    ]
};

/// What is done about a code of the server.
pub(super) fn verdict(code: &str) -> Verdict {
    let known = VERDICTS.iter().find(|(start, _)| code.starts_with(start));
    known.map_or(Verdict::Failed("the server refused it"), |(_, verdict)| *verdict)
}

impl Trouble {
    /// What the client library reports, and what ended its connection if that is known.
    pub(super) fn of(error: tokio_postgres::Error, end: Option<tokio_postgres::Error>) -> Self {
        if let Some(said) = error.as_db_error() {
            return Self::said(said);
        }
        if error.is_closed() {
            return match end {
                Some(end) if !end.is_closed() => match Self::of(end, None) {
                    Self::Lost(text) => Self::Lost(text),
                    said => Self::Lost(said.to_string()),
                },
                _ => Self::Lost("the server closed the connection".into()),
            };
        }
        match error.source() {
            Some(cause) if cause.is::<std::io::Error>() => Self::Lost(chain(&error)),
            // What is around it says at which of the library's doors it was found.
            Some(cause) => Self::Value(chain(cause)),
            None => Self::Value(error.to_string()),
        }
    }

    fn said(said: &DbError) -> Self {
        let code = said.code().code().to_owned();
        // Such a statement was prepared before the table or view changed, or on another server behind a pooler.
        let is_stale = code == "26000" || said.routine() == Some("RevalidateCachedQuery");
        Self::Server { code, message: said.message().to_owned(), is_stale }
    }

    /// What a person must do about what the server said, if it takes one.
    pub(super) fn cure(&self) -> Option<&'static str> {
        match self {
            Self::Server { code, .. } => match verdict(code) {
                Verdict::Unusable(text) => Some(text),
                Verdict::Failed(_) => None,
            },
            _ => None,
        }
    }

    /// Whether the same transaction, made again, may well succeed.
    pub(super) fn is_conflict(&self) -> bool {
        match self {
            Self::Server { code, is_stale, .. } => *is_stale || matches!(&code[..], "40001" | "40P01"),
            _ => false,
        }
    }

    /// Whether a session that met this is of no further use.
    pub(super) fn ends_session(&self) -> bool {
        match self {
            Self::Server { code, is_stale, .. } => {
                *is_stale || ["08", "57P", "25006", "25P03", "XX"].iter().any(|start| code.starts_with(start))
            }
            Self::Lost(_) | Self::Silent(_) | Self::InDoubt(_) => true,
            Self::Spoilt | Self::Crowded { .. } | Self::Value(_) | Self::Unreached(_) | Self::Refused(_) => {
                false
            }
        }
    }
}

/// Turns a fault into what the caller does about it. `place` names database and server.
pub(super) fn explain(place: &dyn Display, doing: &dyn Display, fault: Fault) -> StoreError {
    if let Some(lost) = fault.downcast_ref::<LeaseLost>() {
        return StoreError::LeaseLost(format!("cannot {doing}: {lost}"));
    }
    let context = format!("cannot {doing} in {place}");
    let reason = match trouble_in(&*fault) {
        None | Some(Trouble::Spoilt | Trouble::Value(_)) => {
            return StoreError::Failed { context, source: fault };
        }
        Some(Trouble::Refused(text)) => return StoreError::Unusable(format!("{context}: {text}")),
        Some(trouble @ Trouble::Server { code, .. }) => match verdict(code) {
            Verdict::Unusable(cure) => {
                return StoreError::Unusable(format!("{context}: {cure} ({trouble})"));
            }
            Verdict::Failed(reason) => reason,
        },
        Some(Trouble::Silent(_)) => "the server or the network to it stands still; the next run repeats it",
        Some(Trouble::Lost(_)) => "the connection was lost; the next run repeats it",
        Some(Trouble::Unreached(_)) => "it cannot be reached; the next run tries again",
        Some(Trouble::InDoubt(_)) => "whether it is stored is not known; the next run sees which",
        Some(Trouble::Crowded { .. }) => {
            "all connections are in use; raise store.postgres.connections_max, or run less at a time"
        }
    };
    StoreError::Failed { context: format!("{context}: {reason}"), source: fault }
}

/// What the driver met, if that is behind an error.
fn trouble_in<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Trouble> {
    match error.downcast_ref::<Trouble>() {
        None => trouble_in(error.source()?),
        trouble => trouble,
    }
}

/// Whether it came about only because another session kept a lock for too long.
pub(in crate::store) fn is_kept_by_others(error: &StoreError) -> bool {
    let StoreError::Failed { source, .. } = error else { return false };
    matches!(source.downcast_ref(), Some(Trouble::Server { code, .. }) if code == "55P03")
}

/// An error and all that is behind it, on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // An I/O error repeats what is inside it.
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, is_for_a_person: bool, expected: &str) {
        let trouble = Trouble::Server { code: code.into(), message: "no".into(), is_stale: false };
        let error = explain(&"database d on h:1", &"try it", trouble.into());
        assert_eq!(matches!(error, StoreError::Unusable(_)), is_for_a_person, "{code}");
        let said = chain(&error);
        assert!(
            said.starts_with("cannot try it in database d on h:1: ") && said.contains(expected),
            "{said}"
        );
        assert!(said.contains(&format!("no (SQLSTATE {code})")), "{said}");
    }

    #[test]
    fn every_code_says_what_the_caller_does() {
        check("28P01", true, "check store.postgres.password");
        check("28000", true, "pg_hba.conf");
        check("3D000", true, "store.postgres.database");
        check("42501", true, "grant it");
        check("XX001", true, "backup");
        check("53100", false, "disk is full; make room");
        check("53300", false, "connections_max");
        check("57014", false, "statement_timeout");
        check("57P01", false, "stopping or starting");
        check("57P03", false, "stopping or starting");
        check("57P04", true, "dropped");
        check("40001", false, "next run repeats it");
        check("40P01", false, "next run repeats it");
        check("55P03", false, "lock");
        check("08006", false, "connection was lost");
        check("25006", false, "read only");
        check("42601", false, "refused it");
        check("99999", false, "refused it");
    }

    #[test]
    fn each_code_is_met_by_its_own_line_of_the_table() {
        for (number, (start, _)) in VERDICTS.iter().enumerate() {
            let first = VERDICTS.iter().position(|(earlier, _)| start.starts_with(earlier));
            assert_eq!(first, Some(number), "{start} is never reached");
        }
    }
}
