//! A secret appears nowhere but in its header: not in a log at any level, not in an error, not in the
//! store, not in `config`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use clearpoint_sync::simulator::{ApiKey, Fault, Refused, Size, What, World};

use crate::harness::{Bench, Setup};
use crate::program::Ran;

const ACCESS: &str = "canary+access/key=4711 &%";
const SECRET: &str = "canary?secret#key:0815+/~";
const NEXT_ACCESS: &str = "canary+next/access=4712 &%";
const NEXT_SECRET: &str = "canary?next#secret:0816+/~";

async fn bench() -> Bench {
    let mut world = World::generate(121, &Size::small().with("measures", 12));
    let key = |access: &str, secret: &str| ApiKey {
        access: access.to_owned(),
        secret: secret.to_owned(),
        expires: None,
        user: World::USER.to_owned(),
    };
    let next_key = key(NEXT_ACCESS, NEXT_SECRET);
    world.add_key(key(ACCESS, SECRET));
    world.add_key(next_key.clone());
    let (access_key, secret_key) = (ACCESS.to_owned(), SECRET.to_owned());
    Setup { access_key, secret_key, next_key: Some(next_key), ..Setup::of(world) }.start().await
}

/// Every spelling of a secret that could give it away.
fn spellings(secret: &str) -> Vec<String> {
    let mut spellings = vec![
        secret.to_owned(),
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
        format!("{:?}", secret.as_bytes()),
        secret.escape_debug().to_string(),
    ];
    let percent = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    spellings.push(secret.bytes().map(percent).collect());
    spellings.extend([1, 2].map(|before| within_base64(secret, before)));
    spellings
}

/// What a secret looks like inside longer text in base64, as in `user:password`, after so many bytes that
/// do not fill a group of three.
fn within_base64(secret: &str, before: usize) -> String {
    let coded = STANDARD_NO_PAD.encode(["~".repeat(before).as_str(), secret].concat());
    let whole = (before + secret.len()) / 3 * 4;
    coded[before + 1..whole].to_owned()
}

#[track_caller]
fn assert_keeps_secrets(place: &str, bytes: &[u8]) {
    assert_keeps(&[ACCESS, SECRET, NEXT_ACCESS, NEXT_SECRET], place, bytes);
}

/// None of these secrets stands there, in any spelling.
#[track_caller]
pub(super) fn assert_keeps(secrets: &[&str], place: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for secret in secrets {
        for spelling in spellings(secret) {
            assert!(!text.contains(&spelling), "{place} holds {spelling}");
        }
    }
}

#[track_caller]
fn assert_silent(ran: &Ran) {
    assert_keeps_secrets("stdout", ran.stdout.as_bytes());
    assert_keeps_secrets("stderr", ran.stderr.as_bytes());
}

/// Every file of the folder but those that the secrets are read from.
fn assert_files_keep_secrets(bench: &Bench) {
    for entry in std::fs::read_dir(bench.file("")).unwrap() {
        let path = entry.unwrap().path();
        let sources = ["access-key", "secret-key", "next-access-key", "next-secret-key"];
        let is_source = sources.iter().any(|name| path.ends_with(name));
        if path.is_file() && !is_source {
            assert_keeps_secrets(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_logs_everything_tells_no_secret() {
    let bench = bench().await;
    let ran = bench.run(&["sync", "--full", "--log", "trace"]).await;
    ran.assert_code(&[0]);
    assert_silent(&ran);
    assert_files_keep_secrets(&bench);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_command_tells_a_secret() {
    let bench = bench().await;
    bench.sync_full().await;
    let probe = &["probe", "city", "--search", "--wrong-secret"][..];
    for command in
        [&["config"][..], &["config", "--json"], &["check"], &["keys"], &["status"], &["plan"], probe]
    {
        let ran = bench.run(&[command, &["--log", "trace"]].concat()).await;
        ran.assert_code(&[0]);
        assert_silent(&ran);
    }
    assert_files_keep_secrets(&bench);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_not_told() {
    for refused in [Refused::Unauthorized, Refused::Redirect] {
        let bench = bench().await;
        bench.simulator.switch(|switches| switches.refused = refused);
        // First the next key takes over, then there is none.
        for (access, code) in [(ACCESS, 0), (NEXT_ACCESS, 3)] {
            bench.simulator.world().delete_key(access);
            let ran = bench.run(&["sync", "--log", "trace"]).await;
            ran.assert_code(&[code]);
            assert_silent(&ran);
            assert_files_keep_secrets(&bench);
        }
    }
}

/// A server that throws what it was sent back at us.
#[tokio::test(flavor = "multi_thread")]
async fn failures_tell_no_secret_even_when_the_server_echoes_them() {
    let echo = format!(r#"{{"error":"bad key {ACCESS} / {SECRET}"}}"#);
    let away = format!("https://elsewhere.example/?accessKey={}", spellings(ACCESS)[4]);
    for what in [What::Reset, What::Html, What::Body(echo), What::Redirect(away)] {
        let bench = bench().await;
        bench.simulator.fault(Fault::under("/objectives", what.clone()));
        let ran = bench.run(&["sync", "--full", "--log", "trace"]).await;
        ran.assert_code(&[1, 4]);
        assert_silent(&ran);
        assert_files_keep_secrets(&bench);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_sent_is_refused_unseen_and_unsent() {
    for secret in [format!("{SECRET}é"), format!("{SECRET}\n{SECRET}"), String::new()] {
        let bench = bench().await;
        std::fs::write(bench.file("secret-key"), &secret).unwrap();
        std::fs::write(bench.file("next-secret-key"), secret).unwrap();
        let ran = bench.run(&["sync", "--log", "trace"]).await;
        ran.assert_code(&[2]);
        ran.assert_names(&["secret_key"]);
        assert_silent(&ran);
        assert_eq!(bench.simulator.requests(), 0);
    }
}
