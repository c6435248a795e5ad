//! `completions`: what a shell needs to complete this program's commands and options.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Exit, Output};
use crate::app::AppError;

const NAME: &str = env!("CARGO_PKG_NAME");

#[derive(Debug, Args)]
#[command(after_help = "\
bash:  clearpoint-sync completions bash > ~/.local/share/bash-completion/completions/clearpoint-sync
zsh:   clearpoint-sync completions zsh > ~/.zfunc/_clearpoint-sync
fish:  clearpoint-sync completions fish > ~/.config/fish/completions/clearpoint-sync.fish")]
pub(super) struct Arguments {
    /// Which shell
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let script = match arguments.shell {
        Shell::Bash => bash(),
        shell => script(shell, NAME),
    };
    out.print(&script)?;
    Ok(Exit::Done)
}

fn script(shell: Shell, name: &str) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), name, &mut script);
    String::from_utf8(script).expect("the script is made of help texts")
}

/// What clap makes for bash completes no options of a program with "-" in its name (clap issue 6421,
/// open with clap_complete 4.6.11), so it is made for a name without, and registered for ours.
fn bash() -> String {
    let name = NAME.replace('-', "_");
    script(Shell::Bash, &name).replace(&format!(" {name}\n"), &format!(" {NAME}\n"))
}
