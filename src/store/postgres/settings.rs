//! Where the server is, who asks, and how long anything may take: `[store.postgres]` as plain data.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::network;
use crate::store::sql::Fault;

/// How to reach the store in PostgreSQL, and how to behave there.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where a server may be, and its port. With several the first that can be written is used.
    pub hosts: Vec<(Host, u16)>,
    /// The database.
    pub database: String,
    /// The role.
    pub user: String,
    /// The role's password; `None`: [`Settings::password_file`], or none is needed.
    pub password: Option<Password>,
    /// A file of passwords as `PGPASSFILE` or `~/.pgpass` names it. It need not exist.
    pub password_file: Option<PathBuf>,
    /// The schema in which everything is kept.
    pub schema: String,
    /// `None`: [`Tls::VerifyFull`], but none for a server on this machine. A socket never has TLS.
    pub tls: Option<Tls>,
    /// The authorities that vouch for the server, as PEM, and no others; `None`: whom the machine trusts.
    pub ca_file: Option<PathBuf>,
    /// What this program shows the server.
    pub client_certificate: Option<ClientCertificate>,
    /// How long one host is waited for until it can be used.
    pub connect_timeout: Duration,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// How many connections are open at a time, at most.
    pub connections_max: usize,
    /// How long the others leave the connections alone on which this process works, though it be silent.
    pub lease: Duration,
    /// How long giving a lease back may take; one that is not given back ends by itself.
    pub release_timeout: Duration,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name or an address.
    Name(String),
    /// The folder of a socket.
    Socket(PathBuf),
}

/// How the way to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: passwords and documents can be read on the way.
    Off,
    /// Encrypted, and the server's certificate comes from an authority in `ca_file`. Any other server that
    /// this authority vouches for could take its place.
    VerifyCa,
    /// Encrypted, and the certificate is for the host that was asked for.
    VerifyFull,
}

/// A certificate and its key, each a PEM file; both are read at each connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and what leads from it to an authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Reads the password anew at each connect, for it may have been replaced.
#[derive(Clone)]
pub struct Password(Arc<dyn Fn() -> Result<SecretString, Fault> + Send + Sync>);

impl Password {
    /// The password that `read` reads.
    pub fn new(read: impl Fn() -> Result<SecretString, Fault> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The password as it is now.
    pub(super) fn read(&self) -> Result<SecretString, Fault> {
        (self.0)()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl Settings {
    /// How the way to `host` is protected.
    pub(super) fn tls_to(&self, host: &Host) -> Tls {
        match host {
            Host::Socket(_) => Tls::Off,
            Host::Name(_) => self.tls.unwrap_or(if host.is_here() { Tls::Off } else { Tls::VerifyFull }),
        }
    }

    /// How long an answer is waited for. The server ends a statement before that, unless it hangs.
    pub(super) fn patience(&self) -> Duration {
        self.statement_timeout + self.statement_timeout.min(Duration::from_secs(5))
    }
}

impl Host {
    /// Whether it is this machine.
    fn is_here(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Name(name) => match name.parse::<IpAddr>() {
                Ok(address) => address.is_loopback(),
                Err(_) => url::Host::parse(name).is_ok_and(|host| network::is_loopback_host(&host)),
            },
        }
    }
}

impl Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Socket(folder) => folder.display().fmt(f),
        }
    }
}

/// Names the database and each server: `database clearpoint on db1:5432`.
impl Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database {} on ", self.database)?;
        for (number, (host, port)) in self.hosts.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{host}:{port}")?;
        }
        Ok(())
    }
}
