//! `demo`: the whole program at work on a simulated account, on one screen. Needs no settings, no key
//! and no network; what it prints is read back by SQL from the store it filled.

mod scene;
mod screen;

use std::path::PathBuf;

use super::{Exit, Output};
use crate::app::{self, AppError, Asker, Engine, Order};
use crate::clock::Clock;
use crate::config::{Config, LogFormat};
use crate::run::{Mode, Outcome};
use crate::simulator::{Simulator, Switches};
use crate::telemetry;

/// How the demo's connections must end: one healthy, one about to lapse, one refused.
const ENDS: [(&str, Outcome); 3] =
    [("city", Outcome::Ok), ("hospital", Outcome::Ok), ("museum", Outcome::Refused)];

pub(super) fn run(out: &Output) -> Result<Exit, AppError> {
    let context = "cannot make the demo's folder";
    let folder = tempfile::Builder::new().prefix("clearpoint-sync-demo-").tempdir();
    let folder = folder.map_err(|source| AppError::System { context, source })?.keep();
    out.say(
        "clearpoint-sync demo: a simulated account, three connections. The log, as an operator sees it:\n",
    );
    let (ends, store) = app::block_on(play(folder))??;
    let screen =
        screen::draw(&store).map_err(|error| AppError::Usage(format!("the demo's store: {error}")))?;
    out.result(&screen, || screen.to_text())?;
    Ok(if ends == ENDS.map(|(_, outcome)| outcome) { Exit::Done } else { Exit::Failed })
}

/// Syncs, edits the account, syncs again; tells how each connection's last run ended and where the
/// store is.
async fn play(folder: PathBuf) -> Result<(Vec<Outcome>, PathBuf), AppError> {
    // Waits, such as the five seconds before a refused key is tried once more, take no time here.
    let clock = Clock::hurried(Clock::System.now());
    let context = "cannot start the simulator";
    let simulator = Simulator::start(scene::world(&clock), Switches::default(), clock.clone()).await;
    let simulator = simulator.map_err(|source| AppError::System { context, source })?;
    let text = scene::settings(&folder, &simulator.base_url(), &clock)
        .map_err(|source| AppError::System { context: "cannot write the demo's keys", source })?;
    let config = Config::parse(&text, &folder.join("config.toml"))?;
    telemetry::init(LogFormat::Text, "warn", clock.clone())?;
    let engine = Engine::open(config, clock.clone()).await?;
    sync(&engine).await?;
    scene::edit(&mut simulator.world(), &clock);
    let ends = sync(&engine).await?;
    let store = engine.config.store.sqlite_path().expect("the demo's settings name a file");
    Ok((ends, store.to_owned()))
}

async fn sync(engine: &Engine) -> Result<Vec<Outcome>, AppError> {
    let mut ends = Vec::new();
    for (name, _) in ENDS {
        let connection = engine.connections(Some(name))?[0];
        let (_stop, cancel) = tokio::sync::watch::channel(false);
        let (progress, _unseen) = tokio::sync::watch::channel(None);
        let order = Order { mode: Some(Mode::Full), asker: Asker::Schedule, lock: None, cancel, progress };
        let passed = engine.pass(connection, order).await?;
        ends.push(passed.run.outcome.expect("a reported run has ended"));
    }
    Ok(ends)
}
