//! Parse, call, outcome → exit code. Everything else is in the library.

use std::process::ExitCode;

use clap::Parser;
use clearpoint_sync::app::Exit;
use clearpoint_sync::cli::Cli;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A terminal that is gone cannot be told.
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::MustChange } else { Exit::Done };
            return exit.into();
        }
    };
    cli.run().into()
}
