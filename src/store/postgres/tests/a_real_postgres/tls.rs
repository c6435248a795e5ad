//! TLS: whom the driver trusts, what it shows, and what it says when it does not come about.

use super::*;
use std::path::PathBuf;

/// Settings that trust the server's authority.
fn trusting(database: &server::Database, name: &str) -> Settings {
    let authority = server::Postgres::shared().certificates().authority;
    Settings { tls: Some(Tls::VerifyFull), ca_file: Some(authority), ..over_tcp(database, name) }
}

fn has_tls(settings: Settings) -> bool {
    let db = Postgres::open(settings).unwrap();
    let asked = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let found = db.read("ask", |sql| sql.query(asked, &[])).unwrap();
    found == [[Cell::Integer(1)]]
}

#[test]
fn a_server_that_is_who_it_says_is_trusted() {
    let database = server::Postgres::shared().database();
    assert!(has_tls(trusting(&database, "localhost")));
    assert!(has_tls(Settings { tls: Some(Tls::VerifyCa), ..trusting(&database, "127.0.0.1") }));
    assert!(!has_tls(Settings { tls: Some(Tls::Off), ..trusting(&database, "localhost") }));
    assert!(!has_tls(Settings { tls: None, ..trusting(&database, "127.0.0.1") }));
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let database = server::Postgres::shared().database();
    let said = unusable(trusting(&database, "127.0.0.1"));
    assert!(said.contains("TLS was refused: ") && said.contains("subjectAltName"), "{said}");
}

#[test]
fn an_authority_that_nobody_named_is_refused() {
    let database = server::Postgres::shared().database();
    let stranger = server::Postgres::shared().certificates().stranger;
    for tls in [Tls::VerifyFull, Tls::VerifyCa] {
        let settings =
            Settings { tls: Some(tls), ca_file: Some(stranger.clone()), ..trusting(&database, "localhost") };
        let said = unusable(settings);
        assert!(said.contains("TLS was refused: ") && said.contains("store.postgres.ca_file"), "{said}");
    }
    let said = unusable(Settings { ca_file: None, ..trusting(&database, "localhost") });
    assert!(said.contains("TLS ") && said.contains("store.postgres.ca_file"), "{said}");
    let any = Settings { tls: Some(Tls::VerifyCa), ca_file: None, ..trusting(&database, "localhost") };
    assert!(unusable(any).contains("name that authority in store.postgres.ca_file"));
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let database = server::Postgres::shared().database();
    let empty = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    for path in [PathBuf::from("/nowhere/ca.pem"), empty.to_path_buf()] {
        let said = unusable(Settings { ca_file: Some(path.clone()), ..trusting(&database, "localhost") });
        assert!(said.contains(&format!("store.postgres.ca_file {}", path.display())), "{said}");
    }
    let shown = ClientCertificate { certificate: "/nowhere/c.pem".into(), key: "/nowhere/c.key".into() };
    let said = unusable(Settings { client_certificate: Some(shown), ..trusting(&database, "localhost") });
    assert!(said.contains("store.postgres.client_certificate /nowhere/c.pem"), "{said}");
}

#[test]
fn a_client_certificate_lets_its_user_in() {
    let database = server::Postgres::shared().database();
    let files = server::Postgres::shared().certificates();
    let shown = ClientCertificate { certificate: files.client_certificate, key: files.client_key };
    let without = Settings { user: "certified".into(), ..trusting(&database, "localhost") };
    let with = Settings { client_certificate: Some(shown), ..without.clone() };
    assert!(has_tls(with));
    let said = unusable(without);
    assert!(said.contains("certificate"), "{said}");
}

#[test]
fn a_password_is_proved_over_tls_too() {
    let database = server::Postgres::shared().database();
    let user = format!("tls_{}", database.name);
    database.psql(&format!("CREATE ROLE {user} LOGIN PASSWORD 'right' IN ROLE with_password"));
    let settings = |password: &'static str| {
        let password = Password::new(move || Ok(password.into()));
        Settings { user: user.clone(), password: Some(password), ..trusting(&database, "localhost") }
    };
    assert!(has_tls(settings("right")));
    assert!(unusable(settings("wrong")).contains("check store.postgres.password"));
    database.psql(&format!("DROP ROLE {user}"));
}

#[test]
fn a_server_without_tls_is_refused_with_what_to_do() {
    let server = server::Postgres::with(&["ssl = off"]);
    let said = unusable(Settings { tls: Some(Tls::VerifyFull), ..over_tcp(&server.database(), "localhost") });
    assert!(said.contains("server does not support TLS") && said.contains("tls = \"off\""), "{said}");
}
