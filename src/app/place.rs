//! Where the settings say that the store is, with what opening it takes.

use std::time::Duration;

use crate::config;
use crate::config::postgres::{Host, Postgres, Proof, Tls, Trust};
use crate::secrets;
use crate::store::{Place, postgres};

/// Whoever stops lets go of a lease, and is not to be kept by a server that hangs.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// The place of a store. Its password is read when it is needed, each time anew.
#[must_use]
pub fn place(store: &config::Store) -> Place {
    match store {
        config::Store::Sqlite { path, .. } => Place::file(path),
        config::Store::Postgres(settings) => Place::Server(Box::new(server(settings))),
    }
}

fn server(settings: &Postgres) -> postgres::Settings {
    let host = |host: &Host| match host {
        Host::Socket(folder) => postgres::Host::Socket(folder.clone()),
        Host::Network(host) => postgres::Host::Name(host.to_string()),
    };
    let password = settings.password.is_some().then(|| {
        let settings = settings.clone();
        postgres::Password::new(move || {
            let password = secrets::postgres_password(&settings)?;
            Ok(password.expect("it says where its password is"))
        })
    });
    let trust = match &settings.tls {
        Tls::On(trust) => Some(trust),
        Tls::Off => None,
    };
    let tls = match trust {
        Some(Trust { proof: Proof::Host, .. }) => postgres::Tls::VerifyFull,
        Some(Trust { proof: Proof::Authority, .. }) => postgres::Tls::VerifyCa,
        None => postgres::Tls::Off,
    };
    let client = trust.and_then(|trust| trust.client.clone());
    postgres::Settings {
        hosts: settings.hosts.iter().map(|address| (host(&address.host), address.port)).collect(),
        database: settings.database.clone(),
        user: settings.user.clone(),
        password,
        password_file: secrets::password_file(),
        schema: settings.schema.clone(),
        tls: Some(tls),
        ca_file: trust.and_then(|trust| trust.ca_file.clone()),
        client_certificate: client
            .map(|client| postgres::ClientCertificate { certificate: client.certificate, key: client.key }),
        connect_timeout: settings.connect_timeout,
        statement_timeout: settings.statement_timeout,
        connections_max: settings.connections_max as usize,
        lease: settings.lease,
        release_timeout: RELEASE_TIMEOUT,
    }
}
