//! TLS to the server: whom to trust, what to show, and what is wrong, in words that a person can act on. The
//! files are read at each connect, for certificates are renewed.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::Trouble;
use super::settings::{ClientCertificate, Settings, Tls};

/// What speaks TLS to the server as the settings say.
pub(super) fn connector(settings: &Settings, mode: Tls) -> Result<MakeRustlsConnect, Trouble> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match (mode, &settings.ca_file) {
        (Tls::VerifyCa, None) => {
            let text = "store.postgres.tls = \"verify-ca\" trusts every server of an authority; name that \
                        authority in store.postgres.ca_file";
            return Err(Trouble::Refused(text.into()));
        }
        (Tls::VerifyCa, Some(path)) => Arc::new(AnyName(authorities(path, &provider)?)),
        (_, Some(path)) => authorities(path, &provider)?,
        (_, None) => {
            Arc::new(rustls_platform_verifier::Verifier::new(Arc::clone(&provider)).map_err(|error| {
                let cure = "install ca-certificates, or name the authority in store.postgres.ca_file";
                Trouble::Refused(format!("TLS cannot be set up: {error}; {cure}"))
            })?)
        }
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Trouble::Refused(format!("TLS cannot be set up: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    Ok(MakeRustlsConnect::new(match &settings.client_certificate {
        None => builder.with_no_client_auth(),
        Some(ClientCertificate { certificate, key }) => {
            let chain = certificates("store.postgres.client_certificate", certificate)?;
            let secret = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| unusable("store.postgres.client_key", key, &error))?;
            builder
                .with_client_auth_cert(chain, secret)
                .map_err(|error| unusable("store.postgres.client_key", key, &error))?
        }
    }))
}

/// What TLS found wrong, and the way out, if `error` comes from there.
pub(super) fn fault(error: &tokio_postgres::Error) -> Option<String> {
    let inner = error.source()?.downcast_ref::<io::Error>()?.get_ref()?;
    let fault = inner.downcast_ref::<rustls::Error>()?;
    let cure = match fault {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            "name the host in store.postgres.host as its certificate does, give the certificate that name \
             (subjectAltName), or write store.postgres.tls = \"verify-ca\" to trust its authority for any name"
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "name the authority that vouches for the server in store.postgres.ca_file"
        }
        rustls::Error::InvalidCertificate(CertificateError::Other(_)) => {
            "give the server a certificate that is no authority itself (CA:FALSE)"
        }
        rustls::Error::InvalidCertificate(_) => "give the server a certificate that is valid",
        rustls::Error::AlertReceived(_) => {
            "the server did not take what it was shown; see store.postgres.client_certificate"
        }
        _ => "check store.postgres.host and its port",
    };
    Some(format!("TLS was refused: {fault}; {cure}"))
}

/// A verifier that trusts the authorities of a file, and nobody else.
fn authorities(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, Trouble> {
    const KEY: &str = "store.postgres.ca_file";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(KEY, path)? {
        roots.add(certificate).map_err(|error| unusable(KEY, path, &error))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| unusable(KEY, path, &error))
}

fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Trouble> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found: Vec<_> = found.map_err(|error| unusable(key, path, &error))?;
    match found.is_empty() {
        true => Err(unusable(key, path, &"it holds no certificate")),
        false => Ok(found),
    }
}

fn unusable(key: &str, path: &Path, reason: &dyn Display) -> Trouble {
    Trouble::Refused(format!("{key} {} cannot be used: {reason}; put a PEM file there", path.display()))
}

/// Takes a certificate from a trusted authority whatever name it is for.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The name is looked at last, when everything else was found good.
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
