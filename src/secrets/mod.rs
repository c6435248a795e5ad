//! Where secrets come from: read only when they are needed, wiped when they are done with, never
//! printed. Errors name the place, never the value. Called by the jobs before each run.

mod credential;
mod error;

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::causes;
use crate::config::postgres::{ClientCertificate, Postgres, Tls, Trust};
use crate::config::{Connection, Target, Way};
use crate::file;
use crate::key::{Key, KeyMark, KeyPair, SecretSource};
use crate::name::ConnectionName;

pub use crate::target::TargetSecrets;
use credential::Giver;
pub use error::SecretError;

/// More bytes than any secret has; a larger file is another file.
const SECRET_BYTES_MAX: usize = 16 * 1024;

impl KeyPair {
    /// Reads both halves of a connection's key from where they come from.
    ///
    /// # Errors
    /// The half that cannot be had, or both.
    pub fn read(connection: &ConnectionName, key: &Key) -> Result<Self, SecretError> {
        let [access_key, secret_key] = halves(connection, key).map(|(at, source)| read(&at, source));
        match (access_key, secret_key) {
            (Ok(access_key), Ok(secret_key)) => Ok(Self { access_key, secret_key }),
            (Err(error @ SecretError::RootAlone { .. }), _)
            | (_, Err(error @ SecretError::RootAlone { .. })) => Err(error),
            (Err(access_key), Err(secret_key)) => Err(SecretError::Both {
                access_key: causes::to_text(&access_key),
                secret_key: causes::to_text(&secret_key),
            }),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }
}

impl TargetSecrets {
    /// Reads what a target keeps secret from where it comes from.
    ///
    /// # Errors
    /// The first secret that cannot be had.
    pub fn read(target: &Target) -> Result<Self, SecretError> {
        let at = |key: &str| format!("warnings.targets.{}.{key}", target.name);
        let optional = |key: &str, source: Option<&SecretSource>| {
            source.map(|source| read(&at(key), source)).transpose()
        };
        Ok(match &target.way {
            Way::Http(http) => Self::Http {
                url: read(&at("url"), &http.url)?,
                signing_secret: optional("signing_secret", http.signing_secret.as_ref())?,
            },
            Way::Email(email) => Self::Email {
                password: optional("password", email.login.as_ref().map(|login| &login.password))?,
            },
        })
    }
}

/// Reads the password of the database that keeps the copy, if the settings say where it comes from. Called
/// at each connect.
///
/// # Errors
/// It cannot be had.
pub fn postgres_password(settings: &Postgres) -> Result<Option<SecretString>, SecretError> {
    settings.password.as_ref().map(|source| read("store.postgres.password", source)).transpose()
}

/// Where PostgreSQL's own clients look for passwords: the file that PGPASSFILE names, or `~/.pgpass`. It need
/// not be there.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the home of secrets")]
pub fn password_file() -> Option<PathBuf> {
    password_file_among(std::env::var_os("PGPASSFILE"), std::env::var_os("HOME"))
}

/// A variable that is empty is as good as none.
fn password_file_among(named: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let path = |text: OsString| (!text.is_empty()).then(|| PathBuf::from(text));
    named.and_then(path).or_else(|| Some(home.and_then(path)?.join(".pgpass")))
}

/// What is careless about where the secrets of that database lie, for people.
#[must_use]
pub fn postgres_exposures(settings: &Postgres) -> Vec<String> {
    let key = match &settings.tls {
        Tls::On(Trust { client: Some(ClientCertificate { certificate: _, key }), .. }) => {
            exposed_file("store.postgres.client_key", key)
        }
        Tls::On(Trust { client: None, .. }) | Tls::Off => None,
    };
    let password = settings.password.as_ref();
    password.and_then(|source| exposed("store.postgres.password", source)).into_iter().chain(key).collect()
}

/// What is careless about where a connection's secrets lie, for people.
#[must_use]
pub fn exposures(connection: &Connection) -> Vec<String> {
    let halves = connection.keys().flat_map(|key| halves(&connection.name, key));
    halves.filter_map(|(at, source)| exposed(&at, source)).collect()
}

/// What is careless about where a target's secrets lie, for people.
#[must_use]
pub fn target_exposures(target: &Target) -> Vec<String> {
    let sources = match &target.way {
        Way::Http(http) => [("url", Some(&http.url)), ("signing_secret", http.signing_secret.as_ref())],
        Way::Email(email) => [("password", email.login.as_ref().map(|login| &login.password)), ("", None)],
    };
    let at = |key: &str| format!("warnings.targets.{}.{key}", target.name);
    sources.into_iter().filter_map(|(key, source)| exposed(&at(key), source?)).collect()
}

fn exposed(at: &str, source: &SecretSource) -> Option<String> {
    match source {
        SecretSource::File(path) => exposed_file(at, path),
        SecretSource::Credential(name) => exposed_file(at, &credential::exposed(name)?),
        SecretSource::Env(_) => None,
    }
}

fn exposed_file(at: &str, path: &Path) -> Option<String> {
    let path_shown = path.display();
    is_readable_by_others(path).then(|| {
        format!(
            "{at}: file {path_shown} is readable by every user of this machine; run: chmod o-rwx {path_shown}"
        )
    })
}

fn halves<'a>(connection: &ConnectionName, key: &'a Key) -> [(String, &'a SecretSource); 2] {
    let Key { slot, access_key, secret_key, .. } = key;
    let at = |half: &str| format!("connections.{connection}.{slot}.{half}");
    [(at("access_key"), access_key), (at("secret_key"), secret_key)]
}

fn is_readable_by_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

#[expect(clippy::disallowed_methods, reason = "this is the home of secrets")]
fn read(at: &str, source: &SecretSource) -> Result<SecretString, SecretError> {
    let at = format!("{at}: {source}");
    let bytes = match source {
        SecretSource::File(path) => read_file(at.clone(), path)?,
        SecretSource::Credential(name) => Giver::of_process().read(&at, name)?,
        SecretSource::Env(name) => {
            let value = std::env::var_os(name).map(OsString::into_vec);
            Zeroizing::new(value.ok_or_else(|| SecretError::Unset { at: at.clone() })?)
        }
    };
    check(at, &bytes)
}

fn read_file(at: String, path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let read = file::read(path, |file| {
        // Room for all from the start: a buffer that grows leaves unwiped copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * SECRET_BYTES_MAX));
        file.take(SECRET_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    match read {
        Ok(bytes) if bytes.len() > SECRET_BYTES_MAX => Err(SecretError::Unusable { at }),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(SecretError::Unreadable { at, error }),
    }
}

/// Trims, and refuses what no header can carry.
fn check(at: String, bytes: &[u8]) -> Result<SecretString, SecretError> {
    let bytes = bytes.trim_ascii();
    if bytes.is_empty() {
        return Err(SecretError::Empty { at });
    }
    let is_plain = |byte: &u8| (0x20..0x7f).contains(byte);
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(is_plain) => Ok(SecretString::from(Box::<str>::from(text))),
        _ => Err(SecretError::Unusable { at }),
    }
}

impl KeyPair {
    /// Whether both have one access key: then one of them adds nothing to the other.
    #[must_use]
    pub fn shares_access_key(&self, other: &Self) -> bool {
        self.access_key.expose_secret() == other.access_key.expose_secret()
    }

    /// The mark of this pair as the secrets of `key`, under the store's own key of the hash.
    #[must_use]
    pub fn mark(&self, key: &Key, mark_key: &[u8]) -> KeyMark {
        let Key { slot: _, name, expires, access_key, secret_key } = key;
        let expires = expires.map(|date| date.to_string()).unwrap_or_default();
        let sources = [access_key, secret_key].map(ToString::to_string);
        let halves = [&self.access_key, &self.secret_key].map(SecretString::expose_secret);
        let mut hash = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, mark_key));
        for part in [halves[0], halves[1], name, &expires, &sources[0], &sources[1]] {
            // Its length first, so that nothing can move from one part into the next.
            hash.update(&part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
        let tag = hash.sign();
        KeyMark(tag.as_ref().iter().take(4).fold(0, |mark, byte| mark << 8 | u32::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    use chrono::NaiveDate;

    use crate::config::Config;
    use crate::key::KeySlot;

    fn read_bytes(bytes: &[u8]) -> Result<SecretString, SecretError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        read("key", &SecretSource::File(file.path().into()))
    }

    fn pair(access_key: &str, secret_key: &str) -> KeyPair {
        KeyPair { access_key: access_key.into(), secret_key: secret_key.into() }
    }

    #[test]
    fn a_file_is_read_without_its_line_end() {
        assert_eq!(read_bytes(b" AK-1 2=\r\n").unwrap().expose_secret(), "AK-1 2=");
    }

    #[test]
    fn what_no_header_carries_is_refused_and_not_shown() {
        let long = [b'a'; SECRET_BYTES_MAX + 1];
        for bytes in [&b"hunter\n2"[..], b"hunter\0", "hunterü".as_bytes(), b"hunter\xff", &long] {
            let error = read_bytes(bytes).unwrap_err();
            assert!(matches!(error, SecretError::Unusable { .. }), "{error}");
            assert!(!format!("{error:?}").contains("hunter"));
        }
        assert!(matches!(read_bytes(b"\n \n").unwrap_err(), SecretError::Empty { .. }));
    }

    #[test]
    fn a_missing_place_is_named() {
        let text = |source| read("connections.city.key.access_key", &source).unwrap_err().to_string();
        let file = text(SecretSource::File("/nowhere/access".into()));
        assert!(file.starts_with("connections.city.key.access_key: file /nowhere/access cannot"), "{file}");
        let variable = text(SecretSource::Env("CLEARPOINT_NOT_SET".into()));
        assert!(variable.contains("variable CLEARPOINT_NOT_SET is not set"), "{variable}");
    }

    #[test]
    fn a_variable_is_read() {
        let secret = read("key", &SecretSource::Env("CARGO_PKG_NAME".into())).unwrap();
        assert_eq!(secret.expose_secret(), "clearpoint-sync");
    }

    #[test]
    fn a_file_that_others_may_read_is_noticed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::set_permissions(file.path(), Permissions::from_mode(0o640)).unwrap();
        assert!(!is_readable_by_others(file.path()));
        fs::set_permissions(file.path(), Permissions::from_mode(0o644)).unwrap();
        assert!(is_readable_by_others(file.path()));
    }

    fn postgres(more: &str) -> Postgres {
        let text = format!(
            "[store.postgres]\nhost = \"db1\"\ndatabase = \"d\"\nuser = \"u\"\n{more}\n\
             [connections.city.key]\nname = \"k\"\naccess_key = {{ env = \"A\" }}\nsecret_key = {{ env = \"S\" }}"
        );
        let config = Config::parse(&text, Path::new("/etc/config.toml")).unwrap();
        config.store.postgres().unwrap().clone()
    }

    #[test]
    fn the_password_of_the_database_is_read_anew_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = postgres(&format!("password = {{ file = {:?} }}", file.path()));
        for password in ["old one", "new one"] {
            fs::write(file.path(), format!("{password}\n")).unwrap();
            assert_eq!(postgres_password(&settings).unwrap().unwrap().expose_secret(), password);
        }
        assert!(postgres_password(&postgres("")).unwrap().is_none());
        let error = postgres_password(&postgres("password = { file = \"gone\" }")).unwrap_err().to_string();
        assert!(error.starts_with("store.postgres.password: file /etc/gone cannot be read"), "{error}");
    }

    #[test]
    fn what_the_database_is_shown_is_for_nobody_else() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path();
        let settings = postgres(&format!(
            "password = {{ file = {path:?} }}\nclient_certificate = \"c\"\nclient_key = {path:?}"
        ));
        assert!(postgres_exposures(&settings).is_empty());
        fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        let told = postgres_exposures(&settings);
        assert!(
            told[0].starts_with("store.postgres.password: ") && told[0].contains("chmod o-rwx"),
            "{told:?}"
        );
        assert!(told[1].starts_with("store.postgres.client_key: "), "{told:?}");
    }

    #[test]
    fn the_file_of_passwords_is_where_other_clients_look() {
        let among = |named: Option<&str>, home: Option<&str>| {
            password_file_among(named.map(OsString::from), home.map(OsString::from))
        };
        assert_eq!(among(Some("/run/pass"), Some("/home/me")), Some("/run/pass".into()));
        assert_eq!(among(Some(""), Some("/home/me")), Some("/home/me/.pgpass".into()));
        assert_eq!(among(None, None), None);
    }

    #[test]
    fn a_mark_tells_new_secrets_and_settings_from_old_ones() {
        let key = Key::sample(KeySlot::Key, None);
        let mark = |access: &str, secret: &str| pair(access, secret).mark(&key, b"one store");
        assert_eq!(mark("a", "s"), mark("a", "s"));
        for other in [mark("a", "t"), mark("b", "s"), mark("as", "")] {
            assert_ne!(mark("a", "s"), other);
        }
        let renamed = Key { name: "Another".into(), ..key.clone() };
        let dated = Key { expires: NaiveDate::from_ymd_opt(2027, 3, 31), ..key.clone() };
        let moved = Key { access_key: SecretSource::Env("ELSEWHERE".into()), ..key.clone() };
        for other in [renamed, dated, moved] {
            assert_ne!(mark("a", "s"), pair("a", "s").mark(&other, b"one store"));
        }
        assert_ne!(mark("a", "s"), pair("a", "s").mark(&key, b"another store"));
    }

    #[test]
    fn a_key_without_both_halves_names_both() {
        let Config { connections, .. } = Config::parse(
            "[store.sqlite]\npath = \"s.db\"\n[connections.city.key]\nname = \"k\"\n\
             access_key = { file = \"gone\" }\nsecret_key = { env = \"CLEARPOINT_NOT_SET\" }",
            Path::new("/etc/config.toml"),
        )
        .unwrap();
        let key = connections[0].keys().next().unwrap();
        let text = KeyPair::read(&connections[0].name, key).unwrap_err().to_string();
        let (first, second) = text.split_once("; connections.city.key.secret_key: ").unwrap();
        assert!(
            first.starts_with("connections.city.key.access_key: file /etc/gone cannot be read"),
            "{text}"
        );
        assert!(first.ends_with("(os error 2)") && second.contains("is not set"), "{text}");
    }

    #[test]
    fn two_pairs_with_one_access_key_are_one_key() {
        assert!(pair("a", "s").shares_access_key(&pair("a", "t")));
        assert!(!pair("a", "s").shares_access_key(&pair("b", "s")));
    }
}
