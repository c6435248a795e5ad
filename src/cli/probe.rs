//! `probe`: asks the account what nobody has published, prints what it found with its evidence, and keeps
//! it for the next run.

use clap::Args;
use serde::Serialize;
use tokio::sync::watch;

use super::output::wrapped;
use super::{Exit, Output, progress};
use crate::app::{self, AppError, Engine, Settings};
use crate::clock::Clock;
use crate::config::Connection;
use crate::probe::{self, Finding, Job, Options, Progress, Report};

#[derive(Debug, Args)]
#[command(after_help = "Requests go one after another, within the connection's limits; how many at most is \
said beforehand. Nothing is written to ClearPoint. What is found is kept: the next sync starts informed.")]
pub(super) struct Arguments {
    /// Which connection
    connection: String,
    /// Print the [kinds.NAME] sections of kinds that exist and that nobody lists, to be pasted
    #[arg(long)]
    toml: bool,
    /// Ask `POST /search` for a count too: it only reads, but it is no GET
    #[arg(long)]
    search: bool,
    /// Send one request with a wrong secret too; a server may lock a key or an account out after several
    #[arg(long)]
    wrong_secret: bool,
}

/// Characters of a line of the table.
const WIDTH: u16 = 150;

/// What is printed for machines.
#[derive(Debug, Serialize)]
struct Probed {
    connection: String,
    outcome: &'static str,
    reason: Option<String>,
    requests: u64,
    requests_max: u64,
    findings: Vec<Finding>,
    /// `[kinds.NAME]` sections to paste.
    toml: String,
}

pub(super) fn run(settings: Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let (probed, exit) = app::block_on(probe(settings, arguments, *out))??;
    let Probed { connection, requests, reason, findings, .. } = &probed;
    let why = reason.as_ref().map(|reason| format!("; stopped: {reason}")).unwrap_or_default();
    let kept = match findings.is_empty() {
        true => "nothing was found".to_owned(),
        false => format!("what was found is kept for the next sync of {connection}"),
    };
    out.say(&format!("{requests} requests were sent{why}; {kept}"));
    out.result(&probed, || if arguments.toml { probed.toml.clone() } else { to_text(&probed.findings) })?;
    Ok(exit)
}

async fn probe(settings: Settings, arguments: &Arguments, out: Output) -> Result<(Probed, Exit), AppError> {
    let engine = Engine::open(settings.config, Clock::System).await?;
    let [connection] = engine.connections(Some(&arguments.connection))?[..] else {
        unreachable!("a name names one connection")
    };
    let options = Options { search: arguments.search, wrong_secret: arguments.wrong_secret };
    // Both would write what is remembered of a kind.
    let _lock = engine.store.lock(&connection.name, "probe", engine.clock.now()).await?;
    let client = engine.client(connection).await?;
    let requests_max = announce(connection, options, out);
    let (progress, seen) = watch::channel(None);
    let drawing =
        progress::draw(&connection.name, seen, |Progress { asked, at_most, about }| (asked, at_most, about));
    let job = Job {
        connection,
        client: &client,
        store: &engine.store,
        clock: &engine.clock,
        options,
        cancel: app::cancel_on_signal()?,
        progress,
    };
    let report = probe::run(&job).await;
    drawing.finish();
    let Report { findings, unlisted, requests, outcome, reason } = report?;
    let toml = match unlisted.is_empty() {
        true => "# No kind was found that is not in the configuration already.\n".to_owned(),
        false => unlisted.iter().map(|unlisted| unlisted.to_toml() + "\n").collect(),
    };
    let connection = connection.name.to_string();
    let outcome_word = outcome.as_str();
    Ok((
        Probed { connection, outcome: outcome_word, reason, requests, requests_max, findings, toml },
        outcome.into(),
    ))
}

/// Says what is about to be asked.
fn announce(connection: &Connection, options: Options, out: Output) -> u64 {
    let requests_max = probe::requests_max(connection, options);
    let per_second = connection.limits.requests_per_second;
    out.say(&format!(
        "asks connection {} at most {requests_max} requests, one after another, at most {per_second} a second; \
         nothing is written to ClearPoint",
        connection.name
    ));
    if options.wrong_secret {
        out.say(
            "one of them carries a wrong secret: some servers lock a key or an account out after several",
        );
    }
    requests_max
}

/// Kinds with the same answer share a line, with the evidence of the first.
fn to_text(findings: &[Finding]) -> String {
    let mut lines: Vec<(&Finding, Vec<&str>)> = Vec::new();
    for finding in findings {
        let is_same = |(line, _): &&mut (&Finding, Vec<&str>)| {
            line.question == finding.question && line.answer == finding.answer
        };
        match lines.iter_mut().find(is_same) {
            Some((_, kinds)) => kinds.push(finding.kind.as_str()),
            None => lines.push((finding, vec![finding.kind.as_str()])),
        }
    }
    // The first line of a question brings its others with it.
    let place = |question: &str| findings.iter().position(|finding| finding.question == question);
    lines.sort_by_key(|(line, _)| place(line.question));
    let rows = lines.into_iter().map(|(line, kinds)| {
        let seen = if kinds.len() > 1 { format!("{}: {}", kinds[0], line.seen) } else { line.seen.clone() };
        vec![line.question.to_owned(), line.answer.clone(), kinds.join(" "), seen]
    });
    wrapped(WIDTH, &["question", "answer", "kinds", "seen"], rows)
}
