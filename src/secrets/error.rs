//! Why a secret cannot be had, in words that name the place and never the value.

use std::io;

/// Why a secret cannot be had, by what a person does about it. `at` is the key's path in the
/// configuration and the place it names.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file or credential does not open.
    #[error("{at} cannot be read; check that it exists and that this user may read it")]
    Unreadable {
        /// Which secret, and its place.
        at: String,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// It is another key's.
    #[error("{at} holds the access key of the first key, so it could not take over; put another key there")]
    Shared {
        /// Which secret.
        at: String,
    },
    /// The variable is not there.
    #[error("{at} is not set; set it where the program is started")]
    Unset {
        /// Which secret, and its place.
        at: String,
    },
    /// The unit passes no credentials.
    #[error("{at} was not given to this process; add LoadCredential= to its unit, or use {{ file = … }}")]
    NoCredentials {
        /// Which secret, and its place.
        at: String,
    },
    /// A credential is not where credentials are looked for.
    #[error(
        "{at} is not in {folders}; put it into /etc/clearpoint-sync/credentials and restart the service, or \
         add LoadCredential= to its unit"
    )]
    NoCredential {
        /// Which secret, and its place.
        at: String,
        /// Where it was looked.
        folders: String,
    },
    /// A credential lies where a command that was started by hand may not look.
    #[error("{at} can be read by root alone; run this command as root (sudo)")]
    RootAlone {
        /// Which secret, and its place.
        at: String,
    },
    /// It is a link where systemd loads a whole folder.
    #[error("{at} is a link, which systemd passes over; put the file itself there")]
    Link {
        /// Which secret, and its place.
        at: String,
    },
    /// Neither half of a key can be had.
    #[error("{access_key}; {secret_key}")]
    Both {
        /// Why not the first, with its cause.
        access_key: String,
        /// Why not the second, with its cause.
        secret_key: String,
    },
    /// There is nothing but white space.
    #[error("{at} is empty; put the secret there as it was given to you")]
    Empty {
        /// Which secret, and its place.
        at: String,
    },
    /// Not what fits into a header.
    #[error("{at} holds more than one line of plain ASCII; put the secret there alone")]
    Unusable {
        /// Which secret, and its place.
        at: String,
    },
}
