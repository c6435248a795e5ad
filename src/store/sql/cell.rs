//! Values on their way between the program and a database, the same for both engines.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use super::{Fault, unreadable};

/// One value. Truth is 0 or 1; instants, dates and JSON are text. A database that has types of its own for
/// them is told, and asked, in these words.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
}

impl Cell<'_> {
    /// The same value, borrowed from nobody.
    pub(in crate::store) fn into_owned(self) -> Cell<'static> {
        match self {
            Self::Null => Cell::Null,
            Self::Integer(value) => Cell::Integer(value),
            Self::Real(value) => Cell::Real(value),
            Self::Text(text) => Cell::Text(text.into_owned().into()),
            Self::Bytes(bytes) => Cell::Bytes(bytes.into_owned().into()),
        }
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl<'a> TryFrom<ValueRef<'a>> for Cell<'a> {
    type Error = Fault;

    fn try_from(value: ValueRef<'a>) -> Result<Self, Fault> {
        Ok(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => Self::Integer(value),
            ValueRef::Real(value) => Self::Real(value),
            ValueRef::Text(text) => Self::Text(std::str::from_utf8(text)?.into()),
            ValueRef::Blob(bytes) => Self::Bytes(bytes.into()),
        })
    }
}

/// What can be handed to a database.
pub(in crate::store) trait ToCell {
    fn to_cell(&self) -> Cell<'_>;
}

/// What can be read from a database.
pub(in crate::store) trait FromCell: Sized {
    /// # Errors
    /// The value is of another type, or out of range.
    fn from_cell(cell: Cell<'_>) -> Result<Self, Fault>;
}

impl ToCell for Cell<'_> {
    fn to_cell(&self) -> Cell<'_> {
        match self {
            Self::Text(text) => Cell::Text(Cow::Borrowed(text)),
            Self::Bytes(bytes) => Cell::Bytes(Cow::Borrowed(bytes)),
            other => other.clone(),
        }
    }
}

impl<T: ToCell + ?Sized> ToCell for &T {
    fn to_cell(&self) -> Cell<'_> {
        (**self).to_cell()
    }
}

impl<T: ToCell> ToCell for Option<T> {
    fn to_cell(&self) -> Cell<'_> {
        self.as_ref().map_or(Cell::Null, ToCell::to_cell)
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, Fault> {
        match cell {
            Cell::Null => Ok(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}

impl ToCell for str {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Text(self.into())
    }
}

impl ToCell for String {
    fn to_cell(&self) -> Cell<'_> {
        self.as_str().to_cell()
    }
}

impl FromCell for String {
    fn from_cell(cell: Cell<'_>) -> Result<Self, Fault> {
        match cell {
            Cell::Text(text) => Ok(text.into_owned()),
            other => Err(unexpected(&other, "text")),
        }
    }
}

impl ToCell for bool {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Integer((*self).into())
    }
}

impl FromCell for bool {
    fn from_cell(cell: Cell<'_>) -> Result<Self, Fault> {
        Ok(i64::from_cell(cell)? != 0)
    }
}

impl ToCell for f64 {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Real(*self)
    }
}

impl FromCell for f64 {
    fn from_cell(cell: Cell<'_>) -> Result<Self, Fault> {
        match cell {
            Cell::Real(value) => Ok(value),
            other => Err(unexpected(&other, "a number")),
        }
    }
}

impl ToCell for i64 {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Integer(*self)
    }
}

impl FromCell for i64 {
    fn from_cell(cell: Cell<'_>) -> Result<Self, Fault> {
        match cell {
            Cell::Integer(value) => Ok(value),
            other => Err(unexpected(&other, "an integer")),
        }
    }
}

/// Counts are never beyond what a database can hold; one that is stops at its largest.
macro_rules! count {
    ($($count:ty),*) => { $(
        impl ToCell for $count {
            fn to_cell(&self) -> Cell<'_> {
                Cell::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }

        impl FromCell for $count {
            fn from_cell(cell: Cell<'_>) -> Result<Self, Fault> {
                Ok(i64::from_cell(cell)?.try_into()?)
            }
        }
    )* };
}

count!(u32, u64, usize);

/// As the store keeps instants: UTC, always of the same length, so that text order is time order.
impl ToCell for DateTime<Utc> {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Text(self.to_rfc3339_opts(SecondsFormat::Millis, true).into())
    }
}

impl FromCell for DateTime<Utc> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, Fault> {
        let text = String::from_cell(cell)?;
        text.parse().map_err(|error| unreadable(format!("{text:?} is no instant: {error}")))
    }
}

impl<const N: usize> ToCell for [u8; N] {
    fn to_cell(&self) -> Cell<'_> {
        Cell::Bytes(self.as_slice().into())
    }
}

impl<const N: usize> FromCell for [u8; N] {
    fn from_cell(cell: Cell<'_>) -> Result<Self, Fault> {
        match cell {
            Cell::Bytes(bytes) => (&*bytes)
                .try_into()
                .map_err(|_| unreadable(format!("{} bytes are stored where {N} were written", bytes.len()))),
            other => Err(unexpected(&other, "bytes")),
        }
    }
}

impl FromCell for Vec<u8> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, Fault> {
        match cell {
            Cell::Bytes(bytes) => Ok(bytes.into_owned()),
            other => Err(unexpected(&other, "bytes")),
        }
    }
}

fn unexpected(found: &Cell<'_>, wanted: &str) -> Fault {
    let found = match found {
        Cell::Null => "nothing",
        Cell::Integer(_) => "an integer",
        Cell::Real(_) => "a number",
        Cell::Text(_) => "text",
        Cell::Bytes(_) => "bytes",
    };
    unreadable(format!("{found} is stored where {wanted} was written"))
}

/// The values of one statement, in the order of their numbers.
pub(in crate::store) trait Values {
    fn cells(&self) -> Vec<Cell<'_>>;
}

impl Values for () {
    fn cells(&self) -> Vec<Cell<'_>> {
        Vec::new()
    }
}

impl<T: ToCell, const N: usize> Values for [T; N] {
    fn cells(&self) -> Vec<Cell<'_>> {
        self.iter().map(ToCell::to_cell).collect()
    }
}

impl<T: ToCell> Values for &[T] {
    fn cells(&self) -> Vec<Cell<'_>> {
        self.iter().map(ToCell::to_cell).collect()
    }
}

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: ToCell),+> Values for ($($name,)+) {
            #[expect(non_snake_case, reason = "named like their types")]
            fn cells(&self) -> Vec<Cell<'_>> {
                let ($($name,)+) = self;
                vec![$($name.to_cell()),+]
            }
        }
    };
}

tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
tuples!(A B C D E F G H I);
tuples!(A B C D E F G H I J);
tuples!(A B C D E F G H I J K);
tuples!(A B C D E F G H I J K L);
