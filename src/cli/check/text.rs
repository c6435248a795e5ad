//! What `check` prints for people.

use super::super::keys;
use super::{Checked, CheckedConnection, CheckedCopy, CheckedDoor, CheckedSchedule, CheckedTarget};

pub(super) fn of(checked: &Checked) -> String {
    let Checked { config, connections, keys, targets, store } = checked;
    let mut text = format!("{config}: settings are sound\n");
    for connection in connections {
        let CheckedConnection { connection, base_url, timezone, schedules, doors, notes } = connection;
        text += &format!("\n{connection} ({base_url}, {timezone})\n");
        for CheckedDoor { slot, key, door, error } in doors {
            text += &format!("  door with {slot} {key}: {door}\n");
            text += &error.as_ref().map(|error| format!("  error: {error}\n")).unwrap_or_default();
        }
        for CheckedSchedule { schedule, line, next, requests_a_day, is_lower_bound } in schedules {
            let next: Vec<String> =
                next.iter().map(|due| due.format("%Y-%m-%d %H:%M:%S %Z").to_string()).collect();
            let known = if *is_lower_bound { "at least " } else { "" };
            let then = if *is_lower_bound { "; a full sync will tell" } else { "" };
            text += &format!("  {schedule:13} {line:16} next {}\n", next.join(", "));
            text += &format!("  {:13} {known}{requests_a_day} requests a day{then}\n", "");
        }
        for note in notes {
            text += &format!("  note: {note}\n");
        }
    }
    text += &format!("\n{}", keys::to_table(keys));
    text += &targets_to_text(targets);
    match store.faults.as_slice() {
        [] => {
            let kept = store.engine.as_ref().map(|engine| format!(" ({engine})")).unwrap_or_default();
            let sound = if store.is_deep { ", and sound throughout" } else { "" };
            text += &format!("\nstore {}{kept}: writable{sound}\n", store.path);
        }
        faults => text += &format!("\nstore {}: cannot be used\n  {}\n", store.path, faults.join("\n  ")),
    }
    text.extend(store.notes.iter().map(|note| format!("  note: {note}\n")));
    match &store.publish {
        Some(CheckedCopy { path, error: None }) => text += &format!("copy {path}: can be made\n"),
        Some(CheckedCopy { path, error: Some(error) }) => {
            text += &format!("copy {path}: cannot be made\n  {error}\n");
        }
        None => {}
    }
    text
}

fn targets_to_text(targets: &[CheckedTarget]) -> String {
    let mut text = String::new();
    if !targets.is_empty() {
        text.push('\n');
    }
    for CheckedTarget { target, kind, least_severity, error, notes } in targets {
        let state = error.as_ref().map_or("ready", |_| "not usable");
        text += &format!("target {target} ({kind}, from {least_severity} on): {state}\n");
        text += &error.as_ref().map(|error| format!("  error: {error}\n")).unwrap_or_default();
        text.extend(notes.iter().map(|note| format!("  note: {note}\n")));
    }
    if !targets.is_empty() {
        text += "nothing was sent to targets; to try them: clearpoint-sync notify-test\n";
    }
    text
}
