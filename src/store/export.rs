//! What `export` reads: the elements of a kind, or the values of measures, row by row in one read
//! transaction, so that an export is one state of the store, however large. Pages are read by key, so that
//! no more than one of them is ever in memory.

use std::io;

use super::sql::{self, Fault, Row, Sql, unreadable};
use super::{Store, StoreError, views};
use crate::kind::KindName;
use crate::name::ConnectionName;

/// Elements read at once.
const ELEMENTS_PAGE: usize = 500;
/// Measures whose values are read at once.
const MEASURES_PAGE: u32 = 20;

/// What can be exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exportable {
    /// The elements of a kind.
    Kind(KindName),
    /// The table `measure_values`.
    MeasureValues,
    /// The view `measure_series`: values with the names of their measure and its scorecard.
    MeasureSeries,
}

impl Exportable {
    /// Those that are no kind, by their names.
    pub const VALUES: [(&str, Self); 2] =
        [("measure_values", Self::MeasureValues), ("measure_series", Self::MeasureSeries)];
}

/// How elements are exported; values look the same either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The columns of the kind's view.
    Columns,
    /// Whole documents, with what the store knows of each.
    Documents,
}

/// A value of an exported row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing stands there.
    Null,
    /// A whole number; of a column that says yes or no 1 or 0.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// Text.
    Text(String),
    /// A JSON document.
    Document(String),
}

/// What an export hands over, the head first.
#[derive(Debug)]
pub enum Piece<'a> {
    /// The names of the columns.
    Head(&'a [String]),
    /// A row, as wide as the head.
    Row(&'a [Cell]),
}

/// What is exported, of whom, and how.
#[derive(Debug)]
pub struct Order<'a> {
    /// What.
    pub what: &'a Exportable,
    /// How.
    pub shape: Shape,
    /// Also what people do not see any more.
    pub all: bool,
    /// Whose, in this order.
    pub connections: &'a [ConnectionName],
}

impl Store {
    /// Every kind that the store has, or could have, elements of, in the order of the alphabet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn kinds(&self) -> Result<Vec<KindName>, StoreError> {
        self.read("read the kinds", |sql| {
            Ok(views::kinds(sql)?.iter().map(|kind| KindName::new(kind)).collect())
        })
        .await
    }

    /// Hands over what is exported, piece by piece, in the order of connections and ids. Ends early where
    /// `take` fails, with its error.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn export(
        &self,
        order: &Order<'_>,
        mut take: impl FnMut(Piece<'_>) -> io::Result<()>,
    ) -> Result<io::Result<()>, StoreError> {
        self.read("export", |sql| match export(sql, order, &mut take) {
            Ok(()) => Ok(Ok(())),
            Err(Ended::Taker(error)) => Ok(Err(error)),
            Err(Ended::Store(fault)) => Err(fault),
        })
        .await
    }
}

/// Why an export ended early.
enum Ended {
    Store(Fault),
    Taker(io::Error),
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Store(fault)
    }
}

type Take<'a> = dyn FnMut(Piece<'_>) -> io::Result<()> + 'a;

fn export(sql: &Sql<'_>, order: &Order<'_>, take: &mut Take<'_>) -> Result<(), Ended> {
    let query = Query::of(sql, order)?;
    take(Piece::Head(&query.names)).map_err(Ended::Taker)?;
    for connection in order.connections {
        let mut from = Some(i64::MIN);
        while let Some(first) = from {
            from = match order.what {
                Exportable::Kind(_) => query.elements(sql, connection, first, take)?,
                Exportable::MeasureValues | Exportable::MeasureSeries => {
                    query.values(sql, connection, first, take)?
                }
            };
        }
    }
    Ok(())
}

/// A query for rows of one connection, from one id on.
struct Query {
    names: Vec<String>,
    /// The text of the columns `doc` and `detail` is JSON.
    has_documents: bool,
    text: String,
}

/// What the store knows of an element, in the order of an exported line.
const ELEMENT: [&str; 15] = [
    "connection",
    "kind",
    "id",
    "name",
    "state",
    "reason",
    "evidence",
    "scorecard_id",
    "owner_id",
    "last_edited",
    "first_seen_at",
    "changed_at",
    "removed_at",
    "doc",
    "detail",
];
const VALUES: [&str; 9] =
    ["connection", "measure_id", "series", "series_id", "period", "period_id", "value", "text", "removed_at"];
/// The columns of the view.
pub(super) const SERIES: [&str; 11] = [
    "connection",
    "measure_id",
    "measure",
    "scorecard_id",
    "scorecard",
    "series",
    "series_id",
    "period",
    "period_id",
    "value",
    "text",
];

impl Query {
    fn of(sql: &Sql<'_>, order: &Order<'_>) -> Result<Self, Fault> {
        let has_documents = order.shape == Shape::Documents;
        let of_elements = |names: Vec<String>, from: String| {
            let text = format!(
                "SELECT {} FROM {from} WHERE connection = ?1 AND id >= ?2 ORDER BY id LIMIT ?3",
                list(&names)
            );
            Self { names, has_documents, text }
        };
        let of_values = |names: &[&str], from: &str, which: &str| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let text = format!(
                "SELECT {} FROM {from} WHERE connection = ?1 AND measure_id BETWEEN ?2 AND ?3{which}
                 ORDER BY measure_id, series, period_id NULLS FIRST, period",
                list(&names)
            );
            Self { names, has_documents, text }
        };
        Ok(match (order.what, order.shape) {
            (Exportable::Kind(kind), Shape::Columns) => {
                let (names, shown) = views::shown(sql, kind.as_str(), order.all)?;
                of_elements(names, format!("({shown}) AS shown"))
            }
            (Exportable::Kind(kind), Shape::Documents) => {
                let which = if order.all { "" } else { " AND state = 'present'" };
                let kind = views::literal(kind.as_str());
                let from = format!("(SELECT * FROM elements WHERE kind = {kind}{which}) AS shown");
                of_elements(ELEMENT.map(str::to_owned).to_vec(), from)
            }
            (Exportable::MeasureValues, _) if order.all => of_values(&VALUES, "measure_values", ""),
            (Exportable::MeasureValues, _) => {
                of_values(&VALUES[..VALUES.len() - 1], "measure_values", " AND removed_at IS NULL")
            }
            (Exportable::MeasureSeries, _) => of_values(&SERIES, "measure_series", ""),
        })
    }

    /// Hands over a page of elements, and tells from which id the next one goes on.
    fn elements(
        &self,
        sql: &Sql<'_>,
        connection: &ConnectionName,
        first: i64,
        take: &mut Take<'_>,
    ) -> Result<Option<i64>, Ended> {
        let id = self.names.iter().position(|name| name == "id");
        let id = id.expect("every kind has the column id");
        let mut statement = sql.prepare_cached(&self.text)?;
        let rows = statement.query_map((connection.as_str(), first, ELEMENTS_PAGE), |row| {
            Ok((row.get(id)?, self.row(row)?))
        })?;
        for (_, cells) in &rows {
            take(Piece::Row(cells)).map_err(Ended::Taker)?;
        }
        let last = rows.last().filter(|_| rows.len() == ELEMENTS_PAGE);
        Ok(last.and_then(|(id, _): &(i64, _)| id.checked_add(1)))
    }

    /// As [`Query::elements`], with the values of a page of measures.
    fn values(
        &self,
        sql: &Sql<'_>,
        connection: &ConnectionName,
        first: i64,
        take: &mut Take<'_>,
    ) -> Result<Option<i64>, Ended> {
        let mut measures = sql.prepare_cached(
            "SELECT DISTINCT measure_id FROM measure_values
             WHERE connection = ?1 AND measure_id >= ?2 ORDER BY measure_id LIMIT ?3",
        )?;
        let ids: Vec<i64> =
            measures.query_map((connection.as_str(), first, MEASURES_PAGE), |row| row.get(0))?;
        let Some(&last) = ids.last() else { return Ok(None) };
        let mut statement = sql.prepare_cached(&self.text)?;
        for row in statement.query_map((connection.as_str(), first, last), |row| self.row(row))? {
            take(Piece::Row(&row)).map_err(Ended::Taker)?;
        }
        Ok(last.checked_add(1))
    }

    fn row(&self, row: &Row<'_>) -> Result<Vec<Cell>, Fault> {
        let cells = self.names.iter().enumerate().map(|(idx, name)| {
            Ok(match cell(row.cell(idx)?)? {
                Cell::Text(text) if self.has_documents && (name == "doc" || name == "detail") => {
                    Cell::Document(text)
                }
                cell => cell,
            })
        });
        cells.collect()
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| views::quoted(name)).collect::<Vec<_>>().join(", ")
}

fn cell(value: sql::Cell<'_>) -> Result<Cell, Fault> {
    Ok(match value {
        sql::Cell::Null => Cell::Null,
        sql::Cell::Integer(number) => Cell::Integer(number),
        sql::Cell::Real(number) => Cell::Real(number),
        sql::Cell::Text(text) => Cell::Text(text.into_owned()),
        sql::Cell::Bytes(bytes) => {
            return Err(unreadable(format!("{} bytes where text belongs", bytes.len())));
        }
    })
}
