//! `[store.postgres]`: the database that keeps the copy, and how it is reached.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Value;
use url::Host as NetworkHost;

use super::raw::Section;
use super::{address, connection, values};
use crate::key::SecretSource;
use crate::network::is_loopback_host;

/// Servers of which one is the writable one.
const HOSTS_MAX: usize = 16;
/// PostgreSQL cuts longer names off.
const NAME_BYTES_MAX: usize = 63;
/// What a socket's address has room for, `/.s.PGSQL.65535` behind the folder included.
const SOCKET_BYTES_MAX: usize = 107 - 15;
const PORT: u16 = 5432;

/// `[store.postgres]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    /// Tried in this order; the first that can be written is used. Never empty.
    pub hosts: Vec<Address>,
    /// The database, which must be there.
    pub database: String,
    /// Who logs in.
    pub user: String,
    /// Where the password comes from, read at each connect. `None`: from PGPASSFILE or `~/.pgpass`, or none
    /// is asked for.
    pub password: Option<SecretSource>,
    /// Everything of ours is in this schema: `a-z`, `0-9` and `_`, so it needs no quotes.
    pub schema: String,
    /// How the way over the network is kept private. Sockets have no TLS, whatever it says.
    pub tls: Tls,
    /// Longest wait until one server has let us in.
    pub connect_timeout: Duration,
    /// Longest time one statement may take.
    pub statement_timeout: Duration,
    /// Connections open at once, at most.
    pub connections_max: u32,
    /// A replica that is silent this long loses its work to others.
    pub lease: Duration,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Where.
    pub host: Host,
    /// Its port, also in the name of a socket.
    pub port: u16,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// The folder of its socket.
    Socket(PathBuf),
    /// A name or an address.
    Network(NetworkHost),
}

impl Host {
    /// Whether the way to it leaves this machine.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Network(host) if !is_loopback_host(host))
    }
}

/// `tls`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// None. For servers elsewhere only if it was written.
    Off,
    /// A server without TLS, or without a certificate that passes, is not spoken to.
    On(Trust),
}

/// Whom to trust, and what to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// What a server's certificate must prove.
    pub proof: Proof,
    /// The authorities that are trusted, as PEM, in place of the system's. Always there for
    /// [`Proof::Authority`].
    pub ca_file: Option<PathBuf>,
    /// Who we are, where the server wants to see it.
    pub client: Option<ClientCertificate>,
}

/// What a server's certificate must prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// `verify-full`: an authority vouches for it, and it is for the host that was asked for.
    Host,
    /// `verify-ca`: an authority vouches for it. Any of that authority's servers could stand in for ours.
    Authority,
}

/// `client_certificate` and `client_key`, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, with what leads to its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Tls {
    const WORDS: [(&str, Option<Proof>); 3] =
        [("verify-full", Some(Proof::Host)), ("verify-ca", Some(Proof::Authority)), ("off", None)];

    /// The word of the file.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On(Trust { proof: Proof::Host, .. }) => "verify-full",
            Self::On(Trust { proof: Proof::Authority, .. }) => "verify-ca",
        }
    }
}

impl fmt::Display for Postgres {
    /// `database strategy on db1.example:5432, schema clearpoint`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
        write!(f, "database {} on {}, schema {}", self.database, hosts.join(", "), self.schema)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Socket(folder) => folder.display().fmt(f),
            Host::Network(host) => write!(f, "{host}:{}", self.port),
        }
    }
}

pub(super) fn read(mut section: Section<'_>, folder: &Path) -> Option<Postgres> {
    let port = section.read("port", port).unwrap_or(PORT);
    let cure = "write the server's name, its address, or the folder of its socket";
    let hosts = section.require("host", cure, |value| hosts(value, port));
    let database = section.require("database", "write the database's name", name);
    let user = section.require("user", "write the role that owns the schema", name);
    let password = section.read("password", |value| connection::secret_source(value, folder));
    let schema = section.read("schema", schema);
    let tls = read_tls(&mut section, folder, hosts.as_deref());
    let connect_timeout = section.read("connect_timeout", values::duration("1s", "5m"));
    let statement_timeout = section.read("statement_timeout", values::duration("10s", "1d"));
    let connections_max = section.read("connections_max", values::whole(2, 100));
    let lease = section.read("lease", values::duration("10s", "10m"));
    Some(Postgres {
        hosts: hosts?,
        database: database?,
        user: user?,
        password,
        schema: schema.unwrap_or_else(|| "clearpoint".to_owned()),
        tls: tls?,
        connect_timeout: connect_timeout.unwrap_or(Duration::from_secs(10)),
        statement_timeout: statement_timeout.unwrap_or(Duration::from_secs(300)),
        connections_max: connections_max.unwrap_or(8),
        lease: lease.unwrap_or(Duration::from_secs(60)),
    })
}

/// A fault of TLS alone is told too where the hosts are not known.
fn read_tls(section: &mut Section<'_>, folder: &Path, hosts: Option<&[Address]>) -> Option<Tls> {
    let is_remote = hosts.is_none_or(|hosts| hosts.iter().any(|address| address.host.is_remote()));
    let typed = section.read("tls", values::choice(&Tls::WORDS));
    let proof = typed.unwrap_or(is_remote.then_some(Proof::Host));
    let beside = [section.has("ca_file"), section.has("client_certificate"), section.has("client_key")];
    let path = |value: &Value| values::path(folder, value);
    let ca_file = section.read("ca_file", path);
    let (certificate, key) = (section.read("client_certificate", path), section.read("client_key", path));
    let keys = ["ca_file", "client_certificate", "client_key"];
    let Some(proof) = proof else {
        for (key, _) in keys.into_iter().zip(beside).filter(|(_, is_there)| *is_there) {
            section.fault(key, "stands without TLS; write tls = \"verify-full\", or leave it out");
        }
        return Some(Tls::Off);
    };
    let are_sockets = |hosts: &[Address]| hosts.iter().all(|host| matches!(host.host, Host::Socket(_)));
    if hosts.is_some_and(are_sockets) {
        section.fault(
            "tls",
            "is for servers over the network, and a socket leads to this machine; leave it out",
        );
    }
    if proof == Proof::Authority && !beside[0] {
        section.fault(
            "tls",
            "is \"verify-ca\", by which any server passes that any authority of the system vouches for; name \
             your own in ca_file, or write \"verify-full\"",
        );
    }
    for (this, other) in [(1, 2), (2, 1)] {
        if beside[this] && !beside[other] {
            section.fault(keys[this], format!("stands without {}; write both, or neither", keys[other]));
        }
    }
    let client = certificate.zip(key).map(|(certificate, key)| ClientCertificate { certificate, key });
    Some(Tls::On(Trust { proof, ca_file, client }))
}

fn port(value: &Value) -> Result<u16, String> {
    let port = values::whole(1, 65_535)(value)?;
    u16::try_from(port).map_err(|error| error.to_string())
}

/// One host, or a list of them.
fn hosts(value: &Value, port: u16) -> Result<Vec<Address>, String> {
    let Value::Array(list) = value else {
        return Ok(vec![server(value, port)?]);
    };
    if list.is_empty() || list.len() > HOSTS_MAX {
        return Err(format!("has {} entries; write 1 to {HOSTS_MAX}", list.len()));
    }
    let mut hosts = Vec::new();
    for (n, entry) in list.iter().enumerate() {
        let server = server(entry, port).map_err(|fault| format!("entry {}: {fault}", n + 1))?;
        if hosts.contains(&server) {
            return Err(format!("entry {}: {server} is there twice; keep one", n + 1));
        }
        hosts.push(server);
    }
    Ok(hosts)
}

/// `db1.example`, `db1.example:5433`, `10.0.0.7`, `::1`, `[::1]:5433` or `/run/postgresql`. What is typed is not
/// shown where it could hold a password.
fn server(value: &Value, port: u16) -> Result<Address, String> {
    let expected =
        "a host in quotes (for example \"db1.example\", \"db1.example:5433\" or \"/run/postgresql\")";
    let typed = values::string(value, expected)?;
    if typed.starts_with('/') {
        return match typed.len() <= SOCKET_BYTES_MAX && !typed.chars().any(char::is_control) {
            true => Ok(Address { host: Host::Socket(typed.into()), port }),
            false => Err(format!(
                "is no folder of a socket, whose path has at most {SOCKET_BYTES_MAX} bytes; write {expected}"
            )),
        };
    }
    if typed.contains(['@', '/', '?', '=']) {
        return Err("is more than a host; write the host alone, and all else under keys of its own".into());
    }
    let bare = |text: &str| text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).map(str::to_owned);
    let host = |text: &str| address::host(bare(text).as_deref().unwrap_or(text)).map(Host::Network);
    if let Some(host) = host(typed) {
        return Ok(Address { host, port });
    }
    let parts = typed.rsplit_once(':').and_then(|(name, port)| Some((host(name)?, port.parse().ok()?)));
    match parts.filter(|(_, port)| *port > 0) {
        Some((host, port)) => Ok(Address { host, port }),
        None => Err(format!("{typed:?} is no host; write {expected}")),
    }
}

/// The name of a database or a role, spelled as PostgreSQL has it, without quotes.
fn name(value: &Value) -> Result<String, String> {
    if value.as_str().is_some_and(|typed| typed.trim().is_empty()) {
        return Err("is empty; write the name".into());
    }
    let name = values::text(value)?;
    match name.len() <= NAME_BYTES_MAX {
        true => Ok(name),
        false => Err(format!("has {} bytes; PostgreSQL's names have at most {NAME_BYTES_MAX}", name.len())),
    }
}

fn schema(value: &Value) -> Result<String, String> {
    let typed = values::string(value, "a name in quotes (for example \"clearpoint\")")?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_name = typed.starts_with(|c: char| c.is_ascii_lowercase()) && typed.chars().all(plain);
    if !is_name || typed.len() > NAME_BYTES_MAX {
        return Err(format!(
            "{typed:?} is no schema; use a-z, 0-9 and \"_\", a letter first, at most {NAME_BYTES_MAX} (for \
             example \"clearpoint\")"
        ));
    }
    if typed == "public" || typed == "information_schema" || typed.starts_with("pg_") {
        return Err(format!("{typed:?} is not ours alone; name a schema that holds nothing else"));
    }
    Ok(typed.to_owned())
}
