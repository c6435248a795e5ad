//! Families of series on their way to text: made of values as they stand, written by the metrics crate,
//! which knows how labels are escaped.

use chrono::{DateTime, TimeDelta, Utc};
use prometheus::TextEncoder;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// So many series are made before they are written, and then made into the next ones: what stands in the
/// processor's cache, and needs no new memory, is quick also where there are tens of thousands. Of the
/// series of kinds the next so many differ in the connection alone.
const SERIES_AT_ONCE: usize = 3 * 14 * 6;

/// Families of series as text.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
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
        self.add(MetricType::GAUGE, name, help, series, |metric, value| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        });
    }

    /// Adds what only grows; its name ends with `_total`.
    pub(super) fn counter<'a, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = Series<'a, N>>,
    ) {
        self.add(MetricType::COUNTER, name, help, series, |metric, value| {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        });
    }

    fn add<'a, const N: usize>(
        &mut self,
        kind: MetricType,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = Series<'a, N>>,
        set: impl Fn(&mut Metric, f64),
    ) {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        let mut series = series.into_iter();
        let (mut written, mut is_first) = (String::new(), true);
        loop {
            fill(family.mut_metric(), series.by_ref().take(SERIES_AT_ONCE), &set);
            // A family without series is no family.
            if family.get_metric().is_empty() {
                return;
            }
            written.clear();
            write(&mut written, std::slice::from_ref(&family));
            // The head of a family is written with its first series alone.
            self.text.push_str(if is_first { &written } else { without_head(&written) });
            is_first = false;
        }
    }

    /// Adds families that the crate keeps itself.
    pub(super) fn extend(&mut self, families: &[MetricFamily]) {
        write(&mut self.text, families);
    }

    /// The text of all of them.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// Without the lines that tell of the family (`# HELP`, `# TYPE`).
fn without_head(written: &str) -> &str {
    let series = written.splitn(3, '\n').nth(2);
    series.expect("a family is written with two lines and its series")
}

fn write(text: &mut String, families: &[MetricFamily]) {
    TextEncoder::new().encode_utf8(families, text).expect("every family has a name and series");
}

/// Makes these series of a family out of the ones that were there before.
fn fill<'a, const N: usize>(
    metrics: &mut Vec<Metric>,
    series: impl Iterator<Item = Series<'a, N>>,
    set: impl Fn(&mut Metric, f64),
) {
    let mut count = 0;
    for (labels, value) in series {
        match metrics.get_mut(count) {
            Some(metric) => relabel(metric, labels),
            None => metrics.push(Metric::from_label(pairs(labels))),
        }
        set(&mut metrics[count], value);
        count += 1;
    }
    metrics.truncate(count);
}

fn relabel<const N: usize>(metric: &mut Metric, labels: [(&str, &str); N]) {
    for (pair, (_, value)) in metric.mut_label().iter_mut().zip(labels) {
        if pair.value() != value {
            pair.set_value(value.to_owned());
        }
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
