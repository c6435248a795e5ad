//! Measure data: the value of each series of a measure in each period, made from the measure's seed,
//! and what was written over it.

use std::collections::BTreeMap;

use chrono::{Datelike, Months, NaiveDate};

use super::World;
use super::switches::MeasureDataShape;
use super::text;

/// One point of a series, as the text of a JSON number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// A value, such as `12.50`.
    Value(String),
    /// A calculation that lacks an input: `null`, which is not 0.
    Null,
    /// No such point in the answer at all.
    Gone,
}

/// What was written over the generated values.
#[derive(Debug, Clone)]
pub(super) struct Values {
    periods: u32,
    /// One measure in so many has a forecast.
    forecast_every: i64,
    written: BTreeMap<(i64, String, i64), Point>,
}

impl Values {
    pub(super) fn new(periods: u32, forecast_every: i64) -> Self {
        Self { periods, forecast_every, written: BTreeMap::new() }
    }
}

/// A reporting period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// Its id.
    pub id: i64,
    /// Its name (`Jan-26`).
    pub name: String,
}

impl World {
    /// The reporting periods, oldest first: months up to the one the world started in.
    #[must_use]
    pub fn periods(&self) -> Vec<Period> {
        (0..self.values.periods)
            .map(|back| {
                let last = NaiveDate::from_ymd_opt(2026, 3, 1).expect("2026-03-01 is a date");
                let month = last - Months::new(back);
                let months = i64::from(month.year()) * 12 + i64::from(month.month0());
                Period { id: 288_000 + months, name: month.format("%b-%y").to_string() }
            })
            .rev()
            .collect()
    }

    /// The series of a measure: `Actual` and `Target`, and a `Forecast` for every fifth (see
    /// [`Size::with_forecasts`](super::Size::with_forecasts)).
    #[must_use]
    pub fn series(&self, measure: i64) -> Vec<&'static str> {
        match measure.rem_euclid(self.values.forecast_every) {
            0 => vec!["Actual", "Target", "Forecast"],
            _ => vec!["Actual", "Target"],
        }
    }

    /// Gives a point a new value; the measure's `lastEdited` moves to now unless
    /// [`World::unstamped`] says that data does not move it.
    ///
    /// # Panics
    /// If the measure does not exist.
    pub fn set_value(&mut self, measure: i64, series: &str, period: i64, point: Point) {
        let now = self.now;
        let is_stamped = !self.unstamped.data;
        let element = self.change("measures", measure);
        if is_stamped {
            element.last_edited = now;
        }
        let key = (measure, series.to_owned(), period);
        self.values.written.insert(key, point);
    }

    /// The point as the API shows it now.
    #[must_use]
    pub fn value(&self, measure: i64, series: &str, period: i64) -> Point {
        let key = (measure, series.to_owned(), period);
        if let Some(point) = self.values.written.get(&key) {
            return point.clone();
        }
        let Ok(seed) = u64::try_from(measure) else {
            return Point::Gone;
        };
        let mut random = text::random(seed, &format!("{series} {period}"));
        match random.u32(..200_000) {
            hole if hole % 12 == 0 => Point::Null,
            cents => Point::Value(format!("{}.{:02}", cents / 100, cents % 100)),
        }
    }

    /// The body of `/measures/{id}/measureData`.
    pub(super) fn measure_data(&self, measure: i64, shape: MeasureDataShape) -> String {
        match shape {
            MeasureDataShape::PeriodRows => self.period_rows(measure),
            MeasureDataShape::SeriesWithValues => self.series_with_values(measure),
            MeasureDataShape::ColumnsAndRows => self.columns_and_rows(measure),
            MeasureDataShape::Unrecognisable => {
                format!(r#"{{"chart":"PHN2Zz48L3N2Zz4=","measure":{measure}}}"#)
            }
        }
    }

    fn period_rows(&self, measure: i64) -> String {
        let mut rows = Vec::new();
        for Period { id, name } in self.periods() {
            let cells: Vec<String> = self
                .series(measure)
                .into_iter()
                .filter_map(|series| {
                    let cell = literal(self.value(measure, series, id))?;
                    Some(format!(r#","{series}":{cell}"#))
                })
                .collect();
            if !cells.is_empty() {
                let cells = cells.concat();
                rows.push(format!(r#"{{"periodId":{id},"period":"{name}"{cells}}}"#));
            }
        }
        format!(r#"{{"measureData":[{}]}}"#, rows.join(","))
    }

    fn series_with_values(&self, measure: i64) -> String {
        let all = self.series(measure).into_iter().enumerate();
        let series: Vec<String> = all
            .map(|(position, series)| {
                let values: Vec<String> = self
                    .periods()
                    .into_iter()
                    .filter_map(|Period { id, name }| {
                        let cell = literal(self.value(measure, series, id))?;
                        Some(format!(
                            r#"{{"periodId":{id},"period":"{name}","value":{cell}}}"#
                        ))
                    })
                    .collect();
                let values = values.join(",");
                format!(
                    r#"{{"seriesId":{measure}{position},"name":"{series}","dataType":"decimal","values":[{values}]}}"#
                )
            })
            .collect();
        format!(r#"{{"series":[{}]}}"#, series.join(","))
    }

    fn columns_and_rows(&self, measure: i64) -> String {
        let series = self.series(measure);
        let mut rows = Vec::new();
        for Period { id, name } in self.periods() {
            let cells: Vec<Option<String>> =
                series.iter().map(|series| literal(self.value(measure, series, id))).collect();
            if cells.iter().any(Option::is_some) {
                // A table cannot leave a cell out, so a point that is gone reads as null here.
                let cells = cells.into_iter().map(|cell| cell.unwrap_or("null".into()));
                let cells: Vec<String> = cells.collect();
                rows.push(format!(r#"[{id},"{name}",{}]"#, cells.join(",")));
            }
        }
        format!(
            r#"{{"columns":["periodId","period","{}"],"rows":[{}]}}"#,
            series.join(r#"",""#),
            rows.join(",")
        )
    }
}

fn literal(point: Point) -> Option<String> {
    match point {
        Point::Value(text) => Some(text),
        Point::Null => Some("null".to_owned()),
        Point::Gone => None,
    }
}
