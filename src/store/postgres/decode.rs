//! Reads what the server answers, in its binary format, into cells: instants, dates and truths come in the
//! spelling that SQLite keeps, so that nobody above sees which of the two answered.

use std::error::Error;
use std::fmt::Write as _;

use chrono::{DateTime, Days, NaiveDate, SubsecRound as _, TimeDelta, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use super::fault::Trouble;
use crate::store::sql::{Cell, ToCell as _};

type Failure = Box<dyn Error + Sync + Send>;

/// What the numbers of a `numeric` are to: four decimal digits each.
const DIGITS: usize = 4;

/// The cells of a row.
pub(super) fn cells(row: &Row) -> Result<Vec<Cell<'static>>, Trouble> {
    let cell = |at: usize| {
        row.try_get::<_, Answered>(at).map(|Answered(cell)| cell).map_err(|error| {
            let column = &row.columns()[at];
            let cause = error.into_source().map_or_else(String::new, |cause| cause.to_string());
            Trouble::Value(format!("column {} of type {} {cause}", column.name(), column.type_()))
        })
    };
    (0..row.len()).map(cell).collect()
}

/// A cell as the server answers it.
struct Answered(Cell<'static>);

impl<'a> FromSql<'a> for Answered {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(Self(match *ty {
            Type::INT8 => Cell::Integer(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => Cell::Integer(i32::from_be_bytes(raw.try_into()?).into()),
            Type::INT2 => Cell::Integer(i16::from_be_bytes(raw.try_into()?).into()),
            Type::BOOL => Cell::Integer(i64::from(raw != [0])),
            Type::FLOAT8 => Cell::Real(f64::from_be_bytes(raw.try_into()?)),
            Type::FLOAT4 => Cell::Real(f32::from_be_bytes(raw.try_into()?).into()),
            Type::NUMERIC => Cell::Real(numeric(raw)?.parse()?),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::JSON | Type::UNKNOWN => {
                Cell::Text(str::from_utf8(raw)?.to_owned().into())
            }
            Type::JSONB => match raw.split_first() {
                Some((1, json)) => Cell::Text(str::from_utf8(json)?.to_owned().into()),
                _ => return Err("comes in a version that this program does not know".into()),
            },
            Type::BYTEA => Cell::Bytes(raw.to_vec().into()),
            Type::TIMESTAMPTZ => instant(i64::from_be_bytes(raw.try_into()?))?.to_cell().into_owned(),
            Type::DATE => Cell::Text(date(i32::from_be_bytes(raw.try_into()?))?.into()),
            _ => return Err("is of a type that this program does not read".into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failure> {
        Ok(Self(Cell::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Midnight before the first day of 2000, from which the server counts.
fn epoch() -> NaiveDate {
    NaiveDate::from_ymd_opt(2000, 1, 1).expect("it is a day")
}

/// An instant that is told in microseconds.
fn instant(micros: i64) -> Result<DateTime<Utc>, Failure> {
    let start = epoch().and_hms_opt(0, 0, 0).expect("it is a time").and_utc();
    let instant = start.checked_add_signed(TimeDelta::microseconds(micros));
    let instant: DateTime<Utc> = instant.ok_or("is no instant of this calendar")?;
    Ok(instant.round_subsecs(3))
}

/// The text of a date that is told in days.
fn date(days: i32) -> Result<String, Failure> {
    let count = Days::new(days.unsigned_abs().into());
    let date = if days < 0 { epoch().checked_sub_days(count) } else { epoch().checked_add_days(count) };
    Ok(date.ok_or("is no date of this calendar")?.to_string())
}

/// The exact decimal text of a `numeric`.
fn numeric(raw: &[u8]) -> Result<String, Failure> {
    let mut words = raw.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
    let mut word = || words.next().ok_or("breaks off");
    let _count = word()?;
    let weight = i16::from_be_bytes(word()?);
    let mut text = match u16::from_be_bytes(word()?) {
        0x0000 => String::new(),
        0x4000 => "-".to_owned(),
        0xC000 => return Ok("NaN".into()),
        0xD000 => return Ok("inf".into()),
        0xF000 => return Ok("-inf".into()),
        _ => return Err("has a sign that this program does not know".into()),
    };
    let scale = usize::from(u16::from_be_bytes(word()?));
    let digits: Vec<i16> = words.map(i16::from_be_bytes).collect();
    // The first word's place before the point; negative where zeros stand between the point and it.
    let before = i32::from(weight) + 1;
    let digit = |place: i32| usize::try_from(place).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
    text.push('0');
    for place in 0..before {
        write!(text, "{:04}", digit(place))?;
    }
    if scale > 0 {
        text.push('.');
        let end = text.len() + scale;
        for place in (before..).take(scale.div_ceil(DIGITS)) {
            write!(text, "{:04}", digit(place))?;
        }
        text.truncate(end);
    }
    Ok(text)
}
