//! Parse, call, outcome → exit code. Everything else is in the library.

use std::process::ExitCode;

use clap::Parser;
use clearpoint_sync::app::Exit;
use clearpoint_sync::cli::Cli;
use clearpoint_sync::telemetry;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::MustChange } else { Exit::Done };
            if exit == Exit::Done || !telemetry::told_journal(&error.to_string(), exit.code()) {
                // A terminal that is gone cannot be told.
                let _ = error.print();
            }
            return exit.into();
        }
    };
    let exit = cli.run();
    telemetry::flush();
    exit.into()
}
