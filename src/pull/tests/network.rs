//! Waits, limits, sizes and secrets.

use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::pin::pin;

use futures_util::future::poll_immediate;

use super::room::{Need, Room};
use super::*;

#[tokio::test]
async fn a_request_is_tried_five_times() {
    let bench = Bench::small(Switches::default()).await;
    bench.simulator.fault(Fault::at("/goals", What::Status(503)));
    let before = bench.simulator.requests();
    let failed = bench.first("goals").await;
    assert!(matches!(failed, Err(PullError::Transient { is_server: true, .. })), "{failed:?}");
    assert_eq!(text(failed), "goals page 1 answered 503 Service Unavailable (try 5 of 5)");
    assert_eq!(bench.simulator.requests() - before, 5);
}

#[tokio::test]
async fn a_pull_asks_again_twenty_times_in_all() {
    let bench = Bench::new(Size::small().with("measures", 1000), Switches::default()).await;
    for page in 1..=40 {
        bench.simulator.fault(Fault::at("/measures", What::Status(502)).page(page).once());
    }
    let failed = bench.first("measures").await;
    assert!(matches!(failed, Err(PullError::Transient { .. })), "{failed:?}");
    let failures = bench.simulator.log().iter().filter(|request| request.status == 502).count();
    assert!((21..=24).contains(&failures), "{failures}");
}

#[tokio::test]
async fn retry_after_is_never_shortened() {
    let bench = Bench::small(Switches::default()).await;
    bench.simulator.fault(Fault::at("/goals", What::RetryAfter(429, "120".into())).once());
    let before = bench.clock.now();
    bench.first("goals").await.unwrap();
    assert!(bench.clock.now() - before >= TimeDelta::seconds(120));
}

#[tokio::test]
async fn a_long_retry_after_defers_and_nothing_asks_that_host_before() {
    let bench = Bench::small(Switches::default()).await;
    bench.simulator.fault(Fault::at("/goals", What::RetryAfter(503, "3600".into())).once());
    let started = bench.clock.now();
    let Err(PullError::Deferred { until, .. }) = bench.first("goals").await else {
        panic!("deferred");
    };
    assert!(until >= started + TimeDelta::hours(1));
    let sent = bench.simulator.requests();
    let other =
        client(&connection(&bench.simulator.base_url()), &bench.clock, &bench.hosts, bench.dir.path());
    assert!(matches!(other.door().await, Err(PullError::Deferred { .. })));
    assert!(matches!(bench.client.measure_data(ElementId(1)).await, Err(PullError::Deferred { .. })));
    assert_eq!(bench.simulator.requests(), sent);
    bench.clock.sleep(Duration::from_secs(3601)).await;
    bench.first("goals").await.unwrap();
}

#[tokio::test]
async fn a_server_out_of_reach_is_said_so() {
    let bench = Bench::small(Switches::default()).await;
    let connection = connection("http://127.0.0.1:1/api/v1");
    let nowhere = client(&connection, &bench.clock, &bench.hosts, bench.dir.path());
    let failed = nowhere.door().await;
    assert!(matches!(failed, Err(PullError::Transient { is_server: true, .. })), "{failed:?}");
    let text = text(failed);
    assert!(text.contains("cannot be reached at 127.0.0.1:1") && !text.contains("api/v1"), "{text}");
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let world = World::generate(7, &Size::small());
    let quick = |connection: &mut Connection| connection.limits.request_timeout = Duration::from_secs(2);
    let bench = Bench::on(world, Switches::default(), quick).await;
    bench.simulator.fault(Fault::at("/goals", What::Silence).once());
    let pulled = bench.first("goals").await.unwrap();
    let silent = bench.simulator.log().iter().filter(|request| request.status == 0).count();
    assert_eq!(silent, 1);
    // Four, and one again; on a machine that is busy another one may have to wait too long.
    assert!((5..=6).contains(&pulled.requests), "{}", pulled.requests);
}

#[tokio::test]
async fn a_page_too_large_is_asked_for_in_smaller_ones() {
    let mut world = World::generate(7, &Size::small().with("risks", 0));
    for id in 1..=12 {
        let notes = "x".repeat(3 << 20);
        world.put_raw("risks", id, format!(r#"{{"objectId":{id},"name":"large","notes":"{notes}"}}"#));
    }
    let bench = Bench::on(world, Switches::default(), |_| {}).await;
    let pulled = bench.first("risks").await.unwrap();
    assert_eq!(pulled.snapshot.extent, Extent::Complete);
    assert_eq!(pulled.snapshot.entries.len(), 12);
    assert_eq!(pulled.memory.count_max, None);
}

#[tokio::test]
async fn a_row_that_cannot_even_be_read_does_not_block_its_kind() {
    let mut world = World::generate(7, &Size::small());
    let notes = "x".repeat(17 << 20);
    world.put_raw("risks", 1, format!(r#"{{"objectId":1,"notes":"{notes}"}}"#));
    let bench = Bench::on(world, Switches::default(), |_| {}).await;
    let pulled = bench.first("risks").await.unwrap();
    assert_eq!(pulled.snapshot.extent, Extent::Complete);
    assert_eq!(pulled.snapshot.entries.len(), 27);
    assert_eq!(pulled.rejected[0].reason, "larger than 16 MB");
}

#[tokio::test]
async fn little_memory_slows_a_pull_and_does_not_stop_it() {
    let bench = Bench::new(Size::realistic().with("measures", 500), Switches::default()).await;
    for bytes in [0, 64 << 10, 1 << 20, 2 << 20] {
        let tools = Tools {
            keys: vec![contender(keys(), Arc::new(|| Ok(keys())))],
            hosts: Arc::clone(&bench.hosts),
            budget: Budget::new(bytes),
            spool_dir: bench.dir.path().to_owned(),
            traffic: Arc::default(),
            clock: bench.clock.clone(),
        };
        let client = Client::new(&connection(&bench.simulator.base_url()), &network(), tools).unwrap();
        let kind = kind_named("measures");
        let ask = Ask { kind: &kind, mode: Mode::Full, memory: &worked(), expected: &[], known: None };
        let (one, two) = tokio::join!(client.pull(ask), client.pull(ask));
        bench.check_complete("measures", &one.unwrap());
        bench.check_complete("measures", &two.unwrap());
    }
}

#[tokio::test]
async fn a_body_that_is_only_told_of_keeps_no_memory_from_others() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 16000000\r\n\r\n[");
        // Until the client hangs up.
        let _ = stream.read(&mut [0; 1]);
    });
    let (budget, has_begun, keys) = (Budget::new(40 << 20), Cell::new(false), keys());
    let room = || {
        has_begun.set(true);
        Room::now(&budget, Need::Most)
    };
    let transport = transport::Transport::new(&connection(&base_url), &network()).unwrap();
    let mut sent = pin!(transport.send(reqwest::Method::GET, base_url.parse().unwrap(), &keys, room));
    while !has_begun.get() {
        assert!(poll_immediate(&mut sent).await.is_none());
        Clock::System.sleep(Duration::from_millis(1)).await;
    }
    assert!(budget.try_reserve(16 << 20).is_some());
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_the_connection_allows() {
    let world = World::generate(7, &Size::small().with("measures", 600));
    let bench = Bench::on(world, Switches::default(), |connection| connection.limits.concurrency = 2).await;
    let (pulled, ()) = tokio::join!(bench.first("measures"), hold_until(&bench, 2));
    pulled.unwrap();
    assert_eq!(bench.simulator.requests_in_flight_max(), 2);
}

#[tokio::test]
async fn requests_keep_to_the_rate_of_the_connection() {
    let world = World::generate(7, &Size::small().with("measures", 1000));
    let slow = |connection: &mut Connection| connection.limits.requests_per_second = 2.0;
    let bench = Bench::on(world, Switches::default(), slow).await;
    let started = bench.clock.now();
    let pulled = bench.first("measures").await.unwrap();
    assert!(
        bench.clock.now() - started
            >= TimeDelta::milliseconds(500) * i32::try_from(pulled.requests - 3).unwrap()
    );
}

#[tokio::test]
async fn a_server_that_repeats_the_key_does_not_put_it_into_an_error() {
    let bench = Bench::small(Switches::default()).await;
    let told = format!(r#"{{"error":"bad pair {} {}"}}"#, World::ACCESS_KEY, World::SECRET_KEY);
    bench.simulator.fault(Fault::at("/goals", What::Body(told.clone())));
    let said = text(bench.first("goals").await);
    assert!(said.contains("bad pair"), "{said}");
    let debug = format!("{:?}", bench.client);
    assert!(!debug.contains(World::ACCESS_KEY) && !debug.contains(World::SECRET_KEY));
    bench.simulator.clear_faults();
    bench.simulator.fault(Fault::under("/measures/", What::Body(told)));
    let single = format!("{:?}", bench.client.measure_data(ElementId(1)).await.unwrap());
    assert!(!single.contains(World::ACCESS_KEY) && !single.contains(World::SECRET_KEY), "{single}");
}

#[tokio::test]
async fn every_request_takes_gzip_and_carries_no_secret_in_its_address() {
    let bench = Bench::small(Switches { gzip: true, ..Switches::default() }).await;
    bench.first("measures").await.unwrap();
    for request in bench.simulator.log() {
        assert!(request.had_gzip);
        assert!(!request.query.contains("simulated"));
    }
}

#[tokio::test]
async fn a_ca_file_that_cannot_be_used_is_named() {
    let bench = Bench::small(Switches::default()).await;
    let path = bench.dir.path().join("ca.pem");
    let network = Network { proxy: Proxy::Env, ca_file: Some(path.clone()) };
    let connection = connection("https://app.example.com/api/v1");
    for text in [None, Some("not a certificate")] {
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let error = transport::Transport::new(&connection, &network).unwrap_err().to_string();
        assert!(error.starts_with("network.ca_file") && error.contains("ca.pem"), "{error}");
    }
}
