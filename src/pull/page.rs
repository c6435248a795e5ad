//! What an answer to a list request is: a list, nothing, or which of the many things that are neither.
//! Pure.

use reqwest::StatusCode;

use crate::kind::Kind;
use crate::pull::gather::{have_ids, settle_id_field};
use crate::pull::transport::Answer;
use crate::snapshot::Rejected;
use crate::tolerate::{self, Body, Cleaned, Imprints, List, Row};

/// An answer, judged. `R` is a row.
#[derive(Debug)]
pub(super) enum Page<R> {
    /// A list, perhaps an empty one.
    List(List<R>),
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

/// What the lists of a kind look like, as far as that is known.
#[derive(Debug)]
pub(super) struct Shape<'k> {
    /// The kind.
    pub(super) kind: &'k Kind,
    /// Keys that lead to the list.
    pub(super) list_at: Option<Vec<String>>,
    /// The field with a row's id; `None`: the first rows settle it.
    pub(super) id_field: Option<String>,
}

impl Shape<'_> {
    /// Judges an answer, whose body is `text`, and reads its rows. `remembered` is the id field of the pull
    /// before; rows that `imprints` recognise are not read again.
    #[must_use]
    pub(super) fn judge<'t>(
        &mut self,
        answer: &Answer,
        text: &'t str,
        remembered: Option<&str>,
        imprints: &mut Imprints<'t>,
    ) -> Page<Result<Row<'t>, Rejected>> {
        if self.id_field.is_none() {
            // Mostly it is the remembered one, and the rows are read already.
            if let Some(id_field) = remembered
                && let Page::List(list) = self.read(answer, text, id_field, imprints)
                && have_ids(&list.rows)
            {
                self.settle(id_field.to_owned(), &list.list_at);
                return Page::List(list);
            }
            if let Page::List(list) = judge(answer, text, self.kind, self.list_at.as_deref())
                && !list.rows.is_empty()
            {
                let Some(id_field) = settle_id_field(&list.rows, self.kind, remembered) else {
                    let looked_for = self.kind.id_fields.join(", ");
                    return Page::Broken(format!("rows without an id (looked for {looked_for})"));
                };
                self.settle(id_field, &list.list_at);
            }
        }
        // Where nothing is settled there are no rows to read.
        self.read(answer, text, self.id_field.as_deref().unwrap_or_default(), imprints)
    }

    fn settle(&mut self, id_field: String, list_at: &[String]) {
        self.id_field = Some(id_field);
        self.list_at = Some(list_at.to_vec());
    }

    fn read<'t>(
        &self,
        answer: &Answer,
        text: &'t str,
        id_field: &str,
        imprints: &mut Imprints<'t>,
    ) -> Page<Result<Row<'t>, Rejected>> {
        let list_at = self.list_at.as_deref();
        judge_by(answer, text, list_at, || {
            tolerate::body_of_sent_rows(text, self.kind, list_at, id_field, imprints)
        })
    }
}

/// Judges an answer, whose body is `text`; its rows are not read.
#[must_use]
pub(super) fn judge<'t>(
    answer: &Answer,
    text: &'t str,
    kind: &Kind,
    list_at: Option<&[String]>,
) -> Page<&'t str> {
    judge_by(answer, text, list_at, || tolerate::body(text, &kind.list_name, list_at))
}

fn judge_by<R>(
    answer: &Answer,
    text: &str,
    list_at: Option<&[String]>,
    body: impl FnOnce() -> Body<R>,
) -> Page<R> {
    let status = answer.status;
    match status.as_u16() {
        204 | 205 => Page::Nothing(status.to_string()),
        200..=299 if answer.body.is_none() => Page::TooLarge,
        200..=299 => match body() {
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
