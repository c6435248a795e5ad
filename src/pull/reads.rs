//! Single reads: one element, or the values of one measure. What they answer is evidence, so whatever
//! is not plainly the thing asked for is `Unclear`.

use std::sync::LazyLock;

use crate::element::ElementId;
use crate::kind::{self, Kind, KindName};
use crate::pull::client::{Client, Request};
use crate::pull::transport::Answer;
use crate::pull::tries::Tries;
use crate::pull::{PullError, Single, page};
use crate::tolerate::{self, Body};

/// Reads one element.
pub(super) async fn element(client: &Client, kind: &Kind, id: ElementId) -> Result<Single, PullError> {
    let path = format!("{}/{id}", kind.path);
    let request = client.request(&path, format!("{} {id}", kind.name));
    read(client, &request, |text| document(text, kind, id)).await
}

/// Reads the values of one measure.
pub(super) async fn measure_data(client: &Client, id: ElementId) -> Result<Single, PullError> {
    let path = format!("{}/{id}/measureData", MEASURES.path);
    let request = client.request(&path, format!("measure data {id}"));
    read(client, &request, |text| values(text, &MEASURES)).await
}

/// Measures, as the catalogue has them.
static MEASURES: LazyLock<Kind> = LazyLock::new(|| {
    let kind = kind::catalogue().into_iter().find(|kind| kind.name.as_str() == KindName::MEASURES);
    kind.expect("the catalogue knows measures")
});

/// Asks, and once more where the body is not what it should be.
async fn read(
    client: &Client,
    request: &Request,
    understand: impl Fn(&str) -> Result<Single, String>,
) -> Result<Single, PullError> {
    let tries = Tries::new();
    let mut single = Single::Unclear(String::new());
    for _ in 0..2 {
        let answer = match client.ask(request, &tries).await {
            Ok(answer) => answer,
            Err(error @ (PullError::Refused(_) | PullError::Deferred { .. })) => return Err(error),
            Err(error) => return Ok(Single::Unclear(error.to_string())),
        };
        let what = match answered(&answer, &understand) {
            Ok(single) => return Ok(single),
            Err(what) => what,
        };
        single = Single::Unclear(format!("{} answered {what}", request.subject));
        if !answer.status.is_success() {
            break;
        }
    }
    Ok(single)
}

fn answered(answer: &Answer, understand: impl Fn(&str) -> Result<Single, String>) -> Result<Single, String> {
    match answer.status.as_u16() {
        200..=299 if answer.body.is_none() => Err("more than can be stored".into()),
        200..=299 => understand(&page::text(answer).text),
        403 => Ok(Single::Forbidden),
        404 | 410 => Ok(Single::Absent),
        _ => Err(answer.status.to_string()),
    }
}

fn document(text: &str, kind: &Kind, id: ElementId) -> Result<Single, String> {
    if let Body::Error(error) = tolerate::body(text, &kind.list_name, None) {
        return Err(format!("an error: {error}"));
    }
    let row = tolerate::single(text, kind).ok_or("no document")?;
    let row = row_of(row, kind, id)?;
    let name = tolerate::columns(&row).name;
    Ok(Single::Readable { document: row, name })
}

/// The document as a row of the list would be stored, if it is the one asked for.
fn row_of(text: &str, kind: &Kind, id: ElementId) -> Result<String, String> {
    let mut reason = "a document without an id".to_owned();
    for field in &kind.id_fields {
        match tolerate::row(text, kind, field) {
            Ok(row) if row.id == id => return Ok(row.document.into_owned()),
            Ok(row) => reason = format!("the document of {}", row.id),
            Err(rejected) => reason = format!("a document with {}", rejected.reason),
        }
    }
    Err(reason)
}

/// Any JSON but an error; nothing at all is what some servers say of a measure without values.
fn values(text: &str, kind: &Kind) -> Result<Single, String> {
    let text = match tolerate::body(text, "measureData", None) {
        Body::Error(error) => return Err(format!("an error: {error}")),
        Body::NotJson(what) => return Err(what),
        Body::Nothing => "null",
        Body::List(_) | Body::NoList(_) => text,
    };
    let document = tolerate::document(text.trim(), kind);
    let document = document.map_err(|rejected| format!("values that are {}", rejected.reason))?;
    Ok(Single::Readable { document: document.into_owned(), name: None })
}
