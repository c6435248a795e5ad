//! What an answer to a list request is: a list, nothing, or which of the many things that are neither.
//! Pure.

use reqwest::StatusCode;

use crate::kind::Kind;
use crate::pull::transport::Answer;
use crate::tolerate::{self, Body, Cleaned, List};

/// An answer, judged.
#[derive(Debug)]
pub(super) enum Page<'a> {
    /// A list, perhaps an empty one.
    List(List<'a>),
    /// 204, an empty body or `null`; which, for people.
    Nothing(String),
    /// 404 or 410.
    Missing(String),
    /// 400, 405 and other client errors.
    Strange(String),
    /// 403.
    Forbidden(String),
    /// Not what a list looks like.
    Broken(String),
    /// A body above the limit.
    TooLarge,
}

/// The text of an answer's body.
#[must_use]
pub(super) fn text(answer: &Answer) -> Cleaned<'_> {
    tolerate::clean(answer.body.as_deref().unwrap_or_default())
}

/// Judges an answer, whose body is `text`.
#[must_use]
pub(super) fn judge<'t>(answer: &Answer, text: &'t str, kind: &Kind, list_at: Option<&[String]>) -> Page<'t> {
    let status = answer.status;
    match status.as_u16() {
        204 | 205 => Page::Nothing(status.to_string()),
        200..=299 if answer.body.is_none() => Page::TooLarge,
        200..=299 => match tolerate::body(text, &kind.list_name, list_at) {
            Body::List(list) => Page::List(list),
            Body::Nothing if text.trim().is_empty() => Page::Nothing("an empty body".into()),
            Body::Nothing => Page::Nothing("null".into()),
            Body::Error(error) => Page::Broken(format!("an error: {error}")),
            Body::NoList(keys) => Page::Broken(no_list(&keys, list_at)),
            Body::NotJson(what) => Page::Broken(what),
        },
        300..=399 => Page::Broken(format!("a redirect ({status})")),
        403 => Page::Forbidden(status.to_string()),
        404 | 410 => Page::Missing(status.to_string()),
        _ => Page::Strange(status.to_string()),
    }
}

/// Whether a status may be an objection to `count`.
#[must_use]
pub(super) fn may_object_to_count(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 422)
}

fn no_list(keys: &[String], list_at: Option<&[String]>) -> String {
    let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
    match list_at {
        Some([]) => format!("no bare array, which it was before (keys: {keys})"),
        Some(path) => format!("no list under {}, where it was before (keys: {keys})", path.join(".")),
        None => format!("JSON without a list (keys: {keys})"),
    }
}
