//! `status`: how fresh each kind is, the last and the next run, and what is open. Asks no network.

use super::keys;
use super::output::{instant, table};
use super::warnings::open_text;
use super::{Exit, Output};
use crate::app::{self, AppError, Engine, Settings};
use crate::clock::Clock;
use crate::config::Config;
use crate::run::Outcome;
use crate::status::{ConnectionStatus, Status};
use crate::store::DaemonLock;

pub(super) fn run(settings: &Settings, out: &Output) -> Result<Exit, AppError> {
    let status = app::block_on(status(settings))??;
    out.result(&status, || missing_text(&settings.config) + &to_text(&status))?;
    Ok(Exit::Done)
}

/// What is not there, so that nobody takes it for empty or waits for it.
fn missing_text(config: &Config) -> String {
    let mut text = String::new();
    if let Some(store) =
        config.store.sqlite_path().filter(|path| path.try_exists().is_ok_and(|is_there| !is_there))
    {
        text += &format!("no store yet at {}: the first sync makes it\n", store.display());
    }
    let is_running = DaemonLock::look(&config.daemon_place()).is_ok_and(|pulse| pulse.is_held);
    if !is_running {
        text += "no daemon runs here: what is due below waits for one, or for `clearpoint-sync sync`\n";
    }
    text
}

async fn status(settings: &Settings) -> Result<Status, AppError> {
    let engine = Engine::open_to_look(settings.config.clone(), Clock::System).await?;
    engine.make_room();
    engine.survey().await?;
    Ok(engine.board.status(engine.clock.now()))
}

fn to_text(status: &Status) -> String {
    let mut text = String::new();
    for connection in &status.connections {
        text += &connection_text(connection);
    }
    if status.warnings.is_empty() {
        return text + "no open warnings\n";
    }
    text.extend(status.warnings.iter().map(open_text));
    text
}

/// Whether the last run failed or was cut short: a daemon, if there is one, makes most of these again before they
/// are due.
fn may_be_tried_again(status: &ConnectionStatus) -> bool {
    let last = status.last_run.as_ref();
    last.is_some_and(|run| {
        run.was_stopped() || matches!(run.outcome, Some(Outcome::Failed | Outcome::Deferred))
    })
}

fn connection_text(status: &ConnectionStatus) -> String {
    let mut text = status.connection.clone();
    if !status.is_configured {
        text += " is no longer in the configuration; its rows stay as they are\n";
    }
    match &status.last_run {
        Some(run) => {
            let outcome = run.outcome.map_or("unfinished", |outcome| outcome.as_str());
            let ended = run.finished_at.unwrap_or(run.started_at);
            text += &format!(": last run {} {} ({})\n", instant(ended), outcome, run.mode.as_str());
            text += &run.reason.as_ref().map(|reason| format!("  {reason}\n")).unwrap_or_default();
        }
        None if status.is_configured => text += ": never run\n",
        None => {}
    }
    if let (Some(next), Some(full)) = (status.next_run, status.next_full_run) {
        // Whether it does, and how soon, is known to the daemon alone, whose page tells.
        let sooner = if may_be_tried_again(status) { "; a daemon may try again sooner" } else { "" };
        text += &match (status.waits, status.is_next_run_full()) {
            (Some(why), _) => format!("  waits: {why}; asked again at most once an hour\n"),
            (None, true) => format!("  next run {} (full){sooner}\n", instant(next)),
            (None, false) => {
                format!("  next run {}, next full run {}{sooner}\n", instant(next), instant(full))
            }
        };
    }
    if let Some(count) = status.scorecards_visible {
        let user = status.mapped_user.as_deref().unwrap_or("the mapped user");
        text += &format!("  {user} sees {count} scorecards\n");
    }
    for key in &status.keys {
        text += &format!("  {}\n", keys::to_line(key));
    }
    let rows = status.kinds.iter().map(|row| {
        vec![
            row.kind.clone(),
            row.present.to_string(),
            row.complete_as_of.as_deref().map_or_else(|| "never".into(), to_the_second),
            row.outcome.clone(),
            row.why().to_owned(),
        ]
    });
    if status.kinds.is_empty() {
        return text + "\n";
    }
    text + &table(&["kind", "elements", "complete_as_of", "last_outcome", "reason"], rows) + "\n"
}

/// A stored instant as it reads best; as it stands where it is none.
fn to_the_second(stored: &str) -> String {
    stored.parse().map_or_else(|_| stored.to_owned(), instant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::ConnectionName;

    #[test]
    fn a_store_that_is_not_there_yet_and_a_daemon_that_does_not_run_are_said() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store.db");
        let text = format!(
            "[store.sqlite]\npath = {store:?}\n[connections.city.key]\nname = \"k\"\n\
             access_key = {{ env = \"A\" }}\nsecret_key = {{ env = \"B\" }}"
        );
        let config = Config::parse(&text, &dir.path().join("config.toml")).unwrap();
        let told = missing_text(&config);
        assert!(told.contains(&format!("no store yet at {}", store.display())), "{told}");
        assert!(told.contains("no daemon runs here"), "{told}");
        std::fs::write(&store, "").unwrap();
        std::fs::write(dir.path().join("store.db.daemon.lock"), "pid 7, run since 2027-03-31T12:00:00Z")
            .unwrap();
        assert!(!missing_text(&config).contains("no store"));
        let lock = std::fs::File::open(dir.path().join("store.db.daemon.lock")).unwrap();
        lock.lock().unwrap();
        assert_eq!(missing_text(&config), "");
    }

    #[test]
    fn a_connection_that_waits_says_why_and_a_next_run_that_is_full_is_told_once() {
        let at = |minute: u32| Some(format!("2027-03-31T12:{minute:02}:00Z").parse().unwrap());
        let mut city = ConnectionStatus::unknown(&ConnectionName::parse("city").unwrap());
        city.is_configured = true;
        (city.next_run, city.next_full_run) = (at(5), at(30));
        let second = |status: &ConnectionStatus| connection_text(status).lines().nth(1).unwrap().to_owned();
        assert_eq!(second(&city), "  next run 2027-03-31T12:05:00Z, next full run 2027-03-31T12:30:00Z");
        city.next_run = at(30);
        assert_eq!(second(&city), "  next run 2027-03-31T12:30:00Z (full)");
        city.waits = Some("the key is refused");
        assert_eq!(second(&city), "  waits: the key is refused; asked again at most once an hour");
    }
}
