//! What the program promises, shown from outside: the real binary, called as a user calls it, against
//! the simulated API over real sockets, judged by what stands in its store. A module a promise.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "on_postgres.rs"]
mod a_real_postgres;
mod account;
mod alertmanager;
mod analyst;
mod at_the_file;
mod busy;
mod canary;
mod chromium;
mod clocks;
mod crowd;
mod cut;
mod daemon_again;
mod daemon_life;
mod daemon_refused;
mod daemon_reload;
mod daemon_rotation;
mod deliveries;
mod evidence;
mod expiry;
mod fall_over;
mod fields;
mod forbidden;
mod harness;
mod held;
mod incremental;
mod keys;
mod kill;
mod looking;
mod mail;
mod mapped_user;
mod memory;
mod metrics;
mod mirror;
mod notify_test;
mod odd;
mod office;
mod page;
mod patience;
mod postgres;
#[path = "../support/postgres.rs"]
mod postgres_server;
mod probe;
mod program;
mod prometheus;
mod publish;
mod receiver;
mod refused;
mod replicas;
mod rotation;
mod rows;
mod secrets;
mod server;
mod shifting;
mod silent;
#[path = "../../src/notify/tests/sink.rs"]
mod sink;
mod stale;
mod stopped;
mod store_copy;
mod terminal;
mod unread;
mod visibility;
mod ways;
mod worlds;
