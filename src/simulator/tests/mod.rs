//! The simulator over real sockets: each family of switches does what it says. Here is what its tests
//! share.

use std::sync::Once;

use chrono::TimeDelta;
use reqwest::{Client, Response};
use serde_json::{Value, json};

use super::*;
use crate::stamp::StampFormat;

mod broken;
mod lists;
mod permissions;
mod singles;
mod worlds;

const USER: &str = World::USER;

/// A client as a pull would have one.
fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn started(switches: Switches) -> Simulator {
    started_on(World::generate(7, &Size::small()), switches).await
}

async fn started_on(world: World, switches: Switches) -> Simulator {
    let clock = Clock::hurried(world.now);
    Simulator::start(world, switches, clock).await.unwrap()
}

async fn sent(simulator: &Simulator, path: &str) -> reqwest::Result<Response> {
    client()
        .get(format!("{}{path}", simulator.base_url()))
        .header("accessKey", World::ACCESS_KEY)
        .header("secretKey", World::SECRET_KEY)
        .send()
        .await
}

async fn asked(simulator: &Simulator, path: &str) -> (u16, String) {
    let response = sent(simulator, path).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn rows(simulator: &Simulator, path: &str, list: &str) -> Vec<Value> {
    let (status, body) = asked(simulator, path).await;
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    body.pointer(list).unwrap().as_array().unwrap().clone()
}
