//! HTTPS: a server is believed if the machine, or `network.ca_file`, knows who vouches for it.

use std::io::{Read, Write};
use std::net::TcpListener;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

/// A certificate for `localhost` that vouches for itself until 2120, made for this test.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBZTCCAQqgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv\n\
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM\n\
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOWOgIm4Nw/ZQLMw\n\
mGChjir4em7p57wDPXYKNzdXOcWSCCOlozDl1yaeQgU/uyWqms3oxPnX3CfpJWaV\n\
Hl9HNa+jSzBJMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAMBgNVHRMBAf8E\n\
AjAAMB0GA1UdDgQWBBT2wBQ6ItVSkKlnroKsI0X73a6o3DAKBggqhkjOPQQDAgNJ\n\
ADBGAiEA1zlIPF4gS+LN6Hge1WBisOK2Q5wU0qL1e/r+YZK2kSYCIQCy1qsD6Crj\n\
rwiWhiDot7262bnYskm4ljDbCNcDuBqF8w==\n\
-----END CERTIFICATE-----";
/// Its key, which opens nothing else.
const CERTIFICATE_KEY: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpAK/55dPclZyoXH\n\
0pK7+3DTAdEG8Zx5hM0zOibkvbWhRANCAATljoCJuDcP2UCzMJhgoY4q+Hpu6ee8\n\
Az12Cjc3VznFkggjpaMw5dcmnkIFP7slqprN6MT519wn6SVmlR5fRzWv\n\
-----END PRIVATE KEY-----";

/// A certificate of someone else.
const OTHER_CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBXTCCAQKgAwIBAgIBAjAKBggqhkjOPQQDAjAQMQ4wDAYDVQQDDAVvdGhlcjAg\n\
Fw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowEDEOMAwGA1UEAwwFb3Ro\n\
ZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASo+sNxMkNV0yMVeF+ImN2G5eiK\n\
uc1U0d0/aCP91r0n6/SauHHRk5m1efN6asB7cvGFx2DUKI+nm7/O0qaMvuZCo0sw\n\
STAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwDAYDVR0TAQH/BAIwADAdBgNV\n\
HQ4EFgQUaqvVI5ffHh5Itg0e2bRI3y/bjHswCgYIKoZIzj0EAwIDSQAwRgIhAO78\n\
Uknhp26cPcHVHdHozb5fTsnRchiP/s6Y4404+XgZAiEAkUqbT8ygyJPjnfHo01fs\n\
wV1gLK2etEmmkHw9IL/U5Js=\n\
-----END CERTIFICATE-----";

/// A server that answers every request with an empty list; its port.
fn serve() -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(CERTIFICATE_KEY.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            // A client that does not believe the certificate hangs up here.
            if stream.read(&mut [0; 4096]).is_ok() {
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]";
                let _ = stream.write_all(answer.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    port
}

async fn door(network: &Network, dir: &std::path::Path) -> Result<Door, PullError> {
    let clock = Clock::hurried("2026-03-02T08:00:00Z".parse().unwrap());
    let tools = Tools {
        keys: vec![contender(keys(), Arc::new(|| Ok(keys())))],
        hosts: Arc::new(Hosts::new(HostLimits { requests_per_second: 100.0, concurrency: 8 })),
        budget: Budget::new(1 << 20),
        spool_dir: dir.to_owned(),
        traffic: Arc::default(),
        clock,
    };
    let connection = connection(&format!("https://localhost:{}/api/v1", serve()));
    Client::new(&connection, network, tools).unwrap().door().await
}

#[tokio::test]
async fn a_server_is_believed_by_the_ca_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, CERTIFICATE).unwrap();
    let network = Network { proxy: Proxy::Env, ca_file: Some(path) };
    door(&network, dir.path()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_spoken_to() {
    let dir = tempfile::tempdir().unwrap();
    // Another authority to trust, so that the test needs none on the machine.
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, OTHER_CERTIFICATE).unwrap();
    let network = Network { proxy: Proxy::Env, ca_file: Some(path) };
    let said = text(door(&network, dir.path()).await);
    assert!(said.contains("invalid peer certificate") && said.contains("cannot be reached at "), "{said}");
}
