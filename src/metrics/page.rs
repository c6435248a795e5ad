//! Families of series on their way to text: made of values as they stand, written by the metrics crate,
//! which knows how labels are escaped.

use chrono::{DateTime, TimeDelta, Utc};
use prometheus::TextEncoder;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// Families of series.
#[derive(Debug, Default)]
pub(super) struct Page {
    families: Vec<MetricFamily>,
}

/// The labels of one series, and its value.
pub(super) type Series<'a, const N: usize> = ([(&'static str, &'a str); N], f64);

impl Page {
    /// Adds what goes up and down.
    pub(super) fn gauge<'a, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = Series<'a, N>>,
    ) {
        let metrics = series.into_iter().map(|(labels, value)| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            let mut metric = Metric::from_label(pairs(labels));
            metric.set_gauge(gauge);
            metric
        });
        self.add(MetricType::GAUGE, name, help, metrics.collect());
    }

    /// Adds what only grows; its name ends with `_total`.
    pub(super) fn counter<'a, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = Series<'a, N>>,
    ) {
        let metrics = series.into_iter().map(|(labels, value)| {
            let mut counter = Counter::default();
            counter.set_value(value);
            let mut metric = Metric::from_label(pairs(labels));
            metric.set_counter(counter);
            metric
        });
        self.add(MetricType::COUNTER, name, help, metrics.collect());
    }

    /// Adds families that the crate keeps itself.
    pub(super) fn extend(&mut self, families: Vec<MetricFamily>) {
        self.families.extend(families);
    }

    fn add(&mut self, kind: MetricType, name: &str, help: &str, metrics: Vec<Metric>) {
        // A family without series is no family.
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.families.push(family);
    }

    /// The text of all of them.
    pub(super) fn into_text(self) -> String {
        TextEncoder::new().encode_to_string(&self.families).expect("every family has a name and series")
    }
}

fn pairs<const N: usize>(labels: [(&str, &str); N]) -> Vec<LabelPair> {
    let pair = |(name, value): (&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    labels.into_iter().map(pair).collect()
}

/// A count as Prometheus keeps it: whole up to 2^53.
pub(super) fn number(count: u64) -> f64 {
    count as f64
}

/// An instant in seconds since 1970; 0: never.
pub(super) fn seconds(at: Option<DateTime<Utc>>) -> f64 {
    at.map_or(0.0, |at| at.timestamp_millis() as f64 / 1000.0)
}

/// A length of time in seconds; a clock that was set back makes none negative.
pub(super) fn span(lasted: TimeDelta) -> f64 {
    lasted.num_milliseconds().max(0) as f64 / 1000.0
}
