//! `[kinds.NAME]` and a connection's `kinds`: the catalogue as corrected, and what is chosen from it.

use toml::Value;

use super::problems::suggestion;
use super::raw::Section;
use super::values;
use crate::kind::{Kind, KindName, Paging, catalogue};

/// The store's own tables and views, of which a kind's view may take no name.
const TAKEN: [&str; 30] = [
    "migrations",
    "connections",
    "key_states",
    "keys",
    "mark_key",
    "elements",
    "placements",
    "missing",
    "held",
    "changes",
    "measure_values",
    "measure_documents",
    "fields",
    "view_columns",
    "cursors",
    "runs",
    "run_kinds",
    "run_reads",
    "imprints",
    "sequences",
    "made_views",
    "rejected",
    "findings",
    "warnings",
    "deliveries",
    "leases",
    "key_expiry",
    "last_runs",
    "freshness",
    "measure_series",
];

const NAME_CHARACTERS_MAX: usize = 40;

/// Every kind that a connection may name: the catalogue, corrected and added to by `[kinds.NAME]`.
pub(super) fn read(root: &mut Section<'_>) -> Vec<Kind> {
    let mut known = catalogue();
    for (name, mut section) in root.sections("kinds") {
        let place = known.iter().position(|kind| kind.name.as_str() == name);
        let typed = Typed::read(&mut section, place.is_none());
        match place {
            Some(place) => typed.correct(&mut known[place]),
            None => match check_name(&name) {
                Ok(()) => known.extend(typed.path.clone().map(|path| typed.into_kind(&name, path))),
                Err(text) => section.fault_here(text),
            },
        }
    }
    known
}

/// The kinds of a connection: those it names, else every known one; scorecards first, always.
pub(super) fn choose(section: &mut Section<'_>, known: &[Kind]) -> Vec<Kind> {
    let Some(value) = section.take("kinds") else {
        return known.to_vec();
    };
    let Value::Array(entries) = &value else {
        section.fault("kinds", values::wrong_type(&value, "a list of kinds in [ ]"));
        return known.to_vec();
    };
    let mut chosen: Vec<Kind> = known.iter().filter(|kind| kind.is_scorecards()).cloned().collect();
    let mut seen = Vec::new();
    for (n, entry) in entries.iter().enumerate() {
        let found = find(entry, known).and_then(|kind| {
            let twice = format!("{:?} stands here twice; keep one", kind.name.as_str());
            if seen.contains(&&kind.name) { Err(twice) } else { Ok(kind) }
        });
        match found {
            Ok(kind) => {
                seen.push(&kind.name);
                chosen.extend((!kind.is_scorecards()).then(|| kind.clone()));
            }
            Err(text) => section.fault_at(format!("{}[{n}]", section.path_of("kinds")), text),
        }
    }
    chosen
}

fn find<'k>(entry: &Value, known: &'k [Kind]) -> Result<&'k Kind, String> {
    let name = values::string(entry, "the name of a kind in quotes")?;
    known.iter().find(|kind| kind.name.as_str() == name).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|kind| kind.name.as_str()).collect();
        format!("{name:?} is no known kind; {}", suggestion(name, &names))
    })
}

fn check_name(name: &str) -> Result<(), String> {
    let lawful = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(lawful) {
        return Err("is no name for a kind; use a-z, 0-9 and \"_\", a letter first".into());
    }
    if name.len() > NAME_CHARACTERS_MAX {
        return Err(format!("is too long; use at most {NAME_CHARACTERS_MAX} characters"));
    }
    if TAKEN.contains(&name) || name.starts_with("sqlite_") {
        return Err(format!(
            "is a name the store uses itself; take another (for example \"clearpoint_{name}\")"
        ));
    }
    Ok(())
}

/// `[kinds.NAME]` as typed.
#[derive(Debug)]
struct Typed {
    path: Option<String>,
    id_field: Option<String>,
    paging: Option<Paging>,
    last_edited: Option<bool>,
    volatile: Vec<String>,
}

impl Typed {
    fn read(section: &mut Section<'_>, is_new: bool) -> Self {
        let path = if is_new {
            let cure = "write the path of its list below base_url (for example path = \"/milestones\")";
            section.require("path", cure, list_path)
        } else {
            section.read("path", list_path)
        };
        Self {
            path,
            id_field: section.read("id_field", values::text),
            paging: section.read("paging", values::choice(&Paging::WORDS)),
            last_edited: section.read("last_edited", values::flag),
            volatile: section.read("volatile", names).unwrap_or_default(),
        }
    }

    /// Changes what the catalogue says, where something was typed.
    fn correct(self, kind: &mut Kind) {
        let Self { path, id_field, paging, last_edited, volatile } = self;
        if let Some(path) = path {
            kind.list_name = list_name(&path).to_owned();
            kind.path = path;
        }
        if let Some(id_field) = id_field {
            kind.id_fields = vec![id_field];
        }
        kind.paging = paging.unwrap_or(kind.paging);
        kind.last_edited = last_edited.unwrap_or(kind.last_edited);
        for field in volatile {
            if !kind.volatile.contains(&field) {
                kind.volatile.push(field);
            }
        }
    }

    fn into_kind(self, name: &str, path: String) -> Kind {
        let list_name = list_name(&path).to_owned();
        // `milestones` → `milestoneId`. Never `objectId`, by which such rows name another element.
        let derived = format!("{}Id", list_name.strip_suffix('s').unwrap_or(&list_name));
        Kind {
            name: KindName::new(name),
            id_fields: self.id_field.map_or_else(|| vec![derived, "id".into()], |field| vec![field]),
            paging: self.paging.unwrap_or(Paging::Page),
            last_edited: self.last_edited.unwrap_or(false),
            volatile: self.volatile,
            signed_links: false,
            path,
            list_name,
        }
    }
}

fn list_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn list_path(value: &Value) -> Result<String, String> {
    let path = values::string(value, "a path in quotes (for example \"/milestones\")")?;
    let cure = "write it like \"/milestones\"";
    let Some(below) = path.strip_prefix('/') else {
        return Err(format!("{path:?} does not start with \"/\"; {cure}"));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_part = |part: &str| !part.is_empty() && part.chars().all(plain);
    if !below.split('/').all(is_part) {
        return Err(format!("{path:?} is more or less than names between single slashes; {cure}"));
    }
    Ok(path.to_owned())
}

fn names(value: &Value) -> Result<Vec<String>, String> {
    let expected = "a list of field names (for example [\"lastRun\"])";
    let list = value.as_array().ok_or_else(|| values::wrong_type(value, expected))?;
    let mut names: Vec<String> = Vec::new();
    for entry in list {
        let name = values::text(entry).map_err(|_| format!("is not {expected}; write one"))?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}
