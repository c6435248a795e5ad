//! What the fields of one object of a measureData answer say: which period, which series, how much.

use serde_json::{Map, Value};

/// Names of a field that holds the value.
const VALUES: [&str; 4] = ["value", "val", "amount", "datavalue"];
/// Fields that are neither a period, nor a series, nor a value of one.
const ASIDE: [&str; 8] =
    ["id", "lastedited", "lasteditedby", "startdate", "enddate", "order", "sortorder", "frequency"];
/// Fields of an element; a row that has one is no row of periods, whatever its name.
const ELEMENT: [&str; 4] = ["objectid", "type", "description", "scorecardid"];

/// A series or a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) id: Option<i64>,
}

impl Named {
    /// A name from a text or a number.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let name = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!name.is_empty()).then_some(Self { name, id: None })
    }
}

/// The fields of an object, looked up whatever their case.
#[derive(Clone, Copy)]
pub(super) struct Fields<'v>(pub(super) &'v Map<String, Value>);

impl<'v> Fields<'v> {
    fn get(self, name: &str) -> Option<&'v Value> {
        let mut fields = self.0.iter();
        fields.find_map(|(key, value)| is_plain(key, name).then_some(value))
    }

    /// The period, where a field says that it is one. A `name` beside the ids of both is the series'.
    pub(super) fn period(self) -> Option<Named> {
        let names = ["period", "periodname", "perioddate", "date"];
        let is_of_series = self.get("seriesid").is_some();
        self.named("period", &names, !is_of_series)
    }

    /// The series, where a field says that it is one.
    pub(super) fn series(self) -> Option<Named> {
        self.named("series", &["series", "seriesname"], true)
    }

    /// `name`, with `id` beside it.
    pub(super) fn name(self) -> Option<Named> {
        let id = self.get("id").and_then(integer);
        Some(Named { id, ..Named::of(self.get("name")?)? })
    }

    /// `name` as that of a period, in a row that is no element.
    pub(super) fn name_as_period(self) -> Option<Named> {
        let is_element = ELEMENT.iter().any(|field| self.get(field).is_some());
        if is_element { None } else { self.name() }
    }

    /// By one of `names`, as a text or an object; else by its id, with the `name` beside it.
    fn named(self, what: &str, names: &[&str], owns_name: bool) -> Option<Named> {
        let id_field = format!("{what}id");
        let own_id = self.get(&id_field);
        let named = names.iter().find_map(|field| match self.get(field)? {
            Value::Object(object) => {
                let inner = Fields(object);
                let named = inner.name().or_else(|| inner.named(what, names, false))?;
                let inner_id = inner.get(&id_field).and_then(integer);
                Some(Named { id: named.id.or(inner_id), ..named })
            }
            value => Named::of(value),
        });
        let named = named.or_else(|| {
            let id = own_id?;
            let name = self.name().filter(|_| owns_name);
            name.or_else(|| Named::of(id))
        })?;
        Some(Named { id: own_id.and_then(integer).or(named.id), ..named })
    }

    /// The value: the field of that name, else the only field that can be one.
    pub(super) fn value(self) -> Option<&'v Value> {
        let named = VALUES.iter().find_map(|name| self.get(name));
        named.or_else(|| {
            let mut cells = self.cells().into_iter();
            let (_, only) = cells.next()?;
            cells.next().is_none().then_some(only)
        })
    }

    /// Every field that can be the value of a series, by the name of its series.
    pub(super) fn cells(self) -> Vec<(Named, &'v Value)> {
        let mut cells = Vec::new();
        for (key, value) in self.0 {
            let plain = plain(key);
            let is_aside = names_period(&plain)
                || ASIDE.contains(&plain.as_str())
                || key.ends_with("Id")
                || plain.starts_with("series");
            let inner = value.as_object();
            match inner {
                // The columns may stand in an object of their own.
                Some(inner) if ["values", "data", "series"].contains(&plain.as_str()) => {
                    cells.extend(Fields(inner).cells());
                }
                _ if is_aside || key.trim().is_empty() || amount(value).is_none() => {}
                _ => {
                    let name = key.trim().to_owned();
                    cells.push((Named { name, id: None }, value));
                }
            }
        }
        cells
    }
}

/// A cell's number or its text; both `None` when it is empty. `None` when it is no cell.
pub(super) fn amount(cell: &Value) -> Option<(Option<f64>, Option<String>)> {
    match cell {
        Value::Null => Some((None, None)),
        Value::Number(number) => Some(number_or_text(number.as_str())),
        Value::String(text) => Some(number_or_text(text.trim())),
        Value::Object(object) => {
            let fields = Fields(object);
            let value = VALUES.iter().find_map(|name| fields.get(name))?;
            if value.is_object() { None } else { amount(value) }
        }
        _ => None,
    }
}

fn number_or_text(text: &str) -> (Option<f64>, Option<String>) {
    if text.is_empty() {
        return (None, None);
    }
    let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number = text.parse::<f64>().ok();
    match number.filter(|number| is_number && number.is_finite()) {
        Some(number) => (Some(number), None),
        None => (None, Some(text.to_owned())),
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(digits) => digits.parse().ok(),
        other => other.as_i64(),
    }
}

/// Whether a column of that name tells the period.
pub(super) fn is_period_name(name: &str) -> bool {
    names_period(&plain(name))
}

fn names_period(plain: &str) -> bool {
    plain.contains("period") || ["date", "month", "name"].contains(&plain)
}

/// Whether `name` is what [`plain`] makes of `key`; asked of every field of every row, so that it makes nothing.
fn is_plain(key: &str, name: &str) -> bool {
    if !key.is_ascii() {
        return plain(key) == name;
    }
    plain_letters(key).eq(name.bytes())
}

/// What is left of an ASCII name.
fn plain_letters(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(u8::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase())
}

/// A name without case, blanks and underscores.
pub(super) fn plain(name: &str) -> String {
    if name.is_ascii() {
        let mut plain = String::with_capacity(name.len());
        plain.extend(plain_letters(name).map(char::from));
        return plain;
    }
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
