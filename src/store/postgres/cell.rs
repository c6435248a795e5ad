//! A value between the program and a database, and how it is written as text that PostgreSQL reads: as a
//! parameter, as an array of parameters, as a line of `COPY`.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::store::sql::Cell;

type Failure = Box<dyn Error + Send + Sync>;

/// A cell as one parameter.
#[derive(Debug)]
pub(super) struct Parameter<'a>(pub(super) &'a Cell<'a>);

/// The cells of one column of many rows, as one parameter: an array.
#[derive(Debug)]
pub(super) struct Column<'a> {
    pub(super) rows: &'a [Vec<Cell<'a>>],
    pub(super) at: usize,
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match plain(self.0, *ty == Type::BOOL)? {
            None => Ok(IsNull::Yes),
            Some(text) => {
                out.put_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

impl ToSql for Column<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        let is_bool = matches!(ty.kind(), Kind::Array(inner) if *inner == Type::BOOL);
        out.put_u8(b'{');
        for (number, row) in self.rows.iter().enumerate() {
            if number > 0 {
                out.put_u8(b',');
            }
            let cell = row.get(self.at).ok_or("a row has fewer values than there are columns")?;
            let Some(text) = plain(cell, is_bool)? else {
                out.put_slice(b"NULL");
                continue;
            };
            out.put_u8(b'"');
            escape(&text, out, |byte| matches!(byte, b'"' | b'\\').then_some(byte));
            out.put_u8(b'"');
        }
        out.put_u8(b'}');
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// Writes a row as a line of `COPY … FROM STDIN` in its text format.
pub(super) fn copy_line(row: &[Cell<'_>], out: &mut BytesMut) -> Result<(), Failure> {
    for (number, cell) in row.iter().enumerate() {
        if number > 0 {
            out.put_u8(b'\t');
        }
        match plain(cell, false)? {
            None => out.put_slice(b"\\N"),
            Some(text) => escape(&text, out, |byte| match byte {
                b'\\' => Some(b'\\'),
                b'\n' => Some(b'n'),
                b'\r' => Some(b'r'),
                b'\t' => Some(b't'),
                _ => None,
            }),
        }
    }
    out.put_u8(b'\n');
    Ok(())
}

/// Copies `text`, with a backslash and what `mark` says in place of each byte it knows.
fn escape(text: &str, out: &mut BytesMut, mark: impl Fn(u8) -> Option<u8>) {
    let mut rest = text.as_bytes();
    while let Some((at, mark)) =
        rest.iter().enumerate().find_map(|(at, byte)| mark(*byte).map(|mark| (at, mark)))
    {
        out.put_slice(&rest[..at]);
        out.put_slice(&[b'\\', mark]);
        rest = &rest[at + 1..];
    }
    out.put_slice(rest);
}

/// The text that the server reads as this value; `None` for no value.
fn plain<'a>(cell: &'a Cell<'_>, is_bool: bool) -> Result<Option<Cow<'a, str>>, Failure> {
    Ok(Some(match cell {
        Cell::Null => return Ok(None),
        Cell::Integer(number) if is_bool => if *number == 0 { "f" } else { "t" }.into(),
        Cell::Integer(number) => number.to_string().into(),
        Cell::Real(number) if number.is_infinite() => {
            if *number > 0.0 { "Infinity" } else { "-Infinity" }.into()
        }
        // The shortest text that is read back as the same number.
        Cell::Real(number) => format!("{number:?}").into(),
        Cell::Text(text) if text.contains('\0') => {
            return Err("a text has the character U+0000, which PostgreSQL cannot store".into());
        }
        Cell::Text(text) => text.as_ref().into(),
        Cell::Bytes(bytes) => {
            let mut text = String::with_capacity(2 + 2 * bytes.len());
            text.push_str("\\x");
            for byte in bytes.as_ref() {
                write!(text, "{byte:02x}")?;
            }
            text.into()
        }
    }))
}
