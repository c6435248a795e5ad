//! `email`: one mail over SMTP, with TLS by the same rules as the rest. Every address was parsed when the
//! configuration was, every other header is made here from one line of plain text: none can be smuggled
//! in by a name.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls as Wire, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{AsyncTransport as _, Message, Tokio1Executor};
use ring::digest;
use secrecy::{ExposeSecret as _, SecretString};

use super::NotifyError;
use super::sign::hex;
use super::told::{PROGRAM, Told, cut, stamp};
use crate::config::{Email, Tls};
use crate::https::{self, root_cause, tls_fault};
use crate::network::Network;

const SUBJECT_MAX: usize = 150;

/// Sends it, and gives what the server answered.
///
/// # Errors
/// Those of [`super::Notifier::send`].
pub(super) async fn send(
    email: &Email,
    password: Option<&SecretString>,
    told: &Told,
    network: &Network,
    timeout: Duration,
    now: DateTime<Utc>,
) -> Result<String, NotifyError> {
    let message = message(email, told, now)?;
    let transport = transport(email, password, network, timeout)?;
    match tokio::time::timeout(timeout, transport.send(message)).await {
        Ok(Ok(response)) => Ok(answer(&response)),
        Ok(Err(error)) => Err(judge(&error)),
        Err(_) => Err(NotifyError::Unreachable(format!("gave no answer within {} s", timeout.as_secs()))),
    }
}

fn transport(
    email: &Email,
    password: Option<&SecretString>,
    network: &Network,
    timeout: Duration,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, NotifyError> {
    let Email { host, port, tls, login, from, to: _ } = email;
    let tls = match tls {
        Tls::StartTls => Wire::Required(trusting(host, network)?),
        Tls::Tls => Wire::Wrapper(trusting(host, network)?),
        Tls::Off => Wire::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(*port)
        .tls(tls)
        .timeout(Some(timeout));
    // Who we say we are: some relays close the door on `localhost`. A name beyond ASCII fits no greeting.
    if from.domain().is_ascii() {
        builder = builder.hello_name(ClientId::Domain(from.domain().to_owned()));
    }
    if let (Some(login), Some(password)) = (login, password) {
        let password = password.expose_secret().to_owned();
        builder = builder.credentials(Credentials::new(login.username.clone(), password));
    }
    Ok(builder.build())
}

/// TLS that trusts the system's authorities and those of `network.ca_file`.
fn trusting(host: &str, network: &Network) -> Result<TlsParameters, NotifyError> {
    let mut builder = TlsParameters::builder(host.to_owned());
    let pem = https::ca_file(network).map_err(|error| NotifyError::Settings(error.to_string()))?;
    let setup =
        |error: smtp::Error| NotifyError::Settings(format!("TLS cannot be set up: {}", root_cause(&error)));
    if let Some(pem) = pem {
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(setup)?);
    }
    builder.build_rustls().map_err(setup)
}

/// `Auto-Submitted: auto-generated`: nobody's holiday notice is to answer.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

pub(super) fn message(email: &Email, told: &Told, now: DateTime<Utc>) -> Result<Message, NotifyError> {
    let id = |word: &str, of: &str| {
        let hash = digest::digest(&digest::SHA256, of.as_bytes());
        format!("<clearpoint-sync.{word}.{}@{}>", hex(&hash.as_ref()[..16]), email.from.domain())
    };
    // A warning that comes back next year starts a thread of its own.
    let thread = id("warning", &format!("{} {}", told.warning_id, stamp(told.raised_at)));
    let from = Mailbox::new(Some("clearpoint-sync".to_owned()), email.from.clone());
    let addressed = |builder: MessageBuilder, to: &_| builder.to(Mailbox::new(None, Clone::clone(to)));
    email
        .to
        .iter()
        .fold(Message::builder().from(from), addressed)
        .subject(format!("[clearpoint-sync] {}", cut(&told.headline(), SUBJECT_MAX)))
        .date(now.into())
        .message_id(Some(id("delivery", &told.delivery)))
        .in_reply_to(thread.clone())
        .references(thread)
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN)
        .body(text(told))
        .map_err(|error| NotifyError::Settings(format!("the mail cannot be made: {error}")))
}

fn text(told: &Told) -> String {
    let mut text = format!("{}\n\n", told.headline());
    text += &format!("What to do: {}\n\n", told.what_to_do());
    for (name, value) in &told.facts {
        text += &format!("{name}: {value}\n");
    }
    if !told.facts.is_empty() {
        text.push('\n');
    }
    text + &format!("{}\n\n-- \n{PROGRAM}, warning {}\n", capitalised(&told.since()), told.warning_id)
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// The code alone: what else a server says may repeat what it was told.
fn answer(response: &Response) -> String {
    format!("{} taken", response.code())
}

fn judge(error: &smtp::Error) -> NotifyError {
    if let Some(code) = error.status() {
        return match u16::from(code) {
            530 | 534 | 535 | 538 => NotifyError::Settings(format!(
                "answered {code} to the login; check username and password, and which port and tls it wants"
            )),
            500.. => NotifyError::Refused(format!("answered {code}")),
            _ => NotifyError::Unreachable(format!("answered {code}")),
        };
    }
    if let Some(fault) = tls_fault(error) {
        return NotifyError::Settings(fault);
    }
    if error.is_client() {
        // What the server cannot do: STARTTLS, our ways to log in, addresses beyond ASCII.
        return NotifyError::Settings(format!("cannot be used as configured: {}", root_cause(error)));
    }
    NotifyError::Unreachable(if error.is_response() {
        "answered something that is no SMTP".to_owned()
    } else {
        format!("cannot be reached: {}", root_cause(error))
    })
}
