//! What can go wrong with PostgreSQL, and what the caller does about it: one table from the server's codes to
//! what a person is told. Never says a password, nor the details in which a server repeats stored values.

use std::error::Error;
use std::fmt::Display;
use std::time::Duration;

use tokio_postgres::error::DbError;

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
    /// The connection ended.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// No answer came for so long.
    #[error("no answer came within {} s", .0.as_secs())]
    Silent(Duration),
    /// The connection ended while the server was committing.
    #[error("{0}; whether the transaction was stored is not known")]
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
                "the server refuses this user; check store.postgres.user, and let pg_hba.conf admit it from here",
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
                _ => Self::Lost("the server closed it".into()),
            };
        }
        let text = chain(&error);
        let is_io = error.source().is_some_and(|cause| cause.is::<std::io::Error>());
        if is_io { Self::Lost(text) } else { Self::Value(text) }
    }

    fn said(said: &DbError) -> Self {
        let code = said.code().code().to_owned();
        // Such a statement was prepared before the table or view changed, or on another server behind a pooler.
        let is_stale = code == "26000" || said.routine() == Some("RevalidateCachedQuery");
        Self::Server { code, message: said.message().to_owned(), is_stale }
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
    let failed = |context: String, source: Fault| StoreError::Failed { context, source };
    let Some(trouble) = fault.downcast_ref::<Trouble>() else {
        return failed(format!("cannot {doing} in {place}"), fault);
    };
    match trouble {
        Trouble::Refused(text) => StoreError::Unusable(format!("cannot {doing} in {place}: {text}")),
        Trouble::Server { code, .. } => match verdict(code) {
            Verdict::Unusable(text) => {
                StoreError::Unusable(format!("cannot {doing} in {place}: {text} ({trouble})"))
            }
            Verdict::Failed(text) => failed(format!("cannot {doing} in {place}: {text}"), fault),
        },
        Trouble::Silent(_) => {
            failed(format!("cannot {doing} in {place}: the server or the network to it stands still"), fault)
        }
        Trouble::Crowded { .. } => failed(
            format!(
                "cannot {doing} in {place}: all connections are in use; raise store.postgres.connections_max"
            ),
            fault,
        ),
        Trouble::Lost(_) | Trouble::InDoubt(_) | Trouble::Unreached(_) => failed(
            format!("cannot {doing} in {place}: it cannot be reached; the next run tries again"),
            fault,
        ),
        Trouble::Spoilt | Trouble::Value(_) => failed(format!("cannot {doing} in {place}"), fault),
    }
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
