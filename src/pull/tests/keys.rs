//! A refused key, its second chance, and the text that never shows it.

use std::sync::Mutex;

use super::*;
use crate::pull::client::Word;
use crate::pull::keyring::Keyring;

fn pair(half: &str) -> KeyPair {
    KeyPair { access_key: format!("{half}-access").into(), secret_key: format!("{half}+secret").into() }
}

#[tokio::test]
async fn a_key_that_was_renewed_meanwhile_is_read_again_and_used() {
    let bench = Bench::small(Switches::default()).await;
    let tools = Tools {
        keys: vec![contender(pair("stale"), Arc::new(|| Ok(keys())))],
        hosts: Arc::clone(&bench.hosts),
        budget: Budget::new(1 << 20),
        spool_dir: bench.dir.path().to_owned(),
        traffic: Arc::default(),
        clock: bench.clock.clone(),
    };
    let client = Client::new(&connection(&bench.simulator.base_url()), &network(), tools).unwrap();
    client.door().await.unwrap();
    assert_eq!(bench.simulator.requests(), 2);
}

#[tokio::test]
async fn requests_refused_together_share_one_second_chance() {
    let reads = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&reads);
    let reread = Arc::new(move || {
        *counted.lock().unwrap() += 1;
        Ok(pair("new"))
    });
    let keyring = Keyring::new(vec![contender(pair("old"), reread)]);
    let clock = Clock::hurried("2026-03-02T08:00:00Z".parse().unwrap());
    let (generation, _) = keyring.current().unwrap();
    keyring.refuse(&clock, generation, "401").await.unwrap();
    keyring.refuse(&clock, generation, "401").await.unwrap();
    assert_eq!(*reads.lock().unwrap(), 1);
    let (generation, _) = keyring.current().unwrap();
    assert_eq!(keyring.refuse(&clock, generation, "401").await, Err("401".to_owned()));
    assert_eq!(keyring.current().map(drop), Err("401".to_owned()));
    keyring.begin();
    assert!(keyring.current().is_ok());
}

#[tokio::test]
async fn a_key_that_was_refused_before_is_asked_with_once() {
    let known =
        Contender { has_second_chance: false, ..contender(pair("old"), Arc::new(|| Ok(pair("old")))) };
    let keyring = Keyring::new(vec![known]);
    let clock = Clock::hurried("2026-03-02T08:00:00Z".parse().unwrap());
    let (generation, _) = keyring.current().unwrap();
    assert_eq!(keyring.refuse(&clock, generation, "401").await, Err("401".to_owned()));
}

#[tokio::test]
async fn halves_that_cannot_be_read_again_leave_the_old_ones() {
    let keyring = Keyring::new(vec![contender(pair("old"), Arc::new(|| Err("gone".to_owned())))]);
    let clock = Clock::hurried("2026-03-02T08:00:00Z".parse().unwrap());
    keyring.refuse(&clock, 0, "401").await.unwrap();
    assert_eq!(keyring.scrub("old-access".to_owned()), "…");
}

#[tokio::test]
async fn a_key_that_is_given_up_makes_room_for_the_next_and_late_answers_do_not_harm_it() {
    let next = Contender { slot: KeySlot::NextKey, ..contender(pair("next"), Arc::new(|| Ok(pair("next")))) };
    let keyring = Keyring::new(vec![contender(pair("old"), Arc::new(|| Ok(pair("old")))), next]);
    let (old, _) = keyring.current().unwrap();
    assert!(keyring.fall_over("401"));
    assert_eq!(keyring.give_up(old, "late 401"), "late 401");
    let (_, used) = keyring.current().unwrap();
    assert!(used.shares_access_key(&pair("next")));
    keyring.take();
    let heard = keyring.heard();
    assert_eq!(heard[0].word, Word::Refused("401".to_owned()));
    assert_eq!((heard[1].slot, &heard[1].word), (KeySlot::NextKey, &Word::Taken));
    assert!(!keyring.fall_over("401 again"));
    assert_eq!(keyring.heard()[1].word, Word::Refused("401 again".to_owned()));
}

#[test]
fn neither_half_stands_in_a_text_however_it_is_spelled() {
    let keyring = Keyring::new(vec![contender(pair("k"), Arc::new(|| Ok(pair("k"))))]);
    let text = "k-access k+secret k%2Bsecret".to_owned();
    assert_eq!(keyring.scrub(text), "… … …");
    assert_eq!(format!("{keyring:?}"), "Keyring { .. }");
}
