//! What a configuration means, and what is said of one that is wrong.

mod postgres;

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::*;

const MINIMAL: &str = r#"
[store.sqlite]
path = "/var/lib/clearpoint-sync/clearpoint.db"
[connections.city.key]
name = "Integration"
access_key = { credential = "city-access-key" }
secret_key = { env = "CITY_SECRET" }
"#;

fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse(text, Path::new("/etc/clearpoint-sync/config.toml"))
}

/// The faults of the minimal file with more text behind it.
fn faults(more: &str) -> String {
    parse(&format!("{MINIMAL}{more}")).unwrap_err().to_string()
}

#[track_caller]
fn connection(more: &str) -> Connection {
    let config = parse(&format!("{MINIMAL}{more}")).unwrap_or_else(|problems| panic!("{problems}"));
    config.connections.into_iter().next().unwrap()
}

fn names(kinds: &[Kind]) -> Vec<&str> {
    kinds.iter().map(|kind| kind.name.as_str()).collect()
}

#[test]
fn what_is_in_force_parses_back_to_the_same_settings() {
    let full = |name: &str| fs::read_to_string(project().join("tests/config").join(name)).unwrap();
    for text in [MINIMAL, &full("full.toml"), &full("postgres_full.toml")] {
        let config = parse(text).unwrap_or_else(|problems| panic!("{problems}"));
        let in_force = config.in_force();
        assert_eq!(parse(&in_force).unwrap(), config, "{in_force}");
    }
}

#[test]
fn every_mistake_is_told_as_written_beside_it() {
    let mut count = 0;
    for entry in fs::read_dir(project().join("tests/config")).unwrap() {
        let path = entry.unwrap().path();
        let Some(expected) = expected_beside(&path) else { continue };
        let text = fs::read_to_string(&path).unwrap();
        let name = Path::new(path.file_name().unwrap());
        let problems = Config::parse(&text, name).expect_err(&text);
        assert_eq!(problems.to_string(), expected.trim_end(), "{}", path.display());
        count += 1;
    }
    assert!(count >= 5, "only {count} mistakes found");
}

/// The exact text beside a `.toml`; those that are full have none, for they have no faults.
fn expected_beside(path: &Path) -> Option<String> {
    if path.extension()? != "toml" {
        return None;
    }
    match fs::read_to_string(path.with_extension("txt")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        text => Some(text.unwrap()),
    }
}

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

const EXAMPLE: &str = include_str!("../../config.example.toml");

/// `#key = …` is a default, `#+key = …` a setting that has none, `# …` talk.
fn example_with(marks: &[&str]) -> String {
    let bare = |line: &str| {
        let rest = marks.iter().find_map(|mark| line.strip_prefix(mark));
        let is_setting = |rest: &&str| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
        rest.filter(is_setting).unwrap_or(line).to_owned()
    };
    EXAMPLE.lines().map(bare).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_shows_the_defaults_of_the_code() {
    let with_defaults = example_with(&["#"]);
    assert_ne!(with_defaults, EXAMPLE);
    assert_eq!(parse(&with_defaults).unwrap(), parse(EXAMPLE).unwrap());
}

#[test]
fn the_example_shows_every_key() {
    // A kind that no connection pulls is not in force.
    let everything = example_with(&["#+", "#"]).replace("\"files\"]", "\"files\", \"milestones\"]");
    // The other place for a store has a test of its own.
    let (before, other) = everything.split_once("[store.postgres]").unwrap();
    let everything = before.to_owned() + other.split_once("\n\n").unwrap().1;
    let config = parse(&everything).unwrap_or_else(|problems| panic!("{problems}"));
    let shown: toml::Table = everything.parse().unwrap();
    let in_force: toml::Table = config.in_force().parse().unwrap();
    assert_eq!(key_paths(&shown), key_paths(&in_force));
}

fn key_paths(table: &toml::Table) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(below) => {
                paths.extend(key_paths(below).into_iter().map(|path| format!("{key}.{path}")));
            }
            _ => paths.push(key.clone()),
        }
    }
    paths
}

#[test]
fn scorecards_are_always_pulled_and_first() {
    let chosen = connection("[connections.city]\nkinds = [\"risks\", \"scorecards\", \"users\"]");
    assert_eq!(names(&chosen.kinds), ["scorecards", "risks", "users"]);
    let chosen = connection("[connections.city]\nkinds = [\"measures\"]");
    assert_eq!(names(&chosen.kinds), ["scorecards", "measures"]);
}

#[test]
fn an_added_kind_is_pulled_by_default() {
    let chosen = connection("[kinds.milestones]\npath = \"/milestones\"");
    let milestones = chosen.kinds.last().unwrap();
    assert_eq!(milestones.name.as_str(), "milestones");
    assert_eq!(milestones.id_fields, ["milestoneId", "id"]);
}

#[test]
fn a_kind_of_the_catalogue_keeps_what_is_not_corrected() {
    let chosen = connection("[kinds.users]\nvolatile = [\"badge\"]");
    let users = chosen.kinds.iter().find(|kind| kind.name.as_str() == "users").unwrap();
    assert_eq!(users.volatile, ["lastLoginDate", "badge"]);
    assert_eq!(users.path, "/users");
}

#[test]
fn relative_paths_count_from_the_file() {
    let text = MINIMAL.replace("/var/lib/clearpoint-sync/", "");
    let config = parse(&text).unwrap();
    assert_eq!(config.store, Store::sqlite("/etc/clearpoint-sync/clearpoint.db"));
    assert_eq!(config.daemon.spool_dir, Path::new("/etc/clearpoint-sync"));
}

#[test]
fn a_byte_order_mark_is_no_fault() {
    assert_eq!(parse(&format!("\u{feff}{MINIMAL}")).unwrap(), parse(MINIMAL).unwrap());
}

#[test]
fn a_secret_in_the_file_is_never_shown() {
    let secret = "hunter2-b64/Zm9v";
    for line in [
        format!("access_key = \"{secret}\""),
        format!("access_key = \"{secret}"),
        format!("access_key = {secret}"),
        format!("access_key = [\"{secret}\", 1"),
        format!("access_key = \"\"\"\n{secret} = \"\"\n \u{1} {secret}\n"),
        format!("access_key = {{ {secret} = 1 }}"),
        format!("access_key = {{ env = \"{secret}\" }}"),
        format!("access_key = {{ credential = \"{secret}\" }}"),
        format!("access_key = {{ \"{secret}\" = \"x\" }}"),
        format!("password = \"{secret}\""),
    ] {
        let text = MINIMAL.replace("access_key = { credential = \"city-access-key\" }", &line);
        let problems = parse(&text).unwrap_err().to_string();
        assert!(!problems.contains(secret), "{problems}");
    }
    let problems = faults(&format!(
        "[connections.city]\nbase_url = \"https://me:{secret}@strategy.example/\"\n\
         [network]\nproxy = \"http://me:{secret}@proxy.example\""
    ));
    assert!(!problems.contains(secret), "{problems}");
}

const WITH_SECRETS: &str = r#"
[connections.city]
base_url = "https://me:hunter2@strategy.example/"
timezone = "UTC"
[connections.city.key]
name = "Integration"
access_key = "hunter2"
secret_key = { env = "hunter2", file = """
hunter2
""" }
[connections.town]
key = { access_key = [
    "hunter2",
    ["hunter2"] ], secret_key = 'hunter2' }
"#;

proptest::proptest! {
    #[test]
    fn no_damage_to_the_file_brings_a_secret_out(
        start in 0..WITH_SECRETS.len(),
        length in 0..12_usize,
        put in "[\"'=#{}\\[\\]a\n]{0,2}",
    ) {
        let end = (start + length).min(WITH_SECRETS.len());
        let text = [&WITH_SECRETS[..start], &put, &WITH_SECRETS[end..]].concat();
        let problems = parse(&text).unwrap_err().to_string();
        proptest::prop_assert!(!problems.contains("hunter2"), "{}", problems);
    }
}
