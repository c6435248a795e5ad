//! `[warnings.targets.NAME]`: who is told of warnings besides the log.

use std::path::Path;

use lettre::Address;
use toml::Value;
use url::Host;

use super::raw::Section;
use super::{address, connection, values};
use crate::key::SecretSource;
use crate::name::TargetName;
use crate::network::is_loopback_host;
use crate::warning::Severity;

/// Most receivers of one mail.
const RECEIVERS_MAX: usize = 50;

/// `[warnings.targets.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: TargetName,
    /// What is milder is not told.
    pub least_severity: Severity,
    /// How it is told.
    pub way: Way,
}

/// How a target is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By a POST.
    Http(Http),
    /// By a mail.
    Email(Email),
}

impl Way {
    /// The word of `type`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Http(http) => http.format.as_str(),
            Self::Email(_) => "email",
        }
    }
}

/// A target that takes a POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// What the body looks like.
    pub format: HttpFormat,
    /// Where it is, which is a secret: whoever knows it may post there.
    pub url: SecretSource,
    /// What messages are signed with.
    pub signing_secret: Option<SecretSource>,
    /// Whether the URL may be http on another machine.
    pub allow_http: bool,
}

/// What the body of a POST looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpFormat {
    /// `webhook`: the program's own JSON, of a documented schema.
    Json,
    /// `slack`: a Slack message, as others take it too.
    Slack,
    /// `teams`: an Adaptive Card for a Teams workflow.
    Teams,
    /// `alertmanager`: alerts, as Prometheus posts them.
    Alertmanager,
}

impl HttpFormat {
    /// The word of `type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "webhook",
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Alertmanager => "alertmanager",
        }
    }
}

/// A target that takes mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way to it is kept private.
    pub tls: Tls,
    /// Who sends, and where the password comes from; without it the server is not asked to let us in.
    pub login: Option<Login>,
    /// Whose mail it is.
    pub from: Address,
    /// Who gets it.
    pub to: Vec<Address>,
}

/// `username` and `password`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub username: String,
    /// Where the password comes from.
    pub password: SecretSource,
}

/// `tls` of a mail target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Asked for once connected; a server that has none is not spoken to.
    StartTls,
    /// From the first byte on.
    Tls,
    /// None: for a server on this machine alone.
    Off,
}

impl Tls {
    /// The words of the file.
    pub const WORDS: [(&str, Self); 3] =
        [("starttls", Self::StartTls), ("tls", Self::Tls), ("off", Self::Off)];

    fn default_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::Off => 25,
        }
    }
}

/// `type`: an HTTP format, or `None` for mail.
const TYPES: [(&str, Option<HttpFormat>); 5] = [
    ("webhook", Some(HttpFormat::Json)),
    ("slack", Some(HttpFormat::Slack)),
    ("teams", Some(HttpFormat::Teams)),
    ("alertmanager", Some(HttpFormat::Alertmanager)),
    ("email", None),
];

/// Keys of any type, which are not faults where the type is not known.
const KEYS: [&str; 10] =
    ["url", "signing_secret", "allow_http", "host", "port", "tls", "username", "password", "from", "to"];

/// Reads every target; those with faults are left out, for the faults are reported.
pub(super) fn read_all(warnings: &mut Section<'_>, folder: &Path) -> Vec<Target> {
    let sections = warnings.sections("targets");
    sections.into_iter().filter_map(|(name, section)| read(&name, section, folder)).collect()
}

fn read(typed_name: &str, mut section: Section<'_>, folder: &Path) -> Option<Target> {
    let name = TargetName::parse(typed_name).map_err(|error| section.fault_here(error.to_string())).ok();
    let cure = "write one of webhook, slack, teams, alertmanager, email";
    let format = section.require("type", cure, values::choice(&TYPES));
    let least_severity = section.read("least_severity", values::choice(&Severity::WORDS));
    let way = match format {
        Some(Some(format)) => read_http(&mut section, format, folder).map(Way::Http),
        Some(None) => read_email(&mut section, folder).map(Way::Email),
        None => {
            KEYS.iter().for_each(|key| drop(section.take(key)));
            None
        }
    };
    Some(Target { name: name?, least_severity: least_severity.unwrap_or(Severity::Warn), way: way? })
}

fn read_http(section: &mut Section<'_>, format: HttpFormat, folder: &Path) -> Option<Http> {
    let cure = "write where it comes from: { file = … }, { credential = … } or { env = … }";
    let url = section.require("url", cure, |value| connection::secret_source(value, folder));
    let signing_secret = section.read("signing_secret", |value| connection::secret_source(value, folder));
    let allow_http = section.read("allow_http", values::flag).unwrap_or(false);
    Some(Http { format, url: url?, signing_secret, allow_http })
}

fn read_email(section: &mut Section<'_>, folder: &Path) -> Option<Email> {
    let host = section.require("host", "write the mail server (for example \"smtp.city.example\")", host);
    let tls = section.read("tls", values::choice(&Tls::WORDS)).unwrap_or(Tls::StartTls);
    if let Some((_, false)) = host
        && tls == Tls::Off
    {
        section.fault(
            "tls",
            "is off, which is for a server on this machine alone; write \"starttls\" or \"tls\"",
        );
    }
    let port = section.read("port", values::whole(1, 65_535)).and_then(|port| u16::try_from(port).ok());
    let login = read_login(section, folder);
    let from = section.require("from", "write the sender's address", mailbox);
    let to = section.require("to", "write who gets the mail (for example [\"ops@city.example\"])", receivers);
    let (host, _) = host?;
    Some(Email { host, port: port.unwrap_or(tls.default_port()), tls, login: login?, from: from?, to: to? })
}

/// Both or neither; the outer `None` is a fault.
fn read_login(section: &mut Section<'_>, folder: &Path) -> Option<Option<Login>> {
    let username = section.take("username");
    let password = section.take("password");
    match (username, password) {
        (None, None) => Some(None),
        (Some(username), Some(password)) => {
            let username = values::text(&username).map_err(|text| section.fault("username", text)).ok();
            let password = connection::secret_source(&password, folder);
            let password = password.map_err(|text| section.fault("password", text)).ok();
            Some(Some(Login { username: username?, password: password? }))
        }
        (Some(_), None) => {
            section.fault("username", "stands without a password; write both, or neither");
            None
        }
        (None, Some(_)) => {
            section.fault("password", "stands without a username; write both, or neither");
            None
        }
    }
}

/// A server's name, or its address without brackets, and whether it is this machine.
fn host(value: &Value) -> Result<(String, bool), String> {
    let text = values::string(value, "a host name in quotes")?;
    let host = address::host(text)
        .ok_or("is no host name; write it alone, its port under port (for example \"smtp.city.example\")")?;
    let name = match &host {
        Host::Domain(name) => name.clone(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    Ok((name, is_loopback_host(&host)))
}

/// A mail address and nothing else, so that no header can be smuggled in by one.
fn mailbox(value: &Value) -> Result<Address, String> {
    let text = values::string(value, "an address in quotes")?;
    text.parse().map_err(|_| {
        format!("{text:?} is no mail address; write one without a name around it (for example \"ops@city.example\")")
    })
}

fn receivers(value: &Value) -> Result<Vec<Address>, String> {
    let expected = "a list of addresses (for example [\"ops@city.example\"])";
    let list = value.as_array().ok_or_else(|| values::wrong_type(value, expected))?;
    if list.is_empty() {
        return Err(format!("is empty, so nobody would be told; write {expected}"));
    }
    if list.len() > RECEIVERS_MAX {
        return Err(format!("has {} entries; write at most {RECEIVERS_MAX}, or a mailing list", list.len()));
    }
    let entry = |(n, entry)| mailbox(entry).map_err(|fault| format!("entry {}: {fault}", n + 1));
    list.iter().enumerate().map(entry).collect()
}
