//! Addresses: base URLs, proxies and hosts. Judged on the parsed host, never on the string, and never shown:
//! a user, a password or a token may stand in one.

use std::net::IpAddr;

use url::{Host, Url};

pub use crate::network::is_loopback;

/// A base URL, without its trailing slash. https, unless the host is loopback or `allow_http`.
pub fn base_url(text: &str, allow_http: bool) -> Result<Url, String> {
    let mut url = parse(text, "https://app.clearpointstrategy.com/api/v1")?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment (? or #); end it after the path".into());
    }
    if url.scheme() == "http" && !allow_http && !is_loopback(&url) {
        return Err("is http, which would show the key to everyone on the way; write https, \
             or allow_http = true if the way is safe"
            .into());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// A proxy's URL.
pub fn proxy(text: &str) -> Result<Url, String> {
    let url = parse(text, "http://proxy.example:3128")?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("has more than a host and a port; end it there".into());
    }
    Ok(url)
}

/// A host's name, or its address without brackets; `None`: neither.
pub(super) fn host(text: &str) -> Option<Host> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Some(Host::Ipv4(address)),
        Ok(IpAddr::V6(address)) => Some(Host::Ipv6(address)),
        // What is read as an address here was spelled in a way that nobody means.
        Err(_) => Host::parse(text).ok().filter(|host| matches!(host, Host::Domain(_))),
    }
}

fn parse(text: &str, example: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL ({error}); write one like {example}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(format!("is neither http nor https; write one like {example}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or a password, which never stands in this file; write it without".into());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_for_loopback_or_by_permission() {
        assert!(base_url("http://127.0.0.1:8080/api", false).is_ok());
        assert!(base_url("http://strategy.example/api", true).is_ok());
        assert!(base_url("http://strategy.example/api", false).is_err());
        assert!(base_url("http://localhost@strategy.example/api", false).is_err());
    }

    #[test]
    fn a_trailing_slash_is_dropped() {
        let url = base_url("https://strategy.example/api/v1/", false).unwrap();
        assert_eq!(url.as_str(), "https://strategy.example/api/v1");
    }
}
