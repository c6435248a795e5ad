//! Sets up HTTP clients: TLS with ring, `network.ca_file`, the proxy; no redirect is followed, no referer
//! sent, nothing retried. Used by whatever speaks HTTP; sends nothing itself.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use reqwest::{Certificate, ClientBuilder, redirect};
use url::Url;

use crate::network::{Network, Proxy, is_loopback};

const USER_AGENT: &str = concat!("clearpoint-sync/", env!("CARGO_PKG_VERSION"));

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// `network.ca_file` cannot be read, or holds no certificates.
    #[error("network.ca_file {path:?} cannot be used: {reason}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS or the proxy cannot be set up.
    #[error("HTTPS cannot be set up: {reason}{}", cure(reason))]
    Setup {
        /// Why.
        reason: String,
    },
}

/// What a person does about it, where that is known.
fn cure(reason: &str) -> &'static str {
    match reason.contains("No CA certificates") {
        true => "; install ca-certificates, or name a file of certificates in network.ca_file",
        false => "",
    }
}

impl ClientError {
    /// TLS or the proxy cannot be set up, for the reason behind this error.
    #[must_use]
    pub fn setup(error: &dyn Error) -> Self {
        Self::Setup { reason: root_cause(error) }
    }
}

/// A client for the host of `url`. Proxies are for https alone, and never for this machine.
///
/// # Errors
/// [`ClientError`]: the network settings cannot be used.
pub fn client(url: &Url, network: &Network) -> Result<ClientBuilder, ClientError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never());
    if url.scheme() != "https" || is_loopback(url) {
        builder = builder.no_proxy();
    } else {
        builder = proxied(builder, &network.proxy)?;
    }
    if url.scheme() == "https" {
        trusting(builder.https_only(true), network)
    } else {
        Ok(builder.tls_backend_preconfigured(no_tls()?))
    }
}

/// The text of `network.ca_file`, if one is set.
///
/// # Errors
/// [`ClientError::CaFile`]: it cannot be read.
pub fn ca_file(network: &Network) -> Result<Option<Vec<u8>>, ClientError> {
    let read = |path: &PathBuf| {
        std::fs::read(path)
            .map_err(|error| ClientError::CaFile { path: path.clone(), reason: error.to_string() })
    };
    network.ca_file.as_ref().map(read).transpose()
}

/// The innermost error's text.
#[must_use]
pub fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// What TLS found wrong, where an error comes from there.
#[must_use]
pub fn tls_fault(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // An I/O error passes its inner error by.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(fault) = found.or_else(|| error.downcast_ref::<rustls::Error>()) {
            return Some(match fault {
                rustls::Error::InvalidMessage(_) => {
                    "no TLS is spoken there; check the scheme and the port, or how tls is set".to_owned()
                }
                fault => format!(
                    "TLS was refused: {fault}; if an authority of your own vouches for it, name it under \
                     network.ca_file"
                ),
            });
        }
        cause = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Makes ring the provider of TLS for the whole process.
pub fn provide_tls() {
    // Fails when it was installed before: it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn proxied(builder: ClientBuilder, proxy: &Proxy) -> Result<ClientBuilder, ClientError> {
    Ok(match proxy {
        // What reqwest does by itself, NO_PROXY included.
        Proxy::Env => builder,
        Proxy::Off => builder.no_proxy(),
        Proxy::Url(url) => {
            let proxy = reqwest::Proxy::https(url.clone());
            builder.proxy(proxy.map_err(|error| ClientError::setup(&error.without_url()))?)
        }
    })
}

fn trusting(builder: ClientBuilder, network: &Network) -> Result<ClientBuilder, ClientError> {
    provide_tls();
    let (Some(path), Some(pem)) = (&network.ca_file, ca_file(network)?) else {
        return Ok(builder);
    };
    let fault = |reason: String| ClientError::CaFile { path: path.clone(), reason };
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| fault(error.to_string()))?;
    if certificates.is_empty() {
        return Err(fault("it holds no certificate".into()));
    }
    Ok(builder.tls_certs_merge(certificates))
}

/// A TLS set-up that trusts nobody, for plain HTTP: it needs no certificates on the machine.
fn no_tls() -> Result<rustls::ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::setup(&error))?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}
