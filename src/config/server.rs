//! `[server]`: where the page and the metrics are served.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use toml::Value;
use url::Host;

use super::raw::Section;
use super::values;

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where to listen; beyond loopback only with `allow_public`.
    pub listen: SocketAddr,
    /// Names, besides `localhost` and addresses, under which it is asked; without a port, lower case.
    pub hosts: Vec<String>,
}

impl Server {
    /// Whether other machines may reach it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        is_public(self.listen)
    }
}

fn is_public(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

pub(super) fn read(root: &mut Section<'_>) -> Option<Server> {
    let mut section = root.optional("server")?;
    let allow_public = section.read("allow_public", values::flag).unwrap_or(false);
    let hosts = section.read("hosts", hosts).unwrap_or_default();
    let cure = "write where to listen (for example \"127.0.0.1:9464\")";
    let listen = section.require("listen", cure, |value| listen(value, allow_public))?;
    Some(Server { listen, hosts })
}

fn listen(value: &Value, allow_public: bool) -> Result<SocketAddr, String> {
    let expected = "an address and a port in quotes (for example \"127.0.0.1:9464\")";
    let typed = values::string(value, expected)?;
    let address: SocketAddr = typed.parse().map_err(|_| no_address(typed, expected))?;
    if is_public(address) && !allow_public {
        return Err(format!(
            "{typed} is open to other machines, and the page has no login; write allow_public = true if \
             whoever reaches it may see it, or listen on 127.0.0.1"
        ));
    }
    Ok(address)
}

/// What is said of a text that is no address with a port, by what was likely meant.
fn no_address(typed: &str, expected: &str) -> String {
    if typed.parse::<IpAddr>().is_ok() {
        let meant = if typed.contains(':') { format!("[{typed}]:9464") } else { format!("{typed}:9464") };
        return format!("{typed:?} has no port; write one behind it (for example {meant:?})");
    }
    match typed.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() && name.parse::<Ipv6Addr>().is_ok() => {
            format!(
                "{typed:?} is ambiguous; write the address in brackets ({:?})",
                format!("[{name}]:{port}")
            )
        }
        Some((name, port))
            if port.parse::<u16>().is_ok() && matches!(Host::parse(name), Ok(Host::Domain(_))) =>
        {
            format!("{typed:?} is a name; write an address and a port (for example \"127.0.0.1:{port}\")")
        }
        _ => format!("{typed:?} is no address; write {expected}"),
    }
}

fn hosts(value: &Value) -> Result<Vec<String>, String> {
    let expected = "a list of host names (for example [\"status.city.example\"])";
    let list = value.as_array().ok_or_else(|| values::wrong_type(value, expected))?;
    list.iter().map(|entry| host(entry, expected)).collect()
}

fn host(value: &Value, expected: &str) -> Result<String, String> {
    let typed = values::string(value, expected)?;
    match Host::parse(typed) {
        Ok(Host::Domain(name)) => Ok(name.trim_end_matches('.').to_owned()),
        _ => Err(format!("holds {typed:?}, which is no host name; write it alone, without a port")),
    }
}
