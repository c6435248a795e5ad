//! The true answer to a request: what the documented API says, with each open question as the switches
//! have it. Knows nothing of sockets and faults.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::document;
use super::stamps;
use super::switches::{
    CountMax, End, Envelope, Filter, Over, PagingHeed, Refused, SingleEnvelope, Switches, Totals, Unavailable,
};
use super::world::{Listed, Listing, World};
use crate::kind::{Kind, Paging};

/// What is asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask {
    pub(super) method: String,
    /// Below the base URL, with its slash.
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) access: String,
    pub(super) secret: String,
}

impl Ask {
    fn number(&self, name: &str) -> Result<Option<usize>, Answer> {
        let Some(text) = self.query.get(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Answer::error(400, "a parameter is not a number")),
        }
    }

    /// Which page of a list this asks for, counted from 1, as faults and hooks name it.
    pub(super) fn page(&self, switches: &Switches) -> Option<usize> {
        let number = |name: &str| self.query.get(name).and_then(|text| text.parse().ok());
        match number("start") {
            None => Some(number("page").unwrap_or(1)),
            Some(start) => {
                let count: usize = number("count").unwrap_or(switches.count_default);
                Some(start / count.max(1) + 1)
            }
        }
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    /// Any further header.
    pub(super) header: Option<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type: "application/json; charset=utf-8", header: None, body: body.into() }
    }

    pub(super) fn error(status: u16, message: &str) -> Self {
        let body = format!(r#"{{"status":{status},"error":"{message}"}}"#);
        Self { status, ..Self::json(body) }
    }

    pub(super) fn html(title: &str) -> Self {
        let body = format!(
            "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        );
        Self { content_type: "text/html; charset=utf-8", ..Self::json(body) }
    }

    pub(super) fn no_content() -> Self {
        Self { status: 204, ..Self::json("") }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.header = Some((name, value.to_owned()));
        self
    }
}

/// Answers one request. `reads` counts the requests so far.
pub(super) fn answer(world: &mut World, switches: &Switches, ask: &Ask, reads: u64) -> Answer {
    let today = world.now.date_naive();
    let Some(user) = world.people.user_of(&ask.access, &ask.secret, today) else {
        return refused(switches.refused);
    };
    if (ask.method.as_str(), ask.path.as_str()) == ("POST", "/search") {
        return search(world, switches, &user, ask);
    }
    if ask.method != "GET" {
        return Answer::error(405, "method not allowed");
    }
    let segments: Vec<&str> = ask.path.split('/').skip(1).collect();
    let kind = segments.first().and_then(|list| kind_at(world, list));
    let Some(kind) = kind else {
        return Answer::error(404, "no such resource");
    };
    let name = kind.name.as_str();
    if let Some(unavailable) = switches.unavailable.get(name) {
        return missing_kind(*unavailable);
    }
    if world.people.is_forbidden(&user, name) {
        return Answer::error(403, "no permission");
    }
    let request = Request { kind: &kind, user: &user, ask, switches, reads };
    match segments[1..] {
        [] => list(world, request).unwrap_or_else(|refusal| refusal),
        [id] => single(world, request, id, false),
        [id, "measureData"] if name == "measures" => single(world, request, id, true),
        _ => Answer::error(404, "no such resource"),
    }
}

/// What the search knows of one sort of element (`object=measure`): how many the user may see, and the
/// first of them.
fn search(world: &World, switches: &Switches, user: &str, ask: &Ask) -> Answer {
    let object = ask.query.get("object").map_or("", String::as_str);
    let is_asked = |kind: &&Kind| kind.list_name.strip_suffix('s') == Some(object);
    let Some(kind) = world.shelves.values().map(|shelf| &shelf.kind).find(is_asked) else {
        return Answer::error(400, "no such object");
    };
    let visible = world.visible(kind.name.as_str(), user, switches);
    let first = visible.values().next().map_or("", String::as_str);
    let total = visible.len();
    Answer::json(format!(
        r#"{{"results":[{first}],"totalCount":{total},"pageCount":{total},"parameters":{{"object":"{object}"}}}}"#
    ))
}

/// A request that is let in.
#[derive(Clone, Copy)]
struct Request<'a> {
    kind: &'a Kind,
    user: &'a str,
    ask: &'a Ask,
    switches: &'a Switches,
    reads: u64,
}

fn kind_at(world: &World, list: &str) -> Option<Kind> {
    let mut kinds = world.shelves.values().map(|shelf| &shelf.kind);
    kinds.find(|kind| kind.path.strip_prefix('/') == Some(list)).cloned()
}

fn refused(how: Refused) -> Answer {
    match how {
        Refused::Unauthorized => Answer::error(401, "Unauthorized"),
        Refused::Forbidden => Answer::error(403, "Forbidden"),
        Refused::ErrorBody => Answer { status: 200, ..Answer::error(401, "Invalid API key") },
        Refused::Redirect => {
            Answer { status: 302, ..Answer::html("Moved").with_header("location", "/login") }
        }
        Refused::LoginPage => Answer::html("Log in to ClearPoint"),
    }
}

fn missing_kind(how: Unavailable) -> Answer {
    match how {
        Unavailable::Status(status) => Answer::error(status, "not offered"),
        Unavailable::NoContent => Answer::no_content(),
        Unavailable::EmptyBody => Answer::json(""),
        Unavailable::Null => Answer::json("null"),
    }
}

fn single(world: &World, request: Request<'_>, id: &str, is_data: bool) -> Answer {
    let Request { kind, user, switches, .. } = request;
    let name = kind.name.as_str();
    let found = id.parse::<i64>().ok().and_then(|id| {
        let element = world.shelves.get(name)?.elements.get(&id)?;
        Some((id, element))
    });
    let Some((id, element)) = found.filter(|(_, element)| !element.is_deleted) else {
        let status = if found.is_some() { switches.deleted_status } else { 404 };
        return Answer::error(status, "no such element");
    };
    if !world.sees(user, name, id, element) {
        return Answer::error(switches.hidden_status, "not for you");
    }
    if is_data {
        return Answer::json(world.measure_data(id, switches.measure_data));
    }
    let placement = world.placements(user, element)[0];
    let mut body = Vec::new();
    let (open, close) = match switches.single {
        SingleEnvelope::Bare => (String::new(), ""),
        SingleEnvelope::Data => ("{\"data\":".to_owned(), "}"),
        SingleEnvelope::Name => {
            let list = &kind.list_name;
            (format!("{{\"{}\":", list.strip_suffix('s').unwrap_or(list)), "}")
        }
    };
    body.extend_from_slice(open.as_bytes());
    let view = world.view(switches, true, request.reads);
    world.draw(&mut body, name, Listed { id, placement }, view);
    body.extend_from_slice(close.as_bytes());
    Answer::json(body)
}

/// The rows a request takes out of a list.
struct Window {
    from: usize,
    count: usize,
}

fn list(world: &mut World, request: Request<'_>) -> Result<Answer, Answer> {
    let Request { kind, user, ask, switches, .. } = request;
    let window = window(kind, ask, switches)?;
    let rows = world.list(&Listing {
        kind: kind.name.as_str().to_owned(),
        user: user.to_owned(),
        order: switches.order,
        duplicates: switches.duplicates,
    });
    let kept = filtered(world, request, &rows)?;
    let rows = kept.as_deref().unwrap_or(&rows);
    let mut from = window.from;
    if from > 0 && from >= rows.len() {
        match switches.end {
            End::Empty => {}
            End::NotFound => return Err(Answer::error(404, "no such page")),
            End::Null => return Err(Answer::json("null")),
            End::LastAgain => from = rows.len().saturating_sub(1) / window.count * window.count,
        }
    }
    let shown = rows.iter().skip(from).take(window.count);
    let totals = totals(rows, window.count, switches);
    let mut body = Vec::new();
    let close = open(&mut body, kind, switches.envelope, totals);
    let view = world.view(switches, false, request.reads);
    for (position, row) in shown.enumerate() {
        if position > 0 {
            body.push(b',');
        }
        world.draw(&mut body, kind.name.as_str(), *row, view);
    }
    body.extend_from_slice(close.as_bytes());
    Ok(Answer::json(body))
}

/// An empty list in the usual envelope.
pub(super) fn empty_list(world: &World, switches: &Switches, ask: &Ask) -> Answer {
    let list = ask.path.trim_start_matches('/');
    let mut body = Vec::new();
    if let Some(kind) = kind_at(world, list) {
        let close = open(&mut body, &kind, switches.envelope, None);
        body.extend_from_slice(close.as_bytes());
    } else {
        body.extend_from_slice(b"[]");
    }
    Answer::json(body)
}

fn window(kind: &Kind, ask: &Ask, switches: &Switches) -> Result<Window, Answer> {
    let everything = Window { from: 0, count: switches.unpaged_max.unwrap_or(usize::MAX) };
    if kind.paging == Paging::None {
        return Ok(everything);
    }
    let asked = ask.number("count")?.unwrap_or(switches.count_default);
    let page = ask.number("page")?.unwrap_or(1);
    if asked == 0 || page == 0 {
        return Err(Answer::error(400, "page and count start at 1"));
    }
    let (count, step) = match switches.count_max {
        Some(CountMax { rows, over }) if asked > rows => match over {
            Over::CappedOffsets => (rows, rows),
            Over::AskedOffsets => (rows, asked),
            Over::Refused => return Err(Answer::error(400, "count is too large")),
        },
        _ => (asked, asked),
    };
    let from = match kind.paging {
        Paging::Start => ask.number("start")?.unwrap_or(0),
        Paging::Page | Paging::None => (page - 1).saturating_mul(step),
    };
    match switches.paging {
        PagingHeed::Heeded => Ok(Window { from, count }),
        PagingHeed::OnlyCount => Ok(Window { from: 0, count }),
        PagingHeed::Ignored => Ok(Window { count: usize::MAX, ..everything }),
    }
}

/// The rows that the filters let through; `None`: all of them.
fn filtered(world: &World, request: Request<'_>, rows: &[Listed]) -> Result<Option<Vec<Listed>>, Answer> {
    let Request { kind, ask, switches, .. } = request;
    let name = kind.name.as_str();
    let elements = &world.shelves[name].elements;
    if let Some(email) = ask.query.get("email").filter(|_| name == "users" && switches.email_filter) {
        let is_asked = |row: &&Listed| document::email(row.id, &elements[&row.id]) == *email;
        return Ok(Some(rows.iter().filter(is_asked).copied().collect()));
    }
    let Some(text) = ask.query.get("lastEdited").filter(|_| kind.last_edited) else {
        return Ok(None);
    };
    match switches.filter {
        Filter::Ignored => return Ok(None),
        Filter::Refused => return Err(Answer::error(400, "unknown parameter lastEdited")),
        Filter::Since | Filter::After | Filter::OnDay => {}
    }
    let Some(asked) = stamps::read(text, switches) else {
        return Err(Answer::error(400, "lastEdited is not a date"));
    };
    let is_kept = |row: &&Listed| {
        let edited = stamps::told(elements[&row.id].last_edited, switches);
        match switches.filter {
            Filter::Since => edited >= asked,
            Filter::After => edited > asked,
            Filter::OnDay | Filter::Ignored | Filter::Refused => edited.date_naive() == asked.date_naive(),
        }
    };
    Ok(Some(rows.iter().filter(is_kept).copied().collect()))
}

fn totals(rows: &[Listed], count: usize, switches: &Switches) -> Option<(usize, usize)> {
    let distinct = || {
        let mut ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len()
    };
    let total = match switches.totals {
        Totals::None => return None,
        Totals::Elements => distinct(),
        Totals::Rows => rows.len(),
        Totals::OffBy(delta) => {
            let delta = isize::try_from(delta).unwrap_or(isize::MAX);
            distinct().saturating_add_signed(delta)
        }
    };
    Some((total, total.div_ceil(count)))
}

/// Appends what stands before the rows, and returns what stands after them.
fn open(body: &mut Vec<u8>, kind: &Kind, envelope: Envelope, totals: Option<(usize, usize)>) -> String {
    let name = kind.list_name.as_str();
    let (before, mut after) = match envelope {
        Envelope::Bare => ("[".to_owned(), "]".to_owned()),
        Envelope::ListName => (format!("{{\"{name}\":["), "]".to_owned()),
        Envelope::Data => ("{\"data\":[".to_owned(), "]".to_owned()),
        Envelope::Results => ("{\"results\":[".to_owned(), "]".to_owned()),
        Envelope::Nested => (format!("{{\"data\":{{\"{name}\":["), "]}".to_owned()),
    };
    body.extend_from_slice(before.as_bytes());
    if envelope != Envelope::Bare {
        if let Some((total, pages)) = totals {
            write!(after, r#","totalCount":{total},"pageCount":{pages}"#).expect("memory takes all writes");
        }
        after.push('}');
    }
    after
}
