//! The settings in force as TOML, secrets as the places they come from. What is printed, parsed as the
//! same file, gives the same settings.

use std::fmt::{Display, Write};
use std::path::Path;
use std::time::Duration;

use toml::Value;

use super::postgres::{ClientCertificate, Host, Trust};
use super::{
    Config, Connection, Daemon, Details, Email, History, HostLimits, Http, Limits, LogFormat, Login,
    MeasureData, Network, Postgres, Proxy, Publish, Server, Store, Target, Tls, Warnings, Way, address,
    postgres, values,
};
use crate::key::{Key, SecretSource};
use crate::kind::{Kind, Paging, catalogue};
use crate::name::ConnectionName;

impl Config {
    /// All settings in force, as TOML that parses back to the same settings.
    #[must_use]
    pub fn in_force(&self) -> String {
        let Self { store, connections, host_limits, daemon, network, history, warnings, server, log } = self;
        let mut page = Page::default();
        page.store(store);
        for connection in connections {
            page.connection(connection);
        }
        page.host_limits(host_limits);
        page.daemon(daemon);
        page.network(network);
        page.history(history);
        page.warnings(warnings);
        if let Some(server) = server {
            page.server(server);
        }
        page.section("log");
        page.text("format", word(&LogFormat::WORDS, *log));
        page.kinds(connections);
        page.0
    }
}

/// The text so far.
#[derive(Default)]
struct Page(String);

impl Page {
    fn section(&mut self, name: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{gap}[{name}]");
    }

    fn line(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.line(key, quoted(value));
    }

    fn path(&mut self, key: &str, value: &Path) {
        self.text(key, &value.to_string_lossy());
    }

    fn duration(&mut self, key: &str, value: Duration) {
        self.text(key, &values::spell_duration(value));
    }

    fn store(&mut self, store: &Store) {
        match store {
            Store::Sqlite { path, publish } => {
                self.section("store.sqlite");
                self.path("path", path);
                if let Some(Publish { path, every }) = publish {
                    self.path("publish", path);
                    self.duration("publish_every", *every);
                }
            }
            Store::Postgres(postgres) => self.postgres(postgres),
        }
    }

    fn postgres(&mut self, postgres: &Postgres) {
        let Postgres {
            hosts,
            database,
            user,
            password,
            schema,
            tls,
            connect_timeout,
            statement_timeout,
            connections_max,
            lease,
        } = postgres;
        self.section("store.postgres");
        let spelled: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        self.line("host", list(spelled.iter().map(String::as_str)));
        // All sockets have one port, and where there is none each host has its own behind it.
        let socket = hosts.iter().find(|address| matches!(address.host, Host::Socket(_)));
        self.line("port", socket.unwrap_or(&hosts[0]).port);
        self.text("database", database);
        self.text("user", user);
        if let Some(password) = password {
            self.line("password", source(password));
        }
        self.text("schema", schema);
        self.text("tls", tls.as_str());
        if let postgres::Tls::On(Trust { proof: _, ca_file, client }) = tls {
            if let Some(path) = ca_file {
                self.path("ca_file", path);
            }
            if let Some(ClientCertificate { certificate, key }) = client {
                self.path("client_certificate", certificate);
                self.path("client_key", key);
            }
        }
        self.duration("connect_timeout", *connect_timeout);
        self.duration("statement_timeout", *statement_timeout);
        self.line("connections_max", connections_max);
        self.duration("lease", *lease);
    }

    fn connection(&mut self, connection: &Connection) {
        let Connection {
            name,
            base_url,
            mapped_user,
            schedule,
            schedule_full,
            timezone,
            kinds,
            measure_data,
            details,
            key: _,
            next_key: _,
            limits,
        } = connection;
        self.section(&format!("connections.{name}"));
        self.text("base_url", base_url.as_str());
        let allow_http = base_url.scheme() == "http" && !address::is_loopback(base_url);
        self.line("allow_http", allow_http);
        if let Some(user) = mapped_user {
            self.text("mapped_user", user);
        }
        self.text("schedule", schedule.line());
        self.text("schedule_full", schedule_full.line());
        self.text("timezone", timezone.name());
        self.line("kinds", list(kinds.iter().map(|kind| kind.name.as_str())));
        self.text("measure_data", word(&MeasureData::WORDS, *measure_data));
        self.text("details", word(&Details::WORDS, *details));
        for key in connection.keys() {
            self.key(name, key);
        }
        self.section(&format!("connections.{name}.limits"));
        self.limits(limits);
    }

    fn key(&mut self, connection: &ConnectionName, key: &Key) {
        let Key { slot, name, expires, access_key, secret_key } = key;
        self.section(&format!("connections.{connection}.{slot}"));
        self.text("name", name);
        if let Some(expires) = expires {
            self.line("expires", expires);
        }
        self.line("access_key", source(access_key));
        self.line("secret_key", source(secret_key));
    }

    fn limits(&mut self, limits: &Limits) {
        let Limits {
            requests_per_second,
            concurrency,
            page_size,
            request_timeout,
            removals_max,
            removals_min,
        } = limits;
        self.line("requests_per_second", requests_per_second);
        self.line("concurrency", concurrency);
        self.line("page_size", page_size);
        self.duration("request_timeout", *request_timeout);
        self.text("removals_max", &format!("{removals_max}%"));
        self.line("removals_min", removals_min);
    }

    fn host_limits(&mut self, limits: &HostLimits) {
        let HostLimits { requests_per_second, concurrency } = limits;
        self.section("host_limits");
        self.line("requests_per_second", requests_per_second);
        self.line("concurrency", concurrency);
    }

    fn daemon(&mut self, daemon: &Daemon) {
        let Daemon { runs_max, memory_max, spool_dir } = daemon;
        self.section("daemon");
        self.line("runs_max", runs_max);
        self.text("memory_max", &values::spell_size(*memory_max));
        self.path("spool_dir", spool_dir);
    }

    fn network(&mut self, network: &Network) {
        let Network { proxy, ca_file } = network;
        self.section("network");
        match proxy {
            Proxy::Env => self.text("proxy", "env"),
            Proxy::Off => self.text("proxy", "off"),
            Proxy::Url(url) => self.text("proxy", url.as_str()),
        }
        if let Some(ca_file) = ca_file {
            self.path("ca_file", ca_file);
        }
    }

    fn history(&mut self, history: &History) {
        let History { keep, runs_keep } = history;
        self.section("history");
        self.duration("keep", *keep);
        self.duration("runs_keep", *runs_keep);
    }

    fn warnings(&mut self, warnings: &Warnings) {
        let Warnings { key_expiry_days, remind_every, targets } = warnings;
        self.section("warnings");
        self.line("key_expiry_days", format!("{key_expiry_days:?}"));
        self.duration("remind_every", *remind_every);
        for target in targets {
            self.target(target);
        }
    }

    fn target(&mut self, target: &Target) {
        let Target { name, least_severity, way } = target;
        self.section(&format!("warnings.targets.{name}"));
        self.text("type", way.as_str());
        self.text("least_severity", least_severity.as_str());
        match way {
            Way::Http(http) => self.http(http),
            Way::Email(email) => self.email(email),
        }
    }

    fn http(&mut self, http: &Http) {
        let Http { format: _, url, signing_secret, allow_http } = http;
        self.line("url", source(url));
        if let Some(secret) = signing_secret {
            self.line("signing_secret", source(secret));
        }
        self.line("allow_http", allow_http);
    }

    fn email(&mut self, email: &Email) {
        let Email { host, port, tls, login, from, to } = email;
        self.text("host", host);
        self.line("port", port);
        self.text("tls", word(&Tls::WORDS, *tls));
        if let Some(Login { username, password }) = login {
            self.text("username", username);
            self.line("password", source(password));
        }
        self.text("from", from.as_ref());
        self.line("to", list(to.iter().map(AsRef::as_ref)));
    }

    fn server(&mut self, server: &Server) {
        let Server { listen, hosts } = server;
        self.section("server");
        self.text("listen", &listen.to_string());
        self.line("allow_public", server.is_public());
        self.line("hosts", list(hosts.iter().map(String::as_str)));
    }

    /// The kinds in use that are not as the catalogue has them.
    fn kinds(&mut self, connections: &[Connection]) {
        let catalogue = catalogue();
        let mut written: Vec<&Kind> = Vec::new();
        for kind in connections.iter().flat_map(|connection| &connection.kinds) {
            if !catalogue.contains(kind) && !written.contains(&kind) {
                self.kind(kind);
                written.push(kind);
            }
        }
    }

    fn kind(&mut self, kind: &Kind) {
        let Kind { name, path, list_name: _, id_fields, paging, last_edited, volatile, signed_links: _ } =
            kind;
        self.section(&format!("kinds.{name}"));
        self.text("path", path);
        // Several candidates are what follows from the name; one is what was typed.
        if let [id_field] = id_fields.as_slice() {
            self.text("id_field", id_field);
        }
        self.text("paging", word(&Paging::WORDS, *paging));
        self.line("last_edited", last_edited);
        self.line("volatile", list(volatile.iter().map(String::as_str)));
    }
}

fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    let found = words.iter().find(|(_, meant)| *meant == value);
    found.map(|(word, _)| *word).expect("every value has its word")
}

fn quoted(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn list<'a>(entries: impl Iterator<Item = &'a str>) -> Value {
    Value::Array(entries.map(quoted).collect())
}

fn source(source: &SecretSource) -> String {
    match source {
        SecretSource::File(path) => format!("{{ file = {} }}", quoted(&path.to_string_lossy())),
        SecretSource::Credential(name) => format!("{{ credential = {} }}", quoted(name)),
        SecretSource::Env(name) => format!("{{ env = {} }}", quoted(name)),
    }
}
