//! `notify-test` and `check` with targets, as a user meets them.

use clearpoint_sync::simulator::{Size, World};

use crate::harness::Bench;
use crate::office::Office;
use crate::secrets::assert_keeps;
use crate::sink::Sink;

const TOKEN: &str = "canary.url/token=4711+";
const SIGNING: &str = "canary?signing#secret:0815/~";
const SECRETS: [&str; 2] = [TOKEN, SIGNING];

/// Four targets of every HTTP type at this address, each with a secret of both kinds.
fn office(url: &str) -> Office {
    let office = Office::new();
    office.write("url", url).write("signing", SIGNING);
    let section = |kind: &str| {
        format!(
            "[warnings.targets.{kind}]\ntype = \"{kind}\"\nleast_severity = \"error\"\n\
             url = {{ file = \"url\" }}\nsigning_secret = {{ file = \"signing\" }}\n"
        )
    };
    office.configure(&["alertmanager", "slack", "teams", "webhook"].map(section).concat());
    office
}

#[tokio::test(flavor = "multi_thread")]
async fn every_target_gets_the_test_message_whatever_severity_it_wants() {
    let sink = Sink::answering("200 OK");
    let ran = office(&sink.url("/hook")).run(&["notify-test"]).await;
    ran.assert_code(&[0]);
    assert_eq!(
        ran.stdout,
        "TARGET        TYPE          RESULT  ANSWER\n\
         alertmanager  alertmanager  taken   200 OK\n\
         slack         slack         taken   200 OK\n\
         teams         teams         taken   200 OK\n\
         webhook       webhook       taken   200 OK\n"
    );
    let requests = sink.wait_until(|requests| requests.len() == 4);
    assert!(requests.iter().all(|request| request.body.contains("this is a test message")));
    let delivery = requests[0].header("clearpoint-sync-delivery");
    assert!(delivery.is_some_and(|delivery| delivery.starts_with("test-")), "{delivery:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_target_may_be_named() {
    let sink = Sink::answering("200 OK");
    office(&sink.url("/")).run(&["notify-test", "slack"]).await.assert_code(&[0]);
    assert_eq!(sink.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_fails_fails_the_command_and_no_other_target() {
    let sink = Sink::answering("200 OK");
    let office = office(&sink.url("/"));
    office.configure(
        "[warnings.targets.dead]\ntype = \"slack\"\nurl = { file = \"dead\" }\n\
         [warnings.targets.lost]\ntype = \"slack\"\nurl = { file = \"lost\" }\n\
         [warnings.targets.script]\ntype = \"webhook\"\nurl = { file = \"url\" }\n",
    );
    office.write("dead", "http://127.0.0.1:1/");
    let ran = office.run(&["notify-test"]).await;
    ran.assert_code(&[1]);
    ran.assert_names(&["dead", "failed", "cannot be reached"]);
    ran.assert_names(&["lost", "failed", "warnings.targets.lost.url", "cannot be read"]);
    ran.assert_names(&["script", "taken", "200 ok"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_not_there_is_a_mistake_of_the_call() {
    let office = office("http://127.0.0.1:1/");
    let ran = office.run(&["notify-test", "pager"]).await;
    ran.assert_code(&[2]);
    ran.assert_names(&["pager", "alertmanager, slack, teams, webhook"]);
    office.configure("");
    let ran = office.run(&["notify-test"]).await;
    ran.assert_code(&[2]);
    ran.assert_names(&["no target is configured", "[warnings.targets."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_looks_at_targets_and_sends_nothing() {
    let sink = Sink::answering("200 OK");
    let office = office(&sink.url("/"));
    let ran = office.run(&["check", "--offline"]).await;
    ran.assert_code(&[0]);
    ran.assert_names(&["target slack (slack, from error on): ready"]);
    ran.assert_names(&["nothing was sent", "notify-test"]);
    assert_eq!(sink.requests().len(), 0);
    office.write("url", "http://hooks.example/x");
    let ran = office.run(&["check", "--offline"]).await;
    ran.assert_code(&[2]);
    ran.assert_names(&["error: url is http", "allow_http"]);
    std::fs::remove_file(office.file("signing")).unwrap();
    let ran = office.run(&["check", "--offline"]).await;
    ran.assert_code(&[2]);
    ran.assert_names(&["warnings.targets.slack.signing_secret", "cannot be read"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_says_at_its_start_that_a_target_could_not_be_told() {
    let bench = Bench::new(World::generate(171, &Size::small())).await;
    let config = std::fs::read_to_string(bench.file("config.toml")).unwrap();
    let target = "[warnings.targets.chat]\ntype = \"slack\"\nurl = { file = \"url\" }\n";
    std::fs::write(bench.file("config.toml"), config + target).unwrap();
    let ran = bench.run(&["sync", "--full"]).await;
    ran.assert_code(&[0]);
    assert_eq!(ran.said("secret_unreadable"), 1, "{ran}");
    ran.assert_names(&["warnings.targets.chat.url", "cannot be read"]);
}

/// The target throws what it was sent back at us, well or not.
#[tokio::test(flavor = "multi_thread")]
async fn neither_a_working_nor_a_failing_target_gives_its_secrets_away() {
    for status in ["200 OK", "302 Found", "400 Bad Request", "404 Not Found", "500 Oh no", "hello"] {
        let echo = format!("{TOKEN} {SIGNING}");
        let sink = Sink::start(&format!(
            "HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:1/{TOKEN}\r\nX-Echo: {echo}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{echo}",
            echo.len()
        ));
        let office = office(&sink.url(&format!("/{TOKEN}")));
        for command in
            [&["notify-test"][..], &["notify-test", "--json"], &["config"], &["check", "--offline"]]
        {
            let ran = office.run(&[command, &["--log", "trace"]].concat()).await;
            let is_taken = status == "200 OK" || command[0] != "notify-test";
            ran.assert_code(&[if is_taken { 0 } else { 1 }]);
            assert_keeps(&SECRETS, "stdout", ran.stdout.as_bytes());
            assert_keeps(&SECRETS, "stderr", ran.stderr.as_bytes());
        }
        for request in sink.requests() {
            assert_keeps(&SECRETS, "the body", request.body.as_bytes());
            let (_, headers) = request.head.split_once("\r\n").unwrap();
            assert_keeps(&SECRETS, "the headers", headers.as_bytes());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_is_not_shown() {
    for url in
        [TOKEN.to_owned(), format!("ftp://{TOKEN}"), format!("http://{TOKEN}"), format!("https://[{TOKEN}")]
    {
        let office = office(&url);
        for (command, code) in [(&["notify-test"][..], 1), (&["check", "--offline"], 2)] {
            let ran = office.run(&[command, &["--log", "trace"]].concat()).await;
            ran.assert_code(&[code]);
            assert_keeps(&SECRETS, "stdout", ran.stdout.as_bytes());
            assert_keeps(&SECRETS, "stderr", ran.stderr.as_bytes());
        }
    }
}
