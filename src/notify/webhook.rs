//! Sends one POST. No redirect is followed: the secret address is for one host. The answer's status says
//! all; its body is not read.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::NotifyError;
use super::sign::signature;
use crate::config::Http;
use crate::https::{self, root_cause, tls_fault};
use crate::network::{Network, is_loopback};

/// What is sent, and how it is marked.
pub(super) struct Post<'a> {
    pub(super) url: Url,
    pub(super) body: Vec<u8>,
    pub(super) delivery: &'a str,
    pub(super) signing_secret: Option<&'a SecretString>,
}

/// The address in the secret, judged on its parsed host and never shown.
///
/// # Errors
/// [`NotifyError::Settings`] says what is wrong with it.
pub(super) fn address(http: &Http, secret: &SecretString) -> Result<Url, NotifyError> {
    let settings = |text: &str| NotifyError::Settings(text.to_owned());
    let url = Url::parse(secret.expose_secret()).map_err(|error| {
        NotifyError::Settings(format!("url holds no URL ({error}); put a whole one there"))
    })?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(settings("url is neither http nor https; put a whole address there"));
    }
    if url.scheme() == "http" && !http.allow_http && !is_loopback(&url) {
        return Err(settings(
            "url is http, which would show messages to everyone on the way; use https, \
             or allow_http = true if the way is safe",
        ));
    }
    Ok(url)
}

/// Sends it, and gives what the target answered.
///
/// # Errors
/// Those of [`super::Notifier::send`].
pub(super) async fn send(
    post: Post<'_>,
    network: &Network,
    timeout: Duration,
    now: DateTime<Utc>,
) -> Result<String, NotifyError> {
    let setup = |error: https::ClientError| NotifyError::Settings(error.to_string());
    let client = https::client(&post.url, network).map_err(setup)?;
    let client = client.connect_timeout(timeout / 2).timeout(timeout).build();
    let client = client.map_err(|error| setup(https::ClientError::setup(&error.without_url())))?;
    let headers = headers(&post, now);
    let sent = client.post(post.url).headers(headers).body(post.body).send().await;
    judge(sent.map_err(|error| failure(error, timeout))?.status())
}

fn headers(post: &Post<'_>, now: DateTime<Utc>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let delivery: String = post.delivery.chars().filter(char::is_ascii_graphic).collect();
    let mut mark = |name: &'static str, value: &str| {
        let value = HeaderValue::from_str(value).expect("a header takes plain ASCII");
        headers.insert(HeaderName::from_static(name), value);
    };
    mark("clearpoint-sync-delivery", &delivery);
    if let Some(secret) = post.signing_secret {
        mark("clearpoint-sync-signature", &signature(secret, &post.body, now));
    }
    headers
}

fn failure(error: reqwest::Error, timeout: Duration) -> NotifyError {
    let error = error.without_url();
    if let Some(fault) = tls_fault(&error) {
        return NotifyError::Settings(fault);
    }
    NotifyError::Unreachable(if error.is_timeout() {
        format!("gave no answer within {} s", timeout.as_secs())
    } else if error.is_connect() {
        format!("cannot be reached: {}", root_cause(&error))
    } else {
        format!("broke off: {}", root_cause(&error))
    })
}

fn judge(status: StatusCode) -> Result<String, NotifyError> {
    let text = status.to_string();
    match status.as_u16() {
        200..=299 => Ok(text),
        300..=399 => Err(NotifyError::Settings(format!(
            "answered {text}, and redirects are not followed; put the address it leads to into url"
        ))),
        401 | 403 | 404 | 405 | 407 | 410 => Err(NotifyError::Settings(format!(
            "answered {text}; check the address in url, or make a new one"
        ))),
        408 | 425 | 429 | 500..=599 => Err(NotifyError::Unreachable(format!("answered {text}"))),
        400..=499 => Err(NotifyError::Refused(format!("answered {text}"))),
        _ => Err(NotifyError::Unreachable(format!("answered {text}, which is no end"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, expected: &str) {
        let judged = judge(StatusCode::from_u16(status).unwrap());
        let word = match judged {
            Ok(_) => "taken",
            Err(NotifyError::Unreachable(_)) => "unreachable",
            Err(NotifyError::Refused(_)) => "refused",
            Err(NotifyError::Settings(_)) => "settings",
        };
        assert_eq!(word, expected, "{status}");
    }

    #[test]
    fn a_status_says_whether_to_try_again_or_to_change_something() {
        for (statuses, expected) in [
            (&[200, 202, 204][..], "taken"),
            (&[408, 429, 500, 502, 503, 599], "unreachable"),
            (&[400, 413, 422, 451], "refused"),
            (&[301, 302, 401, 403, 404, 410], "settings"),
        ] {
            statuses.iter().for_each(|status| check(*status, expected));
        }
    }
}
