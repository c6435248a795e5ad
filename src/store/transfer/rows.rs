//! Reads a table row by row in the order of its key, page by page: no statement takes long, and memory stays
//! flat, however much there is.

use super::tables::{Column, Table};
use crate::store::sql::{self, Cell, Fault, Sql};

/// Rows that one statement reads.
const PAGE_ROWS: u32 = 1000;

/// A table with the statements that read it.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) table: &'static Table,
    pub(super) columns: Vec<Column>,
    /// How many of them, the first ones, are the key.
    key_count: usize,
}

impl Reading {
    pub(super) fn new(table: &'static Table) -> Self {
        Self { table, columns: table.columns(), key_count: table.key().len() }
    }

    /// The names of the columns, in the order of the cells.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|(name, _)| *name).collect()
    }

    /// Hands over every row.
    pub(super) fn each(
        &self,
        sql: &Sql<'_>,
        mut each: impl FnMut(Vec<Cell<'static>>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut after: Vec<Cell<'static>> = Vec::new();
        loop {
            let mut count = 0;
            let page = self.page(!after.is_empty());
            let last = std::mem::take(&mut after);
            sql.stream(&page, last.as_slice(), |row| {
                let cells: Result<Vec<_>, Fault> =
                    (0..self.columns.len()).map(|at| Ok(row.cell(at)?.into_owned())).collect();
                let cells = cells?;
                count += 1;
                if count == PAGE_ROWS {
                    after = cells[..self.key_count].to_vec();
                }
                each(cells)
            })?;
            if after.is_empty() {
                return Ok(());
            }
        }
    }

    /// The statement of the first page, or of the one after a row.
    fn page(&self, is_later: bool) -> String {
        let Table { name, only, .. } = self.table;
        let names = quoted(&self.names());
        let mut text = format!("SELECT {names} FROM {name} WHERE {only}");
        let key = quoted(&self.table.key());
        if is_later {
            text += &format!(" AND ({key}) > ({})", sql::numbered(1, self.key_count));
        }
        if !key.is_empty() {
            text += &format!(" ORDER BY {key} LIMIT {PAGE_ROWS}");
        }
        text
    }

    /// How many rows there are.
    pub(super) fn count(&self, sql: &Sql<'_>) -> Result<u64, Fault> {
        let Table { name, only, .. } = self.table;
        sql.prepare_cached(&format!("SELECT count(*) FROM {name} WHERE {only}"))?
            .query_row((), |row| row.get(0))
    }

    /// Names a row for people: `elements (kind objectives, connection city, id 17)`.
    pub(super) fn name_of(&self, cells: &[Cell<'_>]) -> String {
        let parts = self.columns.iter().zip(cells).take(self.key_count);
        let parts: Vec<String> = parts.map(|((name, _), cell)| format!("{name} {}", shown(cell))).collect();
        format!("{} ({})", self.table.name, parts.join(", "))
    }
}

fn shown(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Integer(number) => number.to_string(),
        Cell::Text(text) => text.to_string(),
        other => format!("{other:?}"),
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}
