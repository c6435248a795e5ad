//! `[server]`: where the page and the metrics are served.

use std::net::SocketAddr;

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
    let address: SocketAddr =
        typed.parse().map_err(|_| format!("{typed:?} is no address; write {expected}"))?;
    if !address.ip().is_loopback() && !allow_public {
        return Err(format!(
            "{typed} is open to other machines, and the page has no login; write allow_public = true if \
             whoever reaches it may see it, or listen on 127.0.0.1"
        ));
    }
    Ok(address)
}

fn hosts(value: &Value) -> Result<Vec<String>, String> {
    let expected = "a list of host names (for example [\"status.city.example\"])";
    let list = value.as_array().ok_or_else(|| values::wrong_type(value, expected))?;
    list.iter().map(|entry| host(entry, expected)).collect()
}

fn host(value: &Value, expected: &str) -> Result<String, String> {
    let typed = values::string(value, expected)?;
    match Host::parse(typed) {
        Ok(Host::Domain(name)) => Ok(name),
        _ => Err(format!("holds {typed:?}, which is no host name; write it alone, without a port")),
    }
}
