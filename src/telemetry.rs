//! Log lines on stderr: text for people, JSON for machines, one line an event. Started once, by `app`.
//!
//! An event's own fields come first, then those of the spans around it, flat, so that `connection=` is
//! found in the same place on every line. Libraries are never heard below WARN, whatever the filter
//! says: what an HTTP library tells at `trace` is the traffic itself.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _, Write as _};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::clock::Clock;
use crate::config::LogFormat;

/// What is heard where nothing else was asked for.
pub const FILTER: &str = "info";

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is none.
    #[error(
        "{filter:?} is no log filter; write error, warn, info, debug or trace (or clearpoint_sync::pull=debug)"
    )]
    Filter {
        /// As given.
        filter: String,
    },
    /// Someone else logs in this process.
    #[error("logging was started twice")]
    Started(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Starts logging to stderr, for the life of the process.
///
/// # Errors
/// [`TelemetryError::Filter`]: the filter is the user's to correct.
pub fn init(format: LogFormat, filter: &str, clock: Clock) -> Result<(), TelemetryError> {
    let look = Look::of_stderr(format);
    // A progress bar that stands on the terminal's last line makes room, and is drawn again below.
    let erase = if io::stderr().is_terminal() { "\r\u{1b}[2K" } else { "" };
    // A log that cannot be written has nobody to tell.
    let write = move |line: &str| drop(io::stderr().lock().write_all(format!("{erase}{line}").as_bytes()));
    tracing::subscriber::set_global_default(subscriber(look, filter, clock, write)?)
        .map_err(TelemetryError::Started)
}

/// What [`init`] starts, with each finished line handed to `write`.
///
/// # Errors
/// [`TelemetryError::Filter`]
pub fn subscriber(
    look: Look,
    filter: &str,
    clock: Clock,
    write: impl Fn(&str) + Send + Sync + 'static,
) -> Result<impl Subscriber + Send + Sync, TelemetryError> {
    let filter = if filter.is_empty() { FILTER } else { filter };
    let wrong = || TelemetryError::Filter { filter: filter.to_owned() };
    // A lone word that is no level would be a module's name: `wran` would silence everything else.
    if filter.split(',').any(|part| !part.contains('=') && part.trim().parse::<LevelFilter>().is_err()) {
        return Err(wrong());
    }
    let asked = EnvFilter::try_new(filter).map_err(|_| wrong())?;
    let lines = Lines { look, clock, write: Box::new(write) };
    Ok(Registry::default().with(lines.with_filter(asked.and(filter_fn(may_be_heard)))))
}

/// Libraries at INFO and below may tell headers, bodies and addresses; only this program's own lines
/// are known to hold no secret.
fn may_be_heard(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let own = env!("CARGO_CRATE_NAME");
    let is_own = target.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    is_own || *metadata.level() <= Level::WARN
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// `INFO run finished connection=city`, with the time in front.
    Text {
        /// Whether the level is coloured.
        is_coloured: bool,
    },
    /// Text for the journal, which knows the time and reads the level off `<6>`.
    Journal,
    /// One JSON object.
    Json,
}

impl Look {
    #[expect(clippy::disallowed_methods, reason = "whether stderr is the journal stands in the environment")]
    fn of_stderr(format: LogFormat) -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let is_journal = variable("JOURNAL_STREAM").is_some_and(|stream| is_stderr(&stream));
        Self::choose(format, is_journal, io::stderr().is_terminal(), variable("NO_COLOR").is_none())
    }

    fn choose(format: LogFormat, is_journal: bool, is_terminal: bool, may_colour: bool) -> Self {
        match format {
            LogFormat::Json => Self::Json,
            LogFormat::Auto | LogFormat::Text if is_journal => Self::Journal,
            LogFormat::Auto if !is_terminal => Self::Json,
            LogFormat::Auto | LogFormat::Text => Self::Text { is_coloured: is_terminal && may_colour },
        }
    }
}

/// Whether `JOURNAL_STREAM` (`device:inode`) is our stderr: a child whose stderr was redirected inherits
/// the variable all the same.
fn is_stderr(stream: &OsStr) -> bool {
    rustix::fs::fstat(io::stderr())
        .is_ok_and(|stderr| stream.to_str() == Some(&format!("{}:{}", stderr.st_dev, stderr.st_ino)))
}

/// Writes one line an event.
struct Lines {
    look: Look,
    clock: Clock,
    write: Box<dyn Fn(&str) + Send + Sync>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(around) = span.extensions().get::<Fields>() {
                fields.add_absent(around);
            }
        }
        let metadata = event.metadata();
        let line = match self.look {
            Look::Json => json(self.clock.now(), metadata, &fields),
            Look::Journal => {
                format!("<{}>{}\n", priority(*metadata.level()), text(metadata.level().as_str(), &fields))
            }
            Look::Text { is_coloured } => {
                let level = if is_coloured { coloured(*metadata.level()) } else { metadata.level().as_str() };
                format!("{} {}\n", time(self.clock.now()), text(level, &fields))
            }
        };
        (self.write)(&line);
    }
}

/// The message and the fields of an event or a span, in the order they were given.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    list: Vec<(&'static str, Value)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(message)) => self.message = message,
            (name, value) => {
                self.list.retain(|(known, _)| *known != name);
                self.list.push((name, value));
            }
        }
    }

    fn add_absent(&mut self, around: &Self) {
        for (name, value) in &around.list {
            if !self.list.iter().any(|(known, _)| known == name) {
                self.list.push((name, value.clone()));
            }
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

fn time(now: DateTime<Utc>) -> String {
    now.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `INFO run finished connection=city`
fn text(level: &str, fields: &Fields) -> String {
    let mut line = format!("{level} {}", escaped(&fields.message));
    for (name, value) in &fields.list {
        // Writing to a String cannot fail.
        let _ = match value {
            Value::String(text) if is_bare(text) => write!(line, " {name}={text}"),
            Value::String(text) => write!(line, " {name}={text:?}"),
            other => write!(line, " {name}={other}"),
        };
    }
    line
}

/// Whether a value reads the same without quotes.
fn is_bare(text: &str) -> bool {
    let needs_quotes = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '=' | '\\');
    !text.is_empty() && !text.contains(needs_quotes)
}

/// Text from the network must neither forge a line nor steer a terminal.
fn escaped(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for c in message.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// `{"time":"…","level":"INFO","target":"…","message":"…","connection":"city"}`
fn json(now: DateTime<Utc>, metadata: &Metadata<'_>, fields: &Fields) -> String {
    let mut line = String::from("{");
    let head = [
        ("time", Value::from(time(now))),
        ("level", metadata.level().as_str().into()),
        ("target", metadata.target().into()),
        ("message", fields.message.as_str().into()),
    ];
    // An event may tell of a target of its own.
    let head = head.iter().filter(|(name, _)| fields.list.iter().all(|(known, _)| known != name));
    for (n, (name, value)) in head.chain(&fields.list).enumerate() {
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(line, "{comma}{}:{value}", Value::from(*name));
    }
    line + "}\n"
}

/// The syslog number of a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

fn coloured(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31mERROR\u{1b}[0m",
        Level::WARN => "\u{1b}[33mWARN\u{1b}[0m",
        Level::INFO => "\u{1b}[32mINFO\u{1b}[0m",
        Level::DEBUG => "\u{1b}[34mDEBUG\u{1b}[0m",
        _ => "\u{1b}[35mTRACE\u{1b}[0m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// What is logged by `act`.
    fn logged(look: Look, filter: &str, act: impl FnOnce()) -> String {
        let lines = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&lines);
        let clock = Clock::hurried("2026-03-01T12:00:00Z".parse().unwrap());
        let write = move |line: &str| sink.lock().unwrap().push_str(line);
        let subscriber = subscriber(look, filter, clock, write).unwrap();
        tracing::subscriber::with_default(subscriber, act);
        lines.lock().unwrap().clone()
    }

    fn a_run_ends() {
        let _span = tracing::info_span!("run", connection = "city", run = 7).entered();
        tracing::info!(created = 3, error = "page 7 \"broke\"", connection = %"town", "run finished");
    }

    #[test]
    fn text_has_the_events_fields_and_then_the_spans() {
        let line = logged(Look::Text { is_coloured: false }, "", a_run_ends);
        let expected = "2026-03-01T12:00:00.000Z INFO run finished created=3 \
                        error=\"page 7 \\\"broke\\\"\" connection=town run=7\n";
        assert_eq!(line, expected);
    }

    #[test]
    fn the_journal_gets_a_priority_and_no_time() {
        let line = logged(Look::Journal, "", || tracing::warn!(event = "key_expiring", "key expires soon"));
        assert_eq!(line, "<4>WARN key expires soon event=key_expiring\n");
    }

    #[test]
    fn json_is_one_flat_object() {
        let line = logged(Look::Json, "", a_run_ends);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["time"], "2026-03-01T12:00:00.000Z");
        assert_eq!(value["message"], "run finished");
        assert_eq!((&value["created"], &value["connection"]), (&3.into(), &"town".into()));
    }

    #[test]
    fn an_events_own_target_stands_alone() {
        let line =
            logged(Look::Json, "", || tracing::warn!(event = "delivery_failed", target = "ops", "down"));
        assert_eq!(line.matches("\"target\":").count(), 1, "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["target"], "ops");
    }

    #[test]
    fn a_field_recorded_later_is_on_the_line() {
        let line = logged(Look::Journal, "", || {
            let span = tracing::info_span!("run", run = tracing::field::Empty);
            span.record("run", 8);
            span.in_scope(|| tracing::info!("run began"));
        });
        assert_eq!(line, "<6>INFO run began run=8\n");
    }

    #[test]
    fn libraries_are_not_heard_below_warn_at_any_filter() {
        for filter in ["trace", "h2=trace,clearpoint_sync=trace"] {
            let lines = logged(Look::Journal, filter, || {
                tracing::trace!(target: "h2::codec", "secretKey: hunter2");
                tracing::debug!(target: "clearpoint_sync_like", "hunter2");
                tracing::info!(target: "hyper_util", "hunter2");
                tracing::warn!(target: "h2::codec", "heard");
                tracing::trace!("own");
            });
            assert_eq!(lines, "<4>WARN heard\n<7>TRACE own\n", "{filter}");
        }
    }

    #[test]
    fn text_from_the_network_forges_no_line() {
        let line = logged(Look::Journal, "", || tracing::info!(name = "a\n<3>b", "x\n\u{1b}[2Jy"));
        assert_eq!(line, "<6>INFO x\\n\\u{1b}[2Jy name=\"a\\n<3>b\"\n");
    }

    #[test]
    fn auto_is_text_where_people_read_and_json_elsewhere() {
        let auto = |is_journal, is_terminal| Look::choose(LogFormat::Auto, is_journal, is_terminal, false);
        assert_eq!(auto(true, false), Look::Journal);
        assert_eq!(auto(false, true), Look::Text { is_coloured: false });
        assert_eq!(auto(false, false), Look::Json);
    }

    #[test]
    fn a_wrong_filter_is_refused() {
        for filter in ["loud=x", "wran", "info,clearpoint_sync"] {
            let error = subscriber(Look::Json, filter, Clock::System, |_| ()).err().unwrap();
            assert!(error.to_string().starts_with(&format!("{filter:?} is no log filter")), "{error}");
        }
    }
}
