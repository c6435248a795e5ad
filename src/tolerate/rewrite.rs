//! The rare row that cannot be stored as it stands: built anew without what is odd about it. What comes
//! out has nothing left to rewrite.

use super::envelope::{Object, Parts, Value};
use crate::fingerprint::{Number, unescape};

/// A query longer than this is taken for a signature.
const QUERY_BYTES_MAX: usize = 40;
/// Parameters that carry a signature or a token, however short.
const SECRET_PARAMETERS: [&str; 10] = [
    "sig",
    "signature",
    "token",
    "access_token",
    "auth",
    "expires",
    "policy",
    "key-pair-id",
    "x-amz-signature",
    "x-goog-signature",
];

/// A value, which is JSON, as the store holds it: no duplicate keys (the last counts; keys come out sorted), numbers
/// outside i64 and f64 as text, and with `signed_links` no link with its signature.
#[must_use]
pub(super) fn rewrite(text: &str, signed_links: bool) -> String {
    let mut out = String::with_capacity(text.len());
    value(text, signed_links, &mut out);
    out
}

/// Recursion is bounded: only what the fingerprint's walk passed is rewritten.
fn value(text: &str, signed_links: bool, out: &mut String) {
    match text.as_bytes().first() {
        Some(b'{') => object(text, signed_links, out),
        Some(b'[') => array(text, signed_links, out),
        Some(b'"') if signed_links => link(text, out),
        Some(b'-' | b'0'..=b'9') if !Number::read(text).is_storable(text) => {
            out.push('"');
            out.push_str(text);
            out.push('"');
        }
        _ => out.push_str(text),
    }
}

fn object(text: &str, signed_links: bool, out: &mut String) {
    let object = Object::read(text).expect("the walk passed it");
    out.push('{');
    for (idx, (key, field)) in object.iter().enumerate() {
        if idx > 0 {
            out.push(',');
        }
        quote(key, out);
        out.push(':');
        value(field, signed_links, out);
    }
    out.push('}');
}

fn array(text: &str, signed_links: bool, out: &mut String) {
    let Parts::Items(items) = Value::read(text, 1).expect("the walk passed it").parts else {
        unreachable!("it begins with a bracket");
    };
    out.push('[');
    for (idx, item) in items.into_iter().enumerate() {
        if idx > 0 {
            out.push(',');
        }
        value(item, signed_links, out);
    }
    out.push(']');
}

fn link(quoted: &str, out: &mut String) {
    let text = unescape(&quoted[1..quoted.len() - 1]);
    if is_signed_link(&text) {
        let (address, _) = text.split_once('?').expect("a signed link has a query");
        quote(address, out);
    } else {
        out.push_str(quoted);
    }
}

fn quote(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("a string has a JSON form"));
}

/// Whether a text is a link whose query gives access to whoever holds it.
#[must_use]
pub(super) fn is_signed_link(text: &str) -> bool {
    let scheme_at = |scheme: &str| {
        let start = text.trim_start().get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    if !(scheme_at("https://") || scheme_at("http://") || scheme_at("//")) {
        return false;
    }
    // A `?` behind `#` belongs to the page, as in links to elements; no server sees it.
    let sent = text.split_once('#').map_or(text, |(sent, _)| sent);
    let Some((_, query)) = sent.split_once('?') else {
        return false;
    };
    query.len() > QUERY_BYTES_MAX
        || query.split(['&', ';']).any(|pair| {
            let name = pair.split_once('=').map_or(pair, |(name, _)| name);
            let mut secret = SECRET_PARAMETERS.iter();
            secret.any(|parameter| name.eq_ignore_ascii_case(parameter))
        })
}
