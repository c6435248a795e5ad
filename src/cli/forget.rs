//! `forget`: a connection, a kind or an element goes from the store for good, once a person has said so.
//! Asks no network.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, IsTerminal as _};

use clap::Args;
use serde::Serialize;

use super::output::table;
use super::{Exit, Output, names};
use crate::app::{self, AppError, Engine, Settings};
use crate::clock::Clock;
use crate::config::Config;
use crate::element::ElementId;
use crate::name::ConnectionName;
use crate::store::{Forgotten, Scope};

#[derive(Debug, Args)]
#[command(after_help = "\
Taken out are the elements with their history, values and placements, what was remembered of the pulls, and \
for a whole connection its runs, warnings and what was said of its keys. Columns of views stay, empty. What \
other elements say of a forgotten one stays in these.

It does not reach ClearPoint: what the mapped user still sees comes back with a next run, as new and without \
its history. Take it out of ClearPoint, or its kind out of `kinds`, or the connection out of the \
configuration, before you forget it. Nor does it reach copies: backups and exports still hold it; the copy of \
store.sqlite.publish is made anew. A forget that was cut off is finished by the same call.")]
pub(super) struct Arguments {
    /// The connection
    connection: String,
    /// Only this kind of it
    kind: Option<String>,
    /// Only this element of the kind
    #[arg(allow_negative_numbers = true)]
    id: Option<i64>,
    /// Do not ask back
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Print what would go, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

/// What is printed for machines.
#[derive(Debug, Serialize)]
struct Report {
    connection: ConnectionName,
    kind: Option<String>,
    id: Option<ElementId>,
    dry_run: bool,
    /// Rows that went, or would go, by table.
    rows: BTreeMap<&'static str, u64>,
    total: u64,
    notes: Vec<String>,
}

/// What is to be forgotten.
struct Subject {
    connection: ConnectionName,
    scope: Scope,
}

impl Subject {
    /// `measures 8070001 of city`
    fn name(&self) -> String {
        let Self { connection, scope } = self;
        match scope {
            Scope::Connection => format!("connection {connection}"),
            Scope::Kind(kind) => format!("{kind} of {connection}"),
            Scope::Element(kind, id) => format!("{kind} {id} of {connection}"),
        }
    }

    fn id(&self) -> Option<ElementId> {
        match self.scope {
            Scope::Element(_, id) => Some(id),
            _ => None,
        }
    }

    /// What a person must know who thinks that it is gone now.
    fn comes_back(&self, config: &Config) -> Option<String> {
        let connection = config.connections.iter().find(|known| known.name == self.connection)?;
        let (name, scope) = (&self.connection, &self.scope);
        let is_pulled = |kind: &str| connection.kinds.iter().any(|known| known.name.as_str() == kind);
        match scope {
            Scope::Connection => Some(format!(
                "{name} is still in the configuration: the next run pulls it anew, whichever account it finds; \
                 to keep it out, take [connections.{name}] out of the configuration"
            )),
            Scope::Kind(kind) if is_pulled(kind.as_str()) => Some(format!(
                "{kind} is still pulled for {name}: what the mapped user sees comes back with the next run that \
                 lists it; to keep it out, take it out of connections.{name}.kinds"
            )),
            Scope::Element(kind, id) if is_pulled(kind.as_str()) => Some(format!(
                "{kind} is still pulled for {name}: if the mapped user still sees {id}, it comes back with the \
                 next run that lists it; to keep it out, take it out of ClearPoint, or {kind} out of \
                 connections.{name}.kinds"
            )),
            Scope::Kind(_) | Scope::Element(..) => None,
        }
    }

    fn report(&self, forgotten: &Forgotten, dry_run: bool, notes: Vec<String>) -> Report {
        Report {
            connection: self.connection.clone(),
            kind: self.scope.kind().map(ToString::to_string),
            id: self.id(),
            dry_run,
            rows: forgotten.0.iter().copied().collect(),
            total: forgotten.total(),
            notes,
        }
    }
}

pub(super) fn run(settings: Settings, arguments: &Arguments, out: &Output) -> Result<Exit, AppError> {
    let Settings { config, .. } = settings;
    let (subject, known) = app::block_on(look(&config, arguments))??;
    let mut notes: Vec<String> = subject.comes_back(&config).into_iter().collect();
    if arguments.dry_run {
        let title = format!("{} would be forgotten", subject.name());
        return print(&subject.report(&known, true, notes), &title, &known, out);
    }
    if !arguments.yes {
        ask(&subject, &known, &notes, *out)?;
    }
    let (forgotten, exit) = app::block_on(forget(config, &subject, &mut notes))??;
    let title = format!("{} is forgotten", subject.name());
    print(&subject.report(&forgotten, false, notes), &title, &forgotten, out)?;
    Ok(exit)
}

/// Finds what is meant, and counts what is known of it.
async fn look(config: &Config, arguments: &Arguments) -> Result<(Subject, Forgotten), AppError> {
    let engine = Engine::open_existing(config.clone(), Clock::System).await?;
    let connection = names::meant(&engine, Some(&arguments.connection)).await?.remove(0);
    let scope = match (&arguments.kind, arguments.id) {
        (None, _) => Scope::Connection,
        (Some(kind), None) => Scope::Kind(names::kind(&engine, kind, &[]).await?),
        (Some(kind), Some(id)) => Scope::Element(names::kind(&engine, kind, &[]).await?, ElementId(id)),
    };
    let known = engine.store.forgettable(&connection, &scope).await?;
    Ok((Subject { connection, scope }, known))
}

/// Lets a person at a terminal type the connection's name; nobody else can say yes but by `--yes`.
fn ask(subject: &Subject, known: &Forgotten, notes: &[String], out: Output) -> Result<(), AppError> {
    let name = &subject.connection;
    if !io::stdin().is_terminal() {
        return Err(AppError::Usage(format!(
            "nothing was forgotten: nobody is there to ask; look at it with --dry-run, then say --yes ({} rows)",
            known.total()
        )));
    }
    out.say(&format!("{} is about to be forgotten, for good:\n{}", subject.name(), rows_text(known)));
    notes.iter().for_each(|note| out.say(note));
    out.say(&format!("Type the connection's name, {name}, to go on:"));
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    if read.is_err() || line.trim() != name.as_str() {
        return Err(AppError::Usage("nothing was forgotten: the name was not typed".into()));
    }
    Ok(())
}

/// Forgets it under the connection's lock, and takes it out of what this program keeps elsewhere.
async fn forget(
    config: Config,
    subject: &Subject,
    notes: &mut Vec<String>,
) -> Result<(Forgotten, Exit), AppError> {
    let Subject { connection, scope } = subject;
    let engine = Engine::open(config, Clock::System).await?;
    let lock = engine.store.lock(connection, "forget", engine.clock.now()).await?;
    let forgotten = engine.store.forget(connection, scope).await?;
    drop(lock);
    tracing::info!(
        event = "forgotten",
        %connection,
        kind = scope.kind().map(tracing::field::display),
        id = subject.id().map(|id| id.0),
        elements = forgotten.rows("elements"),
        changes = forgotten.rows("changes"),
        values = forgotten.rows("measure_values"),
        rows = forgotten.total(),
        "forgotten on purpose"
    );
    let mut exit = Exit::Done;
    match engine.store.wipe_freed().await {
        Ok(how) => notes.push(how.to_owned()),
        Err(error) => {
            let error = AppError::from(error).to_text();
            notes.push(format!(
                "its text may still be found in free parts of the file: {error}; say it again later"
            ));
            exit = Exit::Partial;
        }
    }
    if let Some(publish) = engine.config.store.publish() {
        let path = publish.path.display();
        match engine.store.publish(&publish.path, engine.clock.now()).await {
            Ok(Some(_)) => notes.push(format!("the copy for readers, {path}, was made anew without it")),
            Ok(None) => {
                notes.push(format!("the copy for readers, {path}, is being made: it may still hold it"));
                exit = Exit::Partial;
            }
            Err(error) => {
                let error = AppError::from(error).to_text();
                notes.push(format!("the copy for readers, {path}, still holds it: {error}"));
                exit = Exit::Partial;
            }
        }
    }
    notes.push("backups and exports made before still hold it".into());
    Ok((forgotten, exit))
}

fn print(report: &Report, title: &str, rows: &Forgotten, out: &Output) -> Result<Exit, AppError> {
    out.result(report, || {
        let notes: String = report.notes.iter().map(|note| format!("{note}\n")).collect();
        format!("{title}\n{}{notes}", rows_text(rows))
    })?;
    Ok(Exit::Done)
}

fn rows_text(rows: &Forgotten) -> String {
    if rows.total() == 0 {
        return "the store knows nothing of it\n".into();
    }
    table(&["table", "rows"], rows.0.iter().map(|(table, rows)| vec![(*table).to_owned(), rows.to_string()]))
}
