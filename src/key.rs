//! A key, without its secrets: its name, when it lapses, where its halves lie, and which of a
//! connection's two it is.

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, Utc};
use secrecy::SecretString;

/// Which of a connection's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeySlot {
    /// `[connections.NAME.key]`
    Key,
    /// `[connections.NAME.next_key]`: used the moment the first is refused.
    NextKey,
}

impl KeySlot {
    /// The slot as spelled in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::NextKey => "next_key",
        }
    }
}

impl fmt::Display for KeySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the operator wrote down about a key. The API tells none of it (no endpoint that tells a key's
/// expiry is known).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Which of the connection's keys.
    pub slot: KeySlot,
    /// As entered in ClearPoint under API Key Name (Application).
    pub name: String,
    /// As entered in ClearPoint under Expires; `None`: not written down.
    pub expires: Option<NaiveDate>,
    /// Where its access half comes from.
    pub access_key: SecretSource,
    /// Where its secret half comes from.
    pub secret_key: SecretSource,
}

impl Key {
    /// Whether a half of it is a systemd credential, which a process reads as it was when it started.
    #[must_use]
    pub fn comes_from_systemd(&self) -> bool {
        [&self.access_key, &self.secret_key].iter().any(|half| matches!(half, SecretSource::Credential(_)))
    }
}

#[cfg(test)]
impl Key {
    /// A key named `Integration` whose halves lie nowhere.
    pub(crate) fn sample(slot: KeySlot, expires: Option<NaiveDate>) -> Self {
        let half = |name: &str| SecretSource::Env(name.to_owned());
        let (access_key, secret_key) = (half("CITY_ACCESS"), half("CITY_SECRET"));
        Self { slot, name: "Integration".to_owned(), expires, access_key, secret_key }
    }
}

/// Where a secret comes from. Names a place, never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file, read again before every use.
    File(PathBuf),
    /// A systemd credential.
    Credential(String),
    /// An environment variable.
    Env(String),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Credential(name) => write!(f, "credential {name}"),
            Self::Env(name) => write!(f, "variable {name}"),
        }
    }
}

/// Both halves of a key, checked: trimmed, not empty, ASCII.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// Sent as the `accessKey` header.
    pub access_key: SecretString,
    /// Sent as the `secretKey` header.
    pub secret_key: SecretString,
}

/// Tells whether a key is the same as when it was last asked with: 32 bits of a keyed hash over both
/// halves and what the configuration says of the key. Enough to see a change, and too little to find a
/// secret by, for four thousand million others have the same mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyMark(pub u32);

impl KeyMark {
    /// Reads what `Display` wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        u32::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for KeyMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// What the server said of a key when it was last asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyState {
    /// The key as it was then.
    pub mark: KeyMark,
    /// When it was last refused, or proved by itself, or a run was let in with it that told something new.
    pub asked_at: DateTime<Utc>,
    /// That it was refused; `None`: it was taken.
    pub refusal: Option<Refusal>,
    /// Why it would be of no use although it is taken, for people.
    pub doubt: Option<String>,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When the key was first refused, as it is now.
    pub since: DateTime<Utc>,
    /// When it was last refused.
    pub at: DateTime<Utc>,
    /// What the server said.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_half_that_is_a_credential_binds_a_key_to_the_start_of_its_process() {
        let key = Key::sample(KeySlot::Key, None);
        assert!(!key.comes_from_systemd());
        assert!(Key { secret_key: SecretSource::Credential("secret".into()), ..key }.comes_from_systemd());
    }
}
