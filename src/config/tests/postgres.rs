//! What `[store.postgres]` means, and where it is what it is by default.

use super::*;
use crate::config::postgres::{Address, ClientCertificate, Host, Proof, Tls, Trust};

const CONNECTION: &str = r#"
[connections.city.key]
name = "Integration"
access_key = { credential = "city-access-key" }
secret_key = { env = "CITY_SECRET" }
"#;

fn text(more: &str) -> String {
    format!("[store.postgres]\ndatabase = \"strategy\"\nuser = \"clearpoint\"\n{more}\n{CONNECTION}")
}

#[track_caller]
fn postgres(more: &str) -> Postgres {
    let config = parse(&text(more)).unwrap_or_else(|problems| panic!("{problems}"));
    config.store.postgres().unwrap().clone()
}

#[track_caller]
fn check(more: &str, key: &str, fault: &str) {
    let problems = parse(&text(more)).expect_err(more);
    let [problem] = problems.list() else { panic!("{problems}") };
    assert_eq!(problem.path, format!("store.postgres.{key}"));
    assert!(problem.text.contains(fault), "{problems}");
}

fn spelled(hosts: &[Address]) -> Vec<String> {
    hosts.iter().map(ToString::to_string).collect()
}

#[test]
fn a_host_is_a_name_an_address_or_a_folder() {
    let hosts = |typed: &str| spelled(&postgres(&format!("host = {typed}")).hosts);
    assert_eq!(hosts("\"db1.example\""), ["db1.example:5432"]);
    assert_eq!(hosts("\"my_db:5433\""), ["my_db:5433"]);
    assert_eq!(hosts("\"::1\"\nport = 5433"), ["[::1]:5433"]);
    assert_eq!(hosts("[\"10.0.0.7\", \"[fd00::7]:1\"]"), ["10.0.0.7:5432", "[fd00::7]:1"]);
    let socket = postgres("host = \"/run/postgresql\"\nport = 5433");
    assert_eq!(socket.hosts, [Address { host: Host::Socket("/run/postgresql".into()), port: 5433 }]);
    for wrong in ["\"\"", "\"db1:0\"", "\"db1:port\"", "\"db 1\"", "[]", "7"] {
        check(&format!("host = {wrong}"), "host", "write");
    }
    check("host = [\"db1\", \"db2\", \"db1:5432\"]", "host", "entry 3: db1:5432 is there twice");
}

#[test]
fn the_way_to_another_machine_has_tls_unless_it_is_written_off() {
    let word = |more: &str| postgres(more).tls.as_str();
    assert_eq!(word("host = \"db1.example\""), "verify-full");
    assert_eq!(word("host = [\"localhost\", \"db1.example\"]"), "verify-full");
    assert_eq!(word("host = \"localhost.example\""), "verify-full");
    assert_eq!(word("host = \"db1.example\"\ntls = \"off\""), "off");
    for here in ["localhost", "127.0.0.2", "::1", "/run/postgresql"] {
        assert_eq!(word(&format!("host = {here:?}")), "off");
    }
    assert_eq!(word("host = \"localhost\"\ntls = \"verify-full\""), "verify-full");
}

#[test]
fn files_of_tls_count_from_the_settings() {
    let more =
        "host = \"db1\"\nca_file = \"ca.pem\"\nclient_certificate = \"c.pem\"\nclient_key = \"/c.key\"";
    let client = ClientCertificate { certificate: "/etc/clearpoint-sync/c.pem".into(), key: "/c.key".into() };
    let ca_file = Some("/etc/clearpoint-sync/ca.pem".into());
    assert_eq!(postgres(more).tls, Tls::On(Trust { proof: Proof::Host, ca_file, client: Some(client) }));
}

#[test]
fn what_proves_nothing_is_refused() {
    check("host = \"db1\"\ntls = \"verify-ca\"", "tls", "name your own in ca_file");
    check("host = \"/run/postgresql\"\ntls = \"verify-full\"", "tls", "leave it out");
    check("host = \"localhost\"\nca_file = \"ca.pem\"", "ca_file", "stands without TLS");
    check("host = \"db1\"\nclient_key = \"c.key\"", "client_key", "stands without client_certificate");
    check("host = \"db1\"\nclient_certificate = \"c\"", "client_certificate", "stands without client_key");
}

#[test]
fn the_schema_is_ours_alone_and_needs_no_quotes() {
    assert_eq!(postgres("host = \"db1\"\nschema = \"city_2\"").schema, "city_2");
    for wrong in ["", "City", "2", "a-b", "\u{e4}", &"a".repeat(64)] {
        check(&format!("host = \"db1\"\nschema = {wrong:?}"), "schema", "is no schema");
    }
    for wrong in ["public", "pg_city", "information_schema"] {
        check(&format!("host = \"db1\"\nschema = {wrong:?}"), "schema", "is not ours alone");
    }
}

#[test]
fn spools_and_the_daemon_go_where_the_machine_has_room() {
    let (text, path) = (text("host = \"db1\""), Path::new("/etc/clearpoint-sync/config.toml"));
    let config = Config::parse_on(&text, path, Path::new("/scratch")).unwrap();
    assert_eq!(config.daemon.spool_dir, Path::new("/scratch"));
    assert_eq!(config.daemon_place().base(), Path::new("/scratch/clearpoint-sync"));
    let named =
        format!("{text}\n[daemon]\nspool_dir = \"spools\"\nruns_max = \"wrong\"").replace("db1", "d b");
    let place = Config::daemon_place_on(&named, path, Path::new("/scratch")).unwrap();
    assert_eq!(place, DaemonPlace::SpoolDir("/etc/clearpoint-sync/spools".into()));
    let both = named.replace("[daemon]", "[store.sqlite]\npath = \"store.db\"\n[daemon]");
    Config::daemon_place_on(&both, path, Path::new("/scratch")).unwrap_err();
}

/// The lines of `[store.postgres]` in the example, their `#+` taken off.
fn example() -> String {
    let section = EXAMPLE.split("#+[store.postgres]\n").nth(1).expect("the example has the section");
    let section = section.split("\n\n").next().expect("a split has a first part");
    section.lines().map(|line| line.strip_prefix("#+").unwrap_or(line).to_owned() + "\n").collect()
}

#[test]
fn the_example_shows_every_key_and_its_default() {
    let example = example();
    let shown = format!("[store.postgres]\n{example}{CONNECTION}");
    let config = parse(&shown).unwrap_or_else(|problems| panic!("{problems}"));
    let in_force: toml::Table = config.in_force().parse().unwrap();
    let shown: toml::Table = shown.parse().unwrap();
    assert_eq!(key_paths_below(&shown, "store"), key_paths_below(&in_force, "store"));

    let mut defaults = shown["store"]["postgres"].as_table().unwrap().clone();
    for key in ["password", "tls", "ca_file", "client_certificate", "client_key"] {
        defaults.remove(key).unwrap();
    }
    let shown = parse(&format!("[store.postgres]\n{defaults}{CONNECTION}")).unwrap();
    defaults.retain(|key, _| ["host", "database", "user"].contains(&key));
    assert_eq!(shown, parse(&format!("[store.postgres]\n{defaults}{CONNECTION}")).unwrap());
}

#[test]
fn the_documentation_has_a_row_for_every_key() {
    let page = fs::read_to_string(project().join("docs/postgres.md")).unwrap();
    let rows: String = page.lines().filter(|line| line.starts_with("| `")).collect();
    let keys = example().parse::<toml::Table>().unwrap();
    let missing: Vec<_> = keys.keys().filter(|key| !rows.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "docs/postgres.md does not tell of {missing:?}");
}

fn key_paths_below(table: &toml::Table, section: &str) -> Vec<String> {
    let mut paths = key_paths(table[section].as_table().unwrap());
    paths.sort();
    paths
}
