//! `store copy`: moves the store into another one, its history included, and proves that nothing was lost.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use tokio::sync::watch;

use super::output::table;
use super::{Exit, Output, progress};
use crate::app::{self, AppError, Copied, Settings};
use crate::element::Fingerprint;
use crate::store::{Onto, Progress, TableCopy};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Copy the store into another one, history included, and compare both
    #[command(
        after_help = "Nobody may work on either store meanwhile: stop the daemon first. Whatever happens, \
the other store holds the whole copy at the end, or what it held before. This store stays as it is."
    )]
    Copy {
        /// The store that the section [store.sqlite] or [store.postgres] of FILE names
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Delete what the other store holds, unless its last run is newer than this store's
        #[arg(long)]
        replace: bool,
    },
}

/// A table of the result.
#[derive(Debug, Serialize)]
struct Row {
    table: &'static str,
    rows: u64,
    fingerprint: String,
    rows_read_back: u64,
    fingerprint_read_back: String,
    same: bool,
}

impl From<&TableCopy> for Row {
    fn from(copy: &TableCopy) -> Self {
        let hex = |fingerprint: Fingerprint| format!("{fingerprint:032x}");
        Self {
            table: copy.table,
            rows: copy.here.rows,
            fingerprint: hex(copy.here.fingerprint),
            rows_read_back: copy.there.rows,
            fingerprint_read_back: hex(copy.there.fingerprint),
            same: copy.is_same(),
        }
    }
}

pub(super) fn run(settings: &Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let Command::Copy { to, replace } = &arguments.command;
    let onto = if *replace { Onto::Earlier } else { Onto::Empty };
    let copied = app::block_on(async {
        let (progress, seen) = watch::channel(None);
        let drawing = progress::draw("store", seen, |Progress { done, of, table }| (done, of, table.into()));
        let mut told = |step| {
            progress.send_replace(Some(step));
        };
        let copied = app::copy_store(settings, to, onto, &mut told).await;
        drawing.finish();
        copied
    })??;
    let rows: Vec<Row> = copied.tables.iter().map(Row::from).collect();
    out.result(&rows, || to_text(&rows))?;
    let unlike: Vec<&str> = rows.iter().filter(|row| !row.same).map(|row| row.table).collect();
    let Copied { from, to, .. } = &copied;
    if !unlike.is_empty() {
        let unlike = unlike.join(", ");
        out.say(&format!("{to} did not keep what {from} holds in: {unlike}; nothing stays of the copy"));
        return Ok(Exit::Failed);
    }
    out.say(&format!(
        "{to} holds what {from} holds, which stays as it is; let the daemon run with that configuration"
    ));
    Ok(Exit::Done)
}

fn to_text(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let found = match row.same {
            true => "same".to_owned(),
            false => format!("differs: {} rows, {}", row.rows_read_back, row.fingerprint_read_back),
        };
        vec![row.table.into(), row.rows.to_string(), row.fingerprint.clone(), found]
    };
    table(&["table", "rows", "fingerprint", "read back"], rows.iter().map(line))
}
