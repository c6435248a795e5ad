//! The door: page 1 of `/scorecards`, alone, before anything else. Tells a key that is refused from a
//! server that is out of order.

use reqwest::StatusCode;
use url::Url;

use crate::element::ElementId;
use crate::kind::{self, Kind, Paging};
use crate::pull::client::{Client, Request, Where};
use crate::pull::listing::Listing;
use crate::pull::transport::Answer;
use crate::pull::tries::Tries;
use crate::pull::{Door, PullError, page};
use crate::tolerate::{self, Body};

const PATH: &str = "/scorecards";
/// What else a 403 at the door may come from than the key itself.
const FORBIDDEN_CAUSES: &str = "(a wrong or expired key, an IP allow list, a locked account, \
     a plan without API access, or a mapped user turned into \"No Access\")";

/// Knocks.
pub(super) async fn knock(client: &Client) -> Result<Door, PullError> {
    open(client, |_| ()).await.map(|(door, ())| door)
}

impl Client {
    /// Opens the door, and says which scorecards its page shows, ascending; none also where they cannot be told.
    ///
    /// # Errors
    /// Those of [`Source::door`](crate::pull::Source::door).
    pub async fn look_in(&self) -> Result<Vec<ElementId>, PullError> {
        open(self, scorecards).await.map(|(_, shown)| shown)
    }
}

/// Knocks, and looks at the page if the door opens.
async fn open<T>(client: &Client, look: impl FnOnce(&str) -> T) -> Result<(Door, T), PullError> {
    client.keyring.begin();
    let opened = first_page(client, look).await.map_err(|error| client.scrub(error))?;
    client.keyring.take();
    Ok(opened)
}

async fn first_page<T>(client: &Client, look: impl FnOnce(&str) -> T) -> Result<(Door, T), PullError> {
    let query = Listing::new(Paging::Page, client.page_size).next();
    let query = query.expect("a list begins with a page");
    let mut request = client.list(PATH, "scorecards", query, None);
    request.at = Where::Door;
    let answer = client.ask(&request, &Tries::new()).await?;
    let closed = |what: &str| PullError::DoorClosed(format!("{} answered {what}", request.subject));
    if answer.status.is_redirection() {
        return Err(closed(&format!("a redirect ({})", answer.status)));
    }
    let text = page::text(&answer).text;
    if text.trim_start().starts_with('<') {
        return Err(closed(&format!("an HTML page ({})", answer.status)));
    }
    Ok((Door { server_time: answer.date }, look(&text)))
}

/// The ids of a page of scorecards, ascending, as far as it is one.
fn scorecards(text: &str) -> Vec<ElementId> {
    let kind = kind::catalogue().into_iter().find(Kind::is_scorecards);
    let kind = kind.expect("the catalogue knows scorecards");
    let Body::List(list) = tolerate::body(text, &kind.list_name, None) else { return Vec::new() };
    let Some(id_field) = tolerate::choose_id_field(&list.rows, &kind.id_fields) else { return Vec::new() };
    let rows = list.rows.iter().filter_map(|row| tolerate::row(row, &kind, &id_field).ok());
    let mut ids: Vec<ElementId> = rows.map(|row| row.id).collect();
    ids.sort_unstable();
    ids
}

/// What an answer says, if it refuses the key.
pub(super) fn refusal_of(answer: &Answer, request: &Request) -> Option<String> {
    let what = match request.at {
        Where::Inside if answer.status == StatusCode::UNAUTHORIZED => answer.status.to_string(),
        Where::Inside | Where::Unknown => return None,
        Where::Door => refusal(answer, &request.url)?,
    };
    Some(format!("{} answered {what}", request.subject))
}

/// What an answer at the door says, if it refuses the key.
pub(super) fn refusal(answer: &Answer, asked: &Url) -> Option<String> {
    let status = answer.status;
    if status == StatusCode::UNAUTHORIZED {
        return Some(status.to_string());
    }
    if status == StatusCode::FORBIDDEN {
        return Some(format!("{status} {FORBIDDEN_CAUSES}"));
    }
    if status.is_redirection() {
        let to = answer.location.as_ref()?;
        return leads_to_login(to, asked).then(|| format!("a redirect to a login page ({status})"));
    }
    let says = error_code(answer)?;
    let causes = if says == 403 { format!(" {FORBIDDEN_CAUSES}") } else { String::new() };
    Some(format!("an error {says} in its body{causes}"))
}

fn leads_to_login(to: &Url, asked: &Url) -> bool {
    let path = format!("{}#{}", to.path(), to.fragment().unwrap_or_default()).to_lowercase();
    let words = ["login", "logon", "signin", "sign-in", "sign_in", "sso", "saml", "auth"];
    to.host_str() == asked.host_str() && words.iter().any(|word| path.contains(word))
}

/// The 401 or 403 that an error body names, whatever its status.
fn error_code(answer: &Answer) -> Option<u16> {
    let text = page::text(answer).text;
    let Body::Error(error) = tolerate::body(&text, "scorecards", None) else {
        return None;
    };
    let mut words = error.split(|c: char| !c.is_ascii_alphanumeric());
    words.find_map(|word| match word {
        "401" => Some(401),
        "403" => Some(403),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Spares;

    fn answer(status: u16, location: Option<&str>, text: &str) -> Answer {
        let mut body = Spares::default().buffer();
        body.append(text.as_bytes());
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            date: None,
            retry_after: None,
            location: location.map(|to| Url::parse(to).unwrap()),
            content_type: None,
            rate_limits: Vec::new(),
            body: Some(body),
            _room: None,
        }
    }

    #[track_caller]
    fn check(answer: &Answer, refused: Option<&str>) {
        let asked = Url::parse("https://example.com/api/v1/scorecards").unwrap();
        let what = refusal(answer, &asked);
        match refused {
            Some(part) => assert!(what.as_ref().is_some_and(|what| what.contains(part)), "{what:?}"),
            None => assert_eq!(what, None),
        }
    }

    #[test]
    fn a_401_or_403_at_the_door_refuses_the_key() {
        check(&answer(401, None, ""), Some("401"));
        check(&answer(403, None, ""), Some("IP allow list"));
    }

    #[test]
    fn a_redirect_to_the_login_of_the_same_host_refuses_the_key() {
        check(&answer(302, Some("https://example.com/login?next=x"), ""), Some("login"));
        check(&answer(302, Some("https://example.com/#/login"), ""), Some("login"));
        check(&answer(302, Some("https://proxy.example/login"), ""), None);
        check(&answer(302, Some("https://example.com/maintenance"), ""), None);
    }

    #[test]
    fn an_error_body_that_says_401_or_403_refuses_the_key() {
        check(&answer(200, None, r#"{"error":"401 bad key"}"#), Some("401"));
        check(&answer(200, None, r#"{"status":403,"message":"no"}"#), Some("IP allow list"));
        check(&answer(400, None, r#"{"errors":[{"code":401}]}"#), Some("401"));
    }

    #[test]
    fn a_list_that_mentions_401_does_not_refuse_the_key() {
        check(&answer(200, None, r#"[{"scorecardId":401}]"#), None);
        check(&answer(200, None, r#"{"data":[{"scorecardId":1}],"status":401}"#), None);
        check(&answer(200, None, r#"{"error":"busy 4013","rows":401}"#), None);
    }
}
