//! What is no question of one list: the server's clock, its limits, the mapped user, an independent
//! count, and what a wrong secret gets.

use chrono::{DateTime, TimeDelta, Utc};

use super::ask::{Stop, get, page_query};
use super::page::Page;
use super::{Options, Probe};
use crate::kind::{self, Kind, KindName};
use crate::pull::{Ground, Question};
use crate::tolerate;

/// Further apart than this, a server's clock is not ours.
const SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

/// Requests of this file, at most.
pub(super) fn requests_max(options: Options) -> u64 {
    // A wrong secret, then the right one again.
    1 + u64::from(options.search) + 2 * u64::from(options.wrong_secret)
}

impl Probe<'_> {
    /// Compares the server's clock with ours.
    pub(super) fn server_clock(&mut self, kind: &KindName, date: Option<DateTime<Utc>>) {
        let Some(date) = date else {
            return self.find(kind, "server_clock", "not told", "no Date header".to_owned());
        };
        let ahead = date - self.job.clock.now();
        let answer = match ahead {
            _ if ahead.abs() <= SKEW_MAX => "within 5 minutes of ours".to_owned(),
            _ if ahead > TimeDelta::zero() => format!("{} s ahead of ours", ahead.num_seconds()),
            _ => format!("{} s behind ours", -ahead.num_seconds()),
        };
        self.find(kind, "server_clock", answer, "the Date header".to_owned());
    }

    /// Headers that tell of a rate limit, in any answer.
    pub(super) fn rate_limit_headers(&mut self) {
        let Some(first) = self.lists.first().map(|listed| listed.kind.name.clone()) else { return };
        let answer = match self.rate_limits.is_empty() {
            true => "none".to_owned(),
            false => self.rate_limits.iter().take(10).cloned().collect::<Vec<_>>().join(", "),
        };
        let seen = format!("the headers of {} answers", self.raw.sent());
        self.find(&first, "rate_limit_headers", answer, seen);
    }

    /// Whether `/users?email=` filters, asked with the mapped user's address.
    pub(super) async fn mapped_user(&mut self) -> Result<(), Stop> {
        let kind = known("users");
        let all =
            self.lists.iter().find(|listed| listed.kind.name == kind.name).map(|listed| listed.received());
        let Some(address) = self.job.connection.mapped_user.clone() else {
            let answer = "not asked: mapped_user is not configured";
            self.find(&kind.name, "email_filter", answer, String::new());
            return Ok(());
        };
        let mut query = page_query(&kind, 1, self.count);
        query.push(("email", address.clone()));
        let answer = self.ask(&get(&kind.path, query)).await?;
        let matching = answer.as_ref().map_or(0, |answer| with_address(&answer.text, &kind, &address));
        let page = Page::of(answer, &kind);
        let received = page.rows().len();
        let answer = match (received, matching, all) {
            _ if page.list.is_none() => format!("no list: {}", page.what),
            (_, _, None | Some(0 | 1)) => "not settled: fewer than two users are listed".to_owned(),
            (1.., _, _) if matching == received => "filters".to_owned(),
            (0, ..) => "filters, or the mapped user is not listed".to_owned(),
            (_, _, Some(all)) if received == all => "ignored: every user comes".to_owned(),
            _ => "not settled: some other users come".to_owned(),
        };
        let all = all.map_or("unknown".to_owned(), |all| all.to_string());
        let seen = format!(
            "asked with the configured mapped_user: {received} rows, {matching} of them with that address; \
             without the filter {all}"
        );
        self.find(&kind.name, "email_filter", answer, seen);
        Ok(())
    }

    /// Whether `POST /search` counts the measures; only when a person says so, for it is no GET.
    pub(super) async fn search(&mut self) -> Result<(), Stop> {
        if !self.job.options.search {
            return Ok(());
        }
        let measures = known(KindName::MEASURES);
        let query = vec![("object", "measure".to_owned()), ("page", "1".into()), ("count", "1".into())];
        let path = "/search".to_owned();
        let question = Question { path, query, is_post: true, ground: Ground::Unknown };
        let answer = self.ask(&question).await?;
        let mut search = measures.clone();
        "search".clone_into(&mut search.list_name);
        let page = Page::of(answer, &search);
        let listed = self.lists.iter().find(|listed| listed.kind.name == measures.name);
        let list = listed.and_then(|listed| listed.page.list.as_ref());
        let total = page.list.as_ref().and_then(|list| list.total);
        let answer = match (total, list.and_then(|list| list.total)) {
            (None, _) => format!("no total: {}", page.what),
            (Some(total), Some(told)) if total == told => "a total, the same as the list's".to_owned(),
            (Some(_), Some(_)) => "a total, another than the list's".to_owned(),
            (Some(total), None) => format!("a total, which the list does not tell: {total}"),
        };
        let received = listed.map_or(0, |listed| listed.received());
        let seen = format!("POST {}; {}; page 1 of the list has {received} rows", page.what, page.outline);
        self.find(&measures.name, "search_total", answer, seen);
        Ok(())
    }

    /// What a wrong secret gets, and whether the right one still works after it; only when a person says
    /// so.
    pub(super) async fn wrong_secret(&mut self) -> Result<(), Stop> {
        if !self.job.options.wrong_secret {
            return Ok(());
        }
        let kind = known(KindName::SCORECARDS);
        let mut question = get(&kind.path, page_query(&kind, 1, 1));
        question.ground = Ground::Door;
        let answer = self.raw.ask_with_wrong_secret(&question).await;
        let answer = self.judge(answer)?;
        let (what, refusal) = match &answer {
            Ok(answer) => (answer.status_text.clone(), answer.refusal.is_some()),
            Err(why) => (why.clone(), false),
        };
        let again = self.ask(&question).await?;
        let works = again.is_ok_and(|again| Page::of(Ok(again), &kind).list.is_some());
        let page = Page::of(answer, &kind);
        let answer = match refusal {
            _ if page.list.as_ref().is_some_and(|list| !list.rows.is_empty()) => {
                "a list, as if the secret were right".to_owned()
            }
            true => format!("{what}: seen as a refusal"),
            false => format!("{}: not seen as a refusal at once", page.what),
        };
        let after =
            if works { "the right secret works after it" } else { "THE RIGHT SECRET DOES NOT WORK AFTER IT" };
        self.find(&kind.name, "wrong_secret", answer, format!("{}; {after}", page.outline));
        Ok(())
    }
}

fn known(name: &str) -> Kind {
    let mut kinds = kind::catalogue().into_iter();
    kinds.find(|kind| kind.name.as_str() == name).expect("the catalogue knows it")
}

/// How many rows of a list carry this address.
fn with_address(text: &str, kind: &Kind, address: &str) -> usize {
    let tolerate::Body::List(list) = tolerate::body(text, &kind.list_name, None) else { return 0 };
    let has_address = |row: &&&str| {
        let row = serde_json::from_str::<serde_json::Value>(row).unwrap_or_default();
        row.get("email")
            .and_then(|email| email.as_str())
            .is_some_and(|email| email.eq_ignore_ascii_case(address))
    };
    list.rows.iter().filter(has_address).count()
}
