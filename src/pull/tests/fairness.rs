//! Many accounts behind one host: those whose answers never come keep nobody from theirs.

use futures_util::future::join_all;

use super::*;
use crate::simulator::ApiKey;

const HOST: HostLimits = HostLimits { requests_per_second: 1000.0, concurrency: 8 };

/// Clients of one host with a key each; the requests of those whose names begin so are never answered. Time
/// stands still: no answer is slow, however busy the machine is.
struct Town {
    simulator: Simulator,
    clock: Clock,
    hosts: Arc<Hosts>,
    budget: Budget,
    dir: tempfile::TempDir,
}

impl Town {
    async fn new(budget: Budget) -> Self {
        let world = World::generate(7, &Size::small().with("measures", 400));
        let clock = Clock::stepped(world.now).0;
        let simulator = Simulator::start(world, Switches::default(), clock.clone()).await.unwrap();
        Self {
            simulator,
            clock,
            hosts: Arc::new(Hosts::new(HOST)),
            budget,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn client(&self, name: &str) -> Client {
        let user = World::USER.to_owned();
        let key = ApiKey { access: name.into(), secret: "secret".into(), expires: None, user };
        self.simulator.world().add_key(key);
        let pair = KeyPair { access_key: name.into(), secret_key: "secret".into() };
        let tools = Tools {
            keys: vec![contender(pair.clone(), Arc::new(move || Ok(pair.clone())))],
            hosts: Arc::clone(&self.hosts),
            budget: self.budget.clone(),
            spool_dir: self.dir.path().to_owned(),
            traffic: Arc::default(),
            clock: self.clock.clone(),
        };
        let mut connection = connection(&self.simulator.base_url());
        connection.name = ConnectionName::parse(name).unwrap();
        connection.limits.request_timeout = Duration::from_secs(600);
        Client::new(&connection, &network(), tools).unwrap()
    }

    /// From here on each of them waits for answers, as many at once as it is given leave for.
    async fn hang(&self, names: &[&str], in_flight: usize) -> Vec<tokio::task::JoinHandle<()>> {
        let mut hanging = Vec::new();
        for name in names {
            self.simulator.fault(Fault::under("", What::Silence).of_key(name));
            for _ in 0..4 {
                let client = self.client(name);
                hanging.push(tokio::spawn(async move {
                    let _ = client.door().await;
                }));
            }
            self.simulator.in_flight(1).await;
        }
        self.simulator.in_flight(in_flight).await;
        hanging
    }

    async fn pull(&self, name: &str) -> Pulled {
        let client = self.client(name);
        let kind = kind_named("measures");
        let ask = Ask { kind: &kind, mode: Mode::Full, memory: &worked(), expected: &[], known: None };
        client.pull(ask).await.unwrap()
    }
}

#[tokio::test]
async fn quick_accounts_are_served_while_slow_ones_wait_for_their_answers() {
    let town = Town::new(Budget::new(64 << 20)).await;
    // So that the host knows more than one.
    town.client("quick-a").door().await.unwrap();
    let hanging = town.hang(&["slow-a", "slow-b", "slow-c"], 7).await;
    let pulled = join_all(["quick-a", "quick-b", "quick-c"].map(|name| town.pull(name))).await;
    assert!(pulled.iter().all(|pulled| pulled.snapshot.entries.len() == 400));
    assert!(hanging.iter().all(|slow| !slow.is_finished()), "nobody had to wait for a slow answer");
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn who_waits_for_a_slow_host_keeps_no_memory_from_others() {
    // Room for four bodies: fewer than requests that wait.
    let town = Town::new(Budget::new(4 << 20)).await;
    town.client("quick-a").door().await.unwrap();
    let hanging = town.hang(&["slow-a"], 4).await;
    let elsewhere = Town { budget: town.budget.clone(), ..Town::new(Budget::new(0)).await };
    let pulled = elsewhere.pull("quick-b").await;
    assert_eq!(pulled.snapshot.entries.len(), 400);
    assert!(hanging.iter().all(|slow| !slow.is_finished()));
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}
