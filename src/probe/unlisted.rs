//! Kinds that nobody lists and that may exist: which answer with rows, and what `[kinds.NAME]` has to say
//! of them.

use std::collections::BTreeSet;

use serde::Serialize;
use toml::{Table, Value};

use super::Probe;
use super::ask::{Stop, page_query};
use super::filter::Known;
use super::page::Page;
use crate::config::Connection;
use crate::kind::{Kind, KindName, Paging};
use crate::pull::{Ground, Question, RawAnswer};
use crate::tolerate::{self, Body};

/// Kinds that may exist: our name, and the path's.
const CANDIDATES: [(&str, &str); 9] = [
    ("milestones", "milestones"),
    ("categories", "categories"),
    ("periods", "periods"),
    ("statuses", "statuses"),
    ("series", "series"),
    ("custom_fields", "customFields"),
    ("tags", "tags"),
    ("links", "links"),
    ("comments", "comments"),
];
/// Rows asked for: enough to see the next page, few enough to be polite.
const COUNT: u32 = 5;
/// Requests for one of them: page 1, page 2, perhaps an offset, the filter.
const REQUESTS_EACH: u64 = 4;
/// Ids of something else, taken for a row's own only where nothing better is there.
const REFERENCES: [&str; 5] = ["scorecardId", "ownerId", "userId", "periodId", "objectId"];

/// A kind that exists, and what its configuration section says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unlisted {
    /// Our name for it.
    pub name: KindName,
    /// Path of its list.
    pub path: String,
    /// The field that tells its rows apart; `None`: no row came, or none has an id.
    pub id_field: Option<String>,
    /// How it is paged; `None`: too few rows came to tell.
    pub paging: Option<Paging>,
    /// Whether the `lastEdited` filter brings what changed.
    pub last_edited: bool,
    /// Fields that differed between two answers.
    pub volatile: Vec<String>,
}

impl Unlisted {
    /// The `[kinds.NAME]` section to paste; as a comment where the rows could not be told apart.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let Self { name, path, id_field, paging, last_edited, volatile } = self;
        let mut section = Table::new();
        section.insert("path".into(), Value::from(path.as_str()));
        if let Some(id_field) = id_field {
            section.insert("id_field".into(), Value::from(id_field.as_str()));
        }
        let word = paging.and_then(|paging| Paging::WORDS.iter().find(|(_, known)| *known == paging));
        if let Some((word, _)) = word {
            section.insert("paging".into(), Value::from(*word));
        }
        if *last_edited {
            section.insert("last_edited".into(), Value::from(true));
        }
        if !volatile.is_empty() {
            section.insert("volatile".into(), Value::from(volatile.clone()));
        }
        let text = format!("[kinds.{name}]\n{section}");
        match id_field {
            Some(_) => text,
            None => {
                let commented: String = text.lines().map(|line| format!("# {line}\n")).collect();
                format!("# {path} answers with a list, but no row with an id was seen.\n{commented}")
            }
        }
    }
}

/// Requests for all of them, at most.
pub(super) fn requests_max(connection: &Connection) -> u64 {
    candidates(connection).count() as u64 * REQUESTS_EACH
}

/// Those that the connection does not pull already.
fn candidates(connection: &Connection) -> impl Iterator<Item = Kind> {
    let kinds = CANDIDATES.iter().map(|(name, list)| kind(name, list));
    kinds.filter(|kind| {
        connection.kinds.iter().all(|known| known.path != kind.path && known.name != kind.name)
    })
}

fn kind(name: &str, list_name: &str) -> Kind {
    Kind {
        name: KindName::new(name),
        path: format!("/{list_name}"),
        list_name: list_name.to_owned(),
        id_fields: Vec::new(),
        paging: Paging::Page,
        last_edited: false,
        volatile: Vec::new(),
        signed_links: false,
    }
}

impl Probe<'_> {
    /// Looks for kinds that nobody lists.
    pub(super) async fn unlisted(&mut self) -> Result<(), Stop> {
        let candidates: Vec<Kind> = candidates(self.job.connection).collect();
        for mut kind in candidates {
            let answer = self.unknown(&kind, 1).await?;
            if let Ok(answer) = &answer {
                kind.id_fields = id_fields(&answer.text, &kind.list_name);
            }
            let page = Page::of(answer, &kind);
            let Some(list) = page.list.clone() else {
                self.find(&kind.name, "exists", format!("no: {}", page.what), page.outline);
                continue;
            };
            let paging = self.paging_of(&mut kind, &page).await?;
            let mut unlisted = Unlisted {
                name: kind.name.clone(),
                path: kind.path.clone(),
                id_field: list.id_field.clone(),
                paging,
                last_edited: false,
                volatile: Vec::new(),
            };
            if let Some(known) = list.format().and_then(|format| Known::choose(&list.rows, format)) {
                let (meaning, again) = self.filter(&kind, &known).await?;
                unlisted.last_edited = meaning.is_useful();
                unlisted.volatile = self.volatile(&kind, &page, &again);
            }
            let answer = match list.rows.is_empty() {
                true => "yes, without rows".to_owned(),
                false => format!("yes, {}", list.place(&kind)),
            };
            let id_field = list.id_field.as_deref().unwrap_or("none");
            let seen =
                format!("asked for {COUNT} rows; {}; id field {id_field}; {}", page.what, page.outline);
            self.find(&kind.name, "exists", answer, seen);
            self.unlisted.push(unlisted);
        }
        Ok(())
    }

    /// How such a kind is paged, as far as its first rows tell.
    async fn paging_of(&mut self, kind: &mut Kind, page: &Page) -> Result<Option<Paging>, Stop> {
        let first = page.ids();
        match first.len().cmp(&(COUNT as usize)) {
            std::cmp::Ordering::Less => return Ok(None),
            std::cmp::Ordering::Greater => {
                kind.paging = Paging::None;
                return Ok(Some(Paging::None));
            }
            std::cmp::Ordering::Equal => {}
        }
        let is_further = |page: &Page| !page.objects() && page.ids().iter().all(|id| !first.contains(id));
        for (paging, at) in [(Paging::Page, 2), (Paging::Start, u64::from(COUNT))] {
            kind.paging = paging;
            let answer = self.unknown(kind, at).await?;
            if is_further(&Page::of(answer, kind)) {
                return Ok(Some(paging));
            }
        }
        kind.paging = Paging::None;
        Ok(Some(Paging::None))
    }

    async fn unknown(&mut self, kind: &Kind, at: u64) -> Result<Result<RawAnswer, String>, Stop> {
        let query = page_query(kind, at, COUNT);
        let question = Question { path: kind.path.clone(), query, is_post: false, ground: Ground::Unknown };
        self.ask(&question).await
    }
}

/// Candidates for the id field of rows that nobody described: `milestoneId` in `milestones`, `id`, then
/// whatever ends like an id, references to something else last.
fn id_fields(text: &str, list_name: &str) -> Vec<String> {
    let Body::List(list) = tolerate::body(text, list_name, None) else { return Vec::new() };
    let names: BTreeSet<String> =
        list.rows.iter().flat_map(|row| tolerate::fields(row)).map(|(field, _)| field).collect();
    let stems = [list_name.strip_suffix("ies").map(|stem| format!("{stem}y"))];
    let stems = stems.into_iter().flatten();
    let plain = ["es", "s", ""].iter().filter_map(|ending| list_name.strip_suffix(ending)).map(str::to_owned);
    let own = stems.chain(plain).map(|stem| format!("{stem}Id"));
    let looks_like = |name: &&String| name.ends_with("Id") || name.ends_with("ID") || name.ends_with("_id");
    let is_reference = |name: &&String| REFERENCES.contains(&name.as_str());
    let others = names.iter().filter(looks_like).filter(|name| !is_reference(name)).cloned();
    let references = REFERENCES.iter().rev().map(ToString::to_string);
    let mut fields: Vec<String> = Vec::new();
    for field in own.chain(["id".to_owned()]).chain(others).chain(references) {
        if names.contains(&field) && !fields.contains(&field) {
            fields.push(field);
        }
    }
    fields
}
