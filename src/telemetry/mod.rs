//! Log lines: text for people, JSON for machines, fields for the journal; one line an event. Started
//! once, by `app`.
//!
//! An event's own fields come first, then those of the spans around it, flat, so that `connection=` is
//! found in the same place on every line. Libraries are never heard below WARN, whatever the filter
//! says: what an HTTP library tells at `trace` is the traffic itself.

mod fields;
mod journal;
mod line;
mod outlet;
mod relay;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use tracing::{Event, Level, Metadata, Subscriber, span};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::clock::Clock;
use crate::config::LogFormat;
use fields::Fields;
use journal::{Entry, Journal};
use outlet::Outlet;

/// What is heard where nothing else was asked for.
pub const FILTER: &str = "info";

/// Takes away what stands on a terminal's last line.
const ERASE: &str = "\r\u{1b}[2K";
/// Of a terminal that does not say how wide it is.
const COLUMNS: usize = 80;

static STDERR: OnceLock<Outlet<io::Stderr>> = OnceLock::new();

fn stderr() -> &'static Outlet<io::Stderr> {
    STDERR.get_or_init(|| Outlet::new(io::stderr()))
}

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

/// Starts logging, for the life of the process: to the journal where `format` says so or stderr leads
/// there, to stderr otherwise and whenever the journal does not answer.
///
/// # Errors
/// [`TelemetryError::Filter`]: the filter is the user's to correct.
pub fn init(format: LogFormat, filter: &str, clock: Clock) -> Result<(), TelemetryError> {
    let Way { look, is_native } = Way::of_stderr(format);
    // A progress bar that stands on the terminal's last line makes room, and is drawn again below.
    let erase = if can_draw() { ERASE } else { "" };
    let write = move |line: &str, lost_line: &dyn Fn(u64) -> String| {
        stderr().write(&format!("{erase}{line}"), lost_line);
    };
    let journal = if is_native { Journal::open() } else { None };
    let lines = Lines { look, journal, clock, write: Box::new(write) };
    tracing::subscriber::set_global_default(heard(filter, lines)?).map_err(TelemetryError::Started)
}

/// Draws a line on the terminal that stderr is, in the place of the last one that was drawn; an empty one takes that
/// away. Nothing where stderr is none, or nobody reads it: whoever draws is kept from nothing.
pub fn draw(line: &str) {
    if !can_draw() {
        return;
    }
    let columns = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col);
    // What reaches the last column goes on in the next line, and that one alone is erased.
    let room = if columns == 0 { COLUMNS } else { columns.into() } - 1;
    let line: String = line.chars().filter(|c| !c.is_control()).take(room).collect();
    stderr().draw(&format!("{ERASE}{line}"));
}

/// Waits a moment for whoever reads the log; before the process ends.
pub fn flush() {
    if let Some(stderr) = STDERR.get() {
        stderr.flush();
    }
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
    let write = move |line: &str, _: &dyn Fn(u64) -> String| write(line);
    heard(filter, Lines { look, journal: None, clock, write: Box::new(write) })
}

/// What a test hears on its own thread until the guard is dropped. With one listener alone in the process, `tracing`
/// takes a line that is first met on another thread for one that nobody hears, for ever: so there are two.
#[cfg(test)]
pub(crate) fn listen(heard: impl Subscriber + Send + Sync + 'static) -> tracing::subscriber::DefaultGuard {
    static SECOND: std::sync::LazyLock<tracing::Dispatch> =
        std::sync::LazyLock::new(|| tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new()));
    std::sync::LazyLock::force(&SECOND);
    tracing::subscriber::set_default(heard)
}

/// Tells the journal why a command could not do its work, at the priority of an error, so that
/// `journalctl -p err` shows it although logging may not have begun. `false`: stderr is not the journal,
/// and the caller tells whoever reads it.
#[must_use]
pub fn told_journal(text: &str, exit: u8) -> bool {
    if !is_journal() {
        return false;
    }
    let text = text.trim_end();
    let mut entry = Entry::new(text, Level::ERROR);
    entry.put("event", "command_failed");
    entry.put("exit", &exit.to_string());
    let is_told = Journal::open().is_some_and(|journal| journal.send(&entry).is_ok());
    if !is_told {
        let lines: String = text.lines().map(|line| prefixed(Level::ERROR, line)).collect();
        let _ = io::stderr().lock().write_all(lines.as_bytes());
    }
    true
}

fn heard(filter: &str, lines: Lines) -> Result<impl Subscriber + Send + Sync, TelemetryError> {
    let is_none = filter.split(',').all(|part| part.trim().is_empty());
    let filter = if is_none { FILTER } else { filter };
    let parts = filter.split(',').map(str::trim).filter(|part| !part.is_empty());
    let asked: Option<Targets> = parts.map(directive).collect();
    let asked = asked.ok_or_else(|| TelemetryError::Filter { filter: filter.to_owned() })?;
    Ok(Registry::default().with(lines.with_filter(asked.and(filter_fn(may_be_heard)))))
}

/// A module and its level. A lone level is that of all modules; a lone word that is none would be a
/// module's name, and is nothing: `wran` would silence everything else, and so would what no module is
/// called (`[span]`).
fn directive(part: &str) -> Option<(&str, LevelFilter)> {
    let (module, level) = part.split_once('=').unwrap_or(("", part));
    let is_module = module.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte));
    Some((module, level.parse().ok()?)).filter(|_| is_module)
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
    /// Text for a stderr that the journal reads: it knows the time, and takes the level off `<6>`.
    Journal,
    /// One JSON object.
    Json,
}

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    /// How they look on stderr.
    look: Look,
    /// Whether they go to the journal's own socket, and to stderr only when it does not take them.
    is_native: bool,
}

impl Way {
    fn of_stderr(format: LogFormat) -> Self {
        let may_colour = variable("NO_COLOR").is_none() && !is_dumb();
        Self::choose(format, is_journal(), io::stderr().is_terminal(), may_colour)
    }

    fn choose(format: LogFormat, is_journal: bool, is_terminal: bool, may_colour: bool) -> Self {
        let look = match format {
            LogFormat::Json => Look::Json,
            _ if is_journal => Look::Journal,
            LogFormat::Auto if !is_terminal => Look::Json,
            _ => Look::Text { is_coloured: is_terminal && may_colour },
        };
        let is_native = format == LogFormat::Journald || (format == LogFormat::Auto && is_journal);
        Self { look, is_native }
    }
}

/// Whether what is written to stderr is read by the journal. `JOURNAL_STREAM` names its stream as
/// `device:inode`: a child whose stderr was redirected inherits the variable all the same.
fn is_journal() -> bool {
    let is_stderr = |stream: OsString| {
        rustix::fs::fstat(io::stderr())
            .is_ok_and(|stderr| stream == *OsStr::new(&format!("{}:{}", stderr.st_dev, stderr.st_ino)))
    };
    variable("JOURNAL_STREAM").is_some_and(is_stderr)
}

/// Whether stderr is a terminal on which a line can be drawn over.
fn can_draw() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

/// Whether the terminal takes text alone.
fn is_dumb() -> bool {
    variable("TERM").is_some_and(|terminal| terminal == "dumb")
}

#[expect(clippy::disallowed_methods, reason = "where stderr leads to stands in the environment")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Writes one line an event.
struct Lines {
    look: Look,
    /// Asked first, where there is one.
    journal: Option<Journal>,
    clock: Clock,
    write: Box<Write>,
}

/// Writes a finished line, or counts it; the line that says how many were lost is made by the second.
type Write = dyn Fn(&str, &dyn Fn(u64) -> String) + Send + Sync;

impl Lines {
    fn line(&self, level: Level, target: &str, fields: &Fields) -> String {
        match self.look {
            Look::Json => line::json(self.clock.now(), level, target, fields),
            Look::Journal => prefixed(level, &line::text(level.as_str(), fields)),
            Look::Text { is_coloured } => {
                let level = if is_coloured { line::coloured(level) } else { level.as_str() };
                format!("{} {}\n", line::time(self.clock.now()), line::text(level, fields))
            }
        }
    }

    /// Says that so many lines were lost, for whoever reads on.
    fn lost_line(&self, lines: u64) -> String {
        let message = "log lines were lost: nobody read them".to_owned();
        let list = vec![("event", "log_lost".into()), ("lines", lines.into())];
        self.line(Level::WARN, module_path!(), &Fields { message, list })
    }
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
        if let Some(journal) = &self.journal
            && journal.send(&Entry::of_event(metadata, &fields)).is_ok()
        {
            return;
        }
        let line = self.line(*metadata.level(), metadata.target(), &fields);
        (self.write)(&line, &|lines| self.lost_line(lines));
    }
}

/// A line of which the journal reads the level.
fn prefixed(level: Level, line: &str) -> String {
    format!("<{}>{line}\n", journal::priority(level))
}
