//! How the outside is reached: the proxy, more certificates to trust, and which hosts are this machine.

use std::path::PathBuf;

use url::{Host, Url};

/// `[network]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// `proxy`
    pub proxy: Proxy,
    /// More certificates to trust, as PEM.
    pub ca_file: Option<PathBuf>,
}

/// `network.proxy`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// What the environment says.
    Env,
    /// None.
    Off,
    /// This one, for https.
    Url(Url),
}

/// Whether a URL points at this machine: 127/8, ::1, `localhost`. Decided on the parsed host, never on
/// the text.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    url.host().is_some_and(|host| is_loopback_host(&host))
}

/// As [`is_loopback`], for a host alone.
#[must_use]
pub fn is_loopback_host<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name.as_ref() == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_decided_on_the_parsed_host() {
        let is = |text: &str| is_loopback(&Url::parse(text).unwrap());
        for yes in ["http://127.8.9.1/", "http://[::1]:80/", "http://LocalHost/", "http://0x7f.1/"] {
            assert!(is(yes), "{yes}");
        }
        for no in ["http://127.0.0.1.example/", "http://localhost.example/", "http://128.0.0.1/"] {
            assert!(!is(no), "{no}");
        }
    }
}
