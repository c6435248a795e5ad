//! The command line: one file a command. Results go to stdout, talk to stderr; text that came over the
//! network loses its control characters; the outcome becomes the exit code in one place.

mod changes;
mod check;
mod completions;
mod config;
mod cost;
mod demo;
mod export;
mod forget;
mod health;
mod keys;
mod names;
mod notify_test;
mod output;
mod plan;
mod probe;
mod progress;
mod release;
mod run;
mod show;
mod status;
mod store;
mod sync;
mod warnings;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::app::{AppError, Exit, Settings};
use crate::telemetry;
use crate::version;
use output::Output;

/// Keeps a SQL copy of a ClearPoint Strategy account true, and tells its operators before an API key
/// lapses
#[derive(Debug, Parser)]
#[command(version = version::FULL, about, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done · 1 a run failed · 2 you must change something (usage, \
configuration) · 3 a key was refused (or expired, or inside --fail-within) · 4 partial · 75 another \
process is at it";

/// Where help lists what every command takes.
const GLOBAL: &str = "Options of every command";

#[derive(Debug, Args)]
struct Globals {
    /// Read settings from FILE
    #[arg(
        short,
        long,
        global = true,
        help_heading = GLOBAL,
        value_name = "FILE",
        default_value = "/etc/clearpoint-sync/config.toml"
    )]
    config: PathBuf,
    /// Print results as JSON, for machines
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
    /// Log at LEVEL: error, warn, info, debug or trace
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "LEVEL", default_value = "info")]
    log: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: sync on schedule, watch the keys, until stopped
    Run,
    /// Sync once and exit: every connection, or one
    Sync(sync::Arguments),
    /// Print what a full sync would change; write nothing
    Plan(plan::Arguments),
    /// Check settings, schedules, keys, the API and the store
    Check(check::Arguments),
    /// Ask the account what nobody has published: few requests that read only
    Probe(probe::Arguments),
    /// Print every key with its expiry and days left
    Keys(keys::Arguments),
    /// Print freshness, last and next runs, and open warnings
    Status,
    /// Print open warnings, since when, what to do, and who was told
    Warnings(warnings::Arguments),
    /// Print the elements of a kind, or the values of measures, as CSV or line by line as JSON
    Export(export::Arguments),
    /// Print what changed since a time, or since the last change that was read
    Changes(changes::Arguments),
    /// Print one element: its document, its values and its history
    Show(show::Arguments),
    /// Remove a connection, a kind or an element from the store for good; asks back
    Forget(forget::Arguments),
    /// Send a test message to the targets of warnings: all, or one
    NotifyTest(notify_test::Arguments),
    /// Accept a changed account, or let held removals go
    Release(release::Arguments),
    /// Copy the store into another one: from a file to PostgreSQL, or back
    Store(store::Arguments),
    /// Print the settings in force, secrets as their sources; or only check them
    Config(config::Arguments),
    /// Tell whether the daemon turns: exit 0 if so, 1 with the reason if not
    Health,
    /// Show the whole program at work on a simulated account; needs nothing
    Demo,
    /// Print what a shell needs to complete commands and options
    Completions(completions::Arguments),
}

impl Cli {
    /// Runs the command and tells how it went.
    #[must_use]
    pub fn run(self) -> Exit {
        let out = Output::new(self.globals.json);
        match self.dispatch(&out) {
            Ok(exit) => exit,
            Err(error) => {
                let (text, exit) = (error.to_text(), error.exit());
                if !telemetry::told_journal(&text, exit.code()) {
                    out.say(&text);
                }
                exit
            }
        }
    }

    fn dispatch(self, out: &Output) -> Result<Exit, AppError> {
        let Self { globals, command } = self;
        match &command {
            Command::Demo => return demo::run(out),
            Command::Completions(arguments) => return completions::run(arguments, out),
            Command::Health => return health::run(&globals.config, out),
            // Registers its signals before it reads anything.
            Command::Run => return run::run(&globals.config, &globals.log),
            _ => {}
        }
        let settings = Settings::load(&globals.config, &globals.log)?;
        match command {
            Command::Sync(arguments) => sync::run(settings, &arguments, out),
            Command::Plan(arguments) => plan::run(settings, &arguments, out),
            Command::Check(arguments) => check::run(settings, &arguments, out),
            Command::Probe(arguments) => probe::run(settings, &arguments, out),
            Command::Keys(arguments) => keys::run(&settings, &arguments, out),
            Command::Status => status::run(&settings, out),
            Command::Warnings(arguments) => warnings::run(&settings, &arguments, out),
            Command::Export(arguments) => export::run(settings, &arguments, out),
            Command::Changes(arguments) => changes::run(settings, &arguments, out),
            Command::Show(arguments) => show::run(settings, &arguments, out),
            Command::Forget(arguments) => forget::run(settings, &arguments, out),
            Command::NotifyTest(arguments) => notify_test::run(&settings, &arguments, out),
            Command::Release(arguments) => release::run(&settings, &arguments, out),
            Command::Store(arguments) => store::run(&settings, &arguments, out),
            Command::Config(arguments) => config::run(&settings, &arguments, out),
            Command::Demo | Command::Completions(_) | Command::Health | Command::Run => {
                unreachable!("handled above")
            }
        }
    }
}
