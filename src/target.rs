//! The secrets of one target, read just before something is sent to it.

use secrecy::SecretString;

/// What a target keeps secret, as `Target::way` has it.
#[derive(Debug)]
pub enum TargetSecrets {
    /// Of one that is reached over HTTP.
    Http {
        /// Where messages go: whoever knows it may post there.
        url: SecretString,
        /// What messages are signed with.
        signing_secret: Option<SecretString>,
    },
    /// Of one that is reached over SMTP.
    Email {
        /// The password that goes with the user name.
        password: Option<SecretString>,
    },
}
