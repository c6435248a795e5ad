//! The program at a person's fingers: its colours on a terminal, the shell that completes its commands,
//! the version it says.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use clearpoint_sync::simulator::{Size, World};
use clearpoint_sync::version;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::harness::Bench;
use crate::program::Running;

/// How a terminal is told anything: a code that ends in a letter follows, `m` for colours.
const CODE: &str = "\u{1b}[";

/// What the program prints on a terminal of its own, both outputs together.
fn on_a_terminal(no_color: Option<&str>, config: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clearpoint-sync"));
    command.arg("--config").arg(config).args(arguments).env("TERM", "xterm-256color").env_remove("NO_COLOR");
    command.envs(no_color.map(|value| ("NO_COLOR", value)));
    typed_on_a_terminal(command, "").1
}

/// A new terminal, and its name.
pub(super) fn terminal() -> (File, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    (File::from(terminal), name)
}

/// The side of a terminal that programs have.
pub(super) fn side(name: &str) -> File {
    File::options().read(true).write(true).open(name).unwrap()
}

/// Runs a command on a terminal of its own where somebody types this; gives its exit code and what it prints,
/// both outputs together.
pub(super) fn typed_on_a_terminal(mut command: Command, typed: &str) -> (i32, String) {
    let (mut terminal, name) = terminal();
    let side = || Stdio::from(side(&name));
    let mut child = command.stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
    // Our copies of the program's side: while one is open, the terminal never ends.
    drop(command);
    terminal.write_all(typed.as_bytes()).unwrap();
    let mut printed = Vec::new();
    // A terminal whose other side is gone ends with an error.
    let _ = terminal.read_to_end(&mut printed);
    let code = child.wait().unwrap().code().unwrap_or(-1);
    (code, String::from_utf8_lossy(&printed).into_owned())
}

/// The codes that colour; others erase a line, so that a progress bar and the log can share the last one.
fn colours(printed: &str) -> Vec<String> {
    let codes =
        printed.split(CODE).skip(1).filter_map(|rest| rest.split_inclusive(char::is_alphabetic).next());
    codes.filter(|code| code.ends_with('m')).map(str::to_owned).collect()
}

/// Colours stand in what these arguments print, and none with `NO_COLOR`.
#[track_caller]
fn check(config: &Path, arguments: &[&str], word: &str) {
    for no_color in [None, Some("")] {
        let printed = on_a_terminal(no_color, config, arguments);
        assert!(printed.contains(word) && !colours(&printed).is_empty(), "{arguments:?}: {printed:?}");
    }
    let printed = on_a_terminal(Some("1"), config, arguments);
    assert!(printed.contains(word), "{arguments:?}: {printed:?}");
    assert_eq!(colours(&printed), Vec::<String>::new(), "{arguments:?}: {printed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_color_takes_the_colour_out_of_help_errors_log_and_progress() {
    let bench = Bench::new(World::generate(11, &Size::small())).await;
    let config = bench.file("config.toml");
    let text = std::fs::read_to_string(&config).unwrap().replace("\"json\"", "\"text\"");
    std::fs::write(&config, text).unwrap();
    check(&config, &["--help"], "Commands:");
    check(&config, &["no-such-command"], "unrecognized subcommand");
    check(&config, &["sync"], "run finished");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_shows_how_far_it_is_and_leaves_nothing_of_that() {
    let bench = Bench::new(World::generate(12, &Size::small())).await;
    let printed = on_a_terminal(None, &bench.file("config.toml"), &["--log", "error", "sync"]);
    let (bar, rest) = printed.rsplit_once("\r\u{1b}[2K").unwrap_or_else(|| panic!("no bar: {printed:?}"));
    assert!(bar.contains("city ") && bar.contains('░'), "{printed:?}");
    assert!(rest.starts_with("CONNECTION"), "{printed:?}");
}

/// What the words of a command line so far are completed to.
fn completed(config: &Path, script: &str) -> String {
    let file = config.with_extension("bash");
    std::fs::write(&file, script).unwrap();
    let ask = r#"source "$1" && [[ $(complete -p clearpoint-sync) =~ -F\ ([^ ]+) ]] || exit
        COMP_WORDS=(clearpoint-sync sync --f); COMP_CWORD=2
        "${BASH_REMATCH[1]}" clearpoint-sync --f sync; echo "${COMPREPLY[@]}""#;
    let output = Command::new("bash").args(["-c", ask, "bash"]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_bash_completes_commands_and_options_without_any_settings() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("not-there.toml");
    let ran = Running::start(&config, &["completions", "bash"]).end().await;
    ran.assert_code(&[0]);
    assert_eq!(completed(&config, &ran.stdout).trim(), "--full");
    for shell in ["zsh", "fish"] {
        let ran = Running::start(&config, &["completions", shell]).end().await;
        assert!(ran.code == 0 && ran.stdout.contains("notify-test"), "{ran}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_names_a_commit_of_this_repository_and_its_date() {
    let ran = Running::start(Path::new("not-there.toml"), &["--version"]).end().await;
    assert_eq!(ran.stdout.trim(), format!("clearpoint-sync {}", version::FULL));
    let has_repository = Path::new(".git").exists() && option_env!("CLEARPOINT_SYNC_COMMIT").is_none();
    if has_repository {
        // Not `HEAD`: somebody may commit while the tests run.
        let commit = version::COMMIT.unwrap_or("HEAD");
        let git = Command::new("git").args(["show", "-s", "--format=%h %cs", commit]).output().unwrap();
        let known = String::from_utf8(git.stdout).unwrap();
        assert_eq!(version::FULL, format!("{} ({})", version::NUMBER, known.trim()));
    }
}
