//! The search for a user by e-mail address. The filter is a claim: who is not among the answer may still
//! be in the list.

use reqwest::StatusCode;

use crate::kind::Kind;
use crate::pull::client::{Client, Where};
use crate::pull::listing::Listing;
use crate::pull::page::{self, Page};
use crate::pull::tries::Tries;
use crate::pull::{PullError, pages};
use crate::tolerate;

/// Asks for the first page of the users with this address; gives the addresses of whoever came.
pub(super) async fn with_email(client: &Client, kind: &Kind, email: &str) -> Result<Vec<String>, PullError> {
    let count = pages::page_size(client, &Default::default());
    let query = Listing::new(kind.paging, count).next();
    let query = query.expect("a list begins with a page");
    let mut request = client.list(&kind.path, kind.name.as_str(), query, None);
    request.url.query_pairs_mut().append_pair("email", email);
    request.subject = format!("{} by e-mail address", kind.name);
    // The door let us in: a 401 here is about this list, and must not cost the key.
    request.at = Where::Unknown;
    let answer = client.ask(&request, &Tries::new()).await?;
    if answer.status == StatusCode::UNAUTHORIZED {
        return Err(PullError::Broken(format!("{} answered {}", request.subject, answer.status)));
    }
    let cleaned = page::text(&answer);
    match page::judge(&answer, &cleaned.text, kind, None) {
        Page::List(list) => Ok(list.rows.iter().filter_map(|row| tolerate::email(row)).collect()),
        Page::Forbidden(what) => Err(PullError::Forbidden(format!("{} answered {what}", request.subject))),
        // A server that does not take the filter may still have the list.
        Page::Nothing(_) | Page::Missing(_) | Page::Strange(_) | Page::Broken(_) | Page::TooLarge => {
            Ok(Vec::new())
        }
    }
}
