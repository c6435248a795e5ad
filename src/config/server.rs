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
    let parts = typed.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let (said, meant) = match (parts, typed.parse::<IpAddr>()) {
        (Some((address, port)), _) if address.parse::<Ipv6Addr>().is_ok() => {
            ("has no brackets around its address; write them", format!("[{address}]:{port}"))
        }
        (_, Ok(IpAddr::V6(address))) => ("has no port; write one behind it", format!("[{address}]:9464")),
        (_, Ok(IpAddr::V4(address))) => ("has no port; write one behind it", format!("{address}:9464")),
        (Some((name, port)), _) if matches!(Host::parse(name), Ok(Host::Domain(_))) => {
            ("is a name; write an address", format!("127.0.0.1:{port}"))
        }
        _ => return format!("{typed:?} is no address; write {expected}"),
    };
    format!("{typed:?} {said} (for example {meant:?})")
}

fn hosts(value: &Value) -> Result<Vec<String>, String> {
    let expected = "a list of host names (for example [\"status.city.example\"])";
    let list = value.as_array().ok_or_else(|| values::wrong_type(value, expected))?;
    list.iter().map(|entry| host(entry, expected)).collect()
}

fn host(value: &Value, expected: &str) -> Result<String, String> {
    let typed = values::string(value, expected)?;
    if typed.contains('*') {
        return Err(format!("holds {typed:?}, but no sign stands for others here; write each name in full"));
    }
    match Host::parse(typed) {
        Ok(Host::Domain(name)) => Ok(name.trim_end_matches('.').to_owned()),
        _ => Err(format!("holds {typed:?}, which is no host name; write it alone, without a port")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(listen: &str, allow_public: bool) -> Result<SocketAddr, String> {
        super::listen(&Value::String(listen.to_owned()), allow_public)
    }

    #[track_caller]
    fn check(listen: &str, cure: &str) {
        let text = read(listen, false).unwrap_err();
        assert!(text.contains(cure), "{listen}: {text}");
    }

    #[test]
    fn what_is_no_address_is_told_with_what_was_meant() {
        check("::1:9464", "no brackets around its address; write them (for example \"[::1]:9464\")");
        check("::1", "no port; write one behind it (for example \"[::1]:9464\")");
        check("127.0.0.1", "no port; write one behind it (for example \"127.0.0.1:9464\")");
        check("localhost:9464", "is a name; write an address (for example \"127.0.0.1:9464\")");
        for wrong in ["9464", "127.0.0.1:99999", "http://127.0.0.1:9464", ""] {
            check(wrong, "is no address; write an address and a port in quotes");
        }
    }

    #[test]
    fn only_this_machine_is_let_in_unless_others_are_allowed() {
        for own in ["127.0.0.1:9464", "127.0.0.53:1", "[::1]:9464", "[::ffff:127.0.0.1]:9464"] {
            assert!(read(own, false).is_ok(), "{own}");
        }
        for open in ["0.0.0.0:9464", "[::]:9464", "10.1.2.3:9464", "[::ffff:10.1.2.3]:9464"] {
            check(open, "allow_public = true");
            assert!(read(open, true).is_ok(), "{open}");
        }
    }

    #[test]
    fn hosts_are_names_alone() {
        let read = |name: &str| hosts(&Value::Array(vec![Value::String(name.to_owned())]));
        assert_eq!(read("Status.City.Example.").unwrap(), ["status.city.example"]);
        for wrong in ["status.city.example:9464", "127.0.0.1", "http://a", ""] {
            assert!(read(wrong).unwrap_err().contains("no host name"), "{wrong}");
        }
    }

    #[test]
    fn a_name_that_would_match_nobody_is_refused() {
        for wrong in ["*", "*.city.example"] {
            let text = hosts(&Value::Array(vec![Value::String(wrong.to_owned())])).unwrap_err();
            assert!(text.contains(wrong) && text.contains("each name in full"), "{text}");
        }
    }
}
