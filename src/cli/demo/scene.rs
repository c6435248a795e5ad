//! What the demo plays: the simulated account, its three keys, and the edits between the two syncs.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chrono::Days;
use serde_json::json;

use crate::clock::Clock;
use crate::simulator::{ApiKey, Sees, Size, World};

/// Days that the key of `hospital` has left.
const DAYS_LEFT: u64 = 6;

/// The account: a small one, with an account of its own for each of the three keys.
pub(super) fn world(clock: &Clock) -> World {
    let size = Size::small().with("measures", 40).with("objectives", 16).with("initiatives", 12);
    let mut world = World::generate(7, &size);
    world.now = clock.now();
    for name in ["hospital", "museum"] {
        let user = format!("reporting@{name}.example");
        world.add_user(&user, Sees::Everything);
        let (access, secret) = halves(name);
        world.add_key(ApiKey { access, secret, expires: None, user });
    }
    // Someone deletes a key that is in use: nothing but the next request tells.
    world.delete_key(&halves("museum").0);
    world
}

fn halves(name: &str) -> (String, String) {
    match name {
        "city" => (World::ACCESS_KEY.into(), World::SECRET_KEY.into()),
        _ => (format!("{name}-access-key"), format!("{name}-secret-key")),
    }
}

/// Writes the keys' files into `folder` and gives the settings that read them.
///
/// # Errors
/// The folder cannot be written.
pub(super) fn settings(folder: &Path, base_url: &str, clock: &Clock) -> io::Result<String> {
    let today = clock.now().date_naive();
    let mut text = format!("[store.sqlite]\npath = {:?}\n", folder.join("clearpoint.db"));
    text += "[host_limits]\nrequests_per_second = 1000\n";
    for (name, days_left) in [("city", 200), ("hospital", DAYS_LEFT), ("museum", 90)] {
        let (access, secret) = halves(name);
        let path = |half: &str| folder.join(format!("{name}-{half}"));
        write_private(&path("access"), &access)?;
        write_private(&path("secret"), &secret)?;
        let expires = today.checked_add_days(Days::new(days_left)).unwrap_or(today);
        text += &format!(
            "[connections.{name}]\nbase_url = {base_url:?}\nmapped_user = \"reporting@{name}.example\"\n\
             [connections.{name}.key]\nname = \"Integration\"\nexpires = {expires}\n\
             access_key = {{ file = {:?} }}\nsecret_key = {{ file = {:?} }}\n\
             [connections.{name}.limits]\nrequests_per_second = 1000\n",
            path("access"),
            path("secret"),
        );
    }
    Ok(text)
}

fn write_private(path: &Path, secret: &str) -> io::Result<()> {
    std::fs::write(path, secret)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))
}

/// What people do to the account between the two syncs.
pub(super) fn edit(world: &mut World, clock: &Clock) {
    world.now = clock.now();
    let measures = world.ids("measures");
    world.edit("measures", measures[0], "name", json!("Emergency response time"));
    world.edit("measures", measures[1], "completed", json!(true));
    world.delete("action_items", world.ids("action_items")[0]);
    world.insert("initiatives");
    world.hide("reporting@hospital.example", "risks", world.ids("risks")[0]);
}
