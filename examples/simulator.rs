//! A simulated ClearPoint account to try every command against, with no key and no network:
//!
//! ```text
//! cargo run --example simulator -- FOLDER [MEASURES] [SEED]
//! ```
//!
//! Serves the account on a loopback port until Ctrl-C, and writes into FOLDER a configuration with its
//! two key files. Enter edits the account, as people at work would; the next `sync` finds what changed.

use std::error::Error;
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chrono::Days;
use clearpoint_sync::clock::Clock;
use clearpoint_sync::simulator::{Simulator, Size, Switches, World};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        return Err("name the folder to write to: simulator FOLDER [MEASURES] [SEED]".into());
    };
    let measures = arguments.next().map_or(Ok(500), |measures| measures.parse())?;
    let seed = arguments.next().map_or(Ok(7), |seed| seed.parse())?;

    let mut world = World::generate(seed, &Size::realistic().with("measures", measures));
    world.now = Clock::System.now();
    let simulator = Simulator::start(world, Switches::default(), Clock::System).await?;
    let config = write_settings(&folder, &simulator.base_url())?;
    introduce(&config, &simulator)?;

    let stopped = tokio::signal::ctrl_c();
    std::thread::spawn(move || edit_at_each_line(&simulator));
    Ok(stopped.await?)
}

/// Writes the key files and the configuration that reads them; gives the configuration's path.
fn write_settings(folder: &Path, base_url: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    for (name, half) in [("access-key", World::ACCESS_KEY), ("secret-key", World::SECRET_KEY)] {
        fs::write(folder.join(name), half)?;
        fs::set_permissions(folder.join(name), Permissions::from_mode(0o600))?;
    }
    let expires = Clock::System.now().date_naive() + Days::new(20);
    let text = format!(
        r#"[store.sqlite]
path = "clearpoint.db"

[connections.city]
base_url = "{base_url}"
mapped_user = "{user}"
# Seconds stand first: the daemon has something to do while you watch.
schedule = "*/15 * * * * *"
schedule_full = "*/5 * * * *"

[connections.city.key]
name = "Integration"
expires = {expires}
access_key = {{ file = "access-key" }}
secret_key = {{ file = "secret-key" }}

[connections.city.limits]
requests_per_second = 1000

[host_limits]
requests_per_second = 1000

[log]
format = "text"
"#,
        user = World::USER
    );
    let config = folder.join("config.toml");
    fs::write(&config, text)?;
    Ok(config)
}

fn introduce(config: &Path, simulator: &Simulator) -> io::Result<()> {
    let (base_url, config) = (simulator.base_url(), config.display());
    writeln!(
        io::stdout(),
        "A simulated account answers at {base_url}. In another terminal:\n\n  \
         clearpoint-sync --config {config} check\n\n\
         Then try keys, sync, plan, status and run the same way. Enter edits the account; Ctrl-C ends it."
    )
}

/// An edit, an insert and a deletion for each line on stdin, until that ends. Keeps the simulator alive
/// to the end of the process.
fn edit_at_each_line(simulator: &Simulator) {
    for (n, _) in io::stdin().lines().map_while(Result::ok).enumerate() {
        let mut world = simulator.world();
        world.now = Clock::System.now();
        if let Some(measure) = world.ids("measures").get(n).copied() {
            world.edit("measures", measure, "name", json!(format!("Renamed measure {measure}")));
        }
        if let Some(item) = world.ids("action_items").first().copied() {
            world.delete("action_items", item);
        }
        world.insert("initiatives");
        drop(world);
        // A terminal that is gone cannot be told.
        let _ = writeln!(io::stdout(), "edited a measure, deleted an action item, added an initiative");
    }
    loop {
        std::thread::park();
    }
}
