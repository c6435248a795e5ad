//! Sending over real sockets.

use std::net::TcpListener;

use super::sink::Sink;
use super::*;
use crate::config::{Email, Proxy, Tls};
use crate::key::SecretSource;
use crate::name::TargetName;

const TOKEN: &str = "token+4711";
const NOT_HTTP: &str = "HTTP/1.1 hello\r\n\r\n";

fn network() -> Network {
    Network { proxy: Proxy::Env, ca_file: None }
}

fn target(format: HttpFormat) -> Target {
    let source = || SecretSource::Env("UNUSED".into());
    let http = Http { format, url: source(), signing_secret: Some(source()), allow_http: false };
    named(Way::Http(http))
}

fn named(way: Way) -> Target {
    Target { name: TargetName::parse("chat").unwrap(), least_severity: Severity::Warn, way }
}

fn secrets(url: &str, signing_secret: Option<&str>) -> TargetSecrets {
    TargetSecrets::Http { url: url.into(), signing_secret: signing_secret.map(SecretString::from) }
}

async fn send_to(url: &str, network: &Network) -> Result<String, NotifyError> {
    let notifier = Notifier::new(network).unwrap().patient();
    notifier.send(&target(HttpFormat::Json), &secrets(url, None), "d-17", &notice(), at(RAISED)).await
}

#[tokio::test]
async fn a_message_is_posted_marked_and_signed() {
    let sink = Sink::answering("202 Accepted");
    let notifier = Notifier::new(&network()).unwrap().patient();
    let secrets = secrets(&sink.url("/hook?t=1"), Some("hunter2"));
    let sent = notifier.send(&target(HttpFormat::Json), &secrets, "d-17", &notice(), at(RAISED)).await;
    assert_eq!(sent.as_deref(), Ok("202 Accepted"));
    let requests = sink.wait_until(|requests| !requests.is_empty());
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert!(request.head.starts_with("POST /hook?t=1 HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("user-agent"), Some("clearpoint-sync/0.1.0"));
    assert_eq!(request.header("clearpoint-sync-delivery"), Some("d-17"));
    let expected = sign::signature(&"hunter2".into(), request.body.as_bytes(), at(RAISED));
    assert_eq!(request.header("clearpoint-sync-signature"), Some(expected.as_str()));
    assert_eq!(json_of(request.body.as_bytes())["event"], "key_expiring");
}

#[tokio::test]
async fn a_user_and_a_password_may_stand_in_the_address() {
    let sink = Sink::answering("200 OK");
    send_to(&sink.url("/hook").replace("//", "//ops:hunter2@"), &network()).await.unwrap();
    let request = sink.requests().remove(0);
    assert!(request.head.starts_with("POST /hook HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.header("authorization"), Some("Basic b3BzOmh1bnRlcjI="));
}

#[tokio::test]
async fn each_format_goes_where_it_belongs() {
    for (format, path, field) in [
        (HttpFormat::Slack, "/hook", "/blocks/0/type"),
        (HttpFormat::Teams, "/hook", "/attachments/0/contentType"),
        (HttpFormat::Alertmanager, "/hook/api/v2/alerts", "/0/labels/alertname"),
    ] {
        let sink = Sink::answering("200 OK");
        let secrets = secrets(&sink.url("/hook"), None);
        let notifier = Notifier::new(&network()).unwrap().patient();
        notifier.send(&target(format), &secrets, "d-17", &notice(), at(RAISED)).await.unwrap();
        let request = sink.requests().remove(0);
        assert!(request.head.starts_with(&format!("POST {path} ")), "{}", request.head);
        assert!(json_of(request.body.as_bytes()).pointer(field).is_some());
        assert_eq!(request.header("clearpoint-sync-signature"), None);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Sink::answering("200 OK");
    let answer = format!("HTTP/1.1 307 Go\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", other.url("/"));
    let sent = send_to(&Sink::start(&answer).url("/"), &network()).await;
    assert!(matches!(&sent, Err(NotifyError::Settings(text)) if text.contains("307")), "{sent:?}");
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test]
async fn an_answer_without_end_is_no_failure() {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}", "x".repeat(1 << 20));
    assert_eq!(send_to(&Sink::start(&answer).url("/"), &network()).await.as_deref(), Ok("200 OK"));
}

#[tokio::test]
async fn a_target_that_says_nothing_is_out_of_reach() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/{TOKEN}", silent.local_addr().unwrap().port());
    let post = Post { url: url.parse().unwrap(), body: Vec::new(), delivery: "d", signing_secret: None };
    let sent = webhook::send(post, &network(), Duration::from_millis(100), at(RAISED)).await;
    assert!(matches!(&sent, Err(NotifyError::Unreachable(text)) if text.contains("no answer")), "{sent:?}");
}

#[tokio::test]
async fn no_error_shows_the_address() {
    let status = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 10\r\n\r\n{TOKEN}");
    let answers = [status("500 no"), status("400 no"), status("404 no"), NOT_HTTP.to_owned(), String::new()];
    let mut urls: Vec<String> =
        answers.iter().map(|answer| Sink::start(answer).url(&format!("/{TOKEN}"))).collect();
    urls.extend([
        format!("http://127.0.0.1:1/{TOKEN}"),
        format!("https://127.0.0.1:1/{TOKEN}"),
        format!("https://{TOKEN}.invalid/"),
        format!("http://hooks.example/{TOKEN}"),
        format!("ftp://127.0.0.1/{TOKEN}"),
        format!("//{TOKEN}"),
        format!("https://[{TOKEN}/"),
        format!("https://u:{TOKEN}@127.0.0.1:1/"),
    ]);
    for url in urls {
        let error = send_to(&url, &network()).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("4711"), "{error:?}");
    }
}

#[tokio::test]
async fn plain_http_leaves_this_machine_only_by_permission() {
    let sent = send_to("http://hooks.example/x", &network()).await;
    assert!(matches!(&sent, Err(NotifyError::Settings(text)) if text.contains("allow_http")), "{sent:?}");
    let Way::Http(mut http) = target(HttpFormat::Json).way else { panic!("http") };
    assert!(address(&http, &"http://127.0.0.1.example/".into()).is_err());
    assert!(address(&http, &"http://[::1]:8080/".into()).is_ok());
    http.allow_http = true;
    assert!(address(&http, &"http://hooks.example/x".into()).is_ok());
}

#[tokio::test]
async fn another_machine_is_reached_through_the_proxy_which_is_told_no_address() {
    let proxy = Sink::answering("403 Forbidden");
    let network = Network { proxy: Proxy::Url(proxy.url("/").parse().unwrap()), ca_file: None };
    let sent = send_to(&format!("https://hooks.invalid/{TOKEN}"), &network).await;
    assert!(
        matches!(&sent, Err(NotifyError::Unreachable(text)) if text.contains("cannot be reached")),
        "{sent:?}"
    );
    let request = proxy.requests().remove(0);
    assert!(request.head.starts_with("CONNECT hooks.invalid:443 "), "{}", request.head);
    assert!(!request.head.contains(TOKEN));
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_for_a_person_to_look_at() {
    let url = Sink::answering("200 OK").url("/").replace("http:", "https:");
    let sent = send_to(&url, &network()).await;
    assert!(matches!(&sent, Err(NotifyError::Settings(text)) if text.contains("TLS")), "{sent:?}");
}

#[tokio::test]
async fn a_ca_file_that_cannot_be_read_is_told_at_the_start() {
    let network = Network { proxy: Proxy::Env, ca_file: Some("/nowhere/ca.pem".into()) };
    let error = Notifier::new(&network).unwrap_err().to_string();
    assert!(error.starts_with("network.ca_file \"/nowhere/ca.pem\""), "{error}");
}

fn mail_target(port: u16, tls: Tls) -> Target {
    let address = |text: &str| text.parse().unwrap();
    named(Way::Email(Email {
        host: "127.0.0.1".into(),
        port,
        tls,
        login: None,
        from: address("sync@city.example"),
        to: vec![address("ops@city.example")],
    }))
}

async fn mail_to(port: u16, tls: Tls) -> Result<String, NotifyError> {
    let notifier = Notifier::new(&network()).unwrap().patient();
    let secrets = TargetSecrets::Email { password: None };
    notifier.send(&mail_target(port, tls), &secrets, "d-17", &notice(), at(RAISED)).await
}

#[tokio::test]
async fn a_mail_server_out_of_reach_is_tried_again() {
    let sent = mail_to(1, Tls::StartTls).await;
    assert!(matches!(&sent, Err(NotifyError::Unreachable(text)) if text.contains("refused")), "{sent:?}");
}

#[tokio::test]
async fn a_mail_server_that_says_nothing_is_out_of_reach() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let Way::Email(email) = mail_target(silent.local_addr().unwrap().port(), Tls::Off).way else {
        panic!("mail")
    };
    let (told, patience) = (told(&notice()), Duration::from_millis(100));
    let sent = mail::send(&email, None, &told, &network(), patience, at(RAISED)).await;
    assert!(matches!(&sent, Err(NotifyError::Unreachable(text)) if text.contains("no answer")), "{sent:?}");
}

#[tokio::test]
async fn what_is_no_mail_server_is_said_so() {
    let sink = Sink::answering("200 OK");
    let sent = mail_to(sink.port, Tls::Tls).await;
    assert!(matches!(&sent, Err(NotifyError::Settings(text)) if text.contains("TLS")), "{sent:?}");
}
