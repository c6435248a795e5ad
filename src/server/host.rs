//! Under which name the server was asked. A web page can give its own name this machine's address (DNS
//! rebinding), and would then read what is shown here; it cannot do so for an address or for `localhost`.

use hyper::header::{HOST, HeaderMap};
use hyper::http::uri::Authority;
use hyper::{Request, Version};
use url::Host;

/// Why a request is not for this server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stray {
    /// It does not say, or not clearly, whom it asks.
    Unclear,
    /// It asks somebody of this name.
    Other(String),
}

/// Whether it was asked under a name of its own: `localhost`, an address, or one of `hosts`.
///
/// # Errors
/// [`Stray`]: it was not.
pub(super) fn check<B>(request: &Request<B>, hosts: &[String]) -> Result<(), Stray> {
    let header = header(request.headers())?;
    let Some(asked) = request.uri().authority().cloned().or(header) else {
        // HTTP/1.0 knows no Host, as some probes speak it; no browser does.
        return if request.version() == Version::HTTP_10 { Ok(()) } else { Err(Stray::Unclear) };
    };
    if asked.as_str().contains('@') {
        return Err(Stray::Unclear);
    }
    match Host::parse(asked.host()).map_err(|_| Stray::Unclear)? {
        Host::Ipv4(_) | Host::Ipv6(_) => Ok(()),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let is_known = name == "localhost" || hosts.iter().any(|known| known == name);
            if is_known { Ok(()) } else { Err(Stray::Other(name.to_owned())) }
        }
    }
}

/// The one `Host`, if there is any.
fn header(headers: &HeaderMap) -> Result<Option<Authority>, Stray> {
    let mut all = headers.get_all(HOST).iter();
    let (first, second) = (all.next(), all.next());
    match (first, second) {
        (None, _) => Ok(None),
        (Some(host), None) => Authority::try_from(host.as_bytes()).map(Some).map_err(|_| Stray::Unclear),
        (Some(_), Some(_)) => Err(Stray::Unclear),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a request to `target` with these `Host` headers.
    fn asked(target: &str, hosts: &[&str], version: Version) -> Result<(), Stray> {
        let mut request = Request::builder().uri(target).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        check(&request.body(()).unwrap(), &["status.city.example".to_owned()])
    }

    #[track_caller]
    fn check_host(host: &str, expected: Result<(), Stray>) {
        assert_eq!(asked("/", &[host], Version::HTTP_11), expected, "{host}");
    }

    #[test]
    fn its_own_names_are_known_in_every_spelling() {
        for host in [
            "localhost",
            "localhost:9464",
            "LOCALHOST",
            "localhost.",
            "127.0.0.1:9464",
            "10.1.2.3",
            "[::1]:9464",
            "[::1]",
            "status.city.example",
            "Status.City.Example.:443",
        ] {
            check_host(host, Ok(()));
        }
    }

    #[test]
    fn another_name_is_named() {
        let other = |name: &str| Err(Stray::Other(name.to_owned()));
        check_host("evil.example:9464", other("evil.example"));
        check_host("localhost.evil.example", other("localhost.evil.example"));
        check_host("city.example", other("city.example"));
    }

    #[test]
    fn what_is_no_host_is_unclear() {
        for host in ["", "evil.example@localhost", "localhost/", "a b", "[::1", "localhost:9464:1"] {
            check_host(host, Err(Stray::Unclear));
        }
    }

    #[test]
    fn a_host_is_said_once() {
        assert_eq!(asked("/", &["localhost", "localhost"], Version::HTTP_11), Err(Stray::Unclear));
        assert_eq!(asked("/", &[], Version::HTTP_11), Err(Stray::Unclear));
        assert_eq!(asked("/", &[], Version::HTTP_10), Ok(()));
    }

    #[test]
    fn a_target_with_a_host_is_looked_at_too() {
        let evil = asked("http://evil.example/", &["localhost"], Version::HTTP_11);
        assert_eq!(evil, Err(Stray::Other("evil.example".to_owned())));
        assert_eq!(asked("http://localhost/", &["localhost"], Version::HTTP_11), Ok(()));
    }
}
