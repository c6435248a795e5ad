//! Opens sessions: asks each host in turn until one can be written, and sets the session up so that every
//! statement means the same on every server, and ends.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, Socket};

use super::fault::Trouble;
use super::session::{End, Session};
use super::settings::{Host, Settings, Tls};
use super::statement::quoted;
use super::wait::Waiting;
use super::{password, tls};

/// The oldest server that is served, as it tells its version.
const VERSION_MIN: u32 = 130_000;
/// How long a lock is waited for, unless half of a statement's own time is shorter.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a transaction may do nothing, unless one statement may take longer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// A connection that is silent so long is asked whether it still stands.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// How often, and how many times.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_COUNT: u32 = 3;

/// Opens a session with the first host that can be written, waiting for each no longer than `limit`.
pub(super) fn open(settings: &Settings, waiting: &Arc<Waiting>, limit: Duration) -> Result<Session, Trouble> {
    let mut reasons = Vec::new();
    for (host, port) in &settings.hosts {
        match open_one(settings, waiting, limit, host, *port) {
            Ok(session) => return Ok(session),
            // Its code says best what is to be done.
            Err(trouble @ Trouble::Server { .. }) if settings.hosts.len() == 1 => return Err(trouble),
            Err(trouble) => reasons.push((format!("{host}:{port}"), trouble)),
        }
    }
    let texts = reasons.iter().map(|(place, trouble)| {
        let text = match trouble.cure() {
            Some(cure) => format!("{cure} ({trouble})"),
            None => trouble.to_string(),
        };
        if reasons.len() == 1 { text } else { format!("{place}: {text}") }
    });
    let text = texts.collect::<Vec<_>>().join("; ");
    let is_hopeless = |trouble: &Trouble| matches!(trouble, Trouble::Refused(_)) || trouble.cure().is_some();
    // A host that comes back may be one that can be written.
    Err(match reasons.iter().all(|(_, trouble)| is_hopeless(trouble)) {
        true => Trouble::Refused(text),
        false => Trouble::Unreached(text),
    })
}

fn open_one(
    settings: &Settings,
    waiting: &Arc<Waiting>,
    limit: Duration,
    host: &Host,
    port: u16,
) -> Result<Session, Trouble> {
    let password = password::of(settings, host, port)?;
    let config = config(settings, host, port, password.as_ref(), limit);
    let end = End::default();
    let (opened, way) = match settings.tls_to(host) {
        Tls::Off => (waiting.within(limit, connect(&config, NoTls, settings, waiting, &end)), "off"),
        mode => {
            let tls = tls::connector(settings, mode)?;
            (waiting.within(limit, connect(&config, tls, settings, waiting, &end)), "on")
        }
    };
    match opened {
        None => Err(Trouble::Silent(limit)),
        Some(Ok(client)) => Ok(Session::new(client, Arc::clone(waiting), settings.patience(), end)),
        Some(Err(Failure::Found(text))) => Err(Trouble::Refused(text)),
        Some(Err(Failure::Met(error))) => Err(explained(error, password.is_some(), way)),
    }
}

/// Why a connection cannot be used.
enum Failure {
    /// It did not come about.
    Met(tokio_postgres::Error),
    /// What is there does not fit; the text says what to do.
    Found(String),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Met(error)
    }
}

async fn connect<T>(
    config: &Config,
    tls: T,
    settings: &Settings,
    waiting: &Waiting,
    end: &End,
) -> Result<Client, Failure>
where
    T: MakeTlsConnect<Socket, Stream: Send + 'static>,
{
    let (client, mut connection) = config.connect(tls).await?;
    let end = Arc::clone(end);
    waiting.spawn(async move {
        let ended = (&mut connection).await.err();
        // Told before those who wait for answers hear that none will come.
        *end.lock().unwrap_or_else(PoisonError::into_inner) = ended;
        drop(connection);
    });
    let answer = client.simple_query(&set_up(settings)).await?;
    check(told(&answer)).map_err(Failure::Found)?;
    Ok(client)
}

fn config(
    settings: &Settings,
    host: &Host,
    port: u16,
    password: Option<&SecretString>,
    limit: Duration,
) -> Config {
    let mut config = Config::new();
    match host {
        Host::Name(name) => config.host(name),
        Host::Socket(folder) => config.host_path(folder),
    };
    config
        .port(port)
        .dbname(&settings.database)
        .user(&settings.user)
        .application_name("clearpoint-sync")
        .connect_timeout(limit)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_COUNT)
        .tcp_user_timeout(KEEPALIVE_IDLE + KEEPALIVE_COUNT * KEEPALIVE_INTERVAL)
        .ssl_mode(if settings.tls_to(host) == Tls::Off { SslMode::Disable } else { SslMode::Require });
    if let Some(password) = password {
        config.password(password.expose_secret());
    }
    config
}

/// What a session begins with. The last statement asks what server this is.
fn set_up(settings: &Settings) -> String {
    let statement = settings.statement_timeout;
    let settings = [
        ("search_path", format!("{}, pg_catalog", quoted(&settings.schema))),
        ("timezone", "'UTC'".into()),
        ("client_min_messages", "warning".into()),
        ("standard_conforming_strings", "on".into()),
        ("bytea_output", "'hex'".into()),
        ("statement_timeout", statement.as_millis().to_string()),
        ("lock_timeout", (statement / 2).min(LOCK_TIMEOUT).as_millis().to_string()),
        ("idle_in_transaction_session_timeout", statement.max(IDLE_TIMEOUT).as_millis().to_string()),
    ];
    let sets: String = settings.iter().map(|(name, value)| format!("SET {name} TO {value}; ")).collect();
    let asked = ["server_version_num", "server_encoding", "transaction_read_only"];
    let asked = asked.map(|name| format!("current_setting('{name}')"));
    format!("{sets}SELECT {}", asked.join(", "))
}

/// The first row of an answer.
fn told(answer: &[SimpleQueryMessage]) -> [&str; 3] {
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    [0, 1, 2].map(|at| row.and_then(|row| row.try_get(at).ok().flatten()).unwrap_or_default())
}

/// What stands against using the server that answered, for people.
fn check([version, encoding, read_only]: [&str; 3]) -> Result<(), String> {
    if version.parse().unwrap_or(0) < VERSION_MIN {
        return Err(format!(
            "the server's version is {version:?}; PostgreSQL 13 (130000) or newer is needed"
        ));
    }
    if encoding != "UTF8" {
        return Err(format!("the database keeps its text in {encoding}; make one with ENCODING 'UTF8'"));
    }
    if read_only == "on" {
        let text = "it is read only (a standby?); name the server that can be written in store.postgres.host";
        return Err(text.into());
    }
    Ok(())
}

/// What is the matter where no connection came about.
fn explained(error: tokio_postgres::Error, has_password: bool, tls: &str) -> Trouble {
    if let Some(text) = tls::fault(&error) {
        return Trouble::Refused(text);
    }
    match Trouble::of(error, None) {
        Trouble::Value(text) if text.contains("TLS") => Trouble::Refused(format!(
            "{text}; turn TLS on there (ssl = on), or write store.postgres.tls = \"off\" where the way is safe"
        )),
        Trouble::Value(text) if !has_password => Trouble::Refused(format!(
            "{text}; give store.postgres.password, or a line in the file that PGPASSFILE names or in ~/.pgpass"
        )),
        Trouble::Value(text) => {
            Trouble::Refused(format!("{text}; look how pg_hba.conf admits this user (TLS is {tls})"))
        }
        trouble => trouble,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_fit_is_refused_with_what_to_do() {
        assert_eq!(check(["130000", "UTF8", "off"]), Ok(()));
        let refusal = |told| check(told).unwrap_err();
        assert!(refusal(["120020", "UTF8", "off"]).contains("PostgreSQL 13 (130000) or newer"));
        assert!(refusal(["", "", ""]).contains("PostgreSQL 13"));
        assert!(refusal(["150008", "LATIN1", "off"]).contains("in LATIN1; make one with ENCODING 'UTF8'"));
        assert!(refusal(["150008", "UTF8", "on"]).contains("name the server that can be written"));
    }
}
