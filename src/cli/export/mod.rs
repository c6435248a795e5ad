//! `export`: the elements of a kind, or the values of measures, for spreadsheets and programs. Asks no
//! network, writes no store.

mod draft;
mod sheet;

use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::output::written;
use super::{Exit, Output, names};
use crate::app::{self, AppError, Engine, Settings};
use crate::clock::Clock;
use crate::store::export::{Exportable, Order, Shape};
use draft::Draft;
use sheet::Sheet;

#[derive(Debug, Args)]
#[command(after_help = "\
An export is one state of the store: runs that store meanwhile do not show in it. Let none stand still for \
hours, for so long the store's write-ahead log only grows.

csv: the columns of the kind's view in its order, a head line, RFC 4180, UTF-8; nothing and empty text look \
alike. With --all three columns follow: state, reason, removed_at. A text that a spreadsheet would take for a \
formula (it begins with = + - @, a tab or a line end, and is no number) gets a ' in front; --raw leaves it as \
it is. ndjson: one JSON object a line with the whole document, and what the store knows of the element.")]
pub(super) struct Arguments {
    /// A kind (measures, action_items, …), measure_values, or measure_series (values with names)
    kind: String,
    /// Only this connection [default: all]
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// How: csv for spreadsheets, ndjson for programs [default: csv, with --json ndjson]
    #[arg(long)]
    format: Option<Format>,
    /// Write to FILE, whole or not at all [default: stdout]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also what people do not see any more: removed and unlisted elements, values that are gone
    #[arg(long)]
    all: bool,
    /// In csv, leave texts as they are that a spreadsheet would take for formulas
    #[arg(long)]
    raw: bool,
}

/// What a line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Ndjson,
}

impl Arguments {
    fn format(&self, out: Output) -> Format {
        self.format.unwrap_or(if out.is_json() { Format::Ndjson } else { Format::Csv })
    }

    async fn what(&self, engine: &Engine) -> Result<Exportable, AppError> {
        let known = Exportable::VALUES.into_iter().find(|(name, _)| *name == self.kind);
        if self.all && known == Some(("measure_series", Exportable::MeasureSeries)) {
            let text =
                "measure_series has nothing but what people see; leave --all out, or export measure_values";
            return Err(AppError::Usage(text.into()));
        }
        match known {
            Some((_, values)) => Ok(values),
            None => {
                let more = Exportable::VALUES.map(|(name, _)| name);
                Ok(Exportable::Kind(names::kind(engine, &self.kind, &more).await?))
            }
        }
    }
}

pub(super) fn run(settings: Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let rows = app::block_on(export(settings, arguments, *out))??;
    if let Some(path) = &arguments.output {
        out.say(&format!("{rows} rows of {} are in {}", arguments.kind, path.display()));
    }
    Ok(Exit::Done)
}

/// Gives how many rows were written.
async fn export(settings: Settings, arguments: &Arguments, out: Output) -> Result<u64, AppError> {
    let Settings { path, config } = settings;
    let engine = Engine::open_existing(config, Clock::System).await?;
    let what = arguments.what(&engine).await?;
    let connections = names::meant(&engine, arguments.connection.as_deref()).await?;
    let format = arguments.format(out);
    let shape = if format == Format::Csv { Shape::Columns } else { Shape::Documents };
    let order = Order { what: &what, shape, all: arguments.all, connections: &connections };
    let Some(to) = &arguments.output else {
        let mut sheet = Sheet::new(format, io::stdout().lock(), arguments.raw);
        let result = engine.store.export(&order, |piece| sheet.take(piece)).await?;
        let (rows, finished) = sheet.finish();
        written(result.and(finished.map(drop)))?;
        return Ok(rows);
    };
    let publish = engine.config.store.publish().map(|publish| publish.path.as_path());
    let kept = [Some(path.as_path()), engine.config.store.sqlite_path(), publish];
    let draft = Draft::beside(to, kept.into_iter().flatten())?;
    let cancel = app::cancel_on_signal()?;
    let mut sheet = Sheet::new(format, draft, arguments.raw);
    let result = engine.store.export(&order, |piece| {
        if *cancel.borrow() {
            return Err(io::Error::other("it was stopped"));
        }
        sheet.take(piece)
    });
    let result = result.await?;
    let (rows, finished) = sheet.finish();
    result.and(finished).and_then(Draft::put_in_place).map_err(|source| {
        let context = "cannot write the file; nothing was replaced";
        AppError::System { context, source }
    })?;
    Ok(rows)
}
